package buffertest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"

	"informerlab/core/buffer"
)

// A consumer pops in its own goroutine until Pop returns 0.
type consumer[T any] struct {
	buffer buffer.Buffer[T]
	done   chan struct{}
}

// consume starts a consumer that pops at most size items at once and hands them
// to got, which may keep the slice only during the call.
func (s subject[T]) consume(b buffer.Buffer[T], size int, got func([]T)) consumer[T] {
	c := consumer[T]{b, make(chan struct{})}
	go func() {
		defer close(c.done)
		dst := make([]T, size)
		for {
			n := b.Pop(dst)
			if n == 0 {
				return
			}
			got(dst[:n])
			clear(dst[:n])
		}
	}()
	return c
}

// ended reports whether Pop has returned 0.
func (c consumer[T]) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// closeAndWait ends the consumer.
func (c consumer[T]) closeAndWait() {
	c.buffer.Close()
	<-c.done
}

// A ledger counts by which door each item left. It is safe for concurrent use.
type ledger[T any] struct {
	subject[T]
	mu     sync.Mutex
	popped map[uint64]int
	lost   map[uint64][]buffer.Reason
	last   map[uint64]uint64 // the last item popped of each producer
	wrong  error             // the first thing that was wrong
}

func (s subject[T]) newLedger() *ledger[T] {
	return &ledger[T]{
		subject: s, popped: map[uint64]int{}, lost: map[uint64][]buffer.Reason{}, last: map[uint64]uint64{},
	}
}

// Items of several producers are numbered per producer.
const producerShift = 32

func producerOf(id uint64) uint64 { return id >> producerShift }

// pop notes items that left by Pop.
func (l *ledger[T]) pop(items []T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, item := range items {
		id := l.id(item)
		l.popped[id]++
		if p := producerOf(id); l.inOrder() {
			if id <= l.last[p] {
				l.fail(fmt.Errorf("item %#x was popped after item %#x of the same producer", id, l.last[p]))
			}
			l.last[p] = id
		}
	}
}

// discard notes an item that left by Discard; it is the hook.
func (l *ledger[T]) discard(item T, why buffer.Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := l.id(item)
	l.lost[id] = append(l.lost[id], why)
	if l.lossless() && why != buffer.Closed {
		l.fail(fmt.Errorf("a lossless buffer discarded item %#x, reason %v", id, why))
	}
}

func (l *ledger[T]) fail(err error) {
	if l.wrong == nil {
		l.wrong = err
	}
}

// discarded returns how many items left by Discard.
func (l *ledger[T]) discarded() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, reasons := range l.lost {
		n += len(reasons)
	}
	return n
}

// settle checks that each of the pushed ids, and nothing else, left once.
func (l *ledger[T]) settle(pushed map[uint64]bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wrong != nil {
		return l.wrong
	}
	for id := range pushed {
		if n := l.popped[id] + len(l.lost[id]); n != 1 {
			return fmt.Errorf("item %#x left %d times: popped %d times, discarded %v (pushed %d, popped %d)",
				id, n, l.popped[id], l.lost[id], len(pushed), len(l.popped))
		}
	}
	for id := range l.popped {
		if !pushed[id] {
			return fmt.Errorf("item %#x was popped and never pushed", id)
		}
	}
	for id := range l.lost {
		if !pushed[id] {
			return fmt.Errorf("item %#x was discarded and never pushed", id)
		}
	}
	return nil
}

// produce pushes total items of one producer in batches of edge sizes, with
// pauses of random length, and returns their ids.
func (s subject[T]) produce(b buffer.Buffer[T], producer, total, maxBatch int) []uint64 {
	rng := rand.New(rand.NewPCG(s.seed, uint64(producer)))
	var ids []uint64
	for id := uint64(producer)<<producerShift + 1; len(ids) < total; {
		batch := s.run(id, min(mostly(rng), maxBatch, total-len(ids)))
		b.Push(batch)
		for range batch {
			ids = append(ids, id)
			id++
		}
		pause(rng)
	}
	return ids
}

// pause does nothing for a random while, mostly a short one, so that calls of
// several threads meet at ever other points.
func pause(rng *rand.Rand) {
	for range rng.IntN(1 << rng.IntN(12)) {
		rng.Uint32()
	}
	if rng.IntN(4) == 0 {
		runtime.Gosched()
	}
}
