package buffertest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"informerlab/core/buffer"
)

// numProducers is how many goroutines push at once where a buffer allows it.
const numProducers = 4

func (s subject[T]) producers() int { return pushers(s.traits) }

// twoDoors balances the books: of one goroutine that fills and drains, and of
// storms.
func (s subject[T]) twoDoors() error {
	if err := s.within(s.fillAndDrain); err != nil {
		return err
	}
	return s.stormy(scaled(1, 15), func(s subject[T], limit int) error { return s.storm(limit, scaled(80, 1000)) })
}

func (s subject[T]) fillAndDrain() error {
	l := s.newLedger()
	b := s.open(l.discard)
	f := s.newFeed(0, 0)
	dst := make([]T, 100)
	for _, total := range []int{40, 300, scaled(1200, 10000)} {
		for n := 0; n < total; {
			batch := f.next(min(total-n, 1+n/3))
			b.Push(s.made(batch...))
			n += len(batch)
		}
		for b.Len() > 0 {
			l.pop(dst[:b.Pop(dst)])
		}
		if got := len(l.popped) + l.discarded(); got != int(f.count) {
			return fmt.Errorf("at rest: pushed %d, popped %d, discarded %d, Len %d",
				f.count, len(l.popped), l.discarded(), b.Len())
		}
	}
	b.Close()
	b.Push(s.made(f.next(3)...))
	if n := b.Pop(dst); n > 0 {
		return fmt.Errorf("closed and drained, yet Pop returned %d", n)
	}
	return l.settle(f.all()...)
}

// stormy repeats a check on 1, 2, 4 and 8 threads, with ever other seeds, and
// with limits of all sizes where there are any.
func (s subject[T]) stormy(rounds int, check func(s subject[T], limit int) error) error {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	s.timeout = 20 * time.Microsecond
	choice := limits(s.traits)
	for _, procs := range []int{1, 2, 4, 8} {
		runtime.GOMAXPROCS(procs)
		for range rounds {
			s.seed++
			limit := choice[int(s.seed)%len(choice)]
			if err := s.within(func() error { return check(s, limit) }); err != nil {
				return fmt.Errorf("GOMAXPROCS %d, seed %d, limit %d (0 = none): %w", procs, s.seed, limit, err)
			}
		}
	}
	return nil
}

// storm lets producers push batches of all sizes while the consumer pops and
// naps, and closes the buffer at some point of it.
func (s subject[T]) storm(limit, perProducer int) error {
	l := s.newLedger()
	b := s.tight(limit, l.discard)
	rng := rand.New(rand.NewPCG(s.seed, 1))
	var others sync.WaitGroup
	var pushes atomic.Int64
	closeAt := 1 + rng.Int64N(int64(1+s.producers()*perProducer/10))
	feeds := make([]*feed, s.producers())
	for p := range feeds {
		feeds[p] = s.newFeed(p+1, limit)
		feeds[p].pushing = func() {
			if pushes.Add(1) == closeAt {
				others.Go(b.Close) // while this and other pushes go on
			}
		}
		others.Go(func() { s.produce(b, feeds[p], perProducer, 129) })
	}
	consumer := s.consume(b, 1+rng.IntN(100), func(items []T) {
		l.pop(items)
		pause(rng)
	})
	others.Wait()
	consumer.closeAndWait()
	if n := b.Len(); n != 0 {
		return fmt.Errorf("closed and drained, yet Len is %d", n)
	}
	return l.settleFeeds(feeds...)
}

// settleFeeds checks that all that was pushed left once, and that Close cut each
// producer's pushes once.
func (l *ledger[T]) settleFeeds(feeds ...*feed) error {
	var pushed []uint64
	for _, f := range feeds {
		if err := l.cutOnce(f); err != nil {
			return err
		}
		pushed = append(pushed, f.all()...)
	}
	return l.settle(pushed...)
}

// cutOnce checks that nothing of a feed was accepted after something of it had
// been refused, and that a buffer without a bound refused no part of a batch.
func (l *ledger[T]) cutOnce(f *feed) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	refused := uint64(0)
	for _, batch := range f.pushed {
		for k, id := range batch {
			switch why := l.lost[identity(id)]; {
			case len(why) == 0 || why[0] != buffer.Closed:
				if refused != 0 {
					return fmt.Errorf("discarded %s as closed, and %s after it was not", name(refused), name(id))
				}
			case k > 0 && refused == 0 && l.traits.Bound == buffer.Unbounded:
				return fmt.Errorf("a push of %d was cut by Close after %d items", len(batch), k)
			default:
				refused = id
			}
		}
	}
	return nil
}

// accounting balances the books after each step of random histories, of which it
// knows no more than that.
func (s subject[T]) accounting() error {
	for k := range scaled(10, 100) {
		seed := s.seed + uint64(k)
		h := randomHistory(rand.New(rand.NewPCG(seed, 6)), s.traits)
		if err := s.explain(h, subject[T].account); err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
	}
	return nil
}

func (s subject[T]) account(h history) error {
	do := s.within
	if givesUp(s.traits) {
		do = s.bubble
	}
	return do(func() error {
		l := s.newLedger()
		b := s.tight(h.limit, l.discard)
		defer s.finish(b)
		dst := make([]T, edges[len(edges)-1])
		pushed, popped, shut := 0, 0, false
		for k, o := range h.steps {
			switch {
			case o.verb == push:
				if s.waitsForRoom() && h.limit > 0 && !shut {
					o.n = min(o.n, h.limit-b.Len())
				}
				b.Push(s.made(h.ids(o, uint64(1+pushed))...))
				pushed += o.n
			case o.verb == pop && b.Len() > 0:
				popped += b.Pop(dst[:o.n])
			case o.verb == closing:
				b.Close()
				shut = true
			}
			if n := b.Len(); pushed != popped+l.discarded()+n {
				return fmt.Errorf("after step %d, %s: pushed %d, popped %d, discarded %d, Len %d",
					k+1, h.tell(o), pushed, popped, l.discarded(), n)
			}
			if l.wrong != nil {
				return l.wrong
			}
		}
		return nil
	})
}

// order among producers: first all at once, each in its own order, then one
// after the other under a lock, in one order.
func (s subject[T]) orderAmongProducers() error {
	if err := s.within(func() error { return s.atOnce(scaled(300, 8000)) }); err != nil {
		return fmt.Errorf("%d producers at once (seed %d): %w", s.producers(), s.seed, err)
	}
	if s.traits.Order == buffer.PerProducer {
		return nil
	}
	return s.within(func() error { return s.inTurns(scaled(1000, 20000)) })
}

func (s subject[T]) atOnce(perProducer int) error {
	l := s.newLedger()
	b := s.open(l.discard)
	var producers sync.WaitGroup
	for p := range s.producers() {
		producers.Go(func() { s.produce(b, s.newFeed(p+1, 0), perProducer, 9) })
	}
	consumer := s.consume(b, 7, l.pop)
	producers.Wait()
	consumer.closeAndWait()
	if l.wrong != nil {
		return l.wrong
	}
	if want := s.producers() * perProducer; len(l.popped) != want {
		return fmt.Errorf("popped %d items of %d", len(l.popped), want)
	}
	return nil
}

func (s subject[T]) inTurns(total int) error {
	b := s.open(nil)
	var turn sync.Mutex
	next := uint64(1)
	var producers sync.WaitGroup
	for p := range numProducers {
		producers.Go(func() {
			rng := rand.New(rand.NewPCG(s.seed, uint64(p)))
			for {
				turn.Lock()
				if next > uint64(total) {
					turn.Unlock()
					return
				}
				n := min(mostly(rng), 129)
				b.Push(s.run(next, n))
				next += uint64(n)
				turn.Unlock()
				pause(rng)
			}
		})
	}
	var last uint64
	var wrong error
	consumer := s.consume(b, 32, func(items []T) {
		for _, item := range items {
			if id := s.id(item); wrong == nil && id != last+1 {
				wrong = fmt.Errorf("%d producers taking turns: item %d came after item %d",
					numProducers, id, last)
			}
			last = s.id(item)
		}
	})
	producers.Wait()
	consumer.closeAndWait()
	return wrong
}
