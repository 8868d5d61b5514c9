package buffertest

import (
	"fmt"
	"sync"
	"testing/synctest"
	"time"

	"informerlab/core/buffer"
)

// blocking looks at a bubble at rest: who waits there waits for the consumer.
func (s subject[T]) blocking() error {
	for _, capacity := range tiny {
		for _, check := range []struct {
			name string
			run  func(capacity int) error
		}{
			{"one push after the other", s.pushUntilFull},
			{"a push of more than the capacity", s.pushPiecemeal},
			{"several pushes that wait", s.pushTogether},
		} {
			if err := s.bubble(func() error { return check.run(capacity) }); err != nil {
				return fmt.Errorf("%s, capacity %d: %w", check.name, capacity, err)
			}
		}
	}
	if !givesUp(s.traits) {
		return nil
	}
	return s.bubble(s.pushWithoutTimer)
}

// pushing pushes in a goroutine of its own. The channel is closed when Push has
// returned.
func (s subject[T]) pushing(b buffer.Buffer[T], ids []uint64) <-chan struct{} {
	done := make(chan struct{})
	batch := s.made(ids...)
	go func() {
		defer close(done)
		b.Push(batch)
	}()
	return done
}

// pushUntilFull finds that only the push which is too much waits, and that one pop
// lets it go on.
func (s subject[T]) pushUntilFull(capacity int) error {
	b := s.tight(capacity, nil)
	defer s.finish(b)
	f := s.newFeed(1, capacity)
	var last <-chan struct{}
	dst := make([]T, 1)
	for k := range capacity + scaled(20, 600) {
		last = s.pushing(b, f.next(1))
		synctest.Wait()
		if waits := !closed(last); waits != (k >= capacity) {
			return fmt.Errorf("push %d waits: %v", k+1, waits)
		}
		if k < capacity {
			continue
		}
		b.Pop(dst)
		if want := f.pushed[k-capacity][0]; s.id(dst[0]) != want {
			return fmt.Errorf("popped %s, want %s", name(s.id(dst[0])), name(want))
		}
		synctest.Wait()
		if !closed(last) || b.Len() != capacity {
			return fmt.Errorf("push %d still waits after a pop; Len is %d", k+1, b.Len())
		}
	}
	return nil
}

// pushPiecemeal pops a push that never fits in whole, in pieces of all sizes: at
// each rest the buffer is full or all is in.
func (s subject[T]) pushPiecemeal(capacity int) error {
	b := s.tight(capacity, nil)
	defer s.finish(b)
	total := 5*capacity + 3
	done := s.pushing(b, s.newFeed(0, 0).next(total))
	dst := make([]T, capacity+2)
	for popped := 0; popped < total; {
		synctest.Wait()
		left := total - popped
		if n := b.Len(); n != min(left, capacity) || closed(done) != (left <= capacity) {
			return fmt.Errorf("after %d of %d items Len is %d, the push has returned: %v",
				popped, total, n, closed(done))
		}
		n := b.Pop(dst[:1+popped%len(dst)])
		for _, item := range dst[:n] {
			if popped++; s.id(item) != uint64(popped) {
				return fmt.Errorf("popped %s, want %d", name(s.id(item)), popped)
			}
		}
	}
	return nil
}

// pushTogether has several producers wait. Each pop lets as many items in, and
// nobody is forgotten.
func (s subject[T]) pushTogether(capacity int) error {
	l := s.newLedger()
	b := s.tight(capacity, l.discard)
	var feeds []*feed
	var producers sync.WaitGroup
	total := 0
	for p := range s.producers() {
		f := s.newFeed(p+1, 0)
		feeds = append(feeds, f)
		total += 3 * (capacity + p)
		producers.Go(func() {
			for range 3 {
				b.Push(s.made(f.next(capacity + p)...))
			}
		})
	}
	dst := make([]T, capacity)
	for popped := 0; popped < total; {
		synctest.Wait()
		if n := b.Len(); n != min(total-popped, capacity) {
			return fmt.Errorf("after %d of %d items Len is %d", popped, total, n)
		}
		n := b.Pop(dst[:1+popped%capacity])
		l.pop(dst[:n])
		popped += n
	}
	producers.Wait()
	b.Close()
	return l.settleFeeds(feeds...)
}

// pushWithoutTimer pushes where there is room, until everything has been
// allocated, and counts what more pushes cost.
func (s subject[T]) pushWithoutTimer() error {
	const capacity, pushes, few = 64, 1000, 200
	b := s.tight(capacity, nil)
	defer s.finish(b)
	batch, dst := s.run(1, capacity/2), make([]T, capacity)
	var runs, allocs uint64
	for range 3 { // other goroutines of the process may count in
		for k := range 2 * pushes {
			if k == pushes {
				runs, allocs = activity()
			}
			b.Push(batch)
			b.Pop(dst)
		}
		synctest.Wait()
		time.Sleep(2 * s.timeout)
		runsAfter, allocsAfter := activity()
		if runs, allocs = runsAfter-runs, allocsAfter-allocs; runs < few && allocs < few {
			return nil
		}
	}
	return fmt.Errorf("%d pushes that had room started goroutines about %d times and allocated %d objects",
		pushes, runs, allocs)
}

// givesUpInTime tells the time of a bubble, where nothing but a timer takes any.
func (s subject[T]) givesUpInTime() error {
	for _, capacity := range tiny {
		for _, c := range []waiting{
			{name: "nobody pops", size: 1, lost: 1, after: s.timeout},
			{name: "nobody pops and the push is large", size: capacity + 2, lost: capacity + 2, after: s.timeout},
			{name: "room for a part", size: 3, pops: 1, lost: 2, after: s.timeout},
			{name: "room for all", size: 1, pops: 1, after: s.timeout / 2},
			{name: "closed", size: 3, closes: true, lost: 3, after: s.timeout / 2},
			{name: "room for a part, then closed", size: 2, pops: 1, closes: true, lost: 1, after: s.timeout / 2},
		} {
			if err := s.bubble(func() error { return s.waitFull(capacity, c) }); err != nil {
				return fmt.Errorf("%s, capacity %d: %w", c.name, capacity, err)
			}
		}
	}
	return s.bubble(func() error { return s.waitsAgain(scaled(300, 5000)) })
}

// waitsAgain has a push run out of time again and again, with ever more items and
// with as many behind it that need not wait. After each pop a push must wait.
func (s subject[T]) waitsAgain(rounds int) error {
	const capacity = 2
	b := s.tight(capacity, nil)
	defer s.finish(b)
	dst := make([]T, 1)
	f := s.newFeed(0, 0)
	b.Push(s.made(f.next(capacity)...))
	lost := 0
	for round := range rounds {
		size := 1 + round%7
		if round%50 == 49 {
			size = 20 * round
		}
		f.pushed = nil
		for push := range 3 {
			began := time.Now()
			b.Push(s.made(f.next(size)...))
			if took := time.Since(began); push == 0 && took != s.timeout {
				return fmt.Errorf("after %d losses and a pop, a push to a full buffer took %v, want %v",
					lost, took, s.timeout)
			}
			lost += size
		}
		b.Pop(dst)
		b.Push(s.made(f.next(1)...))
	}
	return nil
}

// A waiting is what becomes of a push to a full buffer if, after half of the
// timeout, so many items are popped, and perhaps it is closed.
type waiting struct {
	name       string
	size, pops int
	closes     bool
	lost       int
	after      time.Duration
}

func (s subject[T]) waitFull(capacity int, c waiting) error {
	l := s.newLedger()
	b := s.tight(capacity, l.discard)
	f := s.newFeed(0, 0)
	began := time.Now()
	b.Push(s.made(f.next(capacity)...)) // finds room
	// The second time there may be a timer that has been used before.
	for round := range 2 {
		if took := time.Since(began); took > 0 {
			return fmt.Errorf("a push that had room took %v", took)
		}
		var took time.Duration
		before := l.discarded()
		done := s.pushing(b, f.next(c.size))
		go func() {
			<-done
			took = time.Since(began)
		}()
		time.Sleep(s.timeout / 2)
		if n := l.discarded() - before; closed(done) || n > 0 {
			return fmt.Errorf("after half of the timeout: returned %v, discarded %d", closed(done), n)
		}
		for range c.pops {
			dst := make([]T, 1)
			l.pop(dst[:b.Pop(dst)])
		}
		if synctest.Wait(); c.closes {
			b.Close()
		}
		time.Sleep(s.timeout)
		synctest.Wait()
		if !closed(done) || took != c.after || l.discarded()-before != c.lost {
			return fmt.Errorf("round %d: returned %v after %v, want %v; discarded %d of %d items, want %d",
				round+1, closed(done), took, c.after, l.discarded()-before, c.size, c.lost)
		}
		if c.closes {
			break
		}
		// A buffer may give a consumer up that has not popped since.
		began = time.Now()
		b.Push(s.made(f.next(1)...))
		if took := time.Since(began); took != 0 && took != s.timeout {
			return fmt.Errorf("the next push to a full buffer returned after %v, want 0 or %v", took, s.timeout)
		}
		dst := make([]T, 1)
		l.pop(dst[:b.Pop(dst)])
		b.Push(s.made(f.next(1)...))
		began = time.Now()
	}
	b.Close()
	s.drain(b, 3, l.pop)
	why := map[bool]buffer.Reason{false: buffer.Overflow, true: buffer.Closed}[c.closes]
	for id, reasons := range l.lost {
		if reasons[0] != why {
			return fmt.Errorf("item %s was discarded as %v, want %v", name(id), reasons[0], why)
		}
	}
	return l.settle(f.all()...)
}
