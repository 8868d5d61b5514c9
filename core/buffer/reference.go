package buffer

import (
	"cmp"
	"sync"
	"unsafe"

	"go.uber.org/atomic"
)

// InitialSlots is the size of a Reference's ring before it ever grows, unless
// somebody says otherwise: initialBufferSize in client-go's
// tools/cache/shared_informer.go.
const InitialSlots = 1024

// firstSlots is what a ring without slots grows to: defaultRingSize in
// k8s.io/utils/buffer.
const firstSlots = 16

// Reference is the listener buffer of client-go (processorListener in
// tools/cache/shared_informer.go, v0.37) in the shape of a Buffer: two
// unbuffered channels and between them a goroutine with one slot and a ring.
//
//	Push ──addCh──▶ pump [ slot ◀─ ring, InitialSlots, doubling ] ──nextCh──▶ Pop
//
// It is faithful where that costs: each item passes two rendezvous, a ready
// consumer competes at random with the producer, the ring is bypassed while
// the slot is free, is allocated at once, is copied whole when it doubles, and
// never shrinks. Pop returns one item at a time. With T = any a waiting item
// takes a slot of 16 bytes, as there.
//
// Two things differ, because a Buffer must account for every item. After Close
// the pump hands out what it holds, where client-go forgets it uncounted. And
// Len counts every waiting item, where client-go counts the ring only, one
// less.
//
// The pump ends when Close has been called and Pop has returned 0; a Reference
// that nobody drains keeps it for ever.
type Reference[T any] struct {
	params Params[T]
	addCh  chan T // Push to pump; closed by Close
	nextCh chan T // pump to Pop; closed by the pump when it is drained

	intake sync.Mutex // held through a Push, so that Close never closes addCh under a send
	closed bool       // guarded by intake
	// pushed is written under intake before the items are handed over, popped
	// by the consumer after it got one: so pushed >= popped at any time for a
	// reader that loads popped first. Both only grow.
	pushed atomic.Int64
	popped atomic.Int64

	slots     atomic.Int64  // of the ring; written by the pump
	wakeUps   atomic.Uint64 // times that nothing waited when Pop came; written there
	highWater Peak
}

// NewReference returns an empty buffer as client-go has it and starts its pump.
func NewReference[T any](p Params[T]) *Reference[T] { return NewReferenceSized(InitialSlots, p) }

// NewReferenceSized is NewReference with another initial size of the ring, in
// slots; without any, the ring is allocated when the first item has to wait in
// it. It panics if initial is negative.
func NewReferenceSized[T any](initial int, p Params[T]) *Reference[T] {
	r := &Reference[T]{params: p, addCh: make(chan T), nextCh: make(chan T)}
	r.slots.Store(int64(initial))
	go r.pump(make([]T, initial))
	return r
}

// Push implements Buffer. It waits for the pump, never for the consumer, but
// for as long as the pump needs to double its ring.
func (r *Reference[T]) Push(items []T) {
	r.intake.Lock()
	if r.closed {
		r.intake.Unlock()
		r.params.Discarded(items, Closed)
		return
	}
	r.pushed.Store(r.pushed.Load() + int64(len(items)))
	for _, item := range items {
		r.addCh <- item
	}
	r.intake.Unlock()
}

// Pop implements Buffer. It returns at most one item.
func (r *Reference[T]) Pop(dst []T) int {
	mustHaveRoom(dst)
	item, open := r.receive()
	if !open {
		return 0
	}
	dst[0] = item
	popped := r.popped.Load()
	r.popped.Store(popped + 1)
	r.highWater.See(int(r.pushed.Load() - popped)) // on the same line, which is here now
	return 1
}

// receive takes an item from the pump and counts a wake-up if there was none.
// What it looks at beforehand is one word of the channel.
func (r *Reference[T]) receive() (item T, open bool) {
	select {
	case item, open = <-r.nextCh:
		return item, open
	default:
	}
	empty := r.Len() == 0
	item, open = <-r.nextCh
	if empty {
		r.wakeUps.Store(r.wakeUps.Load() + 1)
	}
	return item, open
}

// Close implements Buffer. It waits for pushes in progress, which never wait
// for the consumer.
func (r *Reference[T]) Close() {
	r.intake.Lock()
	defer r.intake.Unlock()
	if !r.closed {
		r.closed = true
		close(r.addCh)
	}
}

// Len implements Buffer.
func (r *Reference[T]) Len() int {
	popped := r.popped.Load()
	return int(r.pushed.Load() - popped)
}

// Gauges implements Gauged. The goroutine of the pump and the channels are not
// in Bytes, nor is it a wake-up if the consumer, although items wait, is faster
// than the pump and sleeps until that hands over the next.
func (r *Reference[T]) Gauges() Gauges {
	var item T
	r.highWater.See(r.Len())
	return Gauges{
		Bytes:     int(r.slots.Load()) * int(unsafe.Sizeof(item)),
		HighWater: r.highWater.Most(),
		WakeUps:   r.wakeUps.Load(),
	}
}

// pump moves items from addCh to nextCh for as long as there is either.
//
// Invariant: the ring is empty while the slot is.
func (r *Reference[T]) pump(slots []T) {
	defer close(r.nextCh)
	waiting := backlog[T]{slots: slots}
	addCh := r.addCh
	var slot T          // the oldest item, if nextCh is set
	var nextCh chan<- T // r.nextCh while there is an item to hand out
	for addCh != nil || nextCh != nil {
		select {
		case nextCh <- slot:
			var more bool
			if slot, more = waiting.pop(); !more {
				nextCh = nil
			}
		case item, open := <-addCh:
			switch {
			case !open:
				addCh = nil
			case nextCh == nil:
				slot, nextCh = item, r.nextCh
			default:
				if waiting.push(item) {
					r.slots.Store(int64(len(waiting.slots)))
				}
			}
		}
	}
}

// A backlog is a ring that doubles when it is full.
//
// Invariant: 0 <= head < max(1, len(slots)), 0 <= count <= len(slots), and every slot
// outside the count slots from head on is zero.
type backlog[T any] struct {
	slots []T
	head  int // index of the oldest item
	count int
}

// push reports whether it had to double the ring.
func (b *backlog[T]) push(item T) (doubled bool) {
	if b.count == len(b.slots) {
		doubled = true
		slots := make([]T, cmp.Or(2*len(b.slots), firstSlots))
		n := copy(slots, b.slots[b.head:])
		copy(slots[n:], b.slots[:b.head])
		b.slots, b.head = slots, 0
	}
	b.slots[(b.head+b.count)%len(b.slots)] = item
	b.count++
	return doubled
}

func (b *backlog[T]) pop() (item T, ok bool) {
	if b.count == 0 {
		return item, false
	}
	var zero T
	item, b.slots[b.head] = b.slots[b.head], zero
	b.head = (b.head + 1) % len(b.slots)
	b.count--
	return item, true
}

var (
	_ Buffer[int] = (*Reference[int])(nil)
	_ Gauged      = (*Reference[int])(nil)
)
