package buffertest

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"informerlab/core/buffer"
)

// lengthAsked has the consumer ask for Len between two pops, with room for all and
// with next to none.
func (s subject[T]) lengthAsked() error {
	return s.stormy(scaled(1, 8), func(s subject[T], limit int) error {
		return s.askWhilePopping(limit, scaled(60, 250))
	})
}

// A question records one call of Len by the consumer: the number of items popped
// before it, the length it returned, and the number of items pushed by each producer.
type question struct {
	popped, length int
	pushed         [numProducers + 1]uint64
}

// askWhilePopping notes what was pushed, then asks. An item of these that is popped
// later was waiting then.
func (s subject[T]) askWhilePopping(limit, perProducer int) error {
	b := s.tight(limit, func(T, buffer.Reason) {
		for range 3 { // so that the consumer may ask meanwhile
			runtime.Gosched()
		}
	})
	var pushed [numProducers + 1]atomic.Uint64 // how many items of each feed
	var producers sync.WaitGroup
	for p := range s.producers() {
		f := s.newFeed(p+1, limit)
		producers.Go(func() {
			for f.count < uint64(perProducer) {
				s.produce(b, f, 1+int(f.count)%9, 9)
				pushed[p+1].Store(f.count)
			}
		})
	}
	var questions []question
	var popped []uint64
	ask := func() {
		q := question{popped: len(popped)}
		for p := range pushed {
			q.pushed[p] = pushed[p].Load()
		}
		q.length = b.Len()
		questions = append(questions, q)
	}
	consumer := s.consume(b, 1+limit/2, func(items []T) {
		popped = append(popped, s.ids(items)...)
		for range 3 {
			ask()
			runtime.Gosched()
		}
	})
	producers.Wait()
	consumer.closeAndWait()
	for _, q := range questions {
		waited := 0
		for _, id := range popped[q.popped:min(len(popped), q.popped+4*q.length+100)] {
			if producer, number := numberOf(id); number <= q.pushed[producer] {
				waited++
			}
		}
		if waited > q.length {
			return fmt.Errorf("after %d pops Len was %d, but %d items were popped later that had been pushed by then",
				q.popped, q.length, waited)
		}
	}
	return nil
}

// numberOf returns which producer's feed an item is of and how many it had made
// with it.
func numberOf(id uint64) (producer int, number uint64) {
	if c, isChange := changeOf(id); isChange {
		return int(c.first >> feedShift), c.first & (1<<feedShift - 1)
	}
	return int(producerOf(id)), id & (1<<producerShift - 1)
}
