package bounded

import (
	"math/bits"
	"unsafe"
)

// minSlots is the first allocation, unless the capacity is smaller or the first
// batch larger: most informers are quiet (kubernetes/kubernetes#142231).
const minSlots = 16

// A ring is the storage, sequential.
//
// Invariant: 0 <= count <= len(slots), 0 <= head < max(1, len(slots)), and every
// slot outside the count slots from head on (around the end) is zero.
type ring[T any] struct {
	slots []T
	head  int // index of the oldest item
	count int
}

// put appends items. It doubles the slots where they are too few, up to limit,
// which must be enough.
func (r *ring[T]) put(items []T, limit int) {
	if need := r.count + len(items); need > len(r.slots) {
		slots := make([]T, min(limit, max(minSlots, 1<<bits.Len(uint(need-1)))))
		*r = ring[T]{slots: slots, count: r.take(slots[:r.count])}
	}
	tail := r.head + r.count
	if tail >= len(r.slots) {
		tail -= len(r.slots)
	}
	n := copy(r.slots[tail:], items)
	copy(r.slots, items[n:])
	r.count += len(items)
}

// take moves the oldest items, as many as there are and dst has room for, into
// dst and returns their number.
func (r *ring[T]) take(dst []T) int {
	dst = dst[:min(len(dst), r.count)]
	first := r.slots[r.head:]
	n := copy(dst, first)
	clear(first[:n])
	wrapped := copy(dst[n:], r.slots)
	clear(r.slots[:wrapped])
	r.count -= len(dst)
	switch {
	case r.count == 0:
		r.head = 0 // the slots used last are still in the CPU's cache
	case n < len(first):
		r.head += n
	default:
		r.head = wrapped
	}
	return len(dst)
}

// bytes returns what so many items take.
func bytes[T any](items int) int {
	var zero T
	return items * int(unsafe.Sizeof(zero))
}
