package buffertest

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
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
	for _, capacity := range tiny {
		if !s.traits.Blocks {
			break
		}
		if err := s.bubble(func() error { return s.closeWhileFull(capacity) }); err != nil {
			return fmt.Errorf("producers waiting, capacity %d: %w", capacity, err)
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

// closeWhileFull lets each producer wait in the midst of a push, some of them with
// nothing of it in the buffer.
func (s subject[T]) closeWhileFull(capacity int) error {
	l := s.newLedger()
	b := s.tight(capacity, l.discard)
	feeds := make([]*feed, s.producers())
	var producers sync.WaitGroup
	for p := range feeds {
		feeds[p] = s.newFeed(p+1, 0)
		producers.Go(func() { b.Push(s.made(feeds[p].next(capacity + 2)...)) })
	}
	synctest.Wait()
	if n := b.Len(); n != capacity || l.discarded() > 0 {
		return fmt.Errorf("Len is %d and %d items were discarded", n, l.discarded())
	}
	released := make(chan struct{})
	go func() {
		defer close(released)
		producers.Wait()
	}()
	b.Close()
	synctest.Wait()
	if !closed(released) {
		return fmt.Errorf("a Push still waits after Close")
	}
	s.drain(b, 2, l.pop)
	if len(l.popped) != capacity {
		return fmt.Errorf("popped %d items after Close", len(l.popped))
	}
	return l.settleFeeds(feeds...)
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
	s.patience *= largePatience
	return s.within(func() error {
		for k, n := range append(edges[:len(edges):len(edges)], s.sizes(scaled(3000, 1500), scaled(3000, 200_000))...) {
			for popped := k % 2; popped <= min(n, 2); popped += 2 {
				if err := s.closeWithBacklog(n, popped); err != nil {
					return fmt.Errorf("closed when %d of %d items had been popped: %w", popped, n, err)
				}
			}
		}
		return nil
	})
}

func (s subject[T]) closeWithBacklog(pushed, popped int) error {
	b := s.open(nil)
	b.Push(s.run(1, pushed))
	next := uint64(1)
	for dst := make([]T, 1); popped > 0; popped-- {
		next += uint64(b.Pop(dst))
	}
	b.Close()
	var wrong error
	s.drain(b, 100, func(items []T) {
		for _, item := range items {
			if wrong == nil && s.id(item) != next {
				wrong = fmt.Errorf("popped item %d, want %d", s.id(item), next)
			}
			next++
		}
	})
	if wrong == nil && next-1 != uint64(pushed) {
		wrong = fmt.Errorf("popped %d items", next-1)
	}
	return wrong
}

// closeEndsIntake pushes after a close.
func (s subject[T]) closeEndsIntake() error {
	for _, backlog := range []int{0, 3, 1025} {
		if err := s.within(func() error { return s.pushAfterClose(backlog) }); err != nil {
			return fmt.Errorf("with %d items waiting: %w", backlog, err)
		}
	}
	return nil
}

func (s subject[T]) pushAfterClose(backlog int) error {
	l := s.newLedger()
	b := s.open(l.discard)
	b.Push(s.run(1, backlog))
	b.Close()
	waiting, discarded := b.Len(), l.discarded()
	const late = 1 << 20
	pushed := 0
	for _, n := range edges[:10] {
		b.Push(s.run(uint64(late+pushed), n))
		pushed += n
		if got := l.discarded() - discarded; got != pushed {
			return fmt.Errorf("pushed %d items after Close, %d of them were discarded", pushed, got)
		}
	}
	if n := b.Len(); n != waiting {
		return fmt.Errorf("pushes after Close changed Len from %d to %d", waiting, n)
	}
	s.drain(b, 100, l.pop)
	for k := range uint64(pushed) {
		if why := l.lost[late+k]; len(why) != 1 || why[0] != buffer.Closed {
			return fmt.Errorf("item %d, pushed after Close, was discarded as %v, want once as closed", late+k, why)
		}
	}
	return l.wrong
}

// closeAmidPush has Close come at every point of a push: on another thread, a
// little later each time; within a call of the Discard hook; and after so many
// items of a blocked push have found room.
func (s subject[T]) closeAmidPush() error {
	for round := range scaled(200, 4000) {
		if err := s.within(func() error { return s.closeBeside(round) }); err != nil {
			return fmt.Errorf("on another thread, %d steps later: %w", round%maxDelay, err)
		}
	}
	for _, limit := range limits(s.traits)[1:] {
		if limit > 7 {
			break
		}
		for k := range 2*limit + 2 {
			check, where := s.closeInHook, "in the hook at its call"
			if s.waitsForRoom() {
				check, where = s.closeBetweenPops, "while a push waits, after a number of pops of"
			}
			if err := s.bubble(func() error { return check(limit, k) }); err != nil {
				return fmt.Errorf("%s %d, limit %d: %w", where, k, limit, err)
			}
		}
	}
	return nil
}

// maxDelay is longer than a push takes, in steps of some nanoseconds.
const maxDelay = 150

// closeBeside starts a push and a close at the same instant, but for a delay, while
// a consumer waits or, every other time, before there is one.
func (s subject[T]) closeBeside(round int) error {
	l := s.newLedger()
	b := s.open(l.discard)
	f := s.newFeed(1, 0)
	size := []int{1, 3, 17, 40}[round%4]
	if round%16 == 15 {
		size = s.sizes(128, 2048)[round/16%scaled(4, 10)]
	}
	steps := round % maxDelay * (1 + size/100) // the push of many takes longer
	batches := [][]T{s.made(f.next(size)...), s.made(f.next(2)...)}
	var ready atomic.Int32
	start := func() {
		for ready.Add(1); ready.Load() < 2; {
			runtime.Gosched()
		}
	}
	var others sync.WaitGroup
	others.Go(func() {
		start()
		for _, batch := range batches {
			b.Push(batch)
		}
	})
	others.Go(func() {
		start()
		for range steps {
			ready.Load()
		}
		b.Close()
	})
	if round/4%2 == 0 {
		others.Wait()
	}
	s.drain(b, 64, l.pop)
	others.Wait()
	return l.settleFeeds(f)
}

// closeInHook closes a buffer from within the k-th call of the hook, if there are
// as many.
func (s subject[T]) closeInHook(limit, k int) error {
	l := s.newLedger()
	var b buffer.Buffer[T]
	calls := 0
	b = s.tight(limit, func(item T, why buffer.Reason) {
		l.discard(item, why)
		if calls++; calls == k {
			b.Close()
		}
	})
	f := s.newFeed(1, limit)
	for range 3 {
		b.Push(s.made(f.next(limit + 1)...))
	}
	b.Close()
	s.drain(b, 2, l.pop)
	return l.settleFeeds(f)
}

// closeBetweenPops pushes more than there is room for, pops k items one by one,
// and closes.
func (s subject[T]) closeBetweenPops(capacity, k int) error {
	l := s.newLedger()
	b := s.tight(capacity, l.discard)
	f := s.newFeed(1, capacity)
	batch := s.made(f.next(3*capacity + 2)...)
	pushed := make(chan struct{})
	go func() {
		defer close(pushed)
		b.Push(batch)
	}()
	dst := make([]T, 1)
	for synctest.Wait(); len(l.popped) < k; synctest.Wait() {
		b.Pop(dst)
		l.pop(dst)
	}
	b.Close()
	s.drain(b, 2, l.pop)
	<-pushed
	if got, want := len(l.popped), k+capacity; got != want {
		return fmt.Errorf("popped %d items, want the %d before Close and the %d that waited", got, k, capacity)
	}
	return l.settleFeeds(f)
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
