package workqueue

import "time"

// entry is a scheduled item.
type entry[T any] struct {
	item T
	due  time.Time
	seq  uint64 // orders items that are due at the same instant
}

func (e *entry[T]) before(other *entry[T]) bool {
	if e.due.Equal(other.due) {
		return e.seq < other.seq
	}
	return e.due.Before(other.due)
}

// schedule is a binary heap of distinct items, the earliest at index 0. Its
// entries are values, so that scheduling allocates only when it grows, which
// container/heap could not offer.
//
// Invariant: heap[i] is before heap[2i+1] and heap[2i+2], and
// heap[index[item]].item == item for exactly the items in the heap.
type schedule[T comparable] struct {
	heap  []entry[T]
	index map[T]int
	seq   uint64
}

func (s *schedule[T]) len() int { return len(s.heap) }

// first returns when the earliest item is due. There must be one.
func (s *schedule[T]) first() time.Time { return s.heap[0].due }

// put schedules an item, unless it is scheduled for that time or an earlier one
// already, and reports whether it is now the earliest of all.
func (s *schedule[T]) put(item T, due time.Time) (first bool) {
	i, known := s.index[item]
	if known && !due.Before(s.heap[i].due) {
		return false
	}
	s.seq++
	e := entry[T]{item, due, s.seq}
	if known {
		s.heap[i] = e
		return s.up(i) == 0
	}
	if s.index == nil {
		s.index = map[T]int{}
	}
	s.heap = append(s.heap, e)
	s.index[item] = len(s.heap) - 1
	return s.up(len(s.heap)-1) == 0
}

// pop removes the earliest item. There must be one.
func (s *schedule[T]) pop() T {
	item, last := s.heap[0].item, len(s.heap)-1
	s.swap(0, last)
	s.heap[last] = entry[T]{}
	s.heap = s.heap[:last]
	delete(s.index, item)
	s.down(0)
	if last == 0 && cap(s.heap) > keepEntries {
		s.heap, s.index = nil, nil
	}
	return item
}

// up moves the entry at i to its place if it is too early for it, and returns
// where it is then.
func (s *schedule[T]) up(i int) int {
	for i > 0 {
		parent := (i - 1) / 2
		if !s.heap[i].before(&s.heap[parent]) {
			break
		}
		s.swap(i, parent)
		i = parent
	}
	return i
}

// down moves the entry at i to its place if it is too late for it.
func (s *schedule[T]) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(s.heap) {
			return
		}
		if right := child + 1; right < len(s.heap) && s.heap[right].before(&s.heap[child]) {
			child = right
		}
		if !s.heap[child].before(&s.heap[i]) {
			return
		}
		s.swap(i, child)
		i = child
	}
}

func (s *schedule[T]) swap(i, j int) {
	s.heap[i], s.heap[j] = s.heap[j], s.heap[i]
	s.index[s.heap[i].item] = i
	s.index[s.heap[j].item] = j
}
