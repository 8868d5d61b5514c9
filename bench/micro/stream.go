package micro

import (
	"time"

	"go.uber.org/atomic"

	"informerlab/bench/process"
)

// popMost is how many items a consumer takes at once.
const popMost = 256

// handling is how long the handler of a mixed load works on an item.
const handling = 300 * time.Nanosecond

// A passage is what came of passing all items through a queue.
type passage struct {
	took   time.Duration // from the first push until Pop returned 0
	pushed time.Duration // until the last push returned
	bytes  uint64        // allocated
	allocs uint64
}

// stream measures producers that push batches as fast as they can while one
// consumer pops.
func (s subject[T]) stream(producers, batch int) ([]figure, error) {
	p, err := s.pass(producers, batch, 0)
	n := float64(s.count)
	return []figure{
		{"ns/item", float64(p.took) / n},
		{"B/item", float64(p.bytes) / n},
		{"allocs/item", float64(p.allocs) / n},
	}, err
}

// mixed measures a producer of single items and a handler that is slower.
func (s subject[T]) mixed() ([]figure, error) {
	p, err := s.pass(1, 1, handling)
	n := float64(s.count)
	return []figure{
		{"ns/item", float64(p.took) / n},
		{"push-ns/item", float64(p.pushed) / n},
	}, err
}

func (s subject[T]) pass(producers, batch int, handle time.Duration) (passage, error) {
	q, l := s.open(producers, turns)
	each := s.count / producers
	var started, ended time.Time
	start, drained := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(drained)
		s.consume(q, l, handle)
		ended = time.Now()
	}()
	busy := atomic.NewInt64(int64(producers))
	pushed := make(chan time.Duration, producers)
	for p := range producers {
		items := s.kind.items(p, turns)
		go func() {
			<-start
			for k := 0; k < each; k += batch {
				at := k % turns
				q.Push(items[at : at+batch])
			}
			pushed <- time.Since(started)
			if busy.Dec() == 0 {
				q.Close()
			}
		}()
	}
	objects, bytes, _ := process.Heap()
	started = time.Now()
	close(start)
	<-drained
	objectsAfter, bytesAfter, _ := process.Heap()
	return passage{
		took:   ended.Sub(started),
		pushed: <-pushed, // of any producer: it is asked for where there is one
		bytes:  bytesAfter - bytes,
		allocs: objectsAfter - objects,
	}, l.settle(each*producers, s.Traits)
}

// consume pops until the queue is closed and drained.
func (s subject[T]) consume(q Queue[T], l *ledger, handle time.Duration) {
	dst := make([]T, popMost)
	for n := q.Pop(dst); n > 0; n = q.Pop(dst) {
		s.kind.see(l, dst[:n])
		if handle == 0 {
			continue
		}
		for range n {
			for began := time.Now(); time.Since(began) < handle; {
			}
		}
	}
}
