package buffertest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"informerlab/core/buffer"
)

// Storm lets producers push batches of all sizes while the consumer falls asleep
// again and again, and closes the buffer at some point of it: each batch must be
// popped whole and in order, or discarded whole. It changes GOMAXPROCS for a
// while, so nothing else should run in parallel. It is for lossless buffers.
func Storm(t *testing.T, traits buffer.Traits, open func(buffer.Params[*Drop]) buffer.Buffer[*Drop]) {
	t.Helper()
	producers := stormProducers
	if traits.Producers == buffer.One {
		producers = 1
	}
	rounds := 40
	if testing.Short() {
		rounds = 2
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, procs := range []int{1, 2, 4, 8} {
		runtime.GOMAXPROCS(procs)
		for round := range rounds {
			seed := uint64(1000*procs + round)
			if err := newStorm(seed, producers, open).run(); err != nil {
				t.Fatalf("GOMAXPROCS %d, seed %d: %v", procs, seed, err)
			}
		}
	}
}

const (
	stormProducers = 5   // of a buffer for many
	stormBatches   = 300 // of each producer
)

// A Drop is an item of a Storm: the k-th of a batch.
type Drop struct{ producer, batch, k, size int }

// follows reports whether d is what its producer pushed after before.
func (d Drop) follows(before Drop) bool {
	if d.k == 0 {
		return d.batch == before.batch+1 && before.k == before.size-1
	}
	return d.batch == before.batch && d.k == before.k+1
}

// A storm is one buffer and its books. Drops go by pointer, so that the race
// detector sees a hand-over that does not synchronise.
type storm struct {
	seed   uint64
	buffer buffer.Buffer[*Drop]
	// Pushes begun so far, and how many there are when Close comes.
	pushes  atomic.Int64
	closeAt int64

	// By producer. The first two are written by the producer: the hook runs on
	// the pusher's goroutine. The others are the consumer's.
	pushed, refused, popped []int
	last                    []Drop
}

func newStorm(seed uint64, producers int, open func(buffer.Params[*Drop]) buffer.Buffer[*Drop]) *storm {
	s := &storm{
		seed: seed, pushed: make([]int, producers), refused: make([]int, producers),
		popped: make([]int, producers), last: make([]Drop, producers),
	}
	s.buffer = open(buffer.Params[*Drop]{Discard: func(d *Drop, _ buffer.Reason) { s.refused[d.producer]++ }})
	s.closeAt = 1 + rand.New(rand.NewPCG(seed, 1)).Int64N(int64(producers*stormBatches))
	for p := range s.last {
		s.last[p] = Drop{producer: p, batch: -1, k: -1} // the end of a batch before the first
	}
	return s
}

func (s *storm) run() error {
	var others sync.WaitGroup
	for p := range s.last {
		others.Go(func() { s.produce(p, &others) })
	}
	rng := rand.New(rand.NewPCG(s.seed, 2))
	dst := make([]*Drop, 1+rng.IntN(200))
	var wrong error
	for n := s.buffer.Pop(dst); n > 0; n = s.buffer.Pop(dst) {
		for _, d := range dst[:n] {
			if !d.follows(s.last[d.producer]) && wrong == nil {
				wrong = fmt.Errorf("%+v came after %+v", *d, s.last[d.producer])
			}
			s.last[d.producer] = *d
			s.popped[d.producer]++
		}
		clear(dst)
		pause(rng)
	}
	others.Wait()
	if wrong != nil {
		return wrong
	}
	for p, l := range s.last {
		if s.popped[p]+s.refused[p] != s.pushed[p] {
			return fmt.Errorf("producer %d: pushed %d, popped %d, discarded %d",
				p, s.pushed[p], s.popped[p], s.refused[p])
		}
		if l.k != l.size-1 {
			return fmt.Errorf("producer %d: Close cut a batch of %d after %d items", p, l.size, l.k+1)
		}
	}
	if n := s.buffer.Len(); n != 0 {
		return fmt.Errorf("closed and drained, Len is %d", n)
	}
	return nil
}

func (s *storm) produce(p int, others *sync.WaitGroup) {
	rng := rand.New(rand.NewPCG(s.seed, uint64(100+p)))
	for b := range stormBatches {
		size := 1 + rng.IntN(1<<rng.IntN(9))
		batch := make([]*Drop, size)
		for k := range batch {
			batch[k] = &Drop{p, b, k, size}
		}
		if s.pushes.Add(1) == s.closeAt {
			others.Go(s.buffer.Close) // while this and other pushes go on
		}
		s.buffer.Push(batch)
		s.pushed[p] += size
		pause(rng)
	}
}
