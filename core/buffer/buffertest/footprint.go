package buffertest

import (
	"fmt"
	"runtime/debug"
	"testing"

	"informerlab/core/buffer"
)

// heapSlack is what LiveBytes may differ by although the buffer holds the same:
// the runtime's own memory, and other tests' goroutines.
const heapSlack = 24 << 10

// footprint measures the heap when the buffer is empty: after pushes of all kinds
// and, if the variant promises something, after bursts that nobody popped.
func (s subject[T]) footprint() error {
	for _, limit := range limits(s.traits) {
		if limit != 0 && limit != 7 || testing.Short() && s.object != nil {
			continue
		}
		do := s.within
		if givesUp(s.traits) {
			do = s.bubble
		}
		if err := do(func() error { return s.passThrough(limit) }); err != nil {
			return fmt.Errorf("limit %d (0 = none): %w", limit, err)
		}
	}
	if s.kept == 0 {
		return nil
	}
	if err := s.within(s.bursts); err != nil || !s.holds() || testing.Short() && s.object != nil {
		return err
	}
	s.patience *= largePatience
	return s.within(s.flood)
}

// passThrough pushes for long and compares the heap in between and at the end.
// What takes memory for each push shows; a step from one block to a longer one
// does not.
func (s subject[T]) passThrough(limit int) error {
	if limit > 0 && s.waitsForRoom() {
		return nil // it would wait for the consumer
	}
	const slack = heapSlack + 48<<10
	pushes := scaled(2000, 40_000)
	b := s.tight(limit, nil)
	defer s.finish(b)
	f := s.newFeed(1, limit)
	pass := func(pushes int) int {
		dst := make([]T, 16)
		for k := range pushes {
			b.Push(s.made(f.next(1 + k%3)...))
			f.pushed = nil
			for limit == 0 && b.Len() > 0 || k%8 == 0 && b.Len() > 0 {
				b.Pop(dst)
			}
		}
		for b.Len() > 0 {
			b.Pop(dst)
		}
		return LiveBytes()
	}
	before := pass(pushes)
	grown := 0
	for range 3 { // other goroutines of the process may count in
		after := pass(pushes)
		if grown = after - before; grown <= slack {
			return nil
		}
		before = after
	}
	return fmt.Errorf("%d pushes that have left took %d bytes for good", pushes, grown)
}

// bursts has several bursts of different sizes. After each the buffer must be as
// small as after the first.
func (s subject[T]) bursts() error {
	empty := LiveBytes()
	b := s.open(nil)
	defer s.finish(b)
	for round := range scaled(3, 12) {
		total := []int{8000, 3000, 5000}[round%3] * scaled(1, 1+round)
		s.burst(b, total)
		for dst := make([]T, 256); b.Len() > 0; {
			b.Pop(dst)
		}
		if got := LiveBytes() - empty; got > s.kept+heapSlack {
			return fmt.Errorf("after burst %d, of %d items, the buffer keeps %d bytes, promised are %d",
				round+1, total, got, s.kept)
		}
	}
	return nil
}

// flood has a backlog of more than a million items and drains it while the
// collector is off, so that the buffer finds all the storage again that it laid
// aside. Then items pass until it takes some of that, which must not refer to the
// rest.
func (s subject[T]) flood() error {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	empty := LiveBytes()
	b := s.open(nil)
	defer s.finish(b)
	total := scaled(40_000, 1_250_000)
	s.burst(b, total)
	dst := make([]T, 256)
	for b.Len() > 0 {
		b.Pop(dst)
	}
	s.refill(b, dst[:1])
	for b.Len() > 0 {
		b.Pop(dst)
	}
	if got := LiveBytes() - empty; got > s.kept+heapSlack {
		return fmt.Errorf("after a backlog of %d items and a few more the buffer keeps %d bytes, promised are %d",
			total, got, s.kept)
	}
	return nil
}

// refill passes items one by one until the buffer says that it has taken storage,
// with one waiting, so that no push finds the buffer empty.
func (s subject[T]) refill(b buffer.Buffer[T], dst []T) {
	const most = 10_000 // more than a block has slots
	gauged, ok := b.(buffer.Gauged)
	if !ok {
		return // the law "gauges" says so
	}
	bytes := gauged.Gauges().Bytes
	for k := range most {
		if b.Push(s.run(uint64(1+k), 1)); gauged.Gauges().Bytes > bytes {
			return
		}
		if b.Len() > 1 {
			b.Pop(dst)
		}
	}
}
