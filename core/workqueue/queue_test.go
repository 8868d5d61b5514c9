package workqueue

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// get is Get for a queue that is known to have an item ready.
func get[T comparable](t *testing.T, q interface{ Get() (T, bool) }) T {
	t.Helper()
	item, shutdown := q.Get()
	require.False(t, shutdown, "Get reports a shutdown")
	return item
}

// done starts f and returns a function that tells, once all goroutines of the
// bubble are blocked, whether f has returned.
func done(f func()) func() bool {
	end := make(chan struct{})
	go func() {
		defer close(end)
		f()
	}()
	return func() bool {
		synctest.Wait()
		select {
		case <-end:
			return true
		default:
			return false
		}
	}
}

func TestItemsLeaveInTurnAndOnce(t *testing.T) {
	q := New[string](Options{})
	for _, item := range []string{"a", "b", "a", "c", "b"} {
		q.Add(item)
	}
	assert.Equal(t, 3, q.Len())
	assert.Equal(t, "a", get(t, q))
	assert.Equal(t, "b", get(t, q))
	assert.Equal(t, 1, q.Len(), "items in hand do not count")
	q.Done("a")
	q.Add("a")
	assert.Equal(t, "c", get(t, q))
	assert.Equal(t, "a", get(t, q), "done and added again: behind the others")
}

func TestAddWhileInHandComesBackOnce(t *testing.T) {
	q := New[string](Options{})
	q.Add("a")
	get(t, q)
	q.Add("a")
	q.Add("b")
	q.Add("a")
	assert.Equal(t, 1, q.Len(), "an item in hand is not ready")
	q.Done("a")
	assert.Equal(t, "b", get(t, q), "the item takes its place at Done, not at Add")
	assert.Equal(t, "a", get(t, q))
	q.Done("a")
	assert.Zero(t, q.Len(), "added twice while in hand, ready once")
}

func TestGetWaitsForAnItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New[string](Options{})
		var item string
		got := done(func() { item = get(t, q) })
		require.False(t, got())
		q.Add("a")
		require.True(t, got())
		assert.Equal(t, "a", item)
	})
}

func TestDoneWakesTheNextWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New[string](Options{})
		q.Add("a")
		get(t, q)
		got := done(func() { get(t, q) })
		q.Add("a")
		require.False(t, got(), "the item is in the hands of another worker")
		q.Done("a")
		require.True(t, got())
	})
}

func TestDoneOfWhatNobodyHasIsIgnored(t *testing.T) {
	q := New[string](Options{})
	q.Done("never seen")
	q.Add("a")
	q.Done("a")
	assert.Equal(t, 1, q.Len(), "the waiting item is there once")
	get(t, q)
	q.Done("a")
	q.Done("a")
	q.ShutDownWithDrain() // would hang if the items in hand were miscounted
	assert.True(t, q.ShuttingDown())
}

func TestShutDownHandsOutWhatIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New[string](Options{})
		q.Add("a")
		q.Add("b")
		get(t, q)
		q.Add("a")
		require.True(t, done(q.ShutDown)(), "ShutDown waits for no worker")
		q.Add("c")
		assert.Equal(t, "b", get(t, q))
		_, shutdown := q.Get()
		assert.True(t, shutdown, "nothing is ready, though one item is in hand")
		q.Done("a")
		assert.Equal(t, "a", get(t, q), "it was added before the shutdown")
		_, shutdown = q.Get()
		assert.True(t, shutdown)
		q.ShutDown()
	})
}

func TestShutDownReleasesAllWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New[string](Options{})
		var ended []func() bool
		for range 3 {
			ended = append(ended, done(func() {
				_, shutdown := q.Get()
				assert.True(t, shutdown)
			}))
		}
		require.False(t, ended[0]())
		q.ShutDown()
		for _, end := range ended {
			assert.True(t, end())
		}
	})
}

func TestDrainWaitsForItemsInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New[string](Options{})
		q.Add("a")
		q.Add("b")
		get(t, q)
		get(t, q)
		first, second := done(q.ShutDownWithDrain), done(q.ShutDownWithDrain)
		require.False(t, first())
		q.Done("a")
		require.False(t, first())
		q.Done("b")
		assert.True(t, first())
		assert.True(t, second(), "several drains all end")
	})
}

func TestDrainHandsOutWhatCameBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New[string](Options{})
		q.Add("a")
		get(t, q)
		q.Add("a")
		drained := done(q.ShutDownWithDrain)
		require.False(t, drained())
		q.Done("a")
		assert.Equal(t, "a", get(t, q))
		q.Done("a")
		_, shutdown := q.Get()
		assert.True(t, shutdown)
		assert.True(t, drained())
	})
}

func TestShutDownEndsDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New[string](Options{})
		q.Add("a")
		get(t, q)
		first, second := done(q.ShutDownWithDrain), done(q.ShutDownWithDrain)
		require.False(t, first())
		q.ShutDown()
		third := done(q.ShutDownWithDrain)
		assert.True(t, first())
		assert.True(t, second())
		assert.False(t, third(), "a drain that begins later waits again")
		q.Done("a")
		assert.True(t, third())
	})
}

// A queue of pointers must not keep what has left it.
func TestNothingThatLeftIsKept(t *testing.T) {
	q := New[*[64]byte](Options{})
	d := NewDelaying[*[64]byte](Options{})
	defer d.ShutDown()
	left := func() (refs []weak.Pointer[[64]byte]) {
		for range 20 {
			item := new([64]byte)
			refs = append(refs, weak.Make(item))
			q.Add(item)
			d.AddAfter(item, time.Nanosecond)
		}
		for range 20 {
			q.Done(get(t, q))
			d.Done(get(t, d))
		}
		return refs
	}()
	runtime.GC()
	for i, ref := range left {
		assert.Nil(t, ref.Value(), "item %d is still referenced", i)
	}
	runtime.KeepAlive(q)
}

func TestStorageOfABurstIsGivenBack(t *testing.T) {
	const burst = 100 * keepEntries
	q := New[int](Options{})
	for i := range burst {
		q.Add(i)
	}
	assert.GreaterOrEqual(t, len(q.ready.slots), burst)
	for range burst {
		q.Done(get(t, q))
	}
	assert.LessOrEqual(t, len(q.ready.slots), keepEntries)
	assert.Zero(t, q.peak, "the map was replaced")

	var s schedule[int]
	now := time.Now()
	for i := range burst {
		s.put(i, now.Add(time.Duration(i)))
	}
	for range burst {
		s.pop()
	}
	assert.Zero(t, cap(s.heap))
	assert.Nil(t, s.index)
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	d := NewDelaying[int](Options{})
	defer d.ShutDown()
	cycle := func() {
		for i := range 100 {
			d.Add(i)
			d.AddAfter(i, time.Hour)
		}
		for range 100 {
			item, _ := d.Get()
			d.Done(item)
		}
	}
	cycle()
	assert.Zero(t, testing.AllocsPerRun(100, cycle))
}

func TestFIFOAtItsEdges(t *testing.T) {
	for _, size := range []int{1, 7, 8, 9, 1023, 1024, 1025, 4096, 5000} {
		var f fifo[int]
		next, want := 0, 0
		for round := range 3 { // later rounds start in the middle of the ring
			for range size {
				f.push(next)
				next++
			}
			for range size - round%2 {
				require.Equal(t, want, f.pop(), "size %d", size)
				want++
			}
		}
		require.Equal(t, next-want, f.len(), "size %d", size)
	}
}
