package chunked

import (
	"runtime"
	"testing"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An item is large enough for a full block to be short.
type item struct {
	id uint64
	_  [504]byte
}

// A driver pushes consecutive numbers and checks what it pops.
type driver struct {
	*chunked[item]
	t            *testing.T
	next, popped uint64 // the last number pushed and the last one popped
}

func drive(t *testing.T) *driver { return &driver{chunked: newChunked(buffer.Params[item]{}), t: t} }

func (d *driver) push(n int) {
	batch := make([]item, n)
	for k := range batch {
		d.next++
		batch[k].id = d.next
	}
	d.Push(batch)
	d.check()
}

func (d *driver) pop(n int) {
	for dst := make([]item, n); n > 0; {
		got := d.Pop(dst[:n])
		for _, item := range dst[:got] {
			d.popped++
			require.Equal(d.t, d.popped, item.id)
		}
		n -= got
		d.check()
	}
}

// check verifies the invariants of blocks, and that every slot but those of
// the waiting items is zero.
func (d *driver) check() {
	waiting := d.next - d.popped
	require.EqualValues(d.t, waiting, d.Len())
	b := &d.blocks
	require.Zero(d.t, len(b.directory)&(len(b.directory)-1), "a power of two")
	require.LessOrEqual(d.t, b.count, len(b.directory))
	for k := b.count; k < len(b.directory); k++ {
		require.Nil(d.t, b.directory[(b.first+k)&(len(b.directory)-1)])
	}
	id := d.popped
	for k := range b.count {
		block := b.directory[(b.first+k)&(len(b.directory)-1)]
		for k := range block {
			if block[k].id == 0 {
				continue
			}
			if id++; block[k].id != id { // a call of require for each would take seconds
				require.Equal(d.t, id, block[k].id)
			}
		}
		require.LessOrEqual(d.t, len(block), fullSlots[item]())
	}
	require.Equal(d.t, d.next, id, "the items that wait")
	if spares := b.spares.Value(); spares != nil {
		require.LessOrEqual(d.t, len(spares.blocks), maxSpares)
		for _, block := range spares.blocks {
			require.Len(d.t, block, fullSlots[item]())
			for k := range block {
				if block[k].id != 0 {
					require.Zero(d.t, block[k].id)
				}
			}
		}
	}
}

func TestGrowsFromNothing(t *testing.T) {
	d := drive(t)
	require.Nil(t, d.blocks.directory, "nothing before the first push")
	d.push(1)
	first := len(d.blocks.newest)
	require.GreaterOrEqual(t, first, minSlots)
	require.Less(t, first, 2*minSlots)
	d.push(first)
	require.GreaterOrEqual(t, len(d.blocks.newest), 2*first)
	for d.blocks.count < 20 {
		d.push(10)
	}
	require.Len(t, d.blocks.newest, fullSlots[item]())
	d.pop(d.Len())
	require.Equal(t, 1, d.blocks.count, "the newest is kept")
	require.Len(t, d.blocks.directory, minDirectory)
}

func TestBatchGetsItsBlockAtOnce(t *testing.T) {
	d := drive(t)
	d.push(70)
	require.Equal(t, 1, d.blocks.count)
	d.push(5 * fullSlots[item]())
	require.LessOrEqual(t, d.blocks.count, 7)
	d.pop(70 + 5*fullSlots[item]())
}

// TestQuietBufferStaysSmall passes many items, but never many at once.
func TestQuietBufferStaysSmall(t *testing.T) {
	d := drive(t)
	d.push(3)
	first := &d.blocks.newest[0]
	for range 100 {
		d.pop(3)
		d.push(3)
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
	heap := func() int {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	var b blocks[any]
	for _, slots := range []int{16, 64, 256, 1024, 1500, 3072} {
		keep := make([][]any, (2<<20)/(16*slots))
		empty := heap()
		for k := range keep {
			keep[k] = b.block(slots)
		}
		takes := float64(heap()-empty) / float64(len(keep))
		assert.InDelta(t, 16, takes/float64(len(keep[0])), 0.4, "bytes a slot, %d of %d", slots, len(keep[0]))
	}
}

// TestDirectoryWrapsAndGrows keeps the oldest block off index 0 while the
// directory doubles, and drains it again.
func TestDirectoryWrapsAndGrows(t *testing.T) {
	d := drive(t)
	full := fullSlots[item]()
	d.push(5 * full)
	d.pop(4 * full)
	require.NotZero(t, d.blocks.first)
	d.push(60 * full)
	require.GreaterOrEqual(t, len(d.blocks.directory), 64)
	grown := len(d.blocks.directory)
	for d.Len() > 2*full {
		d.pop(full)
		b := &d.blocks
		require.LessOrEqual(t, len(b.directory), max(minDirectory, 8*b.count))
	}
	require.Less(t, len(d.blocks.directory), grown)
	d.pop(2 * full)
}

// TestNoPushTouchesTheBacklog shows that blocks stay where they are.
func TestNoPushTouchesTheBacklog(t *testing.T) {
	d := drive(t)
	full := fullSlots[item]()
	d.push(1)
	oldest := &d.blocks.newest[0]
	for range 20 {
		d.push(full)
	}
	require.True(t, oldest == &d.blocks.directory[d.blocks.first][0])
}

func TestSparesAreUsedAgain(t *testing.T) {
	d := drive(t)
	full := fullSlots[item]()
	for range 3 {
		d.push(30 * full)
		d.pop(30 * full)
	}
	batch, dst := make([]item, full), make([]item, full)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const swings = 50
	for range swings {
		for range 20 {
			d.Push(batch)
		}
		for d.Len() > 0 {
			d.Pop(dst)
		}
	}
	runtime.ReadMemStats(&after)
	bytes := (after.TotalAlloc - before.TotalAlloc) / (swings * 20)
	assert.Less(t, bytes, uint64(blockBytes/4), "bytes a block that was filled")
}

// TestSparesAreWeak leaves it to the collector what a drained buffer keeps.
func TestSparesAreWeak(t *testing.T) {
	d := drive(t)
	full := fullSlots[item]()
	for d.blocks.count < 10 {
		d.push(full)
	}
	runtime.GC()
	d.pop(d.Len())
	require.NotNil(t, d.blocks.spares.Value())
	runtime.GC()
	runtime.GC()
	require.Nil(t, d.blocks.spares.Value())
	d.push(10 * full)
	d.pop(10 * full)
}

func TestShelfIsLimited(t *testing.T) {
	c := newChunked(buffer.Params[[4 << 10]byte]{})
	spares := &shelf[[4 << 10]byte]{blocks: make([][][4 << 10]byte, maxSpares-1)}
	batch := make([][4 << 10]byte, 10*minSlots)
	c.Push(batch)
	c.blocks.spares = weak.Make(spares)
	for c.Len() > 0 {
		c.Pop(batch)
	}
	require.Len(t, spares.blocks, maxSpares)
}

func TestPopIntoNothingPanics(t *testing.T) {
	d := drive(t)
	d.push(1)
	require.PanicsWithValue(t, "chunked: Pop: empty dst", func() { d.Pop(nil) })
	d.pop(1)
}
