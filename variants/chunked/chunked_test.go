package chunked

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/core/buffer"
	"informerlab/core/buffer/buffertest"
	"informerlab/core/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// driven is a buffer that a driver leads.
type driven struct {
	*buffertest.Driver
	*chunked[uint64]
}

func drive(t *testing.T) driven {
	d := driven{&buffertest.Driver{T: t}, newChunked(buffer.Params[uint64]{})}
	d.Queue, d.Check = d.chunked, d.check
	return d
}

// check verifies the invariants of blocks, and that every slot but those of
// the waiting items is zero.
func (d driven) check() {
	b := &d.blocks
	require.Zero(d.T, len(b.directory)&(len(b.directory)-1), "a power of two")
	require.LessOrEqual(d.T, b.count, len(b.directory))
	for k := b.count; k < len(b.directory); k++ {
		require.Nil(d.T, b.directory[(b.first+k)&(len(b.directory)-1)])
	}
	number, slots := d.Popped, 0
	for k := range b.count {
		block := b.directory[(b.first+k)&(len(b.directory)-1)]
		for _, item := range block {
			if item == 0 {
				continue
			}
			if number++; item != number { // a call of require for each would take seconds
				require.Equal(d.T, number, item)
			}
		}
		require.LessOrEqual(d.T, len(block), fullSlots[uint64]())
		slots += len(block)
	}
	require.Equal(d.T, d.Pushed, number, "the items that wait")
	require.Equal(d.T, slots, b.slots)
}

func TestGrowsFromNothing(t *testing.T) {
	d := drive(t)
	require.Nil(t, d.blocks.directory, "nothing before the first push")
	d.Feed(1)
	first := len(d.blocks.newest)
	require.GreaterOrEqual(t, first, minSlots)
	require.Less(t, first, 2*minSlots)
	d.Feed(first)
	require.GreaterOrEqual(t, len(d.blocks.newest), 2*first)
	for d.blocks.count < 12 {
		d.Feed(1000)
	}
	require.Len(t, d.blocks.newest, fullSlots[uint64]())
	d.Expect(d.Len())
	require.Equal(t, 1, d.blocks.count, "the newest is kept")
	require.Len(t, d.blocks.directory, minDirectory)
}

func TestBatchGetsItsBlockAtOnce(t *testing.T) {
	d := drive(t)
	d.Feed(70)
	require.Equal(t, 1, d.blocks.count)
	d.Feed(5 * fullSlots[uint64]())
	require.LessOrEqual(t, d.blocks.count, 7)
	d.Expect(70 + 5*fullSlots[uint64]())
}

// TestQuietBufferStaysSmall passes many items, but never many at once.
func TestQuietBufferStaysSmall(t *testing.T) {
	d := drive(t)
	d.Feed(3)
	first := &d.blocks.newest[0]
	for range 100 {
		d.Expect(3)
		d.Feed(3)
	}
	require.True(t, first == &d.blocks.newest[0], "the first block")
	require.Equal(t, 1, d.blocks.count)
}

func TestBlocksByItemSize(t *testing.T) {
	assert.Equal(t, 3072, fullSlots[any](), "16 bytes")
	assert.Equal(t, 1024, fullSlots[event.Notification](), "48 bytes")
	assert.Equal(t, minSlots, fullSlots[[1 << 16]byte]())
	c := newChunked(buffer.Params[struct{}]{})
	for range 3 {
		c.Push(make([]struct{}, 1<<17))
		for dst := make([]struct{}, 1<<17); c.Len() > 0; {
			c.Pop(dst)
		}
	}
}

// TestBlockTakesWhatItHolds sees that blocks fill the allocator's size classes.
func TestBlockTakesWhatItHolds(t *testing.T) {
	var b blocks[any]
	for _, slots := range []int{16, 64, 256, 1024, 1500, 3072} {
		keep := make([][]any, (2<<20)/(16*slots))
		empty := buffertest.LiveBytes()
		for k := range keep {
			keep[k] = b.block(slots)
		}
		takes := float64(buffertest.LiveBytes()-empty) / float64(len(keep))
		assert.InDelta(t, 16, takes/float64(len(keep[0])), 0.4, "bytes a slot, %d of %d", slots, len(keep[0]))
	}
}

// TestDirectoryWrapsAndGrows keeps the oldest block off index 0 while the
// directory doubles, and drains it again.
func TestDirectoryWrapsAndGrows(t *testing.T) {
	d := drive(t)
	full := fullSlots[uint64]()
	d.Feed(5 * full)
	d.Expect(4 * full)
	require.NotZero(t, d.blocks.first)
	d.Feed(60 * full)
	require.GreaterOrEqual(t, len(d.blocks.directory), 64)
	grown := len(d.blocks.directory)
	for d.Len() > 2*full {
		d.Expect(full)
		b := &d.blocks
		require.LessOrEqual(t, len(b.directory), max(minDirectory, 8*b.count))
	}
	require.Less(t, len(d.blocks.directory), grown)
	d.Expect(2 * full)
}

// TestNoPushTouchesTheBacklog shows that blocks stay where they are.
func TestNoPushTouchesTheBacklog(t *testing.T) {
	d := drive(t)
	full := fullSlots[uint64]()
	d.Feed(1)
	oldest := &d.blocks.newest[0]
	for range 20 {
		d.Feed(full)
	}
	require.True(t, oldest == &d.blocks.directory[d.blocks.first][0])
}

func TestSparesAreUsedAgain(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection would take the spares
	d := drive(t)
	full := fullSlots[uint64]()
	for range 3 {
		d.Feed(30 * full)
		d.Expect(30 * full)
	}
	batch, dst := make([]uint64, full), make([]uint64, full)
	const swings = 50
	bytes := buffertest.AllocatedBytes(func() {
		for range swings {
			for range 20 {
				d.Push(batch)
			}
			for d.Len() > 0 {
				d.Pop(dst)
			}
		}
	})
	assert.Less(t, bytes/(swings*20), blockBytes/4, "bytes a block that was filled")
}

func TestPopIntoNothingPanics(t *testing.T) {
	d := drive(t)
	d.Feed(1)
	require.PanicsWithValue(t, "chunked: Pop: empty dst", func() { d.Pop(nil) })
	d.Expect(1)
}
