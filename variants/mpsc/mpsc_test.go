package mpsc

import (
	"runtime/debug"
	"slices"
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

// TestPushesInTurnsStayInOrder checks what the declared order leaves out:
// producers that take turns are in order among each other as well.
func TestPushesInTurnsStayInOrder(t *testing.T) {
	l, err := buffertest.Find("producers")
	require.NoError(t, err)
	strict := buffer.Traits{
		Order: buffer.FIFO, Loss: buffer.Lossless, Bound: buffer.Unbounded, Producers: buffer.Many,
	}
	require.NoError(t, l.Check(t, buffertest.Variant{
		Name: "mpsc", Traits: strict, Ints: New[uint64], Notifications: New[event.Notification], Boxed: New[any],
	}))
}

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

// claim does the first half of a push of n items and returns the other half.
func claim[T any](q *queue[T], items []T) (finish func()) {
	start := q.near.Load()
	t := q.tail.Add(uint64(len(items))*ticket)/ticket - uint64(len(items))
	return func() { q.fill(start, t, items) }
}

func TestPopIntoNothingPanics(t *testing.T) {
	q := drive(t)
	require.PanicsWithValue(t, "mpsc: Pop: empty dst", func() { q.Pop(nil) })
}

func TestSides(t *testing.T) {
	var q queue[int]
	offsets := []uintptr{
		unsafe.Offsetof(q.full), unsafe.Offsetof(q.tail), unsafe.Offsetof(q.near),
		unsafe.Offsetof(q.waiting), unsafe.Offsetof(q.popped), unsafe.Sizeof(q),
	}
	for k := range offsets[1:] {
		assert.GreaterOrEqual(t, offsets[k+1]-offsets[k], uintptr(line), "group %d", k)
	}
}

func TestBlocksDouble(t *testing.T) {
	q := drive(t)
	require.Nil(t, q.node.block)
	q.Feed(1)
	n := q.node.next.Load()
	require.Equal(t, uint64(firstSlots), n.end)
	require.Nil(t, n.next.Load(), "appended by the push that needs it, not before")
	q.Feed(6 * q.full)
	for slots := firstSlots; n.end < q.tail.Load()/ticket; slots = min(q.full, 2*slots) {
		require.Equal(t, uint64(slots), n.end-n.first)
		require.Len(t, n.block.items, slots)
		require.Equal(t, n.end, n.next.Load().first)
		n = n.next.Load()
	}
	require.Same(t, n, q.near.Load())
	q.Drain(100)
}

func TestSlotCounts(t *testing.T) {
	assert.Equal(t, blockBytes/20, newQueue(buffer.Params[any]{}).full)
	assert.Equal(t, blockBytes/52, newQueue(buffer.Params[event.Notification]{}).full)
	assert.Equal(t, firstSlots, newQueue(buffer.Params[[1 << 16]byte]{}).full)
	q := newQueue(buffer.Params[struct{}]{})
	q.Push(make([]struct{}, 1<<17))
	dst := make([]struct{}, 1<<18)
	require.Equal(t, 1<<17, q.Pop(dst))
}

// TestSpentBlocksGoRound passes many blocks through a queue with a small backlog.
func TestSpentBlocksGoRound(t *testing.T) {
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
	allocs := testing.AllocsPerRun(20, pass)
	assert.LessOrEqual(t, allocs, 11.0, "a node for each block and nothing else")
	for k := range q.node.block.items[:q.head-q.node.first] {
		require.Zero(t, q.node.block.items[k])
	}
	spare, ok := q.spares.Take()
	require.True(t, ok)
	require.Len(t, spare.items, q.full)
	require.False(t, slices.ContainsFunc(spare.items, func(item uint64) bool { return item != 0 }))
	for k := range spare.ready {
		require.Zero(t, spare.ready[k].Load())
	}
	require.Equal(t, q.full*slotBytes[uint64](), q.Gauges().Bytes)
}

// TestClaimedPushHoldsBackLaterOnes stops a push between its two halves.
func TestClaimedPushHoldsBackLaterOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := drive(t)
		q.Feed(5)
		finish := claim(q.queue, buffertest.Numbers(6, 40)) // over the end of the first block
		q.Push(buffertest.Numbers(46, 5))
		require.Equal(t, 50, q.Len(), "what is claimed counts")
		dst := make([]uint64, 100)
		require.Equal(t, 5, q.Pop(dst))
		var got []uint64
		done := make(chan struct{})
		go func() {
			defer close(done)
			for len(got) < 46 {
				got = append(got, dst[:q.Pop(dst)]...)
			}
		}()
		synctest.Wait()
		require.Equal(t, uint64(6), q.waiting.Load())
		q.Push(buffertest.Numbers(51, 1))
		synctest.Wait()
		require.Equal(t, uint64(6), q.waiting.Load(), "a push behind the awaited one leaves it alone")
		finish()
		<-done
		require.Equal(t, buffertest.Numbers(6, 46), got)
	})
}

func TestCloseWaitsForClaimedPush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := drive(t)
		finish := claim(q.queue, buffertest.Numbers(1, 20))
		q.Close()
		q.Push(buffertest.Numbers(100, 3))
		require.Equal(t, buffertest.Numbers(100, 3), q.Discarded)
		require.Equal(t, 20, q.Len())
		var got []uint64
		done := make(chan struct{})
		go func() {
			defer close(done)
			dst := make([]uint64, 7)
			for n := q.Pop(dst); n > 0; n = q.Pop(dst) {
				got = append(got, dst[:n]...)
			}
		}()
		synctest.Wait()
		require.Equal(t, uint64(1), q.waiting.Load(), "the end is known, and not reached")
		finish()
		<-done
		require.Equal(t, buffertest.Numbers(1, 20), got)
		require.Zero(t, q.Len())
	})
}

// TestCloseInTwoSteps stops a Close between the bit and the cut. Nobody is in
// doubt: pushes are refused, another Close returns, and Pop waits.
func TestCloseInTwoSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := drive(t)
		q.Feed(3)
		before := q.tail.Or(closedBit)
		q.Push(buffertest.Numbers(4, 2))
		q.Close()
		require.Equal(t, buffertest.Numbers(4, 2), q.Discarded)
		dst := make([]uint64, 9)
		require.Equal(t, 3, q.Pop(dst))
		done := make(chan struct{})
		go func() {
			defer close(done)
			assert.Zero(t, q.Pop(dst))
		}()
		synctest.Wait()
		require.Equal(t, uint64(4), q.waiting.Load())
		q.closedAt.Store(before/ticket + 1)
		q.wake(q.waiting.Load())
		<-done
		require.Zero(t, q.Len())
	})
}

// TestPusherWithOldNode lets a push sleep with a node in hand that many others
// have left behind, in either half.
func TestPusherWithOldNode(t *testing.T) {
	q := drive(t)
	old := q.near.Load()
	for range 100 {
		q.Feed(100)
		q.Drain(64)
	}
	spent := old.next.Load()
	require.Nil(t, spent.block, "the old nodes hold no storage")
	near := q.near.Load()
	at := q.tail.Add(7*ticket)/ticket - 7
	q.fill(old, at, buffertest.Numbers(q.Pushed+1, 7))
	q.Pushed += 7
	require.Same(t, near, q.near.Load(), "near does not go back")
	q.Drain(64)
}

// TestNoTokenStays parks with an item already there, which must retract.
func TestNoTokenStays(t *testing.T) {
	q := drive(t)
	q.Feed(1)
	q.park()
	require.Zero(t, q.waiting.Load())
	require.Empty(t, q.bell)
	q.Expect(1)
	q.Close()
	q.park()
	require.Zero(t, q.waiting.Load())
	require.Empty(t, q.bell)
}
