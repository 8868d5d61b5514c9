package buffer_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"informerlab/core/buffer"
	"informerlab/core/buffer/buffertest"
	"informerlab/core/event"
)

// A slice is the simplest Store there is.
type slice[T any] struct{ items []T }

func (s *slice[T]) Push(items []T) { s.items = append(s.items, items...) }

func (s *slice[T]) Pop(dst []T) int {
	n := copy(dst, s.items)
	clear(s.items[:n])
	s.items = s.items[n:]
	return n
}

func (s *slice[T]) Len() int { return len(s.items) }

func newSlice[T any](p buffer.Params[T]) buffer.Buffer[T] { return buffer.NewLocked(new(slice[T]), p) }

var lockedSlice = buffertest.Variant{
	Name: "locked slice",
	Traits: buffer.Traits{
		Order: buffer.FIFO, Loss: buffer.Lossless, Bound: buffer.Unbounded, Producers: buffer.Many,
	},
	Ints: newSlice[uint64], Notifications: newSlice[event.Notification], Boxed: newSlice[any],
}

func TestLocked(t *testing.T) { buffertest.Run(t, lockedSlice) }

func FuzzLocked(f *testing.F) { buffertest.Fuzz(f, lockedSlice) }

func TestLockedAllocatesNothing(t *testing.T) {
	b := newSlice(buffer.Params[int]{})
	batch, dst := make([]int, 8), make([]int, 8)
	b.Push(make([]int, 1000)) // room for what follows
	for b.Len() > 0 {
		b.Pop(dst)
	}
	assert.Less(t, testing.AllocsPerRun(1000, func() { b.Push(batch); b.Pop(dst) }), 0.5)
}
