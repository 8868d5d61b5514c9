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
	budget := time.Duration(scaled(15, 400)) * time.Millisecond
	if s.traits.Order == buffer.PerProducer || s.traits.Producers == buffer.One {
		budget = time.Duration(scaled(60, 1500)) * time.Millisecond // it has no lock
	}
	began := time.Now()
	for round := 0; round < 4 || time.Since(began) < budget; round++ {
		s.seed++
		if err := s.within(func() error { return s.dozing(32 << (round % 3)) }); err != nil {
			return fmt.Errorf("a push just as the consumer goes to sleep: %w", err)
		}
	}
	return s.stormy(1, func(s subject[T], _ int) error {
		if err := s.pingPong(scaled(60, 4000)); err != nil {
			return err
		}
		for _, limit := range []int{0, 1} {
			if err := s.arrival(limit, scaled(160, 6000)); err != nil {
				return err
			}
		}
		return nil
	})
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
		if n > 0 && got.Load() == 0 {
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

// dozing pushes one item after the other as the consumer comes back for more:
// earlier if the last push had to wake it, else a little later. So pushes gather
// about the one point of Pop that matters, between the last look at an empty buffer
// and the announcement that the consumer sleeps. It is for few pushes: after some
// more both sides mostly run one after the other on the same thread, where no push
// comes at that point, and it has to begin anew with another consumer.
func (s subject[T]) dozing(pushes int64) error {
	b := s.open(nil)
	gauged, ok := b.(buffer.Gauged)
	if !ok {
		return nil // the law "gauges" says so
	}
	const (
		maxLead  = 1000 // longer than a Pop or a Push takes, in steps of some nanoseconds
		mostLead = 50   // at the beginning, either way
	)
	// lead is by how many steps the push comes after the consumer, or before it if
	// it is negative.
	var popped, lead atomic.Int64
	delay := func(steps int64) {
		for range steps {
			popped.Load()
		}
	}
	consumer := s.consume(b, 1, func([]T) {
		popped.Add(1)
		delay(-lead.Load())
	})
	defer consumer.closeAndWait()
	rng := rand.New(rand.NewPCG(s.seed, 2))
	lead.Store(rng.Int64N(2*mostLead) - mostLead)
	began := time.Now()
	var wakeUps uint64
	for k := range pushes {
		item := s.run(uint64(k+1), 1)
		for spins := 1; popped.Load() < k; spins++ {
			if spins%256 != 0 {
				continue
			}
			if runtime.Gosched(); time.Since(began) > s.patience/2 {
				return fmt.Errorf("the consumer still waits after push %d; Len is %d", k, b.Len())
			}
		}
		step := rng.Int64N(3)
		if now := gauged.Gauges().WakeUps; now > wakeUps {
			wakeUps, step = now, -rng.Int64N(32)
		}
		lead.Store(min(maxLead, max(-maxLead, lead.Load()+step)))
		delay(lead.Load())
		b.Push(item)
	}
	return nil
}

// arrival lets producers push single items at random distances, around the time
// that the consumer takes to fall asleep, and waits until all have arrived although
// nothing is pushed after the last one. If pushers can wait for room, they too have
// to be woken.
func (s subject[T]) arrival(limit, total int) error {
	if limit > 0 && !s.waitsForRoom() {
		return nil
	}
	b := s.tight(limit, nil)
	var producers sync.WaitGroup
	for p := range s.producers() {
		producers.Go(func() { s.produce(b, s.newFeed(p+1, 0), total/s.producers(), 3) })
	}
	dst := make([]T, 3)
	for got := 0; got < total/s.producers()*s.producers(); {
		got += b.Pop(dst)
	}
	producers.Wait()
	s.finish(b)
	return nil
}

// isolation pushes in a bubble while nobody pops. If the producer is not
// through when the bubble has come to rest, it waits for the consumer.
func (s subject[T]) isolation() error {
	for _, limit := range limits(s.traits) {
		if limit > 0 && blocks(s.traits) {
			continue
		}
		if err := s.bubble(func() error { return s.pushAlone(limit, scaled(6000, 200000)) }); err != nil {
			return fmt.Errorf("limit %d (0 = none): %w", limit, err)
		}
	}
	return nil
}

func (s subject[T]) pushAlone(limit, total int) error {
	b := s.tight(limit, nil)
	f := s.newFeed(0, limit)
	if limit > 0 {
		total /= 25 // the first time that it is full matters most
	}
	if s.holds() {
		b.Push(s.made(f.next(1)...))
		b.Pop(make([]T, 1)) // the consumer is now in its handler
	}
	var pushed atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for k := 0; int(pushed.Load()) < total; k++ {
			n := edges[1+k%(len(edges)-1)]
			b.Push(s.made(f.next(n)...))
			pushed.Add(int64(n))
		}
	}()
	synctest.Wait()
	var err error
	if n := int(pushed.Load()); n < total {
		err = fmt.Errorf("with a busy consumer the producer was stopped after %d of %d items", n, total)
	}
	s.finish(b)
	<-done
	return err
}

// reentrancy lets the consumer, and then the hook, call all the methods.
func (s subject[T]) reentrancy() error {
	if s.holds() {
		if err := s.within(s.consumerPushes); err != nil {
			return fmt.Errorf("a consumer that pushes: %w", err)
		}
	}
	if err := s.within(s.hookPushesClosed); err != nil {
		return fmt.Errorf("a Discard hook that pushes after Close: %w", err)
	}
	for _, limit := range limits(s.traits)[1:] {
		if s.waitsForRoom() {
			break // it never discards while it is open
		}
		if err := s.bubble(func() error { return s.hookPushes(limit) }); err != nil {
			return fmt.Errorf("a Discard hook that pushes, limit %d: %w", limit, err)
		}
	}
	return nil
}

func (s subject[T]) consumerPushes() error {
	b := s.open(nil)
	const generations = 9 // 511 items, each but the last has two children
	b.Push(s.run(1, 1))
	dst := make([]T, 5)
	for popped := 0; popped < 1<<generations-1; {
		n := b.Pop(dst)
		for _, item := range dst[:n] {
			if id := s.id(item); id < 1<<(generations-1) {
				b.Push([]T{s.item(2 * id), s.item(2*id + 1)})
			}
		}
		popped += n
	}
	b.Push(s.run(1, 7))
	b.Close()
	for b.Pop(dst) > 0 {
		b.Close()
		b.Len()
	}
	return nil
}

func (s subject[T]) hookPushesClosed() error {
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
	s.drain(b, 1, func([]T) {})
	if calls != 5 { // three of the calls pushed one item each
		return fmt.Errorf("the hook was called %d times for 5 pushes", calls)
	}
	return nil
}

// hookPushes lets the hook push to a buffer that is full, so that it is called
// again within a call, and at last close it.
func (s subject[T]) hookPushes(limit int) error {
	var b buffer.Buffer[T]
	l := s.newLedger()
	outer, inner := s.newFeed(0, limit), s.newFeed(1, limit)
	calls := 0
	b = s.tight(limit, func(item T, why buffer.Reason) {
		l.discard(item, why)
		if calls++; calls > 9 {
			return
		}
		b.Len()
		b.Push(s.made(inner.next(limit)...))
		if calls == 8 {
			b.Close()
		}
	})
	for range 4 {
		b.Push(s.made(outer.next(2*limit + 1)...))
	}
	b.Close()
	s.drain(b, 3, l.pop)
	return l.settle(append(outer.all(), inner.all()...)...)
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
