package buffertest

import (
	"fmt"
	"runtime"
	"sync"
	"testing/synctest"
	"weak"

	"informerlab/core/buffer"
)

// noLeak ends a bubble with buffers closed and drained in several states. The
// bubble itself reports goroutines that are left.
func (s subject[T]) noLeak() error {
	for _, state := range []struct {
		name    string
		pushed  int
		waiting bool // a consumer waits while Close comes
	}{
		{"unused", 0, false}, {"unused, consumer waiting", 0, true},
		{"with a backlog", 200, false}, {"drained, consumer waiting", 200, true},
	} {
		err := s.bubble(func() error {
			b := s.open(nil)
			if state.waiting {
				consumer := s.consume(b, 8, func([]T) {})
				b.Push(s.run(1, state.pushed))
				synctest.Wait()
				consumer.closeAndWait()
				return nil
			}
			b.Push(s.run(1, state.pushed))
			s.finish(b)
			return nil
		})
		if err != nil {
			return fmt.Errorf("closed %s: %w", state.name, err)
		}
	}
	return nil
}

// collectability sends objects through and sees whether the collector takes
// them while the buffer lives on.
func (s subject[T]) collectability() error {
	if s.object == nil {
		return nil
	}
	s.patience *= largePatience
	for _, way := range []struct {
		name    string
		backlog int // how many items wait before the first is popped
		total   int
		behind  int // how many other items wait behind them
	}{
		{"one at a time", 1, 5, 0},
		{"in small batches", 9, 90, 0},
		{"after a burst", scaled(2500, 1_000_000), scaled(2500, 1_000_000), 0},
		{"with another item waiting", 3, 30, 1},
		{"with a burst waiting", 1200, 1200, 2500},
	} {
		if err := s.within(func() error { return s.collectsPopped(way.backlog, way.total, way.behind) }); err != nil {
			return fmt.Errorf("popped %s: %w", way.name, err)
		}
	}
	if s.holds() {
		if err := s.within(s.collectsWaiting); err != nil {
			return fmt.Errorf("popped by a consumer that waits for more: %w", err)
		}
	}
	if err := s.within(s.collectsClosed); err != nil {
		return fmt.Errorf("after Close: %w", err)
	}
	for _, limit := range limits(s.traits)[1:] {
		if s.waitsForRoom() || limit != 1 && limit != 7 {
			continue
		}
		if err := s.bubble(func() error { return s.collectsDiscarded(limit) }); err != nil {
			return fmt.Errorf("discarded, limit %d: %w", limit, err)
		}
	}
	return nil
}

func (s subject[T]) collectsPopped(backlog, total, behind int) error {
	b := s.open(nil)
	gone := s.send(b, total, backlog)
	gone = append(gone, s.send(b, 1, 1)...) // leaves by the way just used
	if behind > 0 {
		gone = s.sendBefore(b, backlog, behind)
	}
	err := s.collected(gone, 0)
	s.finish(b)
	return err
}

// collectsDiscarded pushes more than there is room for, once while items wait and
// once when all have been popped. What waits may be reached, and nothing else.
func (s subject[T]) collectsDiscarded(limit int) error {
	b := s.tight(limit, nil)
	defer s.finish(b)
	gone := s.overfill(b, s.newFeed(1, limit), 3*limit+20)
	if err := s.collected(gone, b.Len()); err != nil {
		return fmt.Errorf("while %d items wait: %w", b.Len(), err)
	}
	for dst := make([]T, 1); b.Len() > 0; {
		b.Pop(dst)
	}
	return s.collected(gone, 0)
}

func (s subject[T]) overfill(b buffer.Buffer[T], f *feed, total int) []weak.Pointer[object] {
	var sent []weak.Pointer[object]
	for _, n := range []int{1, total / 2, total - total/2 - 1} {
		batch := s.made(f.next(n)...)
		for _, item := range batch {
			sent = append(sent, s.object(item))
		}
		b.Push(batch)
	}
	return sent
}

// send passes total items through an empty buffer, up to backlog of them
// waiting at once, and keeps only weak pointers to them; of many only to some.
func (s subject[T]) send(b buffer.Buffer[T], total, backlog int) []weak.Pointer[object] {
	var sent []weak.Pointer[object]
	dst := make([]T, 7)
	every, made := 1+total/10_000, 0
	for left := total; left > 0; left -= backlog {
		for left := backlog; left > 0; left -= min(left, 2500) {
			batch := s.run(uint64(1+made), min(left, 2500))
			for _, item := range batch {
				if made++; made%every == 0 {
					sent = append(sent, s.object(item))
				}
			}
			b.Push(batch)
		}
		for b.Len() > 0 {
			b.Pop(dst)
		}
	}
	return sent
}

// sendBefore pushes first items and then others, pops the first, and returns
// weak pointers to those.
func (s subject[T]) sendBefore(b buffer.Buffer[T], first, others int) []weak.Pointer[object] {
	var sent []weak.Pointer[object]
	batch := s.run(1, first)
	for _, item := range batch {
		sent = append(sent, s.object(item))
	}
	b.Push(batch)
	b.Push(s.run(uint64(1+first), others))
	dst := make([]T, 7)
	for b.Len() > others {
		b.Pop(dst[:min(len(dst), b.Len()-others)])
	}
	return sent
}

func (s subject[T]) collectsWaiting() error {
	b := s.open(nil)
	var arrived sync.WaitGroup
	consumer := s.consume(b, 4, func(items []T) { arrived.Add(-len(items)) })
	var gone []weak.Pointer[object]
	for _, n := range []int{1, 9, 300} {
		gone = append(gone, func() (sent []weak.Pointer[object]) {
			batch := s.run(1, n)
			for _, item := range batch {
				sent = append(sent, s.object(item))
			}
			arrived.Add(n)
			b.Push(batch)
			return sent
		}()...)
		arrived.Wait()
	}
	err := s.collected(gone, 0)
	consumer.closeAndWait()
	return err
}

func (s subject[T]) collectsClosed() error {
	b := s.open(nil)
	gone := func() (sent []weak.Pointer[object]) {
		early, late := s.run(1, 200), s.run(201, 200)
		for k := range early {
			sent = append(sent, s.object(early[k]), s.object(late[k]))
		}
		b.Push(early)
		b.Close()
		b.Push(late)
		s.drain(b, 7, func([]T) {})
		return sent
	}()
	err := s.collected(gone, 0)
	runtime.KeepAlive(b)
	return err
}

// collected reports objects that outlive a few collections, if they are more than
// may be. More than one collection may be needed: a goroutine's stack can hold what
// it has just handed over until it has run again.
func (s subject[T]) collected(gone []weak.Pointer[object], most int) error {
	left := 0
	for range 6 {
		runtime.GC()
		left = 0
		for _, p := range gone {
			if p.Value() != nil {
				left++
			}
		}
		if left <= most {
			return nil
		}
		runtime.Gosched()
	}
	return fmt.Errorf("%d of %d items that have left are still reachable", left-most, len(gone)-most)
}

// burst pushes items that nobody pops, in batches.
func (s subject[T]) burst(b buffer.Buffer[T], total int) {
	const size = 1000
	batch := make([]T, size)
	for id := uint64(1); id < uint64(total); id += size {
		s.fill(batch, id)
		b.Push(batch)
	}
}
