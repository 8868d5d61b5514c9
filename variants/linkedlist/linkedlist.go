// Package linkedlist is a listener buffer with one node for each item: the
// list that everybody writes first, done with care.
//
//	        lock                                no lock
//	Push ──▶ head ▶ o ▶ o ▶ o ◀ tail ── all ──▶ ready ▶ o ▶ o ──▶ Pop
//	         free ▶ . ▶ .            ◀───────── spent ▶ . ▶ .
//
// # Algorithm
//
// Producers link nodes at the tail, under a mutex. The consumer detaches the
// whole list at once, also under the mutex, and works it off without: a slow
// walk holds up no producer, and a backlog is handed over in constant time. It
// brings back a few spent nodes as it comes for the next list, and sleeps on a
// condition that a push signals only if it does. Nodes are allocated some at a
// time.
//
// A node that has left holds neither item nor link. Otherwise one old node that
// something still points to would hold all that came after it (JCTools#95,
// RxJava#7799).
//
// # Pedigree
//
// The two-lock queue of Michael and Scott (1996) keeps producers and consumer
// apart by a dummy node; taking everything there is, once, as the ipQueue of
// nats-server does with slices, does so without a second lock for each item.
//
// # What it promises
//
// Strict FIFO order, any number of producers, no loss, no bound. Nothing is
// copied or resized, whatever the backlog: a push works in proportion to its
// batch. A drained list keeps at most KeptBytes.
//
// # What it costs
//
// A pointer and the allocator's rounding for each item: 24 bytes for one of
// 16, 64 for one of 48. The collector must follow the links, which only one of
// its workers can do at a time; since nodes are allocated in runs, it was not
// measurably slower than with one array at five million items, on two cores.
//
// # When to choose it
//
// When the backlog is short and simple code counts. For a large backlog take
// package chunked, which needs less memory for each item and spares the
// collector the chain.
package linkedlist

import (
	"unsafe"

	"go.uber.org/atomic"

	"informerlab/core/buffer"
)

// KeptBytes bounds what a drained list keeps, but for items of more than 2.5
// KiB: some spent nodes, and what they hold of the runs they come from. With
// 16-byte items it is between 3 and 48 KiB, and the pipeline's batches then
// allocate for what exceeds 54 nodes.
const KeptBytes = 48 << 10

// runNodes is how many nodes are allocated at once. They are collected together
// too, hence few. Measured on two busy cores with 16-byte items, medians of 7 in
// ns of CPU time: a stream took 84, 67, 68, 59 and 59 an item with runs of 1, 4,
// 8, 16 and 32 nodes, and 77 with runs of 16 and no node used again. A run of 64
// would not fit a size class: 28 bytes a node instead of 24.
const runNodes = 16

// New returns an empty list. It ignores all of p but Discard.
func New[T any](p buffer.Params[T]) buffer.Buffer[T] { return newList(p) }

// A node carries one item, or none.
type node[T any] struct {
	next *node[T]
	item T
}

type list[T any] struct {
	params buffer.Params[T]

	bell       buffer.Bell // what follows is guarded by it, down to the padding
	head, tail *node[T]    // pushed and not yet detached; tail is stale while head is nil
	free       *node[T]    // chain of nodes without items
	pushed     int64       // items ever

	_ [64]byte // keeps what the consumer writes without the lock off the lines above

	ready     *node[T] // detached and not yet popped
	spent     *node[T] // chain of nodes without items, for the free list
	spentLen  int
	spentMost int          // length at which further nodes go to the collector
	popped    atomic.Int64 // items ever; only the consumer writes it
}

func newList[T any](p buffer.Params[T]) *list[T] {
	l := &list[T]{params: p, spentMost: spentMost[T]()}
	return l
}

// spentMost returns how many nodes each of the chains of spent and of free
// nodes may have. In the worst case each of them, and of a run just begun, is
// the last in use of a run of its own.
func spentMost[T any]() int {
	size := int(unsafe.Sizeof(node[T]{}))
	size += size / 5 // what the allocator's size classes may add
	return max(0, (KeptBytes/(runNodes*size)-1)/2)
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
	for _, item := range items {
		l.link(item)
	}
	l.pushed += int64(len(items))
	l.bell.UnlockAndRing()
}

// link appends an item. The caller holds mu.
func (l *list[T]) link(item T) {
	if l.free == nil {
		l.free = newRun[T]()
	}
	n := l.free
	l.free, n.next = n.next, nil
	n.item = item
	if l.head == nil {
		l.head = n
	} else {
		l.tail.next = n
	}
	l.tail = n
}

// newRun returns a chain of new nodes.
func newRun[T any]() *node[T] {
	run := new([runNodes]node[T])
	for k := range run[1:] {
		run[k].next = &run[k+1]
	}
	return &run[0]
}

// Pop implements buffer.Buffer. It returns no more than what was there when it
// last looked, although more may have come.
func (l *list[T]) Pop(dst []T) (n int) {
	if len(dst) == 0 {
		panic("linkedlist: Pop: empty dst")
	}
	if l.ready == nil && !l.detach() {
		return 0
	}
	for n < len(dst) && l.ready != nil {
		first := l.ready
		l.ready = first.next
		dst[n] = first.item
		n++
		l.retire(first)
	}
	l.popped.Store(l.popped.Load() + int64(n))
	return n
}

// retire clears a node and keeps it, if few are kept.
func (l *list[T]) retire(n *node[T]) {
	*n = node[T]{}
	if l.spentLen < l.spentMost {
		n.next, l.spent = l.spent, n
		l.spentLen++
	}
}

// detach waits for items and takes all there are. It returns false if the list
// is closed and drained.
func (l *list[T]) detach() bool {
	l.bell.Lock()
	defer l.bell.Unlock()
	if l.free == nil {
		l.free, l.spent, l.spentLen = l.spent, nil, 0
	}
	for l.head == nil {
		if !l.bell.Wait() {
			return false
		}
	}
	l.ready, l.head, l.tail = l.head, nil, nil
	return true
}

// Close implements buffer.Buffer.
func (l *list[T]) Close() {
	l.bell.Close()
}

// Len implements buffer.Buffer. Items that the consumer has detached and not
// yet popped count.
func (l *list[T]) Len() int {
	l.bell.Lock()
	defer l.bell.Unlock()
	return int(l.pushed - l.popped.Load())
}

var _ buffer.Buffer[int] = (*list[int])(nil)
