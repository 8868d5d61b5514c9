package chunked

import (
	"slices"
	"unsafe"

	"informerlab/core/buffer"
)

// blocks is the storage, sequential: blocks in order of age, found by index
// through a ring of their headers.
//
//	directory   [ . . | a | b | c | . . ]
//	                    │   │   └─▶ [ o o o . . . . ]   newest; written = 3
//	                    │   └─────▶ [ o o o o o o o ]
//	                    └─────────▶ [ . . o o o o o ]   oldest; taken = 2
//
// Invariant: len(directory) is 0 or a power of two, 0 <= count <=
// len(directory), the directory outside the count entries from first on is
// nil, 0 <= written <= len(newest), 0 <= taken <= len(oldest), and taken <=
// written if oldest and newest are one block. Slots not written are zero, and
// so are those taken once their taker has cleared them.
type blocks[T any] struct {
	newest    []T // the last one of the directory; nil before the first push
	written   int // slots of newest that hold or have held an item
	taken     int // slots of the oldest block that have been handed out
	directory [][]T
	first     int // index of the oldest block
	count     int
	slots     int               // of all blocks in the directory
	spares    buffer.Shelf[[]T] // of full length, all zero
}

// put appends the items, oldest first.
func (b *blocks[T]) put(items []T) {
	if len(items) == 1 && b.room() > 0 {
		b.newest[b.written] = items[0] // without the call that copy is
		b.written++
		return
	}
	for {
		n := copy(b.newest[b.written:], items)
		b.written += n
		if n == len(items) {
			return
		}
		items = items[n:]
		b.add(len(items))
	}
}

// take hands out the oldest items that lie in one block, or nothing if there
// are none. They belong to the caller, who must have cleared the slots when it
// calls take again.
func (b *blocks[T]) take() []T {
	for b.count > 0 {
		oldest, end := b.directory[b.first], b.written
		if b.count > 1 {
			end = len(oldest)
		}
		if b.taken < end {
			ready := oldest[b.taken:end]
			b.taken = end
			return ready
		}
		if b.count == 1 {
			b.rewind()
			return nil
		}
		b.drop(oldest)
	}
	return nil
}

// room returns how many items fit into the newest block.
func (b *blocks[T]) room() int { return len(b.newest) - b.written }

// rewind starts the only block again, of which all has been taken and cleared.
func (b *blocks[T]) rewind() { b.written, b.taken = 0, 0 }

// add appends a block, since the newest is full and wanted more items come.
func (b *blocks[T]) add(wanted int) {
	if b.count == len(b.directory) {
		b.resize(max(minDirectory, 2*len(b.directory)))
	}
	b.newest, b.written = b.block(max(minSlots, 2*len(b.newest), wanted)), 0
	b.directory[(b.first+b.count)&(len(b.directory)-1)] = b.newest
	b.count++
	b.slots += len(b.newest)
}

// drop takes the oldest block, which is spent, out of the directory.
func (b *blocks[T]) drop(oldest []T) {
	b.taken = 0
	b.directory[b.first] = nil
	b.first = (b.first + 1) & (len(b.directory) - 1)
	b.count--
	b.slots -= len(oldest)
	if len(b.directory) > minDirectory && b.count <= len(b.directory)/8 {
		b.resize(max(minDirectory, len(b.directory)/4))
	}
	if len(oldest) == fullSlots[T]() { // the steps of the first growth are not wanted again
		b.spares.Put(oldest, maxSpares)
	}
}

// resize moves the directory into one of that length, which has room.
func (b *blocks[T]) resize(length int) {
	directory := make([][]T, length)
	for k := range b.count {
		directory[k] = b.directory[(b.first+k)&(len(b.directory)-1)]
	}
	b.directory, b.first = directory, 0
}

// block returns an empty block of at least that length, but of no more than
// the full one.
func (b *blocks[T]) block(length int) []T {
	full := fullSlots[T]()
	if length < full {
		// Grow gives all that the allocator's size class holds, less its own
		// header: of 1,152 bytes for 64 items of 16, which make would leave
		// unused, it makes 71.
		block := slices.Grow([]T(nil), length)
		return block[:min(cap(block), full)]
	}
	if block, ok := b.spares.Take(); ok {
		return block
	}
	return make([]T, full)
}

// bytes returns the memory of directory and blocks, without the spares.
func (b *blocks[T]) bytes() int {
	var item T
	return b.slots*int(unsafe.Sizeof(item)) + len(b.directory)*int(unsafe.Sizeof(b.newest))
}

// fullSlots is the length of the blocks of a large backlog.
func fullSlots[T any]() int {
	var zero T
	return max(minSlots, blockBytes/int(max(1, unsafe.Sizeof(zero))))
}
