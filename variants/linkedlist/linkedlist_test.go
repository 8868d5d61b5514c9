package linkedlist

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/core/buffer"
	"informerlab/core/buffer/buffertest"
	"informerlab/core/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// driven is a list that a driver leads.
type driven struct {
	*buffertest.Driver
	*list[uint64]
}

func drive(t *testing.T) driven {
	d := driven{&buffertest.Driver{T: t}, newList(buffer.Params[uint64]{})}
	d.Queue, d.Check = d.list, d.check
	return d
}

// check walks the chain. The nodes that carry an item carry them all, in order;
// the others carry none, and are few.
func (d driven) check() {
	seen := map[*node[uint64]]bool{}
	walk := func(from, end *node[uint64], each func(*node[uint64])) (length int) {
		for n := from; n != end; n = n.next {
			require.False(d.T, seen[n], "a node is in two places")
			seen[n] = true
			length++
			each(n)
		}
		return length
	}
	number := d.Popped
	carries := func(n *node[uint64]) { number++; require.Equal(d.T, number, n.item) }
	empty := func(n *node[uint64]) { require.Zero(d.T, n.item) }
	nodes := walk(d.ready, d.stop, carries) + walk(d.head, d.free, carries)
	require.Equal(d.T, d.Pushed, number, "one node for each item")
	require.Equal(d.T, d.frees, walk(d.free, nil, empty))
	require.True(d.T, d.frees == 0 || d.end.next == nil && seen[d.end])
	nodes += d.frees
	if d.spentLen > 0 {
		require.Equal(d.T, d.spentLen, 1+walk(d.spent, d.last, empty))
		empty(d.last)
	}
	require.LessOrEqual(d.T, d.spentLen, d.spentMost)
	require.LessOrEqual(d.T, d.frees, fewFree+max(runNodes, d.spentMost))
	require.EqualValues(d.T, (nodes+d.spentLen)*int(unsafe.Sizeof(node[uint64]{})), d.Gauges().Bytes)
}

func TestOneNodeForEachItem(t *testing.T) {
	d := drive(t)
	require.Nil(t, d.free, "nothing before the first push")
	for _, n := range []int{1, 2, runNodes - 1, runNodes, runNodes + 1, 500} {
		d.Feed(n)
		d.Feed(3)
		d.Expect(n)
		d.Feed(1)
		d.Expect(4)
	}
}

// TestChainStaysWhole pushes and pops at random, around the lengths of runs and
// of what is kept.
func TestChainStaysWhole(t *testing.T) {
	d := drive(t)
	sizes := []int{1, 1, 2, runNodes - 1, runNodes, runNodes + 1, d.spentMost, 3 * d.spentMost}
	rng := rand.New(rand.NewPCG(1, 0))
	for range 2000 {
		if d.Feed(sizes[rng.IntN(len(sizes))]); rng.IntN(3) == 0 {
			d.Expect(d.Len())
			continue
		}
		d.Expect(min(d.Len(), sizes[rng.IntN(len(sizes))]))
	}
	d.Expect(d.Len())
}

// TestDetachesAll pops one item and finds the rest detached, beside a new list.
func TestDetachesAll(t *testing.T) {
	d := drive(t)
	d.Feed(5)
	d.Expect(1)
	require.Same(t, d.head, d.free)
	d.Feed(2)
	require.NotSame(t, d.head, d.free)
	require.Equal(t, 4, d.Pop(make([]uint64, 9)), "what was detached, and no more")
	d.Popped += 4
	d.Expect(2)
}

func TestReusesSpentNodes(t *testing.T) {
	d := drive(t)
	most := d.spentMost
	require.Greater(t, most, runNodes)
	d.Feed(10 * most)
	d.Expect(10 * most)
	require.Equal(t, most, d.spentLen, "the others go to the collector")
	d.Feed(10 * most) // uses up what is free
	d.Expect(10 * most)
	d.Feed(1)
	d.Expect(1)
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
	l.Push(items[:1])
	oldest := l.head
	l.Push(items[1:])
	last := weak.Make(l.free)
	dst := make([]*int, len(items))
	require.Equal(t, len(items), l.Pop(dst))
	require.Nil(t, oldest.next)
	l.ready, l.stop, l.head, l.free, l.end = nil, nil, nil, nil, nil
	runtime.GC()
	require.Nil(t, last.Value())
	runtime.KeepAlive(oldest)
}

func TestSpentMostByItemSize(t *testing.T) {
	assert.Equal(t, 46, spentMost[any]())
	assert.Equal(t, 14, spentMost[event.Notification]())
	assert.Zero(t, spentMost[[1 << 10]byte]())
	assert.Positive(t, spentMost[struct{}]())
}

// TestNodeTakes holds the package comment to its figures.
func TestNodeTakes(t *testing.T) {
	assert.InDelta(t, 24, bytesOf[any](), 0.5)
	assert.InDelta(t, 57, bytesOf[event.Notification](), 0.5)
}

// bytesOf returns the bytes that a new node takes, its part of the run.
func bytesOf[T any]() float64 {
	keep := make([][]node[T], 5000)
	empty := buffertest.LiveBytes()
	for k := range keep {
		keep[k] = newRun[T]()
	}
	bytes := buffertest.LiveBytes() - empty
	return float64(bytes) / float64(len(keep)*len(keep[0]))
}

func TestPopIntoNothingPanics(t *testing.T) {
	d := drive(t)
	d.Feed(1)
	require.PanicsWithValue(t, "linkedlist: Pop: empty dst", func() { d.Pop(nil) })
	d.Expect(1)
}
