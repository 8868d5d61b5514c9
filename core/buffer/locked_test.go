package buffer_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"informerlab/core/buffer"
	"informerlab/core/buffer/buffertest"
	"informerlab/core/event"
)

var plain = buffertest.Variant{
	Name: "locked",
	Traits: buffer.Traits{
		Order: buffer.FIFO, Loss: buffer.Lossless, Bound: buffer.Unbounded, Producers: buffer.Many,
	},
	Ints:          buffertest.NewPlain[uint64],
	Notifications: buffertest.NewPlain[event.Notification],
	Boxed:         buffertest.NewPlain[any],
}

func TestLocked(t *testing.T) { buffertest.Run(t, plain) }

func FuzzLocked(f *testing.F) { buffertest.Fuzz(f, plain) }

func TestLockedAllocatesNothing(t *testing.T) {
	b := buffertest.NewPlain(buffer.Params[int]{})
	batch, dst := make([]int, 8), make([]int, 8)
	b.Push(make([]int, 1000)) // room for what follows
	for b.Len() > 0 {
		b.Pop(dst)
	}
	assert.Less(t, testing.AllocsPerRun(1000, func() { b.Push(batch); b.Pop(dst) }), 0.5)
}
