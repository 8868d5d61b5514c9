// Package ring is a listener buffer over one growing ring: a mutex, batches in
// and out by plain copies, and memory that follows the backlog down again.
//
//	Push ──▶ [ . . . head o o o o o o tail . . . ] ──▶ Pop
//	           at most two copies a batch, whatever its size
//
// It promises strict FIFO order, loses nothing and is unbounded on purpose. It
// allocates with the first push, grows by doubling, and gives memory back when
// it has drained, or has long been almost empty: what stays after a burst of
// any size is at most 48 KiB.
//
// Limits: a push that makes it grow copies the whole backlog, some
// milliseconds at a million items, and for that moment holds it three times.
package ring

import (
	"math/bits"
	"unsafe"
	"weak"

	"informerlab/core/buffer"
)

// KeptBytes bounds what an empty ring keeps, but for items of more than 3 KiB.
// A pipeline whose handlers keep up swings between nothing and about one batch
// of the controller, 1,000 notifications of 48 bytes, which thus needs no
// allocation.
const KeptBytes = 48 << 10

const (
	// minSlots is the first allocation, unless the first batch is larger:
	// most informers are quiet (kubernetes/kubernetes#142231).
	minSlots = 16
	// lullLengths is how long, in lengths of the ring, a backlog must have
	// been small before the ring shrinks under it: a step down allocates a
	// quarter, so at 4 it costs a sixteenth of a slot an item.
	lullLengths = 4
	// spareFactor bounds how much larger than needed storage may be that is
	// taken back, lest a trickle keep a burst's storage alive.
	spareFactor = 16
)

// New returns an empty ring. It ignores all of p but Discard.
func New[T any](p buffer.Params[T]) buffer.Buffer[T] {
	return buffer.NewLocked(newStore[T](), p)
}

// A store is the ring itself, sequential.
//
// Invariant: len(slots) is 0 or a power of two, 0 <= count <= len(slots),
// 0 <= head < max(1, len(slots)), and every slot outside the count slots from
// head on (modulo len) is zero.
type store[T any] struct {
	slots []T
	head  int // index of the oldest item
	count int

	// floor is the largest length that an empty ring keeps. low is the storage
	// of that length, if there ever was one, while larger storage is in use.
	floor int
	low   []T

	// spare is storage that was larger, held weakly: the next burst takes it
	// back if no collection came between. So a backlog that swings allocates
	// about once a collection, not once a swing, and an idle ring pins
	// nothing. Shrinking on the way down, without a spare, made several times
	// the garbage when eight rings or more were saturated.
	spare weak.Pointer[[]T]
	// lull counts the items popped since the ring was last more than an
	// eighth full.
	lull int
}

func newStore[T any]() *store[T] {
	var zero T
	fit := KeptBytes / max(1, unsafe.Sizeof(zero))
	return &store[T]{floor: max(minSlots, 1<<bits.Len(uint(fit))/2)}
}

// Push implements buffer.Store.
func (s *store[T]) Push(items []T) {
	if need := s.count + len(items); need > len(s.slots) {
		s.grow(need)
	}
	tail := (s.head + s.count) & (len(s.slots) - 1)
	n := copy(s.slots[tail:], items)
	copy(s.slots, items[n:])
	s.count += len(items)
}

// Pop implements buffer.Store.
func (s *store[T]) Pop(dst []T) int {
	n := s.take(dst[:min(len(dst), s.count)])
	if len(s.slots) > s.floor {
		s.shrink(n)
	}
	return n
}

// Len implements buffer.Store.
func (s *store[T]) Len() int { return s.count }

// take moves the oldest len(dst) items, which are there, into dst.
func (s *store[T]) take(dst []T) int {
	first := s.slots[s.head:]
	n := copy(dst, first)
	clear(first[:n])
	wrapped := copy(dst[n:], s.slots)
	clear(s.slots[:wrapped])
	s.count -= len(dst)
	if s.count == 0 {
		s.head = 0 // the slots used last are still in the CPU's cache
	} else {
		s.head = (s.head + len(dst)) & (len(s.slots) - 1)
	}
	return len(dst)
}

// grow moves the items to storage of at least need slots.
func (s *store[T]) grow(need int) {
	if len(s.slots) == s.floor {
		s.low = s.slots
	}
	spare := s.spare.Value()
	if spare != nil && need <= len(*spare) && len(*spare) <= spareFactor*need {
		s.move(*spare)
		return
	}
	s.move(make([]T, 1<<bits.Len(uint(max(need, minSlots)-1))))
}

// shrink decides after a pop of n items whether storage above the floor is
// still needed. A ring that ran empty returns to the floor, which costs
// nothing. One that never does, but stays almost empty for long, goes down in
// steps, each paid for by the pops since the one before.
func (s *store[T]) shrink(n int) {
	switch {
	case s.count == 0:
		large := s.slots // the weak pointer is to this header, nobody else's
		s.move(s.low)
		s.spare = weak.Make(&large)
	case s.count > len(s.slots)/8:
		s.lull = 0
	default:
		s.lull += n
		if s.lull >= lullLengths*len(s.slots) {
			s.move(s.storage(len(s.slots) / 4))
		}
	}
}

// storage returns empty storage of size slots, but at least of the floor.
func (s *store[T]) storage(size int) []T {
	if size <= s.floor && s.low != nil {
		return s.low
	}
	return make([]T, max(size, s.floor))
}

// move takes the items from the present storage, leaving it zero, to another.
func (s *store[T]) move(slots []T) {
	n := s.count
	s.take(slots[:n])
	s.slots, s.head, s.count, s.lull = slots, 0, n, 0
}

var _ buffer.Store[int] = (*store[int])(nil)
