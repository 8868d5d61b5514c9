package buffertest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing/synctest"

	"informerlab/core/buffer"
)

// closeReleases closes buffers in all states that somebody may be waiting in.
func (s subject[T]) closeReleases() error {
	if err := s.bubble(s.closeUnused); err != nil {
		return fmt.Errorf("unused: %w", err)
	}
	for _, backlog := range []int{0, 1, 129} {
		if err := s.bubble(func() error { return s.closeWhileWaiting(backlog) }); err != nil {
			return fmt.Errorf("consumer waiting after %d items: %w", backlog, err)
		}
	}
	if s.traits.Blocks {
		if err := s.bubble(s.closeWhileFull); err != nil {
			return fmt.Errorf("producers waiting: %w", err)
		}
	}
	for round := range scaled(30, 400) {
		if err := s.within(s.closeTogether); err != nil {
			return fmt.Errorf("three times at once, round %d: %w", round, err)
		}
	}
	return nil
}

func (s subject[T]) closeUnused() error {
	b := s.open(nil)
	b.Close()
	b.Close()
	if n := b.Pop(make([]T, 3)); n != 0 {
		return fmt.Errorf("a Pop returned %d", n)
	}
	if n := b.Len(); n != 0 {
		return fmt.Errorf("its Len is %d", n)
	}
	return nil
}

func (s subject[T]) closeWhileWaiting(items int) error {
	b := s.open(nil)
	consumer := s.consume(b, 8, func([]T) {})
	b.Push(s.run(1, items))
	synctest.Wait()
	if consumer.ended() {
		return fmt.Errorf("a Pop returned 0 from an open buffer")
	}
	b.Close()
	synctest.Wait()
	if !consumer.ended() {
		b.Push(s.run(1, 1)) // may wake it, so that the bubble can end
		return fmt.Errorf("a Pop still waits after Close")
	}
	return nil
}

func (s subject[T]) closeWhileFull() error {
	l := s.newLedger()
	const capacity, batch = 4, 3
	b := s.create(buffer.Params[T]{Capacity: capacity, Policy: buffer.Block, Discard: l.discard})
	pushed := map[uint64]bool{}
	var producers sync.WaitGroup
	for p := range s.producers() * 2 {
		if p > 0 && s.traits.Producers == buffer.One {
			break
		}
		id := uint64(p+1)<<producerShift + 1
		for k := range uint64(2 * batch) {
			pushed[id+k] = true
		}
		producers.Go(func() { b.Push(s.run(id, 2*batch)) })
	}
	synctest.Wait()
	if n := b.Len(); n > capacity {
		return fmt.Errorf("its Len is %d, capacity %d", n, capacity)
	}
	b.Close()
	producers.Wait()
	dst := make([]T, 2)
	for n := b.Pop(dst); n > 0; n = b.Pop(dst) {
		l.pop(dst[:n])
	}
	return l.settle(pushed)
}

func (s subject[T]) closeTogether() error {
	b := s.open(nil)
	b.Push(s.run(1, 9))
	var closers sync.WaitGroup
	for range 3 {
		closers.Go(b.Close)
	}
	for dst := make([]T, 2); b.Pop(dst) > 0; {
	}
	closers.Wait()
	return nil
}

// closeDrains closes with a backlog of every edge size, at several points of
// its consumption.
func (s subject[T]) closeDrains() error {
	if !s.lossless() || !s.inOrder() {
		return nil
	}
	return s.within(func() error {
		dst := make([]T, 100)
		for _, n := range edges {
			for _, before := range []int{0, 1, 2} {
				b := s.open(nil)
				b.Push(s.run(1, n))
				next := uint64(1)
				for range min(before, n) {
					next += uint64(b.Pop(dst[:1]))
				}
				b.Close()
				for got := b.Pop(dst); got > 0; got = b.Pop(dst) {
					for _, item := range dst[:got] {
						if s.id(item) != next {
							return fmt.Errorf("closed with a backlog of %d: popped item %d, want %d",
								n, s.id(item), next)
						}
						next++
					}
				}
				if int(next)-1 != n {
					return fmt.Errorf("closed with a backlog: popped %d items of %d", next-1, n)
				}
			}
		}
		return nil
	})
}

// closeEndsIntake pushes after a close, then closes at random points of pushes.
func (s subject[T]) closeEndsIntake() error {
	if err := s.within(s.pushAfterClose); err != nil {
		return err
	}
	for round := range scaled(60, 1000) {
		s.seed++
		if err := s.within(s.closeCutsOnce); err != nil {
			return fmt.Errorf("close during a push, round %d (seed %d): %w", round, s.seed, err)
		}
	}
	return nil
}

func (s subject[T]) pushAfterClose() error {
	for _, backlog := range []int{0, 3, 1025} {
		l := s.newLedger()
		b := s.open(l.discard)
		b.Push(s.run(1, backlog))
		b.Close()
		before := b.Len()
		pushed, next := 0, uint64(1<<20)
		for _, n := range edges {
			b.Push(s.run(next, n))
			next += uint64(n)
			pushed += n
			if got := l.discarded(); s.lossless() && got != pushed {
				return fmt.Errorf("pushed %d items after Close with %d waiting, %d of them were discarded",
					pushed, backlog, got)
			}
		}
		if n := b.Len(); n != before {
			return fmt.Errorf("pushes after Close changed Len from %d to %d", before, n)
		}
		if err := l.onlyClosed(1 << 20); err != nil {
			return err
		}
		for dst := make([]T, 100); ; {
			n := b.Pop(dst)
			if n == 0 {
				break
			}
			for _, item := range dst[:n] {
				if s.id(item) >= 1<<20 {
					return fmt.Errorf("item %d was pushed after Close and popped", s.id(item))
				}
			}
		}
	}
	return nil
}

// onlyClosed checks that the items from an id on were discarded once, because
// the buffer was closed.
func (l *ledger[T]) onlyClosed(from uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, reasons := range l.lost {
		if id >= from && (len(reasons) != 1 || reasons[0] != buffer.Closed) {
			return fmt.Errorf("item %d, pushed after Close, was discarded as %v, want once as closed",
				id, reasons)
		}
	}
	return nil
}

// closeCutsOnce closes while one producer pushes and, at times, a consumer
// pops: whatever is popped was pushed before whatever is discarded.
func (s subject[T]) closeCutsOnce() error {
	rng := rand.New(rand.NewPCG(s.seed, 2))
	l := s.newLedger()
	b := s.open(l.discard)
	var others sync.WaitGroup
	const batches, size = 6, 5
	others.Go(func() {
		for k := range batches {
			b.Push(s.run(uint64(1+k*size), size))
		}
	})
	others.Go(func() {
		pause(rng)
		b.Close()
	})
	if s.seed%2 == 0 {
		others.Wait()
	}
	dst := make([]T, 4)
	for n := b.Pop(dst); n > 0; n = b.Pop(dst) {
		l.pop(dst[:n])
	}
	others.Wait()
	pushed := map[uint64]bool{}
	for id := range uint64(batches * size) {
		pushed[id+1] = true
		if s.lossless() && s.inOrder() && id > 0 && l.popped[id+1] > 0 && l.popped[id] == 0 {
			return fmt.Errorf("item %d was discarded as closed and item %d after it was popped", id, id+1)
		}
	}
	return l.settle(pushed)
}

// end asks a closed and drained buffer again and again.
func (s subject[T]) end() error {
	return s.within(func() error {
		for _, backlog := range []int{0, 1, 8, 1025} {
			b := s.open(nil)
			b.Push(s.run(1, backlog))
			b.Close()
			dst := make([]T, 16)
			popped := 0
			for n := b.Pop(dst); n > 0; n = b.Pop(dst) {
				popped += n
			}
			mark := s.item(1 << 40)
			for k := range dst {
				dst[k] = mark
			}
			for k := range 20 {
				if k%5 == 2 {
					b.Push(s.run(uint64(2000+k), 2))
					b.Close()
				}
				if n := b.Pop(dst); n != 0 || b.Len() != 0 {
					return fmt.Errorf("after %d items and the 0, pop %d returned %d (item %d), Len is %d",
						popped, k+1, n, s.id(dst[0]), b.Len())
				}
				if s.id(dst[0]) != s.id(mark) {
					return fmt.Errorf("a Pop returned 0 and wrote item %d to dst", s.id(dst[0]))
				}
			}
		}
		return nil
	})
}
