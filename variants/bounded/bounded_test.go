package bounded

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/core/buffer"
	"informerlab/core/buffer/buffertest"
	"informerlab/core/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBadParams(t *testing.T) {
	const block, timeout = buffer.Block, buffer.BlockTimeout
	for want, p := range map[string]buffer.Params[int]{
		"bounded: capacity 0: it must be at least 1":             {Policy: block},
		"bounded: capacity -1: it must be at least 1":            {Policy: block, Capacity: -1},
		"bounded: policy: none is given":                         {Capacity: 1},
		"bounded: policy 5: there is none of that number":        {Capacity: 1, Policy: 5},
		"bounded: timeout 0s: block-timeout needs one above 0":   {Capacity: 1, Policy: timeout},
		"bounded: timeout -1ns: block-timeout needs one above 0": {Capacity: 1, Policy: timeout, Timeout: -1},
		"bounded: timeout 1s: only block-timeout takes one":      {Capacity: 1, Policy: block, Timeout: time.Second},
		"bounded: timeout 1ns: only block-timeout takes one":     {Capacity: 1, Policy: buffer.DropOldest, Timeout: 1},
	} {
		b, err := New(p)
		require.EqualError(t, err, want)
		require.Nil(t, b)
	}
}

// open returns a buffer of the policy. The timeout of those that have one is long.
func open[T any](policy buffer.Policy, capacity int, discard buffer.Discard[T]) *bounded[T] {
	p := buffer.Params[T]{Capacity: capacity, Policy: policy, Discard: discard}
	if policy == buffer.BlockTimeout {
		p.Timeout = time.Hour
	}
	b, err := New(p)
	if err != nil {
		panic(err)
	}
	return b.(*bounded[T])
}

var policies = map[string]buffer.Policy{
	"drop-newest": buffer.DropNewest, "drop-oldest": buffer.DropOldest,
	"block": buffer.Block, "block-timeout": buffer.BlockTimeout,
}

// each runs a test for the policies.
func each(t *testing.T, test func(t *testing.T, policy buffer.Policy), names ...string) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) { test(t, policies[name]) })
	}
}

func eachPolicy(t *testing.T, test func(t *testing.T, policy buffer.Policy)) {
	each(t, test, "drop-newest", "drop-oldest", "block", "block-timeout")
}

// run returns the numbers from first on.
func run(first uint64, n int) []uint64 {
	batch := make([]uint64, n)
	for k := range batch {
		batch[k] = first + uint64(k)
	}
	return batch
}

// check verifies the invariants of a ring whose items are not 0.
func check[T any](t *testing.T, r *buffer.Ring[T], zero func(T) bool) {
	t.Helper()
	require.LessOrEqual(t, r.Count, len(r.Slots))
	require.Less(t, r.Head, max(1, len(r.Slots)))
	for k := range r.Slots {
		waits := (k-r.Head+len(r.Slots))%len(r.Slots) < r.Count
		if zero(r.Slots[k]) == waits {
			t.Fatalf("slot %d of %d, head %d, count %d: %v", k, len(r.Slots), r.Head, r.Count, r.Slots[k])
		}
	}
}

// TestDropsExactly compares each policy that drops with a slice, over random
// pushes and pops.
func TestDropsExactly(t *testing.T) {
	each(t, func(t *testing.T, policy buffer.Policy) {
		for seed := range uint64(40) {
			rng := rand.New(rand.NewPCG(seed, 0))
			capacity := 1 + rng.IntN(1<<rng.IntN(8))
			var lost, wantLost, wantWaiting []uint64
			b := open(policy, capacity, func(item uint64, why buffer.Reason) {
				require.Equal(t, buffer.Overflow, why)
				lost = append(lost, item)
			})
			next, highWater := uint64(1), 0
			for step := range 200 {
				at := fmt.Sprintf("seed %d, step %d, capacity %d", seed, step, capacity)
				lost, wantLost = lost[:0], wantLost[:0]
				if n := rng.IntN(2 + capacity*5/4); rng.IntN(5) < 3 {
					batch := run(next, n)
					next += uint64(n)
					b.Push(batch)
					wantWaiting = append(wantWaiting, batch...)
					switch extra := len(wantWaiting) - capacity; {
					case extra > 0 && policy == buffer.DropNewest:
						wantLost = append(wantLost, wantWaiting[capacity:]...)
						wantWaiting = wantWaiting[:capacity:capacity]
					case extra > 0:
						wantLost = append(wantLost, wantWaiting[:extra]...)
						wantWaiting = wantWaiting[extra:]
					}
				} else if len(wantWaiting) > 0 {
					dst := make([]uint64, 1+n)
					got := b.Pop(dst)
					require.Equal(t, min(len(dst), len(wantWaiting)), got, at)
					require.True(t, slices.Equal(wantWaiting[:got], dst[:got]), at)
					wantWaiting = wantWaiting[got:]
				}
				highWater = max(highWater, len(wantWaiting))
				require.Equal(t, len(wantWaiting), b.Len(), at)
				require.True(t, slices.Equal(wantLost, lost), at)
				require.LessOrEqual(t, len(b.ring.Slots), capacity, at)
				require.Zero(t, b.evicting, at)
				check(t, &b.ring, func(item uint64) bool { return item == 0 })
				notZero := func(item uint64) bool { return item != 0 }
				require.False(t, slices.ContainsFunc(b.scratch[:cap(b.scratch)], notZero), at)
			}
			require.Equal(t, highWater, b.Gauges().HighWater)
		}
	}, "drop-newest", "drop-oldest")
}

func TestGrowsFromNothing(t *testing.T) {
	eachPolicy(t, func(t *testing.T, policy buffer.Policy) {
		b := open[uint64](policy, 1000, nil)
		require.Nil(t, b.ring.Slots, "nothing before the first push")
		for _, step := range [][2]int{{1, 16}, {15, 16}, {1, 32}, {50, 128}, {900, 1000}, {33, 1000}} {
			b.Push(run(1, step[0]))
			require.Len(t, b.ring.Slots, step[1])
		}
		require.Equal(t, 1000, b.Len())
		require.Equal(t, 8000, b.Gauges().Bytes)
		small := open[uint64](policy, 3, nil)
		small.Push(run(1, 1))
		require.Len(t, small.ring.Slots, 3)
	})
}

// TestGivesBack drains a large backlog and a small one.
func TestGivesBack(t *testing.T) {
	eachPolicy(t, func(t *testing.T, policy buffer.Policy) {
		b := open[event.Notification](policy, 1<<16, nil)
		dst := make([]event.Notification, 1024)
		for _, backlog := range []int{1024, 1 << 16, 1000} {
			for b.Len() < backlog {
				b.Push(dst[:min(1000, backlog-b.Len())])
			}
			if policy == buffer.DropOldest && backlog == 1<<16 {
				b.Push(dst)
				require.GreaterOrEqual(t, cap(b.scratch), len(dst), "as long as items wait")
			}
			kept := b.Gauges().Bytes
			for b.Len() > 0 {
				b.Pop(dst[:100])
			}
			if backlog <= 1024 {
				require.Equal(t, kept, b.Gauges().Bytes)
			} else {
				require.Zero(t, b.Gauges().Bytes)
			}
			require.LessOrEqual(t, b.Gauges().Bytes, KeptBytes)
		}
		b.Push(dst[:3])
		require.Len(t, b.ring.Slots, 1024, "what was kept")
	})
}

func TestKeepsSlotsOfHugeItems(t *testing.T) {
	b := open[[1 << 13]byte](buffer.DropNewest, minSlots, nil)
	batch := make([][1 << 13]byte, minSlots)
	b.Push(batch)
	first := &b.ring.Slots[0]
	b.Pop(batch)
	b.Push(batch)
	require.True(t, first == &b.ring.Slots[0], "an allocation a burst would be one a push here")
}

// TestLossAllocatesNothing pushes into full buffers.
func TestLossAllocatesNothing(t *testing.T) {
	each(t, func(t *testing.T, policy buffer.Policy) {
		lost := 0
		p := buffer.Params[any]{
			Capacity: 150, Policy: policy, Discard: func(any, buffer.Reason) { lost++ },
		}
		if policy == buffer.BlockTimeout {
			p.Timeout = time.Microsecond
		}
		b, err := New(p)
		require.NoError(t, err)
		batch := make([]any, 100)
		require.Zero(t, testing.AllocsPerRun(300, func() { b.Push(batch) }))
		require.Equal(t, 301*100-150, lost)
	}, "drop-newest", "drop-oldest", "block-timeout")
}

func TestIdleFootprint(t *testing.T) {
	eachPolicy(t, func(t *testing.T, policy buffer.Policy) {
		const buffers = 2000
		keep := make([]*bounded[any], buffers)
		bytes := buffertest.AllocatedBytes(func() {
			for k := range keep {
				keep[k] = open[any](policy, 1<<20, nil)
			}
		})
		assert.LessOrEqual(t, bytes/buffers, 1<<10)
		runtime.KeepAlive(keep)
	})
}

// TestPinsNothingLost keeps a buffer full and sees that what it has discarded can
// be collected.
func TestPinsNothingLost(t *testing.T) {
	each(t, func(t *testing.T, policy buffer.Policy) {
		b := open[*[64]byte](policy, 20, nil)
		lost := func() (lost []weak.Pointer[[64]byte]) {
			for range 10 {
				batch := make([]*[64]byte, 7)
				for k := range batch {
					batch[k] = new([64]byte)
					lost = append(lost, weak.Make(batch[k]))
				}
				b.Push(batch)
			}
			return lost
		}()
		runtime.GC()
		waiting := 0
		for _, p := range lost {
			if p.Value() != nil {
				waiting++
			}
		}
		require.Equal(t, 20, waiting)
		runtime.KeepAlive(b)
	}, "drop-newest", "drop-oldest")
}

func TestPopIntoNothingPanics(t *testing.T) {
	b := open[int](buffer.Block, 1, nil)
	b.Push([]int{1})
	require.PanicsWithValue(t, "bounded: Pop: empty dst", func() { b.Pop(nil) })
	b.Close()
	require.Equal(t, 1, b.Pop(make([]int, 2)))
	require.Zero(t, b.Pop(make([]int, 2)))
}

// TestHookMayReenter pushes, closes and asks from inside the hook.
func TestHookMayReenter(t *testing.T) {
	each(t, func(t *testing.T, policy buffer.Policy) {
		synctest.Test(t, func(t *testing.T) {
			var b *bounded[uint64]
			calls := map[buffer.Reason]int{}
			b = open(policy, 4, func(item uint64, why buffer.Reason) {
				calls[why]++
				switch {
				case calls[why] == 5:
					b.Close()
				case calls[why] < 5:
					b.Len()
					b.Push(run(item+100, 1))
				}
			})
			b.Push(run(1, 4))
			b.Push(run(5, 1)) // one overflows, the hook's own push as well, and so on
			popped := 0
			for dst := make([]uint64, 3); ; {
				n := b.Pop(dst)
				if n == 0 {
					break
				}
				popped += n
			}
			require.Equal(t, 4, popped)
			require.Equal(t, map[buffer.Reason]int{buffer.Overflow: 5}, calls)
			b.Push(run(1, 1))
			require.Equal(t, 5, calls[buffer.Closed], "four of them pushed one more")
		})
	}, "drop-newest", "drop-oldest", "block-timeout")
}

// An evidence is what is known of one producer's items.
type evidence struct {
	heard  atomic.Int64 // discarded
	popped int64        // only the consumer knows
}

// TestLossIsToldFirst lets producers overflow a buffer for as long as it takes
// and holds each popped item to what its producer had pushed before it: all of
// that has been popped, or the hook has heard of it.
func TestLossIsToldFirst(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	each(t, func(t *testing.T, policy buffer.Policy) {
		for seed, procs := range []int{1, 2, 4} {
			runtime.GOMAXPROCS(procs)
			rng := rand.New(rand.NewPCG(uint64(seed), 1))
			var known [4]evidence
			b := open(policy, 1+rng.IntN(60), func(item uint64, _ buffer.Reason) {
				if item%7 == 0 {
					runtime.Gosched()
				}
				known[item>>32].heard.Add(1)
			})
			var producers sync.WaitGroup
			for p := range known {
				producers.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(seed), uint64(10+p)))
					for id := uint64(p) << 32; id < uint64(p)<<32+20000; {
						n := 1 + rng.IntN(1<<rng.IntN(7))
						b.Push(run(id, n))
						id += uint64(n)
					}
				})
			}
			go func() {
				producers.Wait()
				b.Close()
			}()
			dst := make([]uint64, 8)
			for n := b.Pop(dst); n > 0; n = b.Pop(dst) {
				for _, item := range dst[:n] {
					e := &known[item>>32]
					if before := int64(item & (1<<32 - 1)); e.heard.Load()+e.popped < before {
						t.Fatalf("seed %d, GOMAXPROCS %d: item %#x was popped, but of %d before it %d were popped "+
							"and %d discarded", seed, procs, item, before, e.popped, e.heard.Load())
					}
					e.popped++
				}
				if rng.IntN(3) == 0 {
					runtime.Gosched()
				}
			}
		}
	}, "drop-newest", "drop-oldest")
}

// TestPopWaitsForEarlierEvictionsOnly stops two evictions in their hooks. What
// is popped lies behind the first one's items and before the second one's.
func TestPopWaitsForEarlierEvictionsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := map[uint64]chan bool{1: make(chan bool), 4: make(chan bool)}
		b := open(buffer.DropOldest, 3, func(item uint64, _ buffer.Reason) { <-told[item] })
		b.Push(run(1, 3))
		go b.Push(run(4, 1)) // evicts 1
		synctest.Wait()
		var popped []uint64
		pop := func() {
			dst := make([]uint64, 2)
			popped = dst[:b.Pop(dst)]
		}
		go pop() // takes 2 and 3, and waits
		synctest.Wait()
		require.Equal(t, 1, b.Len())
		go b.Push(run(5, 3)) // evicts 4
		synctest.Wait()
		require.Empty(t, popped, "1 has not been told")
		close(told[1])
		synctest.Wait()
		require.Equal(t, []uint64{2, 3}, popped)

		go pop()
		b.Close()
		synctest.Wait()
		require.Equal(t, []uint64{2, 3}, popped, "4 has not been told")
		close(told[4])
		synctest.Wait()
		require.Equal(t, []uint64{5, 6}, popped)
		require.Zero(t, b.evicting)
	})
}

// A consumer that has handled all it got must know what it lost: while the hook
// hears of items that found no room, nothing that waits can be popped.
func TestNothingIsPoppedBeforeALossIsHeard(t *testing.T) {
	for _, p := range []buffer.Params[uint64]{
		{Capacity: 2, Policy: buffer.DropNewest},
		{Capacity: 2, Policy: buffer.DropOldest},
		{Capacity: 2, Policy: buffer.BlockTimeout, Timeout: time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			hearing, heard := make(chan struct{}), 0
			p.Discard = func(uint64, buffer.Reason) {
				<-hearing
				heard++
			}
			b, err := New(p)
			require.NoError(t, err)
			go b.Push([]uint64{1, 2, 3})
			time.Sleep(time.Second)
			popped := 0
			go func() {
				dst := make([]uint64, 8)
				for popped < 2 {
					popped += b.Pop(dst)
					assert.Equal(t, 1, heard, "policy %d", p.Policy)
				}
			}()
			time.Sleep(time.Second)
			assert.Zero(t, popped, "policy %d", p.Policy)
			close(hearing)
			synctest.Wait()
			assert.Equal(t, 2, popped)
			b.Close()
		})
	}
}
