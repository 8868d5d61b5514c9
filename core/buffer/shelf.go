package buffer

import (
	"sync"
	"weak"
)

// A Shelf keeps spent storage to be used again. It is held weakly: a backlog
// that swings finds there what it left, and what no swing wanted until the next
// collection is gone, so that an idle buffer pins none. The zero Shelf is empty;
// it must not be copied. Its methods may be called concurrently and never wait.
type Shelf[S any] struct {
	mu     sync.Mutex
	spares weak.Pointer[[]S] // guarded by mu, with what it points to
}

// Put offers storage that is empty and clean. The shelf takes it unless most
// pieces lie there already, or somebody else is at the shelf.
func (s *Shelf[S]) Put(spent S, most int) {
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	spares := s.spares.Value()
	if spares == nil {
		spares = new([]S)
		s.spares = weak.Make(spares)
	}
	if len(*spares) < most {
		*spares = append(*spares, spent)
	}
}

// Take returns a piece of storage, unless there is none or somebody else is at
// the shelf.
func (s *Shelf[S]) Take() (spare S, ok bool) {
	if !s.mu.TryLock() {
		return spare, false
	}
	defer s.mu.Unlock()
	spares := s.spares.Value()
	if spares == nil || len(*spares) == 0 {
		return spare, false
	}
	var none S
	last := len(*spares) - 1
	spare, (*spares)[last] = (*spares)[last], none
	*spares = (*spares)[:last]
	return spare, true
}
