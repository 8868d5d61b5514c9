package buffertest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing/synctest"

	"informerlab/core/buffer"
)

// order pushes and pops batches of all edge sizes in one goroutine, first
// around a small backlog, so that the same storage is passed many times, then
// up a large one and down again.
func (s subject[T]) order() error {
	large := scaled(8000, 1_500_000)
	s.patience *= largePatience
	for _, phase := range []struct {
		name           string
		around, pushed int
		maxPush        int
	}{
		{"one by one", 1, scaled(50, 3000), 1},
		{"around a small backlog", 24, scaled(500, 10000), 9},
		{"around a large backlog", 1500, scaled(2000, 60000), 1025},
		{"up and down", 4500, scaled(5000, 50000), 1025},
		// It gets to about 0.7 times that backlog.
		{"up a very large backlog and down", large, large, 1025},
	} {
		err := s.within(func() error { return s.walk(phase.around, phase.pushed, phase.maxPush) })
		if err != nil {
			return fmt.Errorf("%s (seed %d): %w", phase.name, s.seed, err)
		}
	}
	return nil
}

// walk pushes about total items in batches of at most maxPush and pops as it
// likes, keeping the backlog around a length, until all are through.
func (s subject[T]) walk(around, total, maxPush int) error {
	rng := rand.New(rand.NewPCG(s.seed, uint64(around)))
	b := s.open(nil)
	defer s.finish(b)
	dst := make([]T, edges[len(edges)-1])
	var pushed, last uint64 // the ids of the items pushed and popped last
	waiting := 0
	for pushed < uint64(total) || waiting > 0 {
		if n := min(mostly(rng), maxPush); pushed < uint64(total) && rng.IntN(2*around) >= waiting {
			b.Push(s.run(pushed+1, n))
			pushed += uint64(n)
			waiting += n
			continue
		}
		if waiting == 0 {
			continue
		}
		n := b.Pop(dst[:max(1, mostly(rng))])
		if n < 1 || n > waiting {
			return fmt.Errorf("popped %d of %d waiting items", n, waiting)
		}
		waiting -= n
		for k, item := range dst[:n] {
			id := s.id(item)
			if id != last+1 {
				return fmt.Errorf("item %d came after item %d, at place %d of a pop of %d", id, last, k, n)
			}
			last = id
		}
	}
	return nil
}

// batch checks in a bubble, with a consumer that is waiting, that one push is
// enough to get everything pushed.
func (s subject[T]) batch() error {
	return s.bubble(func() error {
		b := s.open(nil)
		var popped atomic.Int64
		consumer := s.consume(b, 128, func(items []T) { popped.Add(int64(len(items))) })
		defer consumer.closeAndWait()
		pushed := 0
		for _, n := range append(edges[:len(edges):len(edges)], s.sizes(2000, scaled(0, 50_000))...) {
			b.Push(s.run(uint64(pushed+1), n))
			pushed += n
			synctest.Wait()
			if got := int(popped.Load()); got != pushed {
				return fmt.Errorf("after a push of %d the idle consumer has %d of %d items; Len is %d",
					n, got, pushed, b.Len())
			}
		}
		return nil
	})
}

// slices checks that nobody sees what a slice holds outside the calls and the
// items that are meant, whether others wait before them or not.
func (s subject[T]) slices() error {
	return s.within(func() error {
		const margin = 3
		b := s.open(nil)
		defer s.finish(b)
		next := uint64(1)
		mark := s.item(1 << 40)
		sizes := append(edges[1:len(edges):len(edges)], s.sizes(1400, scaled(0, 160_000))...)
		for k := range 2 * len(sizes) {
			n := sizes[k/2]
			if k%2 > 0 {
				b.Push(s.run(next, 1))
				next++
			}
			frame := s.run(1<<41, n+2*margin) // the pushed slice with room before and behind
			batch := frame[margin : margin+n]
			first := next
			next = s.fill(batch, next)
			before := k % 2
			b.Push(batch)
			for k, item := range frame {
				want := first + uint64(k-margin)
				if k < margin || k >= margin+n {
					want = 1<<41 + uint64(k)
				}
				if s.id(item) != want {
					return fmt.Errorf("push of %d: it changed the caller's slice at %d", n, k-margin)
				}
				frame[k] = mark // the caller uses its slice again
			}
			if err := s.popInto(b, first-uint64(before), before+n, mark); err != nil {
				return fmt.Errorf("push of %d, then its slice overwritten: %w", n, err)
			}
		}
		return nil
	})
}

// popInto pops n items with ids from first on into slices full of marks and
// checks that the marks beyond the popped items stay.
func (s subject[T]) popInto(b buffer.Buffer[T], first uint64, n int, mark T) error {
	dst := make([]T, 12)
	for left := n; left > 0 && s.holds(); {
		for k := range dst {
			dst[k] = mark
		}
		got := b.Pop(dst[:9])
		if got < 1 || got > min(9, left) {
			return fmt.Errorf("pop into 9 returned %d, %d are waiting", got, left)
		}
		for k, item := range dst {
			id, want := s.id(item), first+uint64(n-left+k)
			switch {
			case k >= got && id != s.id(mark):
				return fmt.Errorf("pop into 9 returned %d and wrote to dst[%d]", got, k)
			case k < got && id != want:
				return fmt.Errorf("popped item %d, want %d", id, want)
			}
		}
		left -= got
	}
	return nil
}

// length compares Len with the count of one goroutine after each step, and
// then with its bounds while several work.
func (s subject[T]) length() error {
	err := s.within(func() error {
		b := s.open(nil)
		waiting := 0
		check := func(step string, n int) error {
			if got := b.Len(); got != waiting {
				return fmt.Errorf("after a %s of %d: Len is %d, want %d", step, n, got, waiting)
			}
			return nil
		}
		dst := make([]T, 129)
		for k := range edges {
			n := edges[len(edges)-1-k]
			b.Push(s.run(uint64(1+k)<<16, n))
			if s.holds() {
				waiting += n
			}
			if err := check("push", n); err != nil {
				return err
			}
			for pops := 0; waiting > 0 && (pops < 3 || k%4 == 0); pops++ {
				got := b.Pop(dst[:max(1, pops%129)])
				waiting -= got
				if err := check("pop", got); err != nil {
					return err
				}
			}
		}
		b.Close()
		s.drain(b, len(dst), func(items []T) { waiting -= len(items) })
		return check("close and drain", 0)
	})
	if err != nil {
		return err
	}
	return s.within(s.lengthInUse)
}

func (s subject[T]) lengthInUse() error {
	total := scaled(1000, 20000)
	b := s.open(nil)
	wrong := 0
	stop := watch(func() {
		if n := b.Len(); n < 0 || n > total {
			wrong = n
		}
	})
	var producer sync.WaitGroup
	producer.Go(func() {
		for id := 1; id <= total; id += 8 {
			b.Push(s.run(uint64(id), 8))
		}
		b.Close()
	})
	s.drain(b, 9, func([]T) {})
	producer.Wait()
	stop()
	if wrong != 0 {
		return fmt.Errorf("its Len was %d while at most %d items were pushed", wrong, total)
	}
	if n := b.Len(); n != 0 {
		return fmt.Errorf("its Len is %d after all was popped", n)
	}
	return nil
}
