package bounded

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"informerlab/core/buffer"
)

// A loss is what a hook heard.
type loss struct {
	item uint64
	why  buffer.Reason
}

// TestBlocksPieceByPiece lets three pushes wait. The first one's batch goes in
// as there is room, whole before the others'.
func TestBlocksPieceByPiece(t *testing.T) {
	each(t, func(t *testing.T, policy buffer.Policy) {
		synctest.Test(t, func(t *testing.T) {
			b := open(policy, 4, func(item uint64, _ buffer.Reason) { t.Errorf("%d is lost", item) })
			b.Push(run(1, 3))
			returned := 0
			for _, batch := range [][]uint64{run(4, 7), run(11, 1), run(12, 6)} {
				go func() { b.Push(batch); returned++ }()
				synctest.Wait()
			}
			require.Equal(t, 4, b.Len())
			returnedAfter := []int{0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3}
			dst := make([]uint64, 1)
			for k, want := range returnedAfter {
				require.Equal(t, 1, b.Pop(dst))
				require.EqualValues(t, k+1, dst[0])
				synctest.Wait()
				require.Equal(t, want, returned, "after %d pops", k+1)
				require.Equal(t, min(4, 17-1-k), b.Len())
			}
			b.Push(run(1, 4))
			require.Zero(t, b.line.length)
		})
	}, "block", "block-timeout")
}

// TestWaitsOnceForAll pushes batches in a bubble, where time is exact.
func TestWaitsOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lost []loss
		created, err := New(buffer.Params[uint64]{
			Capacity: 2, Policy: buffer.BlockTimeout, Timeout: time.Second,
			Discard: func(item uint64, why buffer.Reason) { lost = append(lost, loss{item, why}) },
		})
		require.NoError(t, err)
		b := created.(*bounded[uint64])
		start := time.Now()
		took := func() time.Duration { return time.Since(start) }

		b.Push(run(1, 2))
		require.Zero(t, took(), "there was room")
		require.Nil(t, b.line.timer)

		popper := func(after ...time.Duration) {
			dst := make([]uint64, 1)
			for _, at := range after {
				time.Sleep(at - took())
				b.Pop(dst)
			}
		}
		go popper(400*time.Millisecond, 800*time.Millisecond, 1300*time.Millisecond)
		b.Push(run(3, 5))
		require.Equal(t, time.Second, took(), "from the beginning of the push, whatever was put in since")
		require.Equal(t, []loss{{5, buffer.Overflow}, {6, buffer.Overflow}, {7, buffer.Overflow}}, lost)
		require.NotNil(t, b.line.timer)

		lost = nil
		b.Push(run(8, 1))
		require.Equal(t, time.Second, took(), "the consumer is given up")
		require.Equal(t, []loss{{8, buffer.Overflow}}, lost)
		lost = nil
		time.Sleep(300 * time.Millisecond)
		synctest.Wait()
		b.Push(run(8, 1)) // it has popped
		require.Equal(t, 1300*time.Millisecond, took())
		require.Empty(t, lost)

		synctest.Wait()
		go func() {
			time.Sleep(500 * time.Millisecond)
			b.Push(run(10, 1)) // at 1.8 s, behind the other
		}()
		b.Push(run(9, 1))
		require.Equal(t, 2300*time.Millisecond, took())
		require.Equal(t, []loss{{9, buffer.Overflow}}, lost)
		popper(2700 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, []loss{{9, buffer.Overflow}}, lost, "the one behind has its own second")
		require.Equal(t, 2, b.Len())

		lost = nil
		go popper(3700 * time.Millisecond)
		b.Push(run(11, 2))
		require.Equal(t, 3700*time.Millisecond, took())
		require.LessOrEqual(t, len(lost), 2, "a pop at the very end may come in time or not")
		require.Positive(t, len(lost))
	})
}

// TestCloseReleases closes with the consumer gone and pushers in line.
func TestCloseReleases(t *testing.T) {
	each(t, func(t *testing.T, policy buffer.Policy) {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			lost := map[uint64]buffer.Reason{}
			b := open(policy, 3, func(item uint64, why buffer.Reason) {
				mu.Lock()
				defer mu.Unlock()
				lost[item] = why
			})
			start := time.Now()
			for k := range uint64(5) {
				go b.Push(run(1+10*k, 4))
				synctest.Wait()
			}
			b.Close()
			synctest.Wait()
			require.Zero(t, time.Since(start))
			require.Len(t, lost, 17)
			for item, why := range lost {
				require.Equal(t, buffer.Closed, why, item)
			}
			dst := make([]uint64, 9)
			require.Equal(t, run(1, 3), dst[:b.Pop(dst)])
			require.Zero(t, b.Pop(dst))
			require.Zero(t, b.line.length)
		})
	}, "block", "block-timeout")
}

// TestCloseAmidBlockedPushes closes at any point of pushes that block and go on,
// with threads that run at once.
func TestCloseAmidBlockedPushes(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	each(t, func(t *testing.T, policy buffer.Policy) {
		rounds := uint64(300)
		if testing.Short() {
			rounds = 20
		}
		for _, procs := range []int{1, 2, 4} {
			runtime.GOMAXPROCS(procs)
			for seed := range rounds {
				closeAmidBlockedPushes(t, policy, seed)
			}
		}
	}, "block", "block-timeout")
}

func closeAmidBlockedPushes(t *testing.T, policy buffer.Policy, seed uint64) {
	const producers, batches, size = 4, 12, 5
	rng := rand.New(rand.NewPCG(seed, 2))
	capacity := 1 + rng.IntN(12)
	var mu sync.Mutex
	lost := map[uint64]int{}
	b := open(policy, capacity, func(item uint64, why buffer.Reason) {
		mu.Lock()
		defer mu.Unlock()
		lost[item]++
		if why != buffer.Closed {
			t.Errorf("seed %d: item %#x was discarded as %v", seed, item, why)
		}
	})
	var others sync.WaitGroup
	for p := range uint64(producers) {
		others.Go(func() {
			for k := range uint64(batches) {
				b.Push(run((p+1)<<32+1+k*size, size))
			}
		})
	}
	closeAfter := rng.IntN(producers * batches * size)
	popped := 0
	var last [producers + 1]uint64
	middle := uint64(0) // the producer whose batch has begun and not ended
	dst := make([]uint64, 1+rng.IntN(7))
	for n := b.Pop(dst); n > 0; n = b.Pop(dst) {
		for _, item := range dst[:n] {
			p, k := item>>32, item&(1<<32-1)
			require.Equal(t, last[p]+1, k, "seed %d: a producer's items are in order and none is left out", seed)
			if middle != 0 {
				require.Equal(t, middle, p, "seed %d: a batch stays together", seed)
			}
			last[p], middle = k, p
			if k%size == 0 {
				middle = 0
			}
		}
		if before := popped; before <= closeAfter && before+n > closeAfter {
			others.Go(b.Close)
		}
		popped += n
	}
	others.Wait()
	require.Equal(t, producers*batches*size, popped+len(lost), "seed %d", seed)
	for item, times := range lost {
		require.Equal(t, 1, times, "seed %d, item %#x", seed, item)
		require.Greater(t, item&(1<<32-1), last[item>>32], "seed %d: what is popped was pushed before", seed)
	}
	require.LessOrEqual(t, b.Gauges().HighWater, capacity, "seed %d", seed)
	require.Zero(t, b.Len())
}

// TestOthersGoOnWhileOneBlocks asks a buffer whose pusher is blocked.
func TestOthersGoOnWhileOneBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open[uint64](buffer.Block, 2, nil)
		go b.Push(run(1, 9))
		synctest.Wait()
		require.Equal(t, 2, b.Len())
		require.Equal(t, 2, b.Gauges().HighWater)
		dst := make([]uint64, 9)
		for popped := 0; popped < 9; {
			popped += b.Pop(dst)
			synctest.Wait()
		}
		b.Close()
	})
}

// TestNobodyOvertakesTheLine pops while a hook is busy, so that there is room
// before the pop returns: it belongs to the push that waits, not to a later one.
func TestNobodyOvertakesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ms = time.Millisecond
		b := openTimed(1, time.Second, func(uint64, buffer.Reason) { time.Sleep(100 * ms) })
		b.Push(run(1, 1))
		pushed := make(chan uint64, 3)
		push := func(item uint64, at time.Duration) {
			time.Sleep(at)
			b.Push(run(item, 1))
			pushed <- item
		}
		go push(9, 0)      // lost at 1000 ms; its hook is busy until 1100
		go push(2, 900*ms) // has the turn then
		go push(3, 1070*ms)
		dst := make([]uint64, 1)
		time.Sleep(1050 * ms)
		for _, want := range []uint64{1, 2, 3} {
			require.Equal(t, 1, b.Pop(dst))
			require.Equal(t, want, dst[0])
			synctest.Wait()
		}
		require.Zero(t, b.Len())
		for range 3 {
			<-pushed
		}
	})
}

// openTimed returns an empty block-timeout buffer.
func openTimed(capacity int, timeout time.Duration, discard buffer.Discard[uint64]) *bounded[uint64] {
	b, err := New(buffer.Params[uint64]{
		Capacity: capacity, Policy: buffer.BlockTimeout, Timeout: timeout, Discard: discard,
	})
	if err != nil {
		panic(err)
	}
	return b.(*bounded[uint64])
}
