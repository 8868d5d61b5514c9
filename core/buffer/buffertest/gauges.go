package buffertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"unsafe"

	"informerlab/core/buffer"
)

// gauges compares what a buffer tells of itself with what is known.
func (s subject[T]) gauges() error {
	b := s.open(nil)
	gauged, ok := b.(buffer.Gauged)
	if ok {
		g := gauged.Gauges()
		ok = g.HighWater == 0 && g.Merged == 0 && g.WakeUps == 0
	}
	if s.finish(b); !ok {
		return errors.New("it has no Gauges, or they are not 0 before it is used")
	}
	for k := range scaled(6, 60) {
		seed := s.seed + uint64(k)
		h := randomHistory(rand.New(rand.NewPCG(seed, 10)), s.traits)
		if err := s.explain(h, subject[T].gaugePeaks); err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
	}
	if err := s.bubble(s.countWakeUps); err != nil {
		return err
	}
	large := s
	large.patience *= largePatience
	if err := large.within(large.weigh); err != nil {
		return err
	}
	return s.within(s.gaugesInUse)
}

// gaugePeaks pushes what a history says and then pops all, several times, and
// compares the gauges with the model's.
func (s subject[T]) gaugePeaks(h history) error {
	do := s.within
	if givesUp(s.traits) {
		do = s.bubble
	}
	return do(func() error {
		m := newModel(s.traits, h.limit)
		b := s.tight(h.limit, nil)
		defer s.finish(b)
		dst := make([]T, 100)
		number := uint64(1)
		for k, o := range h.steps {
			if o.verb == push {
				if s.waitsForRoom() && m.limit > 0 {
					o.n = min(o.n, m.limit-len(m.waiting))
				}
				ids := h.ids(o, number)
				number += uint64(len(ids))
				b.Push(s.made(ids...))
				for _, id := range ids {
					m.push(id)
				}
			}
			if last := k == len(h.steps)-1; last || o.verb == length {
				g := b.(buffer.Gauged).Gauges()
				if g.HighWater != m.highWater || g.Merged != uint64(m.merged) {
					return fmt.Errorf("step %d, %s: high-water mark %d, want %d; merged %d, want %d",
						k+1, h.tell(o), g.HighWater, m.highWater, g.Merged, m.merged)
				}
			}
			if o.verb == pop {
				for len(m.waiting) > 0 {
					m.pop(s.ids(dst[:b.Pop(dst)]))
				}
			}
		}
		return nil
	})
}

// countWakeUps has a consumer sleep and be busy in turns.
func (s subject[T]) countWakeUps() error {
	b := s.open(nil)
	var busy atomic.Bool
	goOn := make(chan struct{})
	consumer := s.consume(b, 4, func([]T) {
		if busy.Load() {
			<-goOn
		}
	})
	var want uint64
	check := func(what string) error {
		synctest.Wait()
		if got := b.(buffer.Gauged).Gauges().WakeUps; got != want {
			return fmt.Errorf("after %s %d wake-ups were counted, want %d", what, got, want)
		}
		return nil
	}
	id := uint64(1)
	push := func() {
		synctest.Wait()
		b.Push(s.run(id, 1))
		id++
	}
	err := check("the consumer fell asleep")
	for _, sleeping := range []bool{true, true, false, true, false, false, true} {
		busy.Store(!sleeping)
		if push(); s.holds() {
			want++
		}
		if err == nil {
			err = check("a push to a sleeping consumer")
		}
		if sleeping || !s.holds() {
			continue
		}
		for range 5 {
			push()
		}
		if err == nil {
			err = check("pushes to a busy consumer")
		}
		busy.Store(false)
		goOn <- struct{}{}
		// On its way through the backlog it may sleep, if it gets items one by one.
		synctest.Wait()
		want = b.(buffer.Gauged).Gauges().WakeUps
	}
	synctest.Wait()
	consumer.closeAndWait()
	want++
	if err == nil {
		err = check("Close woke the consumer")
	}
	return err
}

// weigh compares Bytes with the items that wait, with what the heap has grown by,
// and with what is promised of a drained buffer.
func (s subject[T]) weigh() error {
	const slack = 24 << 10
	b := s.open(nil)
	defer s.finish(b)
	gauged := b.(buffer.Gauged)
	var before, grown int
	total := scaled(10_000, 1_000_000)
	referring := s.object != nil // then items take memory of their own
	if referring {
		total = 3000
	} else {
		before = LiveBytes()
	}
	s.burst(b, total)
	if !referring {
		grown = LiveBytes() - before
	}
	var item T
	held, least := gauged.Gauges().Bytes, b.Len()*int(unsafe.Sizeof(item))
	if held < least || !s.holds() && held > slack {
		return fmt.Errorf("with %d items waiting Bytes is %d, they take %d", b.Len(), held, least)
	}
	if !referring && (held > grown*5/4+slack || held < grown/2-slack) {
		return fmt.Errorf("with %d items waiting Bytes is %d, the heap has grown by %d", b.Len(), held, grown)
	}
	for dst := make([]T, 256); b.Len() > 0; {
		b.Pop(dst)
	}
	if drained := gauged.Gauges().Bytes; s.kept > 0 && drained > s.kept {
		return fmt.Errorf("drained, Bytes is %d, promised are %d", drained, s.kept)
	}
	return nil
}

// gaugesInUse asks while everything else goes on.
func (s subject[T]) gaugesInUse() error {
	total := scaled(600, 20000)
	b := s.open(nil)
	gauged := b.(buffer.Gauged)
	var last buffer.Gauges
	var wrong error
	stop := watch(func() {
		g := gauged.Gauges()
		if wrong == nil && (g.Bytes < 0 || g.HighWater < last.HighWater || g.HighWater > total ||
			g.Merged != 0 || g.WakeUps < last.WakeUps) {
			wrong = fmt.Errorf("of %d items %+v came after %+v", total, g, last)
		}
		last = g
	})
	var producers sync.WaitGroup
	for p := range s.producers() {
		producers.Go(func() { s.produce(b, s.newFeed(p+1, 0), total/s.producers(), 9) })
	}
	consumer := s.consume(b, 4, func([]T) {})
	producers.Wait()
	consumer.closeAndWait()
	stop()
	return wrong
}

// nothingHeld checks the whole life of a buffer that drops all.
func (s subject[T]) nothingHeld() error {
	return s.bubble(func() error {
		l := s.newLedger()
		b := s.open(l.discard)
		consumer := s.consume(b, 4, func(items []T) { l.pop(items) })
		f := s.newFeed(1, 0)
		for _, n := range edges {
			b.Push(s.made(f.next(n)...))
			if b.Len() != 0 || l.discarded() != int(f.count) {
				return fmt.Errorf("after a push of %d Len is %d, and %d of %d items were discarded",
					n, b.Len(), l.discarded(), f.count)
			}
			if synctest.Wait(); consumer.ended() || len(l.popped) > 0 {
				return fmt.Errorf("popped %d items; Pop has returned 0: %v", len(l.popped), consumer.ended())
			}
		}
		consumer.closeAndWait()
		return l.settle(f.all()...)
	})
}
