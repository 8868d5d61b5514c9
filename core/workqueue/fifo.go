package workqueue

// fifo is a ring that doubles when it is full and halves when it is a quarter
// full, so that a push or pop costs constant time on average and a queue that
// has drained keeps at most keepEntries slots.
//
// Invariant: len(slots) is zero or a power of two, and items are in the size
// slots that follow head, all others being zero.
type fifo[T any] struct {
	slots []T
	head  int // the next to pop
	size  int
}

func (f *fifo[T]) len() int { return f.size }

func (f *fifo[T]) push(item T) {
	if f.size == len(f.slots) {
		f.resize(max(8, 2*len(f.slots)))
	}
	f.slots[(f.head+f.size)&(len(f.slots)-1)] = item
	f.size++
}

// pop removes the oldest item. There must be one.
func (f *fifo[T]) pop() T {
	var zero T
	item := f.slots[f.head]
	f.slots[f.head] = zero
	f.head = (f.head + 1) & (len(f.slots) - 1)
	f.size--
	if len(f.slots) > keepEntries && f.size <= len(f.slots)/4 {
		f.resize(len(f.slots) / 2)
	}
	return item
}

// resize moves the items to the start of n new slots.
func (f *fifo[T]) resize(n int) {
	slots := make([]T, n)
	end := min(f.head+f.size, len(f.slots))
	moved := copy(slots, f.slots[f.head:end])
	copy(slots[moved:], f.slots[:f.size-moved])
	f.slots, f.head = slots, 0
}
