// Package ring is a listener buffer over one growing ring: a mutex, batches in
// and out by plain copies, and memory that follows the backlog down again.
//
//	Push ──▶ [ . . . head o o o o o o tail . . . ] ──▶ Pop
//	           at most two copies a batch, whatever its size
//
// # Algorithm
//
// The ring allocates with the first push and grows by doubling. A small one
// moves its items to the larger one; a large one that is full is left as it is,
// to be drained first, and pushes go to a new one of twice its length:
//
//	Push ──▶ [ o o o . . . . . . . . . ]   [ o o o o o o ] [ o o o ] ──▶ Pop
//	           the ring                      older, full
//
// Memory is given back piece by piece as it drains, when the ring has run empty,
// and when it has long been almost empty. What a burst needed is held weakly, so
// that the next one finds it unless a collection came between.
//
// # Pedigree
//
// The ring that doubles is in every library; client-go's listeners have it from
// k8s.io/utils/buffer. That it is linked to the next instead of copied is known
// from JCTools' growable queues.
//
// # What it promises
//
// Strict FIFO order, any number of producers, no loss, no bound. No push copies
// more than KeptBytes of what was there before it, whatever the backlog. A
// drained ring keeps at most KeptBytes, whatever it held; an unused one has no
// slots.
//
// # What it costs
//
// Up to half of the slots are unused just after the ring has grown. The push
// that makes it grow pays for an allocation as large as the backlog, while all
// others wait for the lock (BenchmarkWorst in bench/micro).
//
// # When to choose it
//
// When producers push batches and the backlog is mostly small: it is the least
// code, and a collection finds all of it in one piece.
//
// # When not
//
// When the backlog may grow by millions, or when no push may take long:
// package chunked does the same in small steps.
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

// A store is a ring that grows and shrinks, sequential. The items of the
// embedded ring are newer than those of older, whose rings are in order of age
// and not empty. All have a power of two of slots, or none.
type store[T any] struct {
	buffer.Ring[T]
	older []buffer.Ring[T]
	len   int // items in all rings

	// floor is the largest length that an empty ring keeps. low is the storage
	// of that length, if there is one and it holds no items or is the present one.
	floor int
	low   []T

	// spare is storage that was larger, held weakly: the next burst takes it
	// back if no collection came between. So a backlog that swings allocates
	// about once a collection, not once a swing, and an idle ring pins
	// nothing.
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
	if s.Count+len(items) > len(s.Slots) {
		s.grow(len(items))
	}
	s.Put(items)
	s.len += len(items)
}

// Pop implements buffer.Store.
func (s *store[T]) Pop(dst []T) (n int) {
	for len(s.older) > 0 && n < len(dst) {
		oldest := &s.older[0]
		n += oldest.Take(dst[n:])
		if oldest.Count == 0 {
			s.drained(oldest.Slots)
			s.older[0] = buffer.Ring[T]{}
			s.older = s.older[1:]
		}
	}
	n += s.Take(dst[n:])
	s.len -= n
	if len(s.Slots) > s.floor && len(s.older) == 0 {
		s.shrink(n)
	}
	return n
}

// Len implements buffer.Store.
func (s *store[T]) Len() int { return s.len }

// Bytes implements buffer.Store.
func (s *store[T]) Bytes() int {
	slots := len(s.Slots)
	for _, r := range s.older {
		slots += len(r.Slots)
	}
	if s.low != nil && len(s.Slots) != s.floor {
		slots += len(s.low)
	}
	var zero T
	return slots * int(unsafe.Sizeof(zero))
}

// grow makes room for n items more.
func (s *store[T]) grow(n int) {
	need := s.Count + n
	if len(s.Slots) >= s.floor && s.Count > 0 {
		need = max(n, 2*len(s.Slots))
	}
	slots := s.larger(need)
	if len(s.Slots) < s.floor || s.Count == 0 {
		s.drained(s.Slots)
		s.move(slots)
		return
	}
	if len(s.Slots) == s.floor {
		s.low = nil // until it is drained
	}
	s.older = append(s.older, s.Ring)
	s.Ring, s.lull = buffer.Ring[T]{Slots: slots}, 0
}

// larger returns empty storage of at least need slots.
func (s *store[T]) larger(need int) []T {
	spare := s.spare.Value()
	if spare != nil && need <= len(*spare) && len(*spare) <= spareFactor*need {
		s.spare = weak.Pointer[[]T]{} // it is in use now
		return *spare
	}
	return make([]T, 1<<bits.Len(uint(max(need, minSlots)-1)))
}

// drained keeps storage of the floor's length for later and forgets all other.
func (s *store[T]) drained(slots []T) {
	if len(slots) == s.floor {
		s.low = slots
	}
}

// shrink decides after a pop of n items whether storage above the floor is
// still needed. A ring that ran empty returns to the floor, which costs
// nothing. One that never does, but stays almost empty for long, goes down in
// steps, each paid for by the pops since the one before.
func (s *store[T]) shrink(n int) {
	switch {
	case s.Count == 0:
		large := s.Slots // the weak pointer is to this header, nobody else's
		s.move(s.low)
		s.spare = weak.Make(&large)
	case s.Count > len(s.Slots)/8:
		s.lull = 0
	default:
		s.lull += n
		if s.lull >= lullLengths*len(s.Slots) {
			s.move(s.storage(len(s.Slots) / 4))
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
	n := s.Count
	s.Take(slots[:n])
	s.Ring, s.lull = buffer.Ring[T]{Slots: slots, Count: n}, 0
}

var _ buffer.Store[int] = (*store[int])(nil)
