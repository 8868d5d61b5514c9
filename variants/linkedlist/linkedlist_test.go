package linkedlist

import (
	"runtime"
	"testing"
	"unsafe"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A driver pushes consecutive numbers and checks what it pops.
type driver struct {
	*list[uint64]
	t            *testing.T
	next, popped uint64 // the last number pushed and the last one popped
}

func drive(t *testing.T) *driver {
	return &driver{list: newList[uint64](buffer.Params[uint64]{}), t: t}
}

func (d *driver) push(n int) {
	batch := make([]uint64, n)
	for k := range batch {
		d.next++
		batch[k] = d.next
	}
	d.Push(batch)
	d.check()
}

func (d *driver) pop(n int) {
	for dst := make([]uint64, n); n > 0; {
		got := d.Pop(dst[:n])
		for _, item := range dst[:got] {
			d.popped++
			require.Equal(d.t, d.popped, item)
		}
		n -= got
		d.check()
	}
}

// check walks all chains. The nodes that carry an item carry them all, in
// order; the others carry none, and are few.
func (d *driver) check() {
	require.Equal(d.t, int(d.next-d.popped), d.Len())
	seen := map[*node[uint64]]bool{}
	items := d.popped
	for _, chain := range []*node[uint64]{d.ready, d.head} {
		for n := chain; n != nil; n = n.next {
			require.False(d.t, seen[n], "a node is in two places")
			seen[n] = true
			items++
			require.Equal(d.t, items, n.item)
		}
	}
	require.Equal(d.t, d.next, items, "one node for each item")
	lengths := map[string]int{}
	for name, chain := range map[string]*node[uint64]{"free": d.free, "spent": d.spent} {
		for n := chain; n != nil; n = n.next {
			require.False(d.t, seen[n], "a node is in two places")
			seen[n] = true
			require.Zero(d.t, n.item)
			lengths[name]++
		}
	}
	require.Equal(d.t, d.spentLen, lengths["spent"])
	require.LessOrEqual(d.t, lengths["spent"], d.spentMost)
	require.LessOrEqual(d.t, lengths["free"], max(runNodes, d.spentMost))
}

func TestOneNodeForEachItem(t *testing.T) {
	d := drive(t)
	require.Nil(t, d.free, "nothing before the first push")
	for _, n := range []int{1, 2, runNodes - 1, runNodes, runNodes + 1, 500} {
		d.push(n)
		d.push(3)
		d.pop(n)
		d.push(1)
		d.pop(4)
	}
}

// TestDetachesAll pops one item and finds the rest detached, beside a new list.
func TestDetachesAll(t *testing.T) {
	d := drive(t)
	d.push(5)
	d.pop(1)
	require.Nil(t, d.head)
	d.push(2)
	require.NotNil(t, d.head)
	require.Equal(t, 4, d.Pop(make([]uint64, 9)), "what was detached, and no more")
	d.popped += 4
	d.pop(2)
}

func TestReusesSpentNodes(t *testing.T) {
	d := drive(t)
	most := d.spentMost
	require.Greater(t, most, runNodes)
	d.push(10 * most)
	d.pop(10 * most)
	require.Equal(t, most, d.spentLen, "the others go to the collector")
	d.push(10 * most) // uses up what is free
	d.pop(10 * most)
	d.push(1)
	d.pop(1)
	dst, batch := make([]uint64, 10), make([]uint64, 10)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		d.Push(batch)
		for d.Len() > 0 {
			d.Pop(dst)
		}
	}))
}

// TestCutsLinks holds on to the oldest node of a list and sees that no later
// one hangs on it.
func TestCutsLinks(t *testing.T) {
	l := newList[*int](buffer.Params[*int]{})
	l.spentMost = 0
	items := make([]*int, 1000)
	l.Push(items)
	oldest := l.head
	var last weak.Pointer[node[*int]]
	func() { last = weak.Make(l.tail) }()
	dst := make([]*int, len(items))
	require.Equal(t, len(items), l.Pop(dst))
	require.Nil(t, oldest.next)
	l.tail = nil
	l.free = nil
	runtime.GC()
	require.Nil(t, last.Value())
	runtime.KeepAlive(oldest)
}

func TestSpentMostByItemSize(t *testing.T) {
	assert.Equal(t, 54, spentMost[any]())
	assert.Equal(t, 22, spentMost[event.Notification]())
	assert.Zero(t, spentMost[[1 << 10]byte]())
	assert.Positive(t, spentMost[struct{}]())
}

// TestNodeTakes holds the package comment to its figures.
func TestNodeTakes(t *testing.T) {
	assert.EqualValues(t, 24, allocated[any]()/runNodes)
	assert.EqualValues(t, 64, allocated[event.Notification]()/runNodes)
	assert.EqualValues(t, 56, unsafe.Sizeof(node[event.Notification]{}))
}

// allocated returns the bytes that a run takes.
func allocated[T any]() uint64 {
	const runs = 1000
	keep := make([]*node[T], runs)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for k := range keep {
		keep[k] = newRun[T]()
	}
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(keep)
	return (after.TotalAlloc - before.TotalAlloc) / runs
}

func TestPopIntoNothingPanics(t *testing.T) {
	d := drive(t)
	d.push(1)
	require.PanicsWithValue(t, "linkedlist: Pop: empty dst", func() { d.Pop(nil) })
	d.pop(1)
}
