package buffer_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/core/buffer"
	"informerlab/core/buffer/buffertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReasonString(t *testing.T) {
	assert.Equal(t, "overflow", buffer.Overflow.String())
	assert.Equal(t, "closed", buffer.Closed.String())
	assert.Equal(t, "Reason(0)", buffer.Reason(0).String())
	assert.Equal(t, "Reason(9)", buffer.Reason(9).String())
	assert.Len(t, [buffer.NumReasons]int{}, 5, "an array indexed by Reason has room for Closed")
}

func TestTraitsString(t *testing.T) {
	unbounded := buffer.Traits{
		Order: buffer.FIFO, Loss: buffer.Lossless, Bound: buffer.Unbounded, Producers: buffer.Many,
	}
	bounded := buffer.Traits{
		Order: buffer.FIFO, Loss: buffer.Lossless, Bound: buffer.ByCapacity, Blocks: true,
		Producers: buffer.One,
	}
	assert.Equal(t, "FIFO, lossless, unbounded", unbounded.String())
	assert.Equal(t, "FIFO, lossless, bounded by capacity, blocks, one producer", bounded.String())
}

func TestDiscardedWithoutHook(t *testing.T) {
	var p buffer.Params[int]
	require.NotPanics(t, func() { p.Discarded([]int{1}, buffer.Closed) })
}

func TestPopIntoNothingPanics(t *testing.T) {
	for name, b := range map[string]buffer.Buffer[int]{
		"Reference": buffer.NewReference(buffer.Params[int]{}),
		"Locked":    buffertest.NewPlain(buffer.Params[int]{}),
	} {
		b.Push([]int{1})
		require.PanicsWithValue(t, "buffer: Pop: empty dst", func() { b.Pop(nil) }, name)
		b.Close()
		dst := make([]int, 1)
		require.Equal(t, 1, b.Pop(dst), "%s: a refused Pop loses nothing", name)
		require.Zero(t, b.Pop(dst), name)
	}
}
