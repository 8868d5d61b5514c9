package spsc

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// opened returns a queue and the items that it has discarded so far.
func opened(t *testing.T) (*queue[int], *[]int) {
	t.Helper()
	discarded := new([]int)
	return newQueue(buffer.Params[int]{Discard: func(item int, why buffer.Reason) {
		require.Equal(t, buffer.Closed, why)
		*discarded = append(*discarded, item)
	}}), discarded
}

func numbers(from, n int) []int {
	items := make([]int, n)
	for k := range items {
		items[k] = from + k
	}
	return items
}

// popAll pops what is there, some at a time.
func popAll(q *queue[int], some int) (all []int) {
	dst := make([]int, some)
	for q.Len() > 0 {
		all = append(all, dst[:q.Pop(dst)]...)
	}
	return all
}

func TestPopIntoNothingPanics(t *testing.T) {
	q, _ := opened(t)
	require.PanicsWithValue(t, "spsc: Pop: empty dst", func() { q.Pop(nil) })
}

func TestSides(t *testing.T) {
	var q queue[int]
	offsets := []uintptr{
		unsafe.Offsetof(q.full), unsafe.Offsetof(q.state), unsafe.Offsetof(q.spare),
		unsafe.Offsetof(q.popped), unsafe.Sizeof(q),
	}
	for k := range offsets[1:] {
		assert.GreaterOrEqual(t, offsets[k+1]-offsets[k], uintptr(line), "group %d", k)
	}
}

func TestIdleFootprint(t *testing.T) {
	const queues = 200
	kept := make([]buffer.Buffer[any], queues)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for k := range kept {
		kept[k] = New(buffer.Params[any]{})
	}
	runtime.ReadMemStats(&after)
	assert.LessOrEqual(t, (after.TotalAlloc-before.TotalAlloc)/queues, uint64(1<<10))
	runtime.KeepAlive(kept)
}

func TestChunksDouble(t *testing.T) {
	q, _ := opened(t)
	require.Empty(t, q.tail.slots)
	q.Push(numbers(0, 1))
	require.Len(t, q.tail.slots, firstSlots)
	q.Push(numbers(1, 6*q.full))
	slots := firstSlots
	for c := q.from.next; c != nil; c = c.next {
		require.Len(t, c.slots, slots)
		slots = min(q.full, 2*slots+1)
	}
	require.Equal(t, numbers(0, 1+6*q.full), popAll(q, 100))
}

func TestSlotCounts(t *testing.T) {
	assert.Equal(t, 1023, newQueue(buffer.Params[any]{}).full)
	assert.Equal(t, 341, newQueue(buffer.Params[event.Notification]{}).full)
	assert.Equal(t, firstSlots, newQueue(buffer.Params[[1 << 16]byte]{}).full)
	q := newQueue(buffer.Params[struct{}]{})
	q.Push(make([]struct{}, 1<<17))
	require.Equal(t, 1<<17, q.Pop(make([]struct{}, 1<<18)))
}

// TestSpentChunksGoRound passes many chunks through a queue with a small backlog.
func TestSpentChunksGoRound(t *testing.T) {
	q, _ := opened(t)
	popped, batch := make([]int, 128), numbers(1, 100)
	pass := func() {
		for range 10 * q.full / len(batch) {
			q.Push(batch)
			for q.Len() > 0 {
				q.Pop(popped)
			}
		}
	}
	pass()
	pass() // the first chunks of full length are made here at the latest
	assert.Zero(t, testing.AllocsPerRun(20, pass))
	for _, c := range []*chunk[int]{q.tail, q.spare.Load()} {
		if c != nil {
			require.Nil(t, c.next)
			require.False(t, slices.ContainsFunc(c.slots, func(item int) bool { return item != 0 }))
		}
	}
}

// TestCloseDuringPush closes when all of a batch has been written and nothing
// of it shown, for batches that end before, at and after the end of a chunk.
func TestCloseDuringPush(t *testing.T) {
	for _, before := range []int{0, 1, firstSlots - 1, firstSlots, firstSlots + 1} {
		for _, size := range []int{1, firstSlots - 1, firstSlots, firstSlots + 1, 5000} {
			q, discarded := opened(t)
			q.Push(numbers(1, before))
			s, tail, used := q.state.Load(), q.tail, q.used
			q.write(numbers(1000, size))
			written := tail
			q.Close()
			require.False(t, q.show(s, size))
			q.unwrite(tail, used)
			require.Same(t, written, q.tail)
			require.Nil(t, q.tail.next)
			require.False(t, slices.ContainsFunc(q.tail.slots[used:], func(item int) bool { return item != 0 }))
			require.Equal(t, before, q.Len())
			q.Push(numbers(7, 2))
			require.Equal(t, numbers(7, 2), *discarded)
			if before > 0 {
				require.Equal(t, numbers(1, before), popAll(q, 4))
			}
			require.Zero(t, q.Pop(make([]int, 1)))
		}
	}
}

// TestCloseMeetsPush does the same from another goroutine, at any time.
func TestCloseMeetsPush(t *testing.T) {
	rounds := 20000
	if testing.Short() {
		rounds = 500
	}
	cut := 0
	for round := range rounds {
		q, discarded := opened(t)
		var closer sync.WaitGroup
		closer.Go(q.Close)
		batch := numbers(1, 1+round%40)
		q.Push(batch)
		closer.Wait()
		popped, dst := []int{}, make([]int, 64)
		for n := q.Pop(dst); n > 0; n = q.Pop(dst) {
			popped = append(popped, dst[:n]...)
		}
		if len(popped) == 0 {
			cut++
			require.Equal(t, batch, *discarded)
			continue
		}
		require.Equal(t, batch, popped)
		require.Empty(t, *discarded)
	}
	t.Logf("%d of %d pushes were cut", cut, rounds)
}

// TestStateWord goes through every transition and what it rings.
func TestStateWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, _ := opened(t)
		dst := make([]int, 8)
		popped := make(chan int)
		pop := func() { go func() { popped <- q.Pop(dst) }() }
		pop()
		synctest.Wait()
		require.Equal(t, uint64(parkedBit), q.state.Load())
		q.Push(numbers(1, 3))
		require.Equal(t, 3, <-popped)
		require.Equal(t, uint64(3*one), q.state.Load())
		require.Empty(t, q.bell)
		q.Push(numbers(4, 1))
		require.Empty(t, q.bell, "an awake consumer is not rung for")
		pop()
		require.Equal(t, 1, <-popped)
		pop()
		synctest.Wait()
		stale := q.state.Load() &^ parkedBit // as a producer sees that looked just before
		q.write(numbers(5, 2))
		require.True(t, q.show(stale, 2))
		require.Equal(t, 2, <-popped)
		pop()
		synctest.Wait()
		q.Close()
		require.Zero(t, <-popped)
		require.Equal(t, uint64(6*one+closedBit), q.state.Load())
		q.Close()
		require.Zero(t, q.Pop(dst))
		require.Empty(t, q.bell)
	})
}
