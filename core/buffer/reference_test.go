package buffer_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/buffer"
	"informerlab/core/buffer/buffertest"
	"informerlab/core/event"
)

func newReference[T any](p buffer.Params[T]) buffer.Buffer[T] { return buffer.NewReference(p) }

var reference = buffertest.Variant{
	Name: "reference",
	Traits: buffer.Traits{
		Order: buffer.FIFO, Loss: buffer.Lossless, Bound: buffer.Unbounded, Producers: buffer.Many,
	},
	Ints: newReference[uint64], Notifications: newReference[event.Notification], Boxed: newReference[any],
}

func TestReference(t *testing.T) { buffertest.Run(t, reference) }

func FuzzReference(f *testing.F) { buffertest.Fuzz(f, reference) }

// TestReferenceGivesOneByOne pins down what makes it cost what it costs.
func TestReferenceGivesOneByOne(t *testing.T) {
	b := buffer.NewReference(buffer.Params[int]{})
	b.Push([]int{1, 2, 3})
	dst := make([]int, 3)
	for want := 1; want <= 3; want++ {
		require.Equal(t, 1, b.Pop(dst))
		require.Equal(t, want, dst[0])
	}
	b.Close()
	require.Zero(t, b.Pop(dst))
}

// TestReferenceKeepsItsPeak shows the memory that client-go's listener keeps:
// the ring doubles to the next size above the backlog and stays there.
func TestReferenceKeepsItsPeak(t *testing.T) {
	const slot, slots, slack = 16, 1 << 14, 16 << 10
	empty := buffertest.LiveBytes()
	b := buffer.NewReference(buffer.Params[any]{})
	assert.InDelta(t, 1024*slot, buffertest.LiveBytes()-empty, slack, "the ring is allocated at once")
	for range slots {
		b.Push([]any{nil})
	}
	assert.InDelta(t, slots*slot, buffertest.LiveBytes()-empty, slack, "16 bytes a waiting item")
	dst := make([]any, 1)
	for b.Len() > 0 {
		b.Pop(dst)
	}
	assert.InDelta(t, slots*slot, buffertest.LiveBytes()-empty, slack, "drained")
	b.Close()
	b.Pop(dst)
}

// TestReferencePumpEndsUndrained closes a buffer that nobody drains: the pump
// waits for the consumer, and for nothing else.
func TestReferencePumpEndsUndrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := buffer.NewReference(buffer.Params[int]{})
		b.Push([]int{1, 2})
		b.Close()
		synctest.Wait()
		assert.Equal(t, 2, b.Len())
		dst := make([]int, 1)
		for want := 1; want >= 0; want-- {
			assert.Equal(t, 1, b.Pop(dst))
			assert.Equal(t, want, b.Len())
		}
		assert.Zero(t, b.Pop(dst))
	})
}
