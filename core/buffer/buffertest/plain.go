package buffertest

import (
	"unsafe"

	"informerlab/core/buffer"
)

// NewPlain returns the plainest sound buffer, a slice under a lock, for tests of
// what uses one.
func NewPlain[T any](p buffer.Params[T]) buffer.Buffer[T] { return buffer.NewLocked(new(plain[T]), p) }

type plain[T any] struct{ items []T }

func (s *plain[T]) Push(items []T) { s.items = append(s.items, items...) }

func (s *plain[T]) Pop(dst []T) int {
	n := copy(dst, s.items)
	clear(s.items[:n])
	s.items = s.items[n:]
	return n
}

func (s *plain[T]) Len() int { return len(s.items) }

func (s *plain[T]) Bytes() int {
	var zero T
	return cap(s.items) * int(unsafe.Sizeof(zero))
}
