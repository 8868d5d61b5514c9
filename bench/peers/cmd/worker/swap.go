package main

import (
	"sync"

	"informerlab/bench/micro"
)

// recycled is the largest slice that a swap uses again.
const recycled = 4096

// A swap is a slice that the consumer takes whole, leaving another.
type swap struct {
	mu     sync.Mutex
	items  []any
	closed bool
	token  chan struct{} // holds one if there is something that nobody has been told of
	pool   sync.Pool     // of *[]any, empty

	// The consumer's own.
	taken []any // all that it took last
	ready []any // the part not yet popped
}

func newSwap() micro.Queue[any] { return &swap{token: make(chan struct{}, 1)} }

func (s *swap) Push(items []any) {
	s.mu.Lock()
	first := len(s.items) == 0
	if first && s.items == nil {
		if spare, ok := s.pool.Get().(*[]any); ok {
			s.items = *spare
		}
	}
	s.items = append(s.items, items...)
	s.mu.Unlock()
	if first {
		s.tell()
	}
}

func (s *swap) tell() {
	select {
	case s.token <- struct{}{}:
	default:
	}
}

func (s *swap) Pop(dst []any) int {
	for len(s.ready) == 0 {
		if cap(s.taken) > 0 && cap(s.taken) <= recycled {
			clear(s.taken)
			spare := s.taken[:0]
			s.pool.Put(&spare)
		}
		s.mu.Lock()
		s.taken, s.items = s.items, nil
		closed := s.closed
		s.mu.Unlock()
		if s.ready = s.taken; len(s.ready) > 0 {
			break
		}
		if closed {
			return 0
		}
		<-s.token
	}
	n := copy(dst, s.ready)
	s.ready = s.ready[n:]
	return n
}

func (s *swap) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.tell()
}
