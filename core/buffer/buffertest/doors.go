package buffertest

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"informerlab/core/buffer"
)

// numProducers is how many goroutines push at once where a buffer allows it.
const numProducers = 4

func (s subject[T]) producers() int {
	if s.traits.Producers == buffer.One {
		return 1
	}
	return numProducers
}

// twoDoors balances the books: of one goroutine that fills and drains, and of
// several with a Close among their pushes.
func (s subject[T]) twoDoors() error {
	if err := s.within(s.fillAndDrain); err != nil {
		return err
	}
	for round := range scaled(6, 30) {
		s.seed++
		if err := s.within(func() error { return s.closeAmongPushes(scaled(400, 2000)) }); err != nil {
			return fmt.Errorf("round %d, %d producers and a close (seed %d): %w",
				round, s.producers(), s.seed, err)
		}
	}
	return nil
}

func (s subject[T]) fillAndDrain() error {
	l := s.newLedger()
	b := s.open(l.discard)
	pushed := map[uint64]bool{}
	next := uint64(1)
	dst := make([]T, 100)
	for _, total := range []int{40, 900, scaled(2600, 10000)} {
		for n := 0; n < total; {
			batch := s.run(next, min(total-n, 1+n/3))
			for range batch {
				pushed[next] = true
				next++
			}
			b.Push(batch)
			n += len(batch)
		}
		for b.Len() > 0 {
			l.pop(dst[:b.Pop(dst)])
		}
		if got := len(l.popped) + l.discarded(); got != len(pushed) {
			return fmt.Errorf("at rest: pushed %d, popped %d, discarded %d, Len %d",
				len(pushed), len(l.popped), l.discarded(), b.Len())
		}
	}
	b.Close()
	b.Push(s.run(next, 3))
	for k := range uint64(3) {
		pushed[next+k] = true
	}
	if n := b.Pop(dst); n > 0 {
		return fmt.Errorf("closed and drained, yet Pop returned %d", n)
	}
	return l.settle(pushed)
}

func (s subject[T]) closeAmongPushes(perProducer int) error {
	l := s.newLedger()
	b := s.open(l.discard)
	var mu sync.Mutex
	pushed := map[uint64]bool{}
	var producers sync.WaitGroup
	for p := range s.producers() {
		producers.Go(func() {
			ids := s.produce(b, p+1, perProducer, 129)
			mu.Lock()
			defer mu.Unlock()
			for _, id := range ids {
				pushed[id] = true
			}
		})
	}
	rng := rand.New(rand.NewPCG(s.seed, 0))
	closeAfter := rng.IntN(s.producers() * perProducer)
	taken := 0
	consumer := s.consume(b, 64, func(items []T) {
		l.pop(items)
		if before := taken; before <= closeAfter && before+len(items) > closeAfter {
			go b.Close()
		}
		taken += len(items)
		pause(rng)
	})
	producers.Wait()
	b.Close()
	<-consumer.done
	if n := b.Len(); n != 0 {
		return fmt.Errorf("closed and drained, yet Len is %d", n)
	}
	return l.settle(pushed)
}

// order among producers: first all at once, each in its own order, then one
// after the other under a lock, in one order.
func (s subject[T]) orderAmongProducers() error {
	if !s.inOrder() {
		return nil
	}
	if err := s.within(func() error { return s.atOnce(scaled(500, 8000)) }); err != nil {
		return fmt.Errorf("%d producers at once (seed %d): %w", s.producers(), s.seed, err)
	}
	if s.traits.Order != buffer.FIFO {
		return nil
	}
	return s.within(func() error { return s.inTurns(scaled(1500, 20000)) })
}

func (s subject[T]) atOnce(perProducer int) error {
	l := s.newLedger()
	b := s.open(l.discard)
	var producers sync.WaitGroup
	for p := range s.producers() {
		producers.Go(func() { s.produce(b, p+1, perProducer, 9) })
	}
	consumer := s.consume(b, 7, l.pop)
	producers.Wait()
	consumer.closeAndWait()
	if l.wrong != nil {
		return l.wrong
	}
	if want := s.producers() * perProducer; s.lossless() && len(l.popped) != want {
		return fmt.Errorf("popped %d items of %d", len(l.popped), want)
	}
	return nil
}

func (s subject[T]) inTurns(total int) error {
	b := s.open(nil)
	var turn sync.Mutex
	next := uint64(1)
	var producers sync.WaitGroup
	for p := range numProducers {
		producers.Go(func() {
			rng := rand.New(rand.NewPCG(s.seed, uint64(p)))
			for {
				turn.Lock()
				if next > uint64(total) {
					turn.Unlock()
					return
				}
				n := min(mostly(rng), 129)
				b.Push(s.run(next, n))
				next += uint64(n)
				turn.Unlock()
				pause(rng)
			}
		})
	}
	var last uint64
	var wrong error
	consumer := s.consume(b, 32, func(items []T) {
		for _, item := range items {
			if id := s.id(item); wrong == nil && (id <= last || s.lossless() && id != last+1) {
				wrong = fmt.Errorf("%d producers taking turns: item %d came after item %d",
					numProducers, id, last)
			}
			last = s.id(item)
		}
	})
	producers.Wait()
	consumer.closeAndWait()
	return wrong
}
