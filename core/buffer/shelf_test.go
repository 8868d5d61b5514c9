package buffer_test

import (
	"runtime"
	"runtime/debug"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/atomic"

	"informerlab/core/buffer"
)

func TestShelfHoldsSoMany(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection would take the spares
	var s buffer.Shelf[*int]
	_, ok := s.Take()
	require.False(t, ok, "an empty one")
	for k := range 5 {
		s.Put(&k, 3)
	}
	for want := 2; want >= 0; want-- {
		spare, ok := s.Take()
		require.True(t, ok)
		require.Equal(t, want, *spare)
	}
	_, ok = s.Take()
	require.False(t, ok)
}

// TestShelfIsWeak leaves it to the collector how long spares lie there.
func TestShelfIsWeak(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // but for those below
	var s buffer.Shelf[*[1 << 10]byte]
	s.Put(new([1 << 10]byte), 3)
	runtime.GC()
	runtime.GC()
	_, ok := s.Take()
	require.False(t, ok)
	s.Put(new([1 << 10]byte), 3)
	_, ok = s.Take()
	require.True(t, ok)
}

// TestShelfGivesEachOnce has many at the shelf at once: each piece is nobody's
// or one's own.
func TestShelfGivesEachOnce(t *testing.T) {
	var s buffer.Shelf[*atomic.Int32]
	var users sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for range 2000 {
				piece, ok := s.Take()
				if !ok {
					piece = atomic.NewInt32(0)
				}
				assert.EqualValues(t, 1, piece.Inc())
				piece.Dec()
				s.Put(piece, 8)
			}
		})
	}
	users.Wait()
}
