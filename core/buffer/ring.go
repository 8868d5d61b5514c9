package buffer

// A Ring is a fixed circular storage, sequential: what buffers that copy batches
// in and out keep them in. The zero Ring has no slots. It is for one goroutine
// at a time, and moves each item once a call, in at most two copies a batch.
//
//	Put ──▶ [ . . . head o o o o o o tail . . . ] ──▶ Take
//
// Invariant: 0 <= Count <= len(Slots), 0 <= Head < max(1, len(Slots)), and every
// slot outside the Count slots from Head on (around the end) is zero. Who sets
// the fields keeps it.
type Ring[T any] struct {
	Slots []T
	Head  int // index of the oldest item
	Count int
}

// Put appends items, for which there must be room.
func (r *Ring[T]) Put(items []T) {
	tail := r.Head + r.Count
	if tail >= len(r.Slots) {
		tail -= len(r.Slots)
	}
	n := copy(r.Slots[tail:], items)
	copy(r.Slots, items[n:])
	r.Count += len(items)
}

// Take moves the oldest items, as many as there are and dst has room for, into
// dst and returns their number.
func (r *Ring[T]) Take(dst []T) int {
	dst = dst[:min(len(dst), r.Count)]
	first := r.Slots[r.Head:]
	n := copy(dst, first)
	clear(first[:n])
	wrapped := copy(dst[n:], r.Slots)
	clear(r.Slots[:wrapped])
	r.Count -= len(dst)
	switch {
	case r.Count == 0:
		r.Head = 0 // the slots used last are still in the CPU's cache
	case n < len(first):
		r.Head += n
	default:
		r.Head = wrapped
	}
	return len(dst)
}
