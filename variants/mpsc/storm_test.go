package mpsc

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"informerlab/core/buffer"
)

// TestStorm lets several producers push batches of all sizes while the consumer falls
// asleep again and again, and closes at some point of it.
func TestStorm(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 2
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, procs := range []int{1, 2, 4, 8} {
		runtime.GOMAXPROCS(procs)
		for round := range rounds {
			seed := uint64(1000*procs + round)
			require.NoError(t, newStorm(seed).run(), "GOMAXPROCS %d, seed %d", procs, seed)
		}
	}
}

const (
	stormProducers = 5
	stormBatches   = 300 // of each producer
)

// A drop is an item of a storm: the k-th of a batch.
type drop struct{ producer, batch, k, size int }

// follows reports whether d is what its producer pushed after before.
func (d drop) follows(before drop) bool {
	if d.k == 0 {
		return d.batch == before.batch+1 && before.k == before.size-1
	}
	return d.batch == before.batch && d.k == before.k+1
}

// A storm is one queue and its books. Drops go by pointer, so that the race
// detector sees a hand-over that does not synchronise.
type storm struct {
	seed  uint64
	queue buffer.Buffer[*drop]
	// Pushes begun so far, and how many there are when Close comes.
	pushes  atomic.Int64
	closeAt int64

	pushed  [stormProducers]int // each by its producer
	refused [stormProducers]int // likewise: the hook runs on the pusher's goroutine
	popped  [stormProducers]int // by the consumer, with last
	last    [stormProducers]drop
}

func newStorm(seed uint64) *storm {
	s := &storm{seed: seed}
	s.queue = New(buffer.Params[*drop]{Discard: func(d *drop, _ buffer.Reason) { s.refused[d.producer]++ }})
	s.closeAt = 1 + rand.New(rand.NewPCG(seed, 1)).Int64N(stormProducers*stormBatches)
	for p := range s.last {
		s.last[p] = drop{producer: p, batch: -1, k: -1} // the end of a batch before the first
	}
	return s
}

func (s *storm) run() error {
	var others sync.WaitGroup
	for p := range stormProducers {
		others.Go(func() { s.produce(p, &others) })
	}
	rng := rand.New(rand.NewPCG(s.seed, 2))
	dst := make([]*drop, 1+rng.IntN(200))
	var wrong error
	for n := s.queue.Pop(dst); n > 0; n = s.queue.Pop(dst) {
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
	if n := s.queue.Len(); n != 0 {
		return fmt.Errorf("closed and drained, Len is %d", n)
	}
	return nil
}

func (s *storm) produce(p int, others *sync.WaitGroup) {
	rng := rand.New(rand.NewPCG(s.seed, uint64(100+p)))
	for b := range stormBatches {
		size := 1 + rng.IntN(1<<rng.IntN(9))
		batch := make([]*drop, size)
		for k := range batch {
			batch[k] = &drop{p, b, k, size}
		}
		if s.pushes.Add(1) == s.closeAt {
			others.Go(s.queue.Close) // while this and other pushes go on
		}
		s.queue.Push(batch)
		s.pushed[p] += size
		pause(rng)
	}
}

// pause does nothing for a random while, so that the consumer is met awake,
// asleep, and on its way between.
func pause(rng *rand.Rand) {
	for range rng.IntN(1 << rng.IntN(12)) {
		rng.Uint32()
	}
	if rng.IntN(8) == 0 {
		runtime.Gosched()
	}
}
