package buffertest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"informerlab/core/buffer"
)

// wakeUp first proves in a bubble that Pop waits and that each single push ends
// the wait; then parallel threads try to push just when the consumer goes to
// sleep, which a bubble cannot make happen.
func (s subject[T]) wakeUp() error {
	if err := s.bubble(s.wakeFromSleep); err != nil {
		return err
	}
	threads := []int{0} // as it is
	if n := scaled(0, 1); n > 0 {
		threads = []int{1, 2, 4, 8}
	}
	for _, procs := range threads {
		before := runtime.GOMAXPROCS(procs)
		err := s.within(func() error { return s.pingPong(scaled(250, 4000)) })
		if err == nil {
			err = s.within(func() error { return s.storm(scaled(600, 6000)) })
		}
		runtime.GOMAXPROCS(before)
		if err != nil {
			return fmt.Errorf("GOMAXPROCS %d (0 = unchanged), seed %d: %w", procs, s.seed, err)
		}
	}
	return nil
}

func (s subject[T]) wakeFromSleep() error {
	b := s.open(nil)
	var got atomic.Int64
	consumer := s.consume(b, 4, func(items []T) { got.Add(int64(len(items))) })
	defer consumer.closeAndWait()
	for _, n := range []int{1, 1, 0, 1, 2, 0, 3, 8, 1} {
		synctest.Wait()
		if consumer.ended() {
			return fmt.Errorf("a Pop returned 0 from an open buffer instead of waiting")
		}
		got.Store(0)
		b.Push(s.run(1, n))
		synctest.Wait()
		if n > 0 && got.Load() == 0 && (s.lossless() || b.Len() > 0) {
			return fmt.Errorf("the consumer still waits after a push of %d; Len is %d", n, b.Len())
		}
	}
	return nil
}

// pingPong sends one item to and fro between two buffers: each push meets a
// consumer that has just found its buffer empty.
func (s subject[T]) pingPong(rounds int) error {
	there, back := s.open(nil), s.open(nil)
	var echo sync.WaitGroup
	echo.Go(func() {
		dst := make([]T, 1)
		for there.Pop(dst) > 0 {
			back.Push(dst)
		}
		back.Close()
	})
	dst := make([]T, 1)
	rng := rand.New(rand.NewPCG(s.seed, 1))
	for k := range rounds {
		pause(rng)
		there.Push(s.run(uint64(k+1), 1))
		if back.Pop(dst) != 1 || s.id(dst[0]) != uint64(k+1) {
			return fmt.Errorf("round %d came back as item %d", k+1, s.id(dst[0]))
		}
	}
	there.Close()
	back.Pop(dst)
	echo.Wait()
	return nil
}

// storm lets producers push single items at random distances, around the time
// that the consumer takes to fall asleep, and counts that all arrive although
// nothing is pushed after the last one.
func (s subject[T]) storm(total int) error {
	b := s.open(nil)
	var producers sync.WaitGroup
	for p := range s.producers() {
		producers.Go(func() { s.produce(b, p+1, total/s.producers(), 1) })
	}
	dst := make([]T, 3)
	for got := 0; got < total/s.producers()*s.producers() && s.lossless(); {
		got += b.Pop(dst)
	}
	producers.Wait()
	b.Close()
	for b.Pop(dst) > 0 {
	}
	return nil
}

// isolation pushes in a bubble while nobody pops. If the producer is not
// through when the bubble has come to rest, it waits for the consumer.
func (s subject[T]) isolation() error {
	if s.traits.Blocks {
		return nil
	}
	return s.bubble(func() error {
		b := s.open(nil)
		dst := make([]T, 1)
		b.Push(s.run(1, 2))
		b.Pop(dst) // the consumer is now in its handler, with an item waiting
		var pushed atomic.Int64
		done := make(chan struct{})
		total := scaled(12000, 200000)
		go func() {
			defer close(done)
			for k := 0; int(pushed.Load()) < total; k++ {
				n := edges[1+k%(len(edges)-1)]
				b.Push(s.run(1, n))
				pushed.Add(int64(n))
			}
		}()
		synctest.Wait()
		var err error
		if n := int(pushed.Load()); n < total {
			err = fmt.Errorf("with a busy consumer the producer was stopped after %d of %d items", n, total)
		}
		b.Close()
		for dst = make([]T, 1000); b.Pop(dst) > 0; {
		}
		<-done
		return err
	})
}

// reentrancy lets the consumer, and then the hook, call all the methods.
func (s subject[T]) reentrancy() error {
	err := s.within(func() error {
		b := s.open(nil)
		const generations = 9 // 511 items, each but the last has two children
		b.Push(s.run(1, 1))
		dst := make([]T, 5)
		popped := 0
		for popped < 1<<generations-1 {
			n := b.Pop(dst)
			for _, item := range dst[:n] {
				if id := s.id(item); id < 1<<(generations-1) {
					b.Push([]T{s.item(2 * id), s.item(2*id + 1)})
				}
			}
			if popped += n; !s.lossless() && b.Len() == 0 {
				break
			}
		}
		b.Push(s.run(1, 7))
		b.Close()
		for b.Pop(dst) > 0 {
			b.Close()
			b.Len()
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("a consumer that pushes: %w", err)
	}
	err = s.within(func() error {
		var b buffer.Buffer[T]
		calls := 0
		b = s.open(func(item T, _ buffer.Reason) {
			if calls++; calls < 4 {
				b.Len()
				b.Close()
				b.Push([]T{item})
			}
		})
		b.Close()
		b.Push(s.run(1, 2))
		for dst := make([]T, 1); b.Pop(dst) > 0; {
		}
		if calls != 5 { // three of the calls pushed one item each
			return fmt.Errorf("the hook was called %d times for 5 pushes", calls)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("a Discard hook that pushes: %w", err)
	}
	return nil
}

// silence lets a bubble sleep for an hour beside an idle buffer. The hour takes
// no time if nothing runs; a goroutine that spins keeps it from ever passing,
// and one that looks around now and then shows in the scheduler's count.
func (s subject[T]) silence() error {
	for _, state := range []struct {
		name   string
		before func(buffer.Buffer[T])
	}{
		{"never used", func(buffer.Buffer[T]) {}},
		{"drained", func(b buffer.Buffer[T]) {
			for k := range 20 {
				b.Push(s.run(uint64(1+k), 128))
				synctest.Wait()
			}
		}},
	} {
		if err := s.bubble(func() error { return s.idleFor(time.Hour, state.before) }); err != nil {
			return fmt.Errorf("consumer waiting, buffer %s: %w", state.name, err)
		}
	}
	return nil
}

// idleFor measures a few times, because other goroutines of the process, such
// as the collector's, may count in.
func (s subject[T]) idleFor(d time.Duration, before func(buffer.Buffer[T])) error {
	const few = 200 // a look every half a minute
	b := s.open(nil)
	consumer := s.consume(b, 16, func([]T) {})
	defer consumer.closeAndWait()
	before(b)
	synctest.Wait()
	var runs, allocs uint64
	for range 3 {
		runs, allocs = activity()
		time.Sleep(d)
		runsAfter, allocsAfter := activity()
		if runs, allocs = runsAfter-runs, allocsAfter-allocs; runs < few && allocs < few {
			return nil
		}
	}
	return fmt.Errorf("in an idle hour goroutines were started about %d times and %d objects allocated",
		runs, allocs)
}

// activity returns how often goroutines were scheduled and how many objects
// were allocated so far. The runtime samples every eighth time.
func activity() (runs, allocs uint64) {
	sample := []metrics.Sample{{Name: "/sched/latencies:seconds"}, {Name: "/gc/heap/allocs:objects"}}
	metrics.Read(sample)
	for _, n := range sample[0].Value.Float64Histogram().Counts {
		runs += 8 * n
	}
	return runs, sample[1].Value.Uint64()
}
