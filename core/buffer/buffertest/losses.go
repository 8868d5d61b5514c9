package buffertest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"informerlab/core/buffer"
)

// lossOrder looks at what each push loses and in which order that is discarded: of
// one goroutine, of a producer and a consumer with a slow hook, and of several
// producers.
func (s subject[T]) lossOrder() error {
	do := s.within
	if givesUp(s.traits) {
		do = s.bubble
	}
	for _, capacity := range s.capacities(scaled(200, 5000)) {
		if err := do(func() error { return s.overflowAlone(capacity, scaled(20, 100)) }); err != nil {
			return fmt.Errorf("capacity %d: %w", capacity, err)
		}
	}
	for k := range scaled(10, 100) {
		s.seed++
		capacity := tiny[k%len(tiny)]
		if err := s.bubble(func() error { return s.overflowBeside(capacity, scaled(20, 60)) }); err != nil {
			return fmt.Errorf("with a consumer, capacity %d, seed %d: %w", capacity, s.seed, err)
		}
	}
	return s.stormy(scaled(1, 15), func(s subject[T], limit int) error {
		return s.overflowTogether(max(1, limit), scaled(60, 1000))
	})
}

// overflowAlone pushes more than there is room for, with pops in between.
func (s subject[T]) overflowAlone(capacity, pushes int) error {
	var lost []uint64
	b := s.tight(capacity, func(item T, _ buffer.Reason) { lost = append(lost, s.id(item)) })
	defer s.finish(b)
	rng := rand.New(rand.NewPCG(s.seed, 12))
	f := s.newFeed(0, 0)
	dst := make([]T, capacity)
	var waiting []uint64
	for range pushes {
		if len(waiting) > 0 && rng.IntN(2) > 0 {
			waiting = waiting[min(len(waiting), b.Pop(dst[:1+rng.IntN(capacity)])):]
		}
		batch := f.next(1 + rng.IntN(1+rng.IntN(2*capacity+2)))
		lost = nil
		b.Push(s.made(batch...))
		if err := inLossOrder(waiting, batch, lost); err != nil {
			return err
		}
		gone := make(map[uint64]bool, len(lost))
		for _, id := range lost {
			gone[id] = true
		}
		waiting = slices.DeleteFunc(append(waiting, batch...), func(id uint64) bool { return gone[id] })
	}
	return nil
}

// inLossOrder reports how what a push of batch has lost breaks the law, if waiting
// is what waited, oldest first.
func inLossOrder(waiting, batch, lost []uint64) error {
	evicted := 0
	for evicted < min(len(lost), len(waiting)) && lost[evicted] == waiting[evicted] {
		evicted++
	}
	own := lost[evicted:]
	switch {
	case len(own) == 0:
		return nil
	case len(own) <= len(batch) && evicted == len(waiting) && slices.Equal(own, batch[:len(own)]):
		return nil
	case len(own) <= len(batch) && evicted == 0 && slices.Equal(own, batch[len(batch)-len(own):]):
		return nil
	}
	return fmt.Errorf("with %s waiting a push of %s discarded %s: want the oldest that waited, oldest first, "+
		"and then the first of the push, or only the last of the push", few(waiting), few(batch), few(lost))
}

// few returns ids for messages.
func few(ids []uint64) string {
	if most := 12; len(ids) > most {
		return fmt.Sprintf("%q and %d more", names(ids[:most]), len(ids)-most)
	}
	return fmt.Sprintf("%q", names(ids))
}

// A lossWatch follows the losses of one producer while a consumer pops.
type lossWatch struct {
	mu    sync.Mutex
	lost  []uint64 // by the push that goes on
	floor uint64   // no item up to this one may wait any more
	first uint64   // of the push that goes on
	wrong error
}

// lose is the hook's part. Ids rise with the pushes.
func (w *lossWatch) lose(id uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost = append(w.lost, id)
	if id < w.first {
		w.floor = max(w.floor, id) // it waited, and was the oldest
	}
}

// pushed is called after each push.
func (w *lossWatch) pushed(batch []uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	own := slices.DeleteFunc(slices.Clone(w.lost), func(id uint64) bool { return id < w.first })
	begins := slices.Equal(own, batch[:min(len(own), len(batch))])
	ends := slices.Equal(own, batch[max(0, len(batch)-len(own)):])
	if w.wrong == nil && (!slices.IsSorted(w.lost) || !begins && !ends) {
		w.wrong = fmt.Errorf("a push of %s discarded %s", few(batch), few(w.lost))
	}
	if begins && !ends {
		w.floor = own[len(own)-1]
	}
	w.lost = nil
}

// popped is called after each pop, with the floor before it.
func (w *lossWatch) popped(ids []uint64, floor uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		if w.wrong == nil && id <= floor {
			w.wrong = fmt.Errorf("item %s was discarded before a pop of the older item %s began", name(floor), name(id))
		}
	}
}

// overflowBeside has one producer, a consumer, and a hook that takes its time.
func (s subject[T]) overflowBeside(capacity, pushes int) error {
	s.timeout = 3 * time.Millisecond
	var w lossWatch
	rng := rand.New(rand.NewPCG(s.seed, 13)) // guarded by w.mu
	random := func(most int) int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return rng.IntN(most)
	}
	nap := func(most int) { time.Sleep(time.Duration(random(most)) * time.Millisecond) }
	b := s.tight(capacity, func(item T, why buffer.Reason) {
		nap(2)
		if why == buffer.Overflow {
			w.lose(s.id(item))
		}
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		dst := make([]T, 1+capacity/2)
		for {
			w.mu.Lock()
			floor := w.floor
			w.mu.Unlock()
			n := b.Pop(dst)
			if n == 0 {
				return
			}
			w.popped(s.ids(dst[:n]), floor)
			nap(5)
		}
	}()
	f := s.newFeed(0, 0)
	for range pushes {
		batch := f.next(1 + random(2*min(capacity, 8)+2))
		w.mu.Lock()
		w.first = batch[0]
		w.mu.Unlock()
		b.Push(s.made(batch...))
		w.pushed(batch)
		nap(4)
	}
	b.Close()
	<-done
	return w.wrong
}

// overflowTogether has several producers, and looks at what became of each push in
// the end. Where an item that waits can be lost to any later push, nothing follows.
func (s subject[T]) overflowTogether(limit, perProducer int) error {
	if s.traits.Loss == buffer.DropsOld {
		return nil
	}
	l := s.newLedger()
	b := s.tight(limit, l.discard)
	feeds := make([]*feed, s.producers())
	var producers sync.WaitGroup
	for p := range feeds {
		feeds[p] = s.newFeed(p+1, limit)
		producers.Go(func() { s.produce(b, feeds[p], perProducer, 129) })
	}
	rng := rand.New(rand.NewPCG(s.seed, 14))
	consumer := s.consume(b, 1+limit/2, func(items []T) {
		l.pop(items)
		pause(rng)
	})
	producers.Wait()
	consumer.closeAndWait()
	for _, f := range feeds {
		for _, batch := range f.pushed {
			isLost := func(id uint64) bool { return len(l.lost[id]) > 0 }
			if first := slices.IndexFunc(batch, isLost); first >= 0 &&
				slices.ContainsFunc(batch[first:], func(id uint64) bool { return !isLost(id) }) {
				return fmt.Errorf("a push of %s lost %s and kept a later item", few(batch), name(batch[first]))
			}
		}
	}
	return l.settleFeeds(feeds...)
}
