// Package mpsc is a lock-free listener buffer for many producers and one
// consumer: a push claims a run of tickets with one fetch-add, copies its items
// into the slots that these tickets name, and shows them with one store.
//
//	                tickets 0..15     16..47          48..111
//	Push ─▶ tail ─▶ [ o o o o … ] ──▶ [ o o ? o … ] ──▶ [ . . . ]
//	        (one        ▲ node              ▲ claimed, not yet shown
//	      fetch-add)    └── head, Pop       └── near: where pushes start to look
//
// # Algorithm
//
// Slots lie in blocks behind a chain of nodes; a node is for a fixed range of
// tickets, twice as long as the one before up to a maximum, and is appended by
// whichever push needs it first. Next to the items a block has one word per
// slot: in the word of its first slot a push says how many items it has put
// there. The consumer goes from one such word to the next, in the order of
// tickets, so it needs no read-modify-write instruction; a batch costs it one
// word a block. Emptied blocks of the full length are left where the next push
// that needs one finds them, until the next collection.
//
// The ticket is also the name of the push that must wake the consumer: it parks
// for the one that it needs next, and only that push rings. Close sets a bit in
// the word that tickets come from.
//
// # Pedigree
//
// One fetch-add per operation into linked arrays: JCTools'
// MpscUnboundedXaddArrayQueue, P. Ramalhete's FAAArrayQueue (2016, after Morrison
// and Afek's LCRQ, 2013), folly's UnboundedQueue, xsync's UMPSCQueue. That a push
// which has claimed its place and not yet filled it holds up those behind it is
// shared with D. Vyukov's node-based MPSC queue (1024cores.net). Added here are
// the batch, which is one ticket run and one shown word, the ticket as the name
// of the push that must wake the consumer, and the exact close. Nodes are left
// to the garbage collector and never used again, which is what keeps a push
// that slept with an old node in hand out of trouble: only the blocks go round.
//
// # What it promises
//
// Nothing is lost or doubled, without a bound. The items of one producer stay in
// order; those of several interleave as they claim, so that pushes which do not
// overlap stay in order as well. Push never waits for anyone: a fetch-add, a
// walk of at most as many nodes as others have filled meanwhile, a copy. Close
// cuts at one instant: a push that claimed before is popped whole, one that
// claims after is discarded whole, and the pushers pay nothing for it, no
// counter of pushes in flight. A drained queue keeps at most KeptBytes, an
// unused one has no block.
//
// # What it costs
//
// When Push returns, its own items are in their slots, but a push that claimed
// earlier and was descheduled before it was done holds them back, for as long
// as the scheduler likes; Len counts them meanwhile. Pop after Close waits for
// such a push as well. Pushes that are refused still take tickets, of which
// there are 2^63. A waiting item costs 4 bytes beyond its size. A node, 32
// bytes for every block, is the only garbage of a queue whose backlog stays
// below a block.
//
// # When to choose it
//
// For producers that really overlap: then a mutex makes them queue up behind
// one another, and behind one that lost its processor while holding it.
//
// # When not
//
// Where the producers are serialised anyway, as the processor's are by its
// publish lock: spsc does less work. Where batches are large, the mutex of ring
// or chunked costs little, and their order is strict.
package mpsc

import (
	"sync/atomic"
	"unsafe"

	gauge "go.uber.org/atomic"

	"informerlab/core/buffer"
)

const (
	// blockBytes is the size of the longest blocks: more than the allocator's
	// size classes go, which pays in BenchmarkBurst of bench/micro. One block
	// may be kept, hence no more.
	blockBytes = 48 << 10
	// firstSlots is the length of the first block: most informers are quiet
	// (kubernetes/kubernetes#142231), and doubling gets to the longest in a
	// few steps. A choice of size, not of speed.
	firstSlots = 16
	// maxSpares limits the list of spares, which is copied as it grows.
	maxSpares = 1024
	// line keeps what one side writes off the other side's cache lines, which
	// have 64 bytes on most machines.
	line = 64
)

// KeptBytes bounds what a drained queue keeps, but for items of more than 3
// KiB: the block in use, with rounding by the allocator.
const KeptBytes = blockBytes + 12<<10

// The word that tickets come from counts in steps of ticket, to leave room for
// a bit that says that the queue is closed.
const (
	closedBit = 1
	ticket    = 2
)

// A queue is grouped by who writes.
type queue[T any] struct {
	// Written by New only.
	params buffer.Params[T]
	// bell holds a token if and only if somebody has set waiting to 0 on the
	// consumer's behalf and the consumer has not received it yet. So one place
	// is enough, and ringing never blocks.
	bell chan struct{}
	full int // slots of the longest blocks
	_    [line]byte

	// tail is the next ticket times two, plus closedBit. Pushers add to it,
	// Close sets the bit, nothing else ever happens to it, and nobody waits
	// on it. An Add that returns the bit claimed nothing.
	tail atomic.Uint64
	_    [line - 8]byte

	// near is a node at or before the place of every ticket not yet claimed.
	// It moves forward only: a pusher that ended further on swaps the node it
	// started from for the one it ended at. It must be read before claiming:
	// it can only have moved to a node if a ticket of that node was claimed,
	// so a ticket claimed later is of that node or a later one.
	near atomic.Pointer[node[T]]
	// spares are zeroed blocks of the full length. The consumer puts those here
	// that it has emptied, a pusher those that it made in vain; pushers take
	// them.
	spares buffer.Shelf[*block[T]]
	// slots is how many there are in the chain. The pusher that appends a node
	// adds them, the consumer takes away those that it leaves.
	slots gauge.Int64
	_     [line - 32]byte

	// waiting is 0 while the consumer is awake, else one more than the ticket
	// that it waits for.
	//
	//	0 -> t+1   by the consumer, at ticket t, before its last look
	//	t+1 -> 0   by the consumer, if that look found something
	//	t+1 -> 0   by the push that showed ticket t, or by Close: it then rings
	//
	// Only one of the last two can succeed, so there is one token for each
	// time the consumer has to be woken and none otherwise.
	waiting atomic.Uint64
	// closedAt is 0, and once closed one more than the number of tickets that
	// were claimed before: the consumer's end. Written once, by the Close that
	// set closedBit; until it has, the consumer waits as if for an item.
	closedAt atomic.Uint64
	_        [line - 16]byte

	// popped is head, for Len. Written by the consumer once for each Pop.
	popped atomic.Uint64
	// highWater is the longest backlog that a look has found, wakeUps how often
	// the consumer was woken. Both are seldom written.
	highWater buffer.Peak
	wakeUps   gauge.Uint64
	// The consumer's own. Tickets from head to before limit have been shown
	// and are of node, unless both are its end. When it last measured, those
	// to before claimed had been claimed.
	head, limit, claimed uint64
	node                 *node[T]
	_                    [line - 56]byte
}

// A node is the place of the tickets from first to before end.
type node[T any] struct {
	first, end uint64
	// next goes from nil to the following node, once, by the first pusher
	// that needs it. It is never cut: a pusher may still come along here.
	next atomic.Pointer[node[T]]
	// block is set before next shows the node to others. The consumer takes
	// it away when all tickets of the node have been popped, and hence all
	// their pushers have let go of it.
	block *block[T]
}

// A block is the storage of a node. Slot k is written by the push that owns its
// ticket, then read and zeroed by the consumer.
type block[T any] struct {
	items []T
	// ready[k] goes from 0 to n when the push that owns the n slots from k on
	// has filled them; the store hands them over. It is 0 for ever in the
	// middle of a batch. The consumer zeroes all before the block is reused.
	ready []atomic.Uint32
}

// New returns an empty queue. It ignores all of p but Discard.
func New[T any](p buffer.Params[T]) buffer.Buffer[T] { return newQueue(p) }

func newQueue[T any](p buffer.Params[T]) *queue[T] {
	q := &queue[T]{params: p, bell: make(chan struct{}, 1), full: max(firstSlots, blockBytes/slotBytes[T]())}
	q.node = &node[T]{} // for no ticket; the first push appends to it
	q.near.Store(q.node)
	return q
}

// Push implements buffer.Buffer.
func (q *queue[T]) Push(items []T) {
	if len(items) == 0 {
		return
	}
	start := q.near.Load()
	claimed := q.tail.Add(uint64(len(items)) * ticket)
	if claimed&closedBit != 0 {
		q.params.Discarded(items, buffer.Closed)
		return
	}
	q.fill(start, claimed/ticket-uint64(len(items)), items)
}

// fill puts items in the slots of the tickets from t on, which the caller has
// claimed after start was near. Until it is done it holds up the consumer, so
// it calls nothing that could block.
func (q *queue[T]) fill(start *node[T], t uint64, items []T) {
	n := start
	for len(items) > 0 {
		for t >= n.end {
			n = q.after(n)
		}
		at, put := t-n.first, 1
		if len(items) == 1 { // without the call that copy is
			n.block.items[at] = items[0]
		} else {
			put = copy(n.block.items[at:], items)
		}
		n.block.ready[at].Store(uint32(put)) // from here on the block may be gone
		if q.waiting.Load() == t+1 {
			q.wake(t + 1)
		}
		items = items[put:]
		t += uint64(put)
	}
	if n != start {
		q.near.CompareAndSwap(start, n)
	}
}

// after returns the node after n, appending it if it is not there. All who try
// to append make the same node.
func (q *queue[T]) after(n *node[T]) *node[T] {
	if next := n.next.Load(); next != nil {
		return next
	}
	slots := min(q.full, max(firstSlots, 2*int(n.end-n.first)))
	next := &node[T]{first: n.end, end: n.end + uint64(slots), block: q.zeroed(slots)}
	if n.next.CompareAndSwap(nil, next) {
		q.slots.Add(int64(slots))
		return next
	}
	q.recycle(next.block)
	return n.next.Load()
}

// zeroed returns a block for the caller alone.
func (q *queue[T]) zeroed(slots int) *block[T] {
	if slots == q.full {
		if b, ok := q.spares.Take(); ok {
			return b
		}
	}
	return &block[T]{make([]T, slots), make([]atomic.Uint32, slots)}
}

// recycle gives up a zeroed block of which the caller is the only owner.
func (q *queue[T]) recycle(b *block[T]) {
	if len(b.items) == q.full {
		q.spares.Put(b, maxSpares)
	}
}

// wake ends the wait that waiting says w for, unless it has ended.
func (q *queue[T]) wake(w uint64) {
	if q.waiting.CompareAndSwap(w, 0) {
		q.bell <- struct{}{}
	}
}

// Pop implements buffer.Buffer.
func (q *queue[T]) Pop(dst []T) int {
	if len(dst) == 0 {
		panic("mpsc: Pop: empty dst")
	}
	for {
		if q.head+uint64(len(dst)) > q.claimed {
			q.measure()
		}
		if n := q.take(dst); n > 0 {
			q.popped.Store(q.head)
			return n
		}
		if q.ended() {
			return 0
		}
		q.park()
	}
}

// measure brings claimed and highWater up to date.
func (q *queue[T]) measure() {
	backlog := q.Len()
	q.claimed = q.head + uint64(backlog)
	q.highWater.See(backlog)
}

// ended reports whether the queue is closed and head is where it was cut. No
// ticket from there on is ever shown.
func (q *queue[T]) ended() bool { return q.closedAt.Load() == q.head+1 }

// take moves what has been shown, as far as dst has room, and zeroes its slots.
func (q *queue[T]) take(dst []T) (n int) {
	for n < len(dst) && q.look(len(dst)-n) {
		b, at := q.node.block, q.head-q.node.first
		moved := copy(dst[n:], b.items[at:q.limit-q.node.first])
		clear(b.items[at : at+uint64(moved)])
		q.head += uint64(moved)
		n += moved
	}
	return n
}

// look moves limit past what has been shown, at least up to most items if there
// are as many in this node, and reports whether there are any.
func (q *queue[T]) look(most int) bool {
	if q.head == q.node.end {
		next := q.node.next.Load()
		if next == nil {
			return false
		}
		if spent := q.node.block; spent != nil {
			q.node.block = nil
			q.slots.Sub(int64(len(spent.items)))
			clear(spent.ready)
			q.recycle(spent)
		}
		q.node = next
	}
	until := min(q.node.end, q.head+uint64(most))
	for q.limit < until {
		shown := q.node.block.ready[q.limit-q.node.first].Load()
		if shown == 0 {
			break
		}
		q.limit += uint64(shown)
	}
	return q.limit > q.head
}

// park waits until ticket head has been shown, or the queue has been closed, or
// nothing at all: the caller looks again.
//
// The consumer announces that it waits, then looks. A pusher shows its ticket,
// then looks whether it is waited for; Close tells the cut, then looks whether
// anybody waits. Atomic operations have one order, in which either the
// consumer's announcement comes before the other's look, which then wakes it,
// or the other's change comes before the consumer's look, which then sees it.
// Of several pushes only the one that owns the ticket wakes: those behind it
// could change nothing for a consumer that goes in order.
func (q *queue[T]) park() {
	w := q.head + 1
	q.waiting.Store(w)
	if (q.look(1) || q.ended()) && q.waiting.CompareAndSwap(w, 0) {
		return // nobody has rung, and from now on nobody will
	}
	<-q.bell
	q.wakeUps.Store(q.wakeUps.Load() + 1)
}

// Close implements buffer.Buffer.
func (q *queue[T]) Close() {
	before := q.tail.Or(closedBit)
	if before&closedBit != 0 {
		return
	}
	q.closedAt.Store(before/ticket + 1)
	if w := q.waiting.Load(); w != 0 {
		// If this finds another wait than w, that one was announced after
		// closedAt was set, and needs no waking.
		q.wake(w)
	}
}

// Len implements buffer.Buffer. It counts what has been claimed.
func (q *queue[T]) Len() int {
	popped := q.popped.Load() // first: what is popped was claimed before
	claimed := q.tail.Load() / ticket
	if closedAt := q.closedAt.Load(); closedAt != 0 {
		claimed = closedAt - 1
	}
	return int(claimed - popped)
}

// Gauges implements buffer.Gauged. Like Len, HighWater counts what has been
// claimed. A peak that came and went while the consumer used up what it knew
// of is not in it, unless somebody looked: it would take a load of tail, which
// all producers write, for each Pop.
func (q *queue[T]) Gauges() buffer.Gauges {
	q.highWater.See(q.Len())
	return buffer.Gauges{
		Bytes:     int(q.slots.Load()) * slotBytes[T](),
		HighWater: q.highWater.Most(),
		WakeUps:   q.wakeUps.Load(),
	}
}

// slotBytes is the size of a slot and its ready word.
func slotBytes[T any]() int {
	var item T
	return int(unsafe.Sizeof(item)) + int(unsafe.Sizeof(atomic.Uint32{}))
}

var (
	_ buffer.Buffer[int] = (*queue[int])(nil)
	_ buffer.Gauged      = (*queue[int])(nil)
)
