package buffer_test

import (
	"fmt"
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

// TestReferenceSized holds rings to the laws that grow at once, and a ring
// without slots, which is allocated when something waits.
func TestReferenceSized(t *testing.T) {
	for _, initial := range []int{0, 3} {
		v := reference
		v.Name = fmt.Sprintf("reference:initial=%d", initial)
		v.Ints = func(p buffer.Params[uint64]) buffer.Buffer[uint64] { return buffer.NewReferenceSized(initial, p) }
		v.Notifications, v.Boxed = nil, nil // the growth does not look at items
		t.Run(v.Name, func(t *testing.T) { buffertest.Run(t, v) })
	}
}

// TestReferenceGrowsByDoubling pins down the sizes and the bytes of all rings on
// the way to a backlog: client-go's, which go from none to 16.
func TestReferenceGrowsByDoubling(t *testing.T) {
	const slot, slack = 16, 4 << 10
	for initial, want := range map[int]int{0: 4096, 16: 4096, 24: 3072, 2048: 4096, 5000: 5000} {
		empty := buffertest.LiveBytes()
		b := buffer.NewReferenceSized(initial, buffer.Params[any]{})
		assert.InDelta(t, initial*slot, buffertest.LiveBytes()-empty, slack, "%d slots at first", initial)
		for range 3000 { // one is in the pump's hand
			b.Push([]any{nil})
		}
		assert.Equal(t, want*slot, b.Gauges().Bytes, "%d slots at first", initial)
		assert.InDelta(t, want*slot, buffertest.LiveBytes()-empty, slack, "%d slots at first", initial)
		b.Close()
		dst := make([]any, 1)
		for b.Pop(dst) > 0 {
		}
	}
	assert.Panics(t, func() { buffer.NewReferenceSized(-1, buffer.Params[any]{}) })
}

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
