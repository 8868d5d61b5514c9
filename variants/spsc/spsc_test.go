package spsc

import (
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/core/buffer"
	"informerlab/core/buffer/buffertest"
	"informerlab/core/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// driven is a queue that a driver leads.
type driven struct {
	*buffertest.Driver
	*queue[uint64]
}

func drive(t *testing.T) driven {
	d := &buffertest.Driver{T: t}
	q := newQueue(buffer.Params[uint64]{Discard: d.Discard})
	d.Queue = q
	return driven{d, q}
}

func TestPopIntoNothingPanics(t *testing.T) {
	q := drive(t)
	require.PanicsWithValue(t, "spsc: Pop: empty dst", func() { q.Pop(nil) })
}

func TestSides(t *testing.T) {
	var q queue[int]
	offsets := []uintptr{
		unsafe.Offsetof(q.full), unsafe.Offsetof(q.state), unsafe.Offsetof(q.spares),
		unsafe.Offsetof(q.popped), unsafe.Sizeof(q),
	}
	for k := range offsets[1:] {
		assert.GreaterOrEqual(t, offsets[k+1]-offsets[k], uintptr(line), "group %d", k)
	}
}

func TestChunksDouble(t *testing.T) {
	q := drive(t)
	require.Empty(t, q.tail.slots)
	q.Feed(1)
	require.Len(t, q.tail.slots, firstSlots)
	q.Feed(6 * q.full)
	slots, all := firstSlots, 0
	for c := q.from.next; c != nil; c = c.next {
		require.Len(t, c.slots, slots)
		all += slots
		slots = min(q.full, 2*slots+1)
	}
	require.Equal(t, 8*all, q.Gauges().Bytes)
	q.Drain(100)
}

func TestSlotCounts(t *testing.T) {
	assert.Equal(t, 3072, newQueue(buffer.Params[any]{}).full)
	assert.Equal(t, 1024, newQueue(buffer.Params[event.Notification]{}).full)
	assert.Equal(t, firstSlots, newQueue(buffer.Params[[1 << 16]byte]{}).full)
	q := newQueue(buffer.Params[struct{}]{})
	q.Push(make([]struct{}, 1<<17))
	require.Equal(t, 1<<17, q.Pop(make([]struct{}, 1<<18)))
}

// TestSpentChunksGoRound passes many chunks through a queue with a small backlog.
func TestSpentChunksGoRound(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection would take the spares
	q := drive(t)
	popped, batch := make([]uint64, 128), buffertest.Numbers(1, 100)
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
	spare, ok := q.spares.Take()
	require.True(t, ok)
	for _, c := range []*chunk[uint64]{q.tail, spare} {
		require.Nil(t, c.next)
		require.Len(t, c.slots, q.full)
		require.False(t, slices.ContainsFunc(c.slots, func(item uint64) bool { return item != 0 }))
	}
	require.Equal(t, q.full*8, q.Gauges().Bytes)
}

// TestCloseDuringPush closes when all of a batch has been written and nothing
// of it shown, for batches that end before, at and after the end of a chunk.
func TestCloseDuringPush(t *testing.T) {
	for _, before := range []int{0, 1, firstSlots - 1, firstSlots, firstSlots + 1} {
		for _, size := range []int{1, firstSlots - 1, firstSlots, firstSlots + 1, 5000} {
			q := drive(t)
			q.Feed(before)
			s, tail, used := q.state.Load(), q.tail, q.used
			q.write(buffertest.Numbers(1000, size))
			written := tail
			q.Close()
			require.False(t, q.show(s, size))
			q.unwrite(tail, used)
			require.Same(t, written, q.tail)
			require.Nil(t, q.tail.next)
			require.False(t, slices.ContainsFunc(q.tail.slots[used:], func(item uint64) bool { return item != 0 }))
			require.Equal(t, before, q.Len())
			q.Push(buffertest.Numbers(7, 2))
			require.Equal(t, buffertest.Numbers(7, 2), q.Discarded)
			q.Drain(4)
			require.Zero(t, q.Pop(make([]uint64, 1)))
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
		q := drive(t)
		var closer sync.WaitGroup
		closer.Go(q.Close)
		batch := buffertest.Numbers(1, 1+round%40)
		q.Push(batch)
		closer.Wait()
		popped, dst := []uint64{}, make([]uint64, 64)
		for n := q.Pop(dst); n > 0; n = q.Pop(dst) {
			popped = append(popped, dst[:n]...)
		}
		if len(popped) == 0 {
			cut++
			require.Equal(t, batch, q.Discarded)
			continue
		}
		require.Equal(t, batch, popped)
		require.Empty(t, q.Discarded)
	}
	t.Logf("%d of %d pushes were cut", cut, rounds)
}

// TestStateWord goes through every transition and what it rings.
func TestStateWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := drive(t)
		dst := make([]uint64, 8)
		popped := make(chan int)
		pop := func() { go func() { popped <- q.Pop(dst) }() }
		pop()
		synctest.Wait()
		require.Equal(t, uint64(parkedBit), q.state.Load())
		q.Push(buffertest.Numbers(1, 3))
		require.Equal(t, 3, <-popped)
		require.Equal(t, uint64(3*one), q.state.Load())
		require.Empty(t, q.bell)
		q.Push(buffertest.Numbers(4, 1))
		require.Empty(t, q.bell, "an awake consumer is not rung for")
		pop()
		require.Equal(t, 1, <-popped)
		pop()
		synctest.Wait()
		stale := q.state.Load() &^ parkedBit // as a producer sees that looked just before
		q.write(buffertest.Numbers(5, 2))
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
