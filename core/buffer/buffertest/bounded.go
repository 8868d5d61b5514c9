package buffertest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing/synctest"
	"time"

	"informerlab/core/buffer"
)

// capacities returns the tiny ones, and others of all magnitudes up to most.
func (s subject[T]) capacities(most int) []int {
	return append(tiny[:len(tiny):len(tiny)], s.sizes(tiny[len(tiny)-1], most)...)
}

// bound overfills buffers of many capacities: alone, and in storms that
// somebody watches.
func (s subject[T]) bound() error {
	s.patience *= largePatience
	for _, capacity := range s.capacities(scaled(500, 12_000)) {
		if err := s.bubble(func() error { return s.fillUp(capacity) }); err != nil {
			return fmt.Errorf("capacity %d: %w", capacity, err)
		}
	}
	return s.stormy(scaled(1, 15), func(s subject[T], _ int) error {
		return s.overfillTogether(tiny[int(s.seed)%len(tiny)], scaled(60, 1000))
	})
}

// fillUp pushes for long, with nobody popping and then with pops in between.
func (s subject[T]) fillUp(capacity int) error {
	b := s.tight(capacity, nil)
	f := s.newFeed(1, capacity)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, n := range []int{1, capacity - 1, 1, 2, capacity, capacity + 1, 3 * capacity} {
			b.Push(s.made(f.next(n)...))
		}
	}()
	dst := make([]T, capacity)
	for k, n := range []int{0, 1, 1, 2, capacity} {
		if n = min(n, b.Len()); n > 0 {
			b.Pop(dst[:n])
		}
		synctest.Wait()
		full := k == 0 || !closed(done)
		if got := b.Len(); got > capacity || full && got < capacity {
			return fmt.Errorf("its Len is %d after pushes of more", got)
		}
	}
	return s.countWaiting(b, capacity, func() { <-done })
}

// countWaiting closes a buffer and counts what really waits.
func (s subject[T]) countWaiting(b buffer.Buffer[T], capacity int, released func()) error {
	b.Close()
	released()
	told, waiting := b.Len(), 0
	s.drain(b, 3, func(items []T) { waiting += len(items) })
	if waiting > capacity || told != waiting {
		return fmt.Errorf("%d items wait, its Len is %d", waiting, told)
	}
	return nil
}

func (s subject[T]) overfillTogether(capacity, perProducer int) error {
	b := s.tight(capacity, nil)
	most := 0
	stop := watch(func() { most = max(most, b.Len()) })
	var producers sync.WaitGroup
	for p := range s.producers() {
		producers.Go(func() { s.produce(b, s.newFeed(p+1, capacity), perProducer, 9) })
	}
	dst := make([]T, 1)
	for range perProducer {
		if s.waitsForRoom() || b.Len() > 0 {
			b.Pop(dst)
		}
	}
	err := s.countWaiting(b, capacity, producers.Wait)
	stop()
	if err == nil && most > capacity {
		err = fmt.Errorf("its Len was %d, capacity %d", most, capacity)
	}
	return err
}

// policy plays a history in which each way to overflow comes once.
func (s subject[T]) policy() error {
	for _, c := range s.capacities(scaled(300, 1000)) { // what one pop of a history takes
		var steps []operation
		for _, n := range []int{c, 1, 2, -1, 2, -2, 1, 3*c + 1, -c, c + 1, -1, c} {
			if n > 0 {
				steps = append(steps, operation{verb: push, n: n})
			} else {
				steps = append(steps, operation{verb: pop, n: -n})
			}
		}
		if err := s.explain(history{limit: c, steps: steps}, subject[T].play); err != nil {
			return err
		}
	}
	return nil
}

// lossBeforeSuccessor has the Discard hook take its time, while the consumer pops
// and naps, and looks at the order in which items were lost and popped.
func (s subject[T]) lossBeforeSuccessor() error {
	for k := range scaled(20, 200) {
		s.seed++
		capacity := tiny[k%len(tiny)]
		if err := s.bubble(func() error { return s.slowHook(capacity) }); err != nil {
			return fmt.Errorf("capacity %d, seed %d: %w", capacity, s.seed, err)
		}
	}
	return nil
}

func (s subject[T]) slowHook(capacity int) error {
	s.timeout = 3 * time.Millisecond
	var mu sync.Mutex
	last := map[uint64]uint64{} // of each producer, the item popped last
	var wrong error
	rng := rand.New(rand.NewPCG(s.seed, 7))
	nap := func(most int) {
		mu.Lock()
		d := time.Duration(rng.IntN(most)) * time.Millisecond
		mu.Unlock()
		time.Sleep(d)
	}
	b := s.tight(capacity, func(item T, why buffer.Reason) {
		nap(4)
		mu.Lock()
		defer mu.Unlock()
		id := s.id(item)
		if after := last[producerOf(id)]; wrong == nil && why == buffer.Overflow && after > id {
			wrong = fmt.Errorf("item %s was popped before item %s was discarded", name(after), name(id))
		}
	})
	var producers sync.WaitGroup
	for p := range min(2, s.producers()) {
		producers.Go(func() {
			f := s.newFeed(p+1, capacity)
			for range 12 {
				b.Push(s.made(f.next(1 + p + int(f.count)%(capacity+2))...))
				nap(3)
			}
		})
	}
	consumer := s.consume(b, 1+capacity/2, func(items []T) {
		mu.Lock()
		for _, item := range items {
			last[producerOf(s.id(item))] = s.id(item)
		}
		mu.Unlock()
		nap(5)
	})
	producers.Wait()
	consumer.closeAndWait()
	return wrong
}
