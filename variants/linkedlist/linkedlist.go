// Package linkedlist is a listener buffer with one node for each item: the
// list that everybody writes first, done with care.
//
//	                     lock                     no lock
//	Push ──▶ free ▶ . ▶ .        head ▶ o ▶ o ── all ──▶ ready ▶ o ▶ o ──▶ Pop
//	              ▲                                      spent ▶ . ▶ .
//	              └───────────────────────────────────────────┘
//
// # Algorithm
//
// Producers fill nodes under a mutex. The consumer detaches all that are filled
// at once, also under the mutex, and works them off without: a slow walk holds
// up no producer, and a backlog is handed over in constant time. It brings back
// a few spent nodes as it comes for the next ones. A push signals only if the
// consumer sleeps.
//
// Nodes are allocated some at a time, linked already, and all are one chain: the
// free nodes follow those that wait. So neither a push nor a pop writes a link,
// which matters while the collector wants to hear of each.
//
// A node that has left holds no item, and no link unless it is kept. Otherwise
// one old node that something still points to would hold all that came after
// it (JCTools#95, RxJava#7799).
//
// # Pedigree
//
// The two-lock queue of Michael and Scott (1996) keeps producers and consumer
// apart by a dummy node, as the last free node does here; taking everything
// there is, once, as the ipQueue of nats-server does with slices, does so
// without a second lock for each item.
//
// # What it promises
//
// Strict FIFO order, any number of producers, no loss, no bound. Nothing is
// copied or resized, whatever the backlog: a push works in proportion to its
// batch. A drained list keeps at most KeptBytes, an unused one has no node.
//
// # What it costs
//
// A pointer for each item, and what the allocator adds: 24 bytes for an item of
// 16, 57 for one of 48. The collector must follow the links, which only one of
// its workers can do at a time (BenchmarkCollection in bench/micro).
//
// # When to choose it
//
// When the backlog is short and the longest push matters more than the mean.
//
// # When not
//
// For a large backlog: package chunked needs less memory for each item, spares
// the collector the chain, and is faster.
package linkedlist

import (
	"slices"
	"unsafe"

	"go.uber.org/atomic"

	"informerlab/core/buffer"
)

// KeptBytes bounds what a drained list keeps, but for items of more than 2.5
// KiB: some spent and free nodes, and what they hold of the runs they come from.
const KeptBytes = 48 << 10

// runNodes is how many nodes are allocated at once, or a few more. They are
// collected together too, hence few; with more BenchmarkStream of bench/micro
// was no faster, with one it was slower.
const runNodes = 16

// fewFree is how many nodes must be free for spent ones to be kept apart: so
// that a push finds some, and what is free does not pile up.
const fewFree = runNodes

// New returns an empty list. It ignores all of p but Discard.
func New[T any](p buffer.Params[T]) buffer.Buffer[T] { return newList(p) }

// A node carries one item, or none.
type node[T any] struct {
	next *node[T]
	item T
}

// A list is one chain, cut into parts by the nodes that it points to:
//
//	spent ▶ . ▶ . ▶ ready ▶ o ▶ o ▶ head ▶ o ▶ o ▶ free ▶ . ▶ . ▶ nil
//
// An item is pushed by moving free on and popped by moving ready on, and no
// link is written for either. Spent nodes go to the end when few are free.
//
// Invariant: each node before free has a next one, which never changes while
// the node is there, and from head on all belong to the lock.
type list[T any] struct {
	params buffer.Params[T]

	bell   buffer.Bell // what follows is guarded by it, down to the padding
	head   *node[T]    // from here to before free: pushed and not yet detached
	free   *node[T]    // the next to be filled; nil before the first push
	end    *node[T]    // the last of the chain, and always a free one
	frees  int         // nodes from free to end
	pushed int64       // items ever
	// Invariant: the backlog has not been larger than highWater, and cannot be
	// while pushed <= safe. So it need not be looked at until then.
	highWater, safe int64
	emptied         int64 // what popped was when spent was last emptied

	_ [64]byte // keeps what the consumer writes without the lock off the lines above

	ready, stop *node[T] // from ready to before stop: detached and not yet popped
	spent, last *node[T] // nodes without items, for reuse; nil if spentLen is 0
	spentLen    int
	spentMost   int          // length at which further nodes go to the collector
	popped      atomic.Int64 // items ever; only the consumer writes it
}

func newList[T any](p buffer.Params[T]) *list[T] {
	return &list[T]{params: p, spentMost: spentMost[T]()}
}

// spentMost returns how many nodes may be spent at once. In the worst case each
// of them, of as many that were free already, and of as many more as may be free
// when they come, is the last in use of a run of its own.
func spentMost[T any]() int {
	size := int(unsafe.Sizeof(node[T]{}))
	size += size / 5 // what the allocator's size classes may add
	return max(0, (KeptBytes/(runNodes*size)-fewFree-1)/2)
}

// Push implements buffer.Buffer.
func (l *list[T]) Push(items []T) {
	if len(items) == 0 {
		return
	}
	l.bell.Lock()
	if l.bell.Closed() {
		l.bell.Unlock()
		l.params.Discarded(items, buffer.Closed)
		return
	}
	for l.frees <= len(items) {
		l.extend()
	}
	n := l.free
	for k := range items {
		n.item = items[k]
		n = n.next
	}
	l.free = n
	l.frees -= len(items)
	l.pushed += int64(len(items))
	if l.pushed > l.safe {
		l.raise()
	}
	l.bell.UnlockAndRing()
}

// raise brings highWater up to date. The caller holds the lock.
func (l *list[T]) raise() {
	popped := l.popped.Load()
	l.highWater = max(l.highWater, l.pushed-popped)
	l.safe = popped + l.highWater
}

// extend appends a run of new nodes to the chain. The caller holds the lock.
func (l *list[T]) extend() {
	run := newRun[T]()
	if l.free == nil {
		l.free, l.head = &run[0], &run[0]
	} else {
		l.end.next = &run[0]
	}
	l.end = &run[len(run)-1]
	l.frees += len(run)
}

// newRun returns new nodes, linked, and as many as the allocator's size class
// holds: of 48-byte items it would leave a ninth of one for 16 nodes unused.
func newRun[T any]() []node[T] {
	run := slices.Grow([]node[T](nil), runNodes)
	run = run[:cap(run)]
	for k := range run[1:] {
		run[k].next = &run[k+1]
	}
	return run
}

// Pop implements buffer.Buffer. It returns no more than what was there when it
// last looked, although more may have come.
func (l *list[T]) Pop(dst []T) (n int) {
	if len(dst) == 0 {
		panic("linkedlist: Pop: empty dst")
	}
	if l.ready == l.stop && !l.detach() {
		return 0
	}
	first := l.ready
	for n < len(dst) && first != l.stop {
		next := first.next
		dst[n] = first.item
		n++
		l.retire(first)
		first = next
	}
	l.ready = first
	l.popped.Store(l.popped.Load() + int64(n))
	return n
}

// retire clears the node that is popped and keeps it, if few are kept: it then
// still links to the next one, which will be retired next.
func (l *list[T]) retire(n *node[T]) {
	if l.spentLen == l.spentMost {
		*n = node[T]{}
		return
	}
	var none T
	n.item = none
	if l.spentLen == 0 {
		l.spent = n
	}
	l.last = n
	l.spentLen++
}

// detach waits for items and takes all there are. It returns false if the list
// is closed and drained.
func (l *list[T]) detach() bool {
	l.bell.Lock()
	defer l.bell.Unlock()
	if l.spentLen > 0 && l.frees < fewFree {
		l.last.next = nil
		l.end.next, l.end = l.spent, l.last
		l.frees += l.spentLen
		l.spent, l.last, l.spentLen = nil, nil, 0
		l.emptied = l.popped.Load()
	}
	for l.head == l.free {
		if !l.bell.Wait() {
			return false
		}
	}
	l.ready, l.stop, l.head = l.head, l.free, l.free
	return true
}

// Close implements buffer.Buffer.
func (l *list[T]) Close() { l.bell.Close() }

// Len implements buffer.Buffer. Items that the consumer has detached and not
// yet popped count.
func (l *list[T]) Len() int {
	l.bell.Lock()
	defer l.bell.Unlock()
	return int(l.pushed - l.popped.Load())
}

// Gauges implements buffer.Gauged.
func (l *list[T]) Gauges() buffer.Gauges {
	l.bell.Lock()
	defer l.bell.Unlock()
	popped := l.popped.Load()
	// Each item popped since has left a node to spent, up to the most it takes.
	spent := min(int64(l.spentMost), popped-l.emptied)
	nodes := l.pushed - popped + spent + int64(l.frees)
	return buffer.Gauges{
		Bytes:     int(nodes) * int(unsafe.Sizeof(node[T]{})),
		HighWater: int(l.highWater),
		WakeUps:   l.bell.WakeUps(),
	}
}

var (
	_ buffer.Buffer[int] = (*list[int])(nil)
	_ buffer.Gauged      = (*list[int])(nil)
)
