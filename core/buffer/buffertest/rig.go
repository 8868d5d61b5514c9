package buffertest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

// A consumer pops in its own goroutine until Pop returns 0.
type consumer[T any] struct {
	buffer buffer.Buffer[T]
	done   chan struct{}
}

// consume starts a consumer that pops at most size items at once and hands them
// to got, which may keep the slice only during the call.
func (s subject[T]) consume(b buffer.Buffer[T], size int, got func([]T)) consumer[T] {
	c := consumer[T]{b, make(chan struct{})}
	go func() {
		defer close(c.done)
		s.drain(b, size, got)
	}()
	return c
}

// drain pops until Pop returns 0.
func (s subject[T]) drain(b buffer.Buffer[T], size int, got func([]T)) {
	dst := make([]T, size)
	for n := b.Pop(dst); n > 0; n = b.Pop(dst) {
		got(dst[:n])
		clear(dst[:n])
	}
}

// finish closes a buffer and drains it, so that nothing of it is left running.
func (s subject[T]) finish(b buffer.Buffer[T]) {
	b.Close()
	s.drain(b, 100, func([]T) {})
}

// ended reports whether Pop has returned 0.
func (c consumer[T]) ended() bool { return closed(c.done) }

// closeAndWait ends the consumer.
func (c consumer[T]) closeAndWait() {
	c.buffer.Close()
	<-c.done
}

// closed reports whether a channel that nothing is sent to has been closed.
func closed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// watch looks again and again, beside what else is done, until stop has returned.
func watch(look func()) (stop func()) {
	end := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for !closed(end) {
			look()
			runtime.Gosched() // or one thread would be there for the watcher only
		}
	})
	return func() {
		close(end)
		watcher.Wait()
	}
}

// A ledger counts by which door each item left. It is safe for concurrent use.
type ledger[T any] struct {
	subject[T]
	mu     sync.Mutex
	popped map[uint64]int
	lost   map[uint64][]buffer.Reason
	losses int
	last   map[uint64]uint64 // the last item popped of each producer, or of each key
	wrong  error             // the first thing that was wrong
}

func (s subject[T]) newLedger() *ledger[T] {
	return &ledger[T]{
		subject: s, popped: map[uint64]int{}, lost: map[uint64][]buffer.Reason{}, last: map[uint64]uint64{},
	}
}

// pop notes items that left by Pop.
func (l *ledger[T]) pop(items []T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, item := range items {
		id := l.id(item)
		l.popped[identity(id)]++
		lane := producerOf(id)
		if c, isChange := changeOf(id); isChange {
			lane = keyed | uint64(c.key)
		}
		if identity(id) <= identity(l.last[lane]) {
			l.fail(fmt.Errorf("popped %s after %s", name(id), name(l.last[lane])))
		}
		l.last[lane] = id
	}
}

// discard notes an item that left by Discard; it is the hook.
func (l *ledger[T]) discard(item T, why buffer.Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := l.id(item)
	l.losses++
	l.lost[identity(id)] = append(l.lost[identity(id)], why)
	if !l.mayLose(why) {
		l.fail(fmt.Errorf("discarded %s, reason %v; the traits say %q", name(id), why, l.traits.Loss))
	}
}

// mayLose reports whether a discard for this reason is in the traits.
func (s subject[T]) mayLose(why buffer.Reason) bool {
	switch why {
	case buffer.Overflow:
		return overflows(s.traits)
	case buffer.Superseded, buffer.Annihilated:
		return coalesces(s.traits)
	default:
		return why == buffer.Closed
	}
}

func (l *ledger[T]) fail(err error) {
	if l.wrong == nil {
		l.wrong = err
	}
}

// discarded returns how many items left by Discard.
func (l *ledger[T]) discarded() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.losses
}

// settle checks that each of the pushed ids, and nothing else, left once.
func (l *ledger[T]) settle(pushed ...uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wrong != nil {
		return l.wrong
	}
	known := make(map[uint64]bool, len(pushed))
	for _, id := range pushed {
		id := identity(id)
		known[id] = true
		if n := l.popped[id] + len(l.lost[id]); n != 1 {
			return fmt.Errorf("item %s left %d times: popped %d times, discarded %v (pushed %d, popped %d)",
				name(id), n, l.popped[id], l.lost[id], len(pushed), len(l.popped))
		}
	}
	for id := range l.popped {
		if !known[id] {
			return fmt.Errorf("item %s was popped and never pushed", name(id))
		}
	}
	for id := range l.lost {
		if !known[id] {
			return fmt.Errorf("item %s was discarded and never pushed", name(id))
		}
	}
	return nil
}

// A feed numbers the items of one producer. Those of a tight coalescing buffer
// are changes that make sense: a key is added, updated and deleted in turns, and
// no other producer has it.
type feed struct {
	producer int // from 1
	keys     int // 0 = plain items
	rng      *rand.Rand
	pushing  func()         // called before each push, if it is set
	pushed   [][]uint64     // batch by batch
	count    uint64         // of items so far
	state    map[int]change // the last change of each key
}

const (
	feedKeys  = 16 // of each producer, at most
	feedShift = 19 // a producer's numbers begin here
)

func (s subject[T]) newFeed(producer, limit int) *feed {
	f := &feed{
		producer: producer, rng: rand.New(rand.NewPCG(s.seed, uint64(producer))), state: map[int]change{},
	}
	if coalesces(s.traits) {
		f.keys = min(limit, feedKeys)
	}
	return f
}

// next returns the ids of a batch.
func (f *feed) next(size int) []uint64 {
	batch := make([]uint64, size)
	for k := range batch {
		f.count++
		if f.keys == 0 {
			batch[k] = uint64(f.producer)<<producerShift + f.count
			continue
		}
		number := uint64(f.producer)<<feedShift + f.count
		c := change{f.producer*feedKeys + f.rng.IntN(f.keys), event.Add, number, number}
		if before, seen := f.state[c.key]; seen && before.kind != event.Delete {
			c.kind = event.Update
			if f.rng.IntN(3) == 0 {
				c.kind = event.Delete
			}
		}
		f.state[c.key] = c
		batch[k] = c.id()
	}
	f.pushed = append(f.pushed, batch)
	return batch
}

func (f *feed) all() []uint64 { return slices.Concat(f.pushed...) }

// produce pushes total items of a feed in batches of edge sizes, with pauses of
// random length.
func (s subject[T]) produce(b buffer.Buffer[T], f *feed, total, maxBatch int) {
	for total > 0 {
		size := min(mostly(f.rng), maxBatch, total)
		batch := s.made(f.next(size)...)
		if f.pushing != nil {
			f.pushing()
		}
		b.Push(batch)
		total -= size
		pause(f.rng)
	}
}

// pause does nothing for a random while, mostly a short one, so that calls of
// several threads meet at ever other points.
func pause(rng *rand.Rand) {
	for range rng.IntN(1 << rng.IntN(12)) {
		rng.Uint32()
	}
	if rng.IntN(4) == 0 {
		runtime.Gosched()
	}
}
