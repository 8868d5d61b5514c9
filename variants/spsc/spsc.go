// Package spsc is a lock-free listener buffer for one producer and one
// consumer: a chain of chunks that the producer fills with plain writes, and one
// word with which it shows a whole batch.
//
//	                   state: items shown, closed?, parked?
//	                      ▼
//	Push ─▶ tail ─▶ [ o o o . ] ◀── [ o o o o ] ◀── [ . o o o ] ─▶ Pop
//	                      chunks, linked from old to new     └── from
//
// # Algorithm
//
// The producer copies items into slots that nobody else looks at, then adds
// their number to the word, and that one compare-and-swap is all that a batch
// costs beside its copy. The consumer reads the word only when what it knows of
// does not fill its hands. Chunks double in length up to a maximum; one that
// has been emptied is unlinked and, if it is of the full length, left where the
// producer finds it until the next collection.
//
// One producer means that pushes never overlap and that each happens before
// the next, as under a lock: the goroutines may change. A processor's publish
// lock does just that. Close and Len may come from anywhere at any time. Pushes
// that do overlap lose items; the race detector sees them.
//
// # Pedigree
//
// L. Lamport's queue (Specifying Concurrent Program Modules, 1983) is the idea
// that each index has one writer. That a side keeps what it last read of the
// other's index is known from MCRingBuffer (2010) and rigtorp's SPSCQueue, linked
// chunks from JCTools' SpscUnboundedArrayQueue and moodycamel's
// ReaderWriterQueue, showing many items at once from B-Queue (2013), a bit for
// the parked consumer in the producer's own word from JCTools' blocking queues.
// Added here is the closed bit in that word.
//
// # What it promises
//
// Strict FIFO order, nothing lost or doubled, no bound. Push never waits. When
// it returns all its items can be popped, with no exception for anybody's
// scheduling. The word has one history, so Close falls between two batches: each
// push is popped whole or discarded whole, also one that was being written when
// Close came. A drained queue keeps at most KeptBytes, an unused one has no
// chunk.
//
// # What it costs
//
// A compare-and-swap for each push, where a plain atomic store would do but for
// Close; on amd64 that is a locked instruction in either case. Nothing but the
// slot for a waiting item.
//
// # When to choose it
//
// Whenever the producers are serialised anyway, as a processor's are: no other
// of the catalogue does less for a push.
//
// # When not
//
// With producers that overlap it is wrong: take mpsc, or chunked.
package spsc

import (
	"sync/atomic"
	"unsafe"

	gauge "go.uber.org/atomic"

	"informerlab/core/buffer"
)

const (
	// chunkBytes is the size of the longest chunks. It is a whole number of the
	// runtime's pages, so that nothing is rounded up, and more than its size
	// classes go, which pays in BenchmarkBurst of bench/micro. One chunk may be
	// kept, hence no more.
	chunkBytes = 48 << 10
	// firstSlots is the length of the first chunk: most informers are quiet
	// (kubernetes/kubernetes#142231), and doubling gets to the longest in a
	// few steps. It is one less than a power of two, as all but the longest
	// are, to leave room for the allocator's header in a size class.
	firstSlots = 15
	// maxSpares limits the list of spares, which is copied as it grows.
	maxSpares = 1024
	// line keeps what one side writes off the other side's cache lines, which
	// have 64 bytes on most machines.
	line = 64
)

// KeptBytes bounds what a drained queue keeps, but for items of more than 3
// KiB: the chunk in use.
const KeptBytes = chunkBytes + 2<<10

// The state word: the number of items ever shown times one, and two bits.
const (
	parkedBit = 1
	closedBit = 2
	one       = 4
)

// A queue is grouped by who writes.
type queue[T any] struct {
	// Written by New only.
	params buffer.Params[T]
	// bell holds a token if and only if somebody has cleared parkedBit and
	// the consumer has not received it yet. So one place is enough, and
	// ringing never blocks.
	bell chan struct{}
	full int // slots of the longest chunks
	_    [line]byte

	// state is all that the two sides and Close agree on. Each change is one
	// compare-and-swap of the whole word:
	//
	//	producer  count += n, clears parkedBit; never once closedBit is set.
	//	          Shows the n items written before.
	//	consumer  sets parkedBit; only while count is what it has popped and
	//	          closedBit is not set. Then it waits at the bell.
	//	Close     sets closedBit, clears parkedBit, once.
	//
	// Whoever cleared a set parkedBit rings, once. closedBit is never cleared,
	// so nothing is shown after it.
	state atomic.Uint64
	// The producer's own: the newest chunk and how many of its slots have
	// been written. It is the consumer's oldest chunk too when that is all
	// there is.
	tail *chunk[T]
	used int
	_    [line - 24]byte

	// spares are zeroed chunks of the full length. The consumer puts those here
	// that it has emptied, the producer takes them.
	spares buffer.Shelf[*chunk[T]]
	// slots is how many there are in the chain. The producer adds those of a
	// chunk that it appends, the consumer takes away those that it leaves.
	slots gauge.Int64
	_     [line - 24]byte

	// popped is head, for Len. Written by the consumer once for each Pop.
	popped atomic.Uint64
	// highWater is the longest backlog that a look has found, wakeUps how often
	// the consumer was woken. Both are seldom written.
	highWater buffer.Peak
	wakeUps   gauge.Uint64
	// The consumer's own: items popped so far, items it knows to have been
	// shown, and the place of the oldest.
	head, limit uint64
	from        *chunk[T]
	next        int
	_           [line - 56]byte
}

// A chunk is written by the producer up to what state shows and read and zeroed
// by the consumer from there on back; neither looks at the other's part.
type chunk[T any] struct {
	slots []T
	// next is written by the producer before it shows an item in it, read by
	// the consumer after that, and cut when the consumer leaves the chunk.
	next *chunk[T]
}

// New returns an empty queue. It ignores all of p but Discard.
func New[T any](p buffer.Params[T]) buffer.Buffer[T] { return newQueue(p) }

func newQueue[T any](p buffer.Params[T]) *queue[T] {
	var item T
	fit := chunkBytes / max(1, int(unsafe.Sizeof(item)))
	q := &queue[T]{params: p, bell: make(chan struct{}, 1), full: max(firstSlots, fit)}
	q.from = &chunk[T]{} // without slots; the first push appends to it
	q.tail = q.from
	return q
}

// Push implements buffer.Buffer, for one producer.
func (q *queue[T]) Push(items []T) {
	if len(items) == 0 {
		return
	}
	s := q.state.Load()
	if s&closedBit == 0 {
		tail, used := q.tail, q.used
		q.write(items)
		if q.show(s, len(items)) {
			return
		}
		q.unwrite(tail, used)
	}
	q.params.Discarded(items, buffer.Closed)
}

// write puts items in the next slots, where nobody sees them yet.
func (q *queue[T]) write(items []T) {
	if len(items) == 1 && q.used < len(q.tail.slots) {
		q.tail.slots[q.used] = items[0] // without the call that copy is
		q.used++
		return
	}
	for {
		n := copy(q.tail.slots[q.used:], items)
		q.used += n
		if items = items[n:]; len(items) == 0 {
			return
		}
		q.tail.next = q.zeroed(min(q.full, max(firstSlots, 2*len(q.tail.slots)+1)))
		q.tail, q.used = q.tail.next, 0
		q.slots.Add(int64(len(q.tail.slots)))
	}
}

// show publishes the n items written last and wakes a parked consumer, unless
// the queue is closed. s is a recent state. A swap fails only because the
// consumer has parked or Close has come, so at most twice.
func (q *queue[T]) show(s uint64, n int) bool {
	for s&closedBit == 0 {
		if q.state.CompareAndSwap(s, s&^parkedBit+uint64(n)*one) {
			q.ringIf(s)
			return true
		}
		s = q.state.Load()
	}
	return false
}

// ringIf wakes the consumer if it was parked in the state s that the caller has
// just replaced by one without parkedBit.
func (q *queue[T]) ringIf(s uint64) {
	if s&parkedBit != 0 {
		q.bell <- struct{}{}
	}
}

// unwrite takes back all that was written since tail and used had these values.
// It has not been shown, so the consumer comes near neither the slots nor the
// link.
func (q *queue[T]) unwrite(tail *chunk[T], used int) {
	clear(tail.slots[used:])
	for c := tail.next; c != nil; c = c.next {
		q.slots.Sub(int64(len(c.slots)))
	}
	tail.next = nil
	q.tail, q.used = tail, used
}

// zeroed returns a chunk for the producer alone.
func (q *queue[T]) zeroed(slots int) *chunk[T] {
	if slots == q.full {
		if c, ok := q.spares.Take(); ok {
			return c
		}
	}
	return &chunk[T]{slots: make([]T, slots)}
}

// Pop implements buffer.Buffer.
func (q *queue[T]) Pop(dst []T) int {
	if len(dst) == 0 {
		panic("spsc: Pop: empty dst")
	}
	if q.limit-q.head < uint64(len(dst)) && !q.look() {
		return 0
	}
	n := q.take(dst)
	q.popped.Store(q.head)
	return n
}

// look sets limit to what has been shown and waits until that is more than was
// popped. It returns false if the queue is closed and drained.
//
// To park is to swap the very state in which there was nothing to pop and no
// reason to end for the same one with parkedBit. So nothing can come between
// the look and the announcement, and whatever changes the state next finds the
// bit. The consumer parks at once, since a pause before a second look costs the
// processor time that the producer could have.
func (q *queue[T]) look() bool {
	for {
		s := q.state.Load()
		if q.limit = s / one; q.limit != q.head {
			q.highWater.See(int(q.limit - q.head))
			return true
		}
		if s&closedBit != 0 {
			return false
		}
		if q.state.CompareAndSwap(s, s|parkedBit) {
			<-q.bell
			q.wakeUps.Store(q.wakeUps.Load() + 1)
		}
	}
}

// take moves the oldest items that have been shown, as many as dst has room for,
// and zeroes their slots. There is at least one.
func (q *queue[T]) take(dst []T) (n int) {
	if known := q.limit - q.head; known < uint64(len(dst)) {
		dst = dst[:known]
	}
	for n < len(dst) {
		if q.next == len(q.from.slots) {
			q.leave()
		}
		from := q.from.slots[q.next:]
		moved := copy(dst[n:], from)
		clear(from[:moved])
		q.next += moved
		n += moved
	}
	q.head += uint64(n)
	return n
}

// leave goes to the next chunk, which is there because an item was shown in it.
// The spent one is unlinked, lest it keep the chain reachable as a spare.
func (q *queue[T]) leave() {
	spent := q.from
	q.from, q.next = spent.next, 0
	spent.next = nil
	q.slots.Sub(int64(len(spent.slots)))
	if len(spent.slots) == q.full {
		q.spares.Put(spent, maxSpares)
	}
}

// Close implements buffer.Buffer.
func (q *queue[T]) Close() {
	for {
		s := q.state.Load()
		if s&closedBit != 0 {
			return
		}
		if q.state.CompareAndSwap(s, s&^parkedBit|closedBit) {
			q.ringIf(s)
			return
		}
	}
}

// Len implements buffer.Buffer. It is exact at the moment the state is read,
// but for what is popped meanwhile.
func (q *queue[T]) Len() int {
	popped := q.popped.Load() // first: what is popped was shown before
	return int(q.state.Load()/one - popped)
}

// Gauges implements buffer.Gauged. A peak that came and went while the consumer
// used up what it knew of is not in HighWater, unless somebody looked: it would
// take a load of state for each Pop.
func (q *queue[T]) Gauges() buffer.Gauges {
	var item T
	q.highWater.See(q.Len())
	return buffer.Gauges{
		Bytes:     int(q.slots.Load()) * int(unsafe.Sizeof(item)),
		HighWater: q.highWater.Most(),
		WakeUps:   q.wakeUps.Load(),
	}
}

var (
	_ buffer.Buffer[int] = (*queue[int])(nil)
	_ buffer.Gauged      = (*queue[int])(nil)
)
