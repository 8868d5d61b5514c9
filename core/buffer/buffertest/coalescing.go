package buffertest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

// mergeTable plays every way in which up to four items of a key can follow one
// another, with an item of another key behind the first.
func (s subject[T]) mergeTable() error {
	for size := 2; size <= 4; size++ {
		for way := range 1 << (2 * size) {
			if err := s.within(func() error { return s.mergeInTurn(way, size) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// mergeInTurn pushes items of a key whose kinds are the pairs of bits of way, and
// compares what that discards, and all that is popped, with the model.
func (s subject[T]) mergeInTurn(way, size int) error {
	m := newModel(s.traits, 0)
	var lost []loss
	b := s.tight(2, func(item T, why buffer.Reason) { lost = append(lost, loss{s.id(item), why}) })
	defer s.finish(b)
	var pushed []uint64
	push := func(c change) error {
		pushed = append(pushed, c.id())
		lost = nil
		b.Push(s.made(c.id()))
		if err := m.compare([]uint64{c.id()}, lost); err != nil {
			return fmt.Errorf("pushed %q: %w", names(pushed), err)
		}
		return nil
	}
	for number := range uint64(size) {
		kind := event.Kind(way >> (2 * number) & 3)
		if err := push(change{1, kind, 1 + number, 1 + number}); err != nil {
			return err
		}
		if number == 0 {
			if err := push(change{2, event.Add, 100, 100}); err != nil {
				return err
			}
		}
	}
	dst := make([]T, 8)
	var popped []uint64
	for len(popped) < len(m.waiting) {
		popped = append(popped, s.ids(dst[:b.Pop(dst)])...)
	}
	if !slices.Equal(popped, m.waiting) {
		return fmt.Errorf("pushed %q: popped %q, want %q", names(pushed), names(popped), names(m.waiting))
	}
	return nil
}

// position pops one item at a time, from among keys of which some are hot.
func (s subject[T]) position() error {
	for k := range scaled(8, 40) {
		s.seed++
		keys := tiny[1+k%(len(tiny)-1)]
		if err := s.within(func() error { return s.queueUp(keys, scaled(60, 500)) }); err != nil {
			return fmt.Errorf("%d keys, seed %d: %w", keys, s.seed, err)
		}
	}
	return nil
}

// queueUp notes when each key begins to wait. The one that has waited longest must
// be popped next, so none waits for more pops than there were keys.
func (s subject[T]) queueUp(keys, pops int) error {
	rng := rand.New(rand.NewPCG(s.seed, 8))
	b := s.tight(keys, nil)
	defer s.finish(b)
	var queue []int // of keys that wait
	number := uint64(0)
	dst := make([]T, 1)
	for range pops {
		var batch []uint64
		for range rng.IntN(keys + 2) {
			number++
			key := min(rng.IntN(keys), rng.IntN(keys)) // small keys are hot
			batch = append(batch, change{key, event.Update, number, number}.id())
			if !slices.Contains(queue, key) {
				queue = append(queue, key)
			}
		}
		if b.Push(s.made(batch...)); len(queue) == 0 {
			continue
		}
		b.Pop(dst)
		if c, _ := changeOf(s.id(dst[0])); c.key != queue[0] {
			return fmt.Errorf("popped key %d; the keys wait in the order %d", c.key, queue)
		}
		queue = queue[1:]
	}
	return nil
}

// inHand pushes to a key of which an item has been popped, more than once and with
// other items of the same pop behind it.
func (s subject[T]) inHand() error {
	return s.within(func() error {
		b := s.tight(3, nil)
		defer s.finish(b)
		number := uint64(0)
		push := func(kind event.Kind, keys ...int) (ids []uint64) {
			for _, key := range keys {
				number++
				ids = append(ids, change{key, kind, number, number}.id())
			}
			b.Push(s.made(ids...))
			return ids
		}
		dst := make([]T, 5)
		for round := range 20 {
			want := push(event.Add, 0, 1, 2)
			inHand := dst[:b.Pop(dst[:1+round%3])]
			next := push(event.Delete, 2, 0, 1)
			want = want[:len(inHand)]
			if got := s.ids(inHand); !slices.Equal(got, want) {
				return fmt.Errorf("popped %q, and after another push they are %q", names(want), names(got))
			}
			// Adds that were left have been annihilated: only keys in hand wait.
			next = slices.DeleteFunc(next, func(id uint64) bool {
				c, _ := changeOf(id)
				return c.key >= len(inHand)
			})
			if n := b.Len(); n != len(next) {
				return fmt.Errorf("with %q in hand, their deletes were pushed: Len is %d, want %d",
					names(want), n, len(next))
			}
			var got []uint64
			for len(got) < len(next) {
				got = append(got, s.ids(dst[:b.Pop(dst)])...)
			}
			if !slices.Equal(got, next) {
				return fmt.Errorf("with %q in hand: popped %q, want %q", names(want), names(got), names(next))
			}
		}
		return nil
	})
}

// cancel annihilates items among others that wait, and in front of a consumer
// that does.
func (s subject[T]) cancel() error {
	if err := s.within(s.cancelAmongOthers); err != nil {
		return err
	}
	return s.bubble(s.cancelAll)
}

func (s subject[T]) cancelAmongOthers() error {
	const keys = 6
	m := newModel(s.traits, 0)
	b := s.tight(keys, nil)
	defer s.finish(b)
	number := uint64(0)
	push := func(kind event.Kind, keys ...int) error {
		for _, key := range keys {
			number++
			id := change{key, kind, number, number}.id()
			b.Push(s.made(id))
			m.push(id)
			if n := b.Len(); n != len(m.waiting) {
				return fmt.Errorf("after %s Len is %d, want %d", name(id), n, len(m.waiting))
			}
		}
		return nil
	}
	dst := make([]T, 1)
	for _, gone := range [][]int{{0}, {2, 3}, {5}, {0, 1, 2}, {4, 5}, {0, 2, 4}, {5, 4, 3, 2, 1, 0}, {0, 1, 2, 3, 4}} {
		if err := push(event.Add, 0, 1, 2, 3, 4, 5); err != nil {
			return err
		}
		if err := push(event.Delete, gone...); err != nil {
			return err
		}
		if err := push(event.Add, gone[0]); err != nil { // at the end, now
			return err
		}
		for len(m.waiting) > 0 {
			b.Pop(dst)
			if id := s.id(dst[0]); id != m.waiting[0] {
				return fmt.Errorf("keys 0 to 5 were added, %d cancelled and %d added again: popped %s, want %s",
					gone, gone[0], name(id), name(m.waiting[0]))
			}
			m.pop(m.waiting[:1])
		}
		if n := b.Len(); n != 0 {
			return fmt.Errorf("all was popped, Len is %d", n)
		}
	}
	return nil
}

// cancelAll empties the buffer by that, and looks whether Pop waits as if nothing
// had ever been there.
func (s subject[T]) cancelAll() error {
	b := s.tight(1, nil)
	defer s.finish(b)
	dst := make([]T, 4)
	for number := uint64(1); number < 60; number += 3 {
		b.Push(s.made(change{0, event.Add, number, number}.id()))
		b.Push(s.made(change{0, event.Delete, number + 1, number + 1}.id()))
		popped := make(chan int, 1)
		go func() { popped <- b.Pop(dst) }()
		synctest.Wait()
		if len(popped) > 0 {
			return fmt.Errorf("all was cancelled, and Pop returned %d", <-popped)
		}
		last := change{0, event.Update, number + 2, number + 2}.id()
		b.Push(s.made(last))
		synctest.Wait()
		if len(popped) == 0 {
			return fmt.Errorf("all was cancelled, and the consumer still waits after a push; Len is %d", b.Len())
		}
		if n := <-popped; n != 1 || s.id(dst[0]) != last {
			return fmt.Errorf("all was cancelled, then pushed %s: popped %q", name(last), names(s.ids(dst[:n])))
		}
	}
	return nil
}

// boundByKeys pushes for long to few keys: alone, with a look at the memory, and
// then with several producers that somebody watches.
func (s subject[T]) boundByKeys() error {
	for _, keys := range []int{1, 7, 32} {
		for _, kinds := range [][]event.Kind{
			{event.Add, event.Update, event.Update, event.Update},
			{event.Add, event.Delete},
			{event.Add, event.Update, event.Delete},
		} {
			err := s.within(func() error { return s.pushToKeys(keys, kinds, scaled(1500, 50000)) })
			if err != nil {
				return fmt.Errorf("%d keys, %v again and again: %w", keys, kinds, err)
			}
		}
	}
	return s.stormy(1, func(s subject[T], limit int) error { return s.crowd(max(1, limit), scaled(80, 4000)) })
}

// pushToKeys pushes the kinds in turns to each key while the item pushed first
// waits, and compares the memory in the first tenth of all with that later.
func (s subject[T]) pushToKeys(keys int, kinds []event.Kind, pushes int) error {
	b := s.tight(keys+1, nil)
	defer s.finish(b)
	gauged, ok := b.(buffer.Gauged)
	if !ok {
		return nil // the law "gauges" says so
	}
	b.Push(s.made(change{keys, event.Update, 1, 1}.id()))
	const size, slack = 10, 8 << 10
	var early int
	batch := make([]T, 0, size)
	for number := 0; number < pushes; {
		for batch = batch[:0]; len(batch) < size; number++ {
			kind := kinds[number/keys%len(kinds)]
			batch = append(batch, s.item(change{number % keys, kind, uint64(2 + number), uint64(2 + number)}.id()))
		}
		b.Push(batch)
		if n := b.Len(); n > keys+1 {
			return fmt.Errorf("after %d pushes Len is %d", number, n)
		}
		bytes := gauged.Gauges().Bytes
		if number < pushes/10 {
			early = max(early, bytes)
		} else if bytes > 2*early+slack {
			return fmt.Errorf("it took up to %d bytes in %d pushes and %d after %d", early, pushes/10, bytes, number)
		}
	}
	return nil
}

// crowd lets producers push at once, each to its own keys.
func (s subject[T]) crowd(keys, perProducer int) error {
	b := s.tight(keys, nil)
	bound := min(keys, feedKeys) * s.producers()
	most := 0
	stop := watch(func() { most = max(most, b.Len()) })
	var producers sync.WaitGroup
	for p := range s.producers() {
		producers.Go(func() { s.produce(b, s.newFeed(p+1, keys), perProducer, 129) })
	}
	consumer := s.consume(b, 2, func([]T) {})
	producers.Wait()
	stop()
	consumer.closeAndWait()
	if most > bound {
		return fmt.Errorf("Len was %d with %d keys", most, bound)
	}
	return nil
}

// convergence plays a cache that follows what is popped, in storms.
func (s subject[T]) convergence() error {
	return s.stormy(scaled(2, 20), func(s subject[T], limit int) error {
		return s.follow(max(1, limit), scaled(80, 1500))
	})
}

// follow lets producers change keys of their own while the consumer pops and naps.
func (s subject[T]) follow(keys, perProducer int) error {
	b := s.tight(keys, nil)
	rng := rand.New(rand.NewPCG(s.seed, 9))
	seen := map[int]change{} // the last change of each key
	var wrong error
	consumer := s.consume(b, 1+rng.IntN(8), func(items []T) {
		for _, id := range s.ids(items) {
			c, _ := changeOf(id)
			before, known := seen[c.key]
			present := known && before.kind != event.Delete
			switch {
			case wrong != nil:
			case c.last <= before.last:
				wrong = fmt.Errorf("popped %s after %s", name(id), name(before.id()))
			case present == (c.kind == event.Add):
				wrong = fmt.Errorf("popped %s while the key was there: %v", name(id), present)
			}
			seen[c.key] = c
		}
		pause(rng)
	})
	feeds := make([]*feed, s.producers())
	var producers sync.WaitGroup
	for p := range feeds {
		feeds[p] = s.newFeed(p+1, keys)
		producers.Go(func() { s.produce(b, feeds[p], perProducer, 9) })
	}
	producers.Wait()
	consumer.closeAndWait()
	for _, f := range feeds {
		for key, last := range f.state {
			c, known := seen[key]
			gone := !known || c.kind == event.Delete
			if wrong == nil && c.last != last.last && !(gone && last.kind == event.Delete) {
				wrong = fmt.Errorf("the last change of key %d was %s, popped last was %s",
					key, name(last.id()), name(c.id()))
			}
		}
	}
	return wrong
}
