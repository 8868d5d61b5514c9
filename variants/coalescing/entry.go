package coalescing

import (
	"unsafe"
	"weak"
)

// wordBytes is the size of a pointer.
const wordBytes = int(unsafe.Sizeof(uintptr(0)))

// An entry is one waiting item, or a free place for one.
type entry[K comparable, T any] struct {
	prev, next *entry[K, T] // by age of the first push; a free entry has only a next
	chain      *entry[K, T] // the next one of its bucket
	hash       uint64
	key        K
	item       T
}

func entryBytes[K comparable, T any]() int { return int(unsafe.Sizeof(entry[K, T]{})) }

// A stock has free entries: up to most of them for good, and as many more as the
// collector lets it have. So a backlog that swings beyond most allocates about
// once a collection, not once a swing, and yet a drained buffer pins little.
type stock[K comparable, T any] struct {
	kept  *entry[K, T] // chain
	len   int          // of kept
	most  int
	spare weak.Pointer[shelf[K, T]]
}

// A shelf is a chain of free entries that goes as one.
type shelf[K comparable, T any] struct{ first *entry[K, T] }

// take returns an entry, which is zero but for its links.
func (s *stock[K, T]) take() *entry[K, T] {
	if e := s.kept; e != nil {
		s.kept = e.next
		s.len--
		return e
	}
	if spare := s.spare.Value(); spare != nil && spare.first != nil {
		e := spare.first
		spare.first = e.next
		return e
	}
	return new(entry[K, T])
}

// put clears an entry and adds it.
func (s *stock[K, T]) put(e *entry[K, T]) {
	*e = entry[K, T]{}
	if s.len < s.most {
		e.next, s.kept = s.kept, e
		s.len++
		return
	}
	spare := s.spare.Value()
	if spare == nil {
		spare = new(shelf[K, T])
		s.spare = weak.Make(spare)
	}
	e.next, spare.first = spare.first, e
}
