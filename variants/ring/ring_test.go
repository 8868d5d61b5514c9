package ring

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/core/buffer/buffertest"
	"informerlab/core/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// driven is a store that a driver leads.
type driven struct {
	*buffertest.Driver
	*store[uint64]
}

func drive(t *testing.T) driven {
	d := driven{&buffertest.Driver{T: t}, newStore[uint64]()}
	d.Queue, d.Check = d.store, d.check
	return d
}

// check verifies the invariants of ring and store.
func (d driven) check() {
	items := 0
	var free []uint64
	for _, r := range append(d.older[:len(d.older):len(d.older)], d.Ring) {
		require.LessOrEqual(d.T, r.Count, len(r.Slots))
		require.Zero(d.T, len(r.Slots)&(len(r.Slots)-1), "a power of two")
		for k := r.Count; k < len(r.Slots); k++ {
			free = append(free, r.Slots[(r.Head+k)&(len(r.Slots)-1)])
		}
		items += r.Count
	}
	require.Equal(d.T, d.len, items)
	if len(d.Slots) > d.floor {
		free = append(free, d.low...)
	}
	require.False(d.T, slices.ContainsFunc(free, func(item uint64) bool { return item != 0 }), "a free slot")
}

func TestGrowsFromNothing(t *testing.T) {
	d := drive(t)
	require.Nil(t, d.Slots, "nothing before the first push")
	d.Feed(1)
	require.Len(t, d.Slots, minSlots)
	d.Expect(1)
	d.Feed(17)
	require.Len(t, d.Slots, 32)
	d.Feed(1000)
	require.Len(t, d.Slots, 1024, "at once to where the batch fits")
}

func TestFloorByItemSize(t *testing.T) {
	assert.Equal(t, 1024, newStore[event.Notification]().floor, "48 bytes, 48 KiB")
	assert.Equal(t, 2048, newStore[any]().floor, "16 bytes, 32 KiB")
	assert.Equal(t, minSlots, newStore[[1 << 16]byte]().floor)
	s := newStore[struct{}]()
	for range 3 {
		s.Push(make([]struct{}, 1<<17))
		require.Equal(t, 1<<17, s.Pop(make([]struct{}, 1<<17)))
	}
}

func TestEmptyRingReturnsToFloor(t *testing.T) {
	d := drive(t)
	for range 3 {
		d.Feed(d.floor)
		d.Feed(d.floor * 9)
		require.Len(t, d.Slots, d.floor*16)
		d.Expect(d.floor * 10)
		require.LessOrEqual(t, len(d.Slots), d.floor)
	}
	d.Feed(3 * d.floor) // passes the floor, leaving no storage to return to
	d.Expect(3 * d.floor)
	d.Feed(1)
	require.LessOrEqual(t, len(d.Slots), d.floor)
}

// TestNoPushCopiesALargeBacklog grows a ring to many times its floor: the full
// rings stay where they are and go one by one as they drain.
func TestNoPushCopiesALargeBacklog(t *testing.T) {
	s := newStore[uint64]()
	var pushed, popped uint64
	fill := func(until int) {
		batch := make([]uint64, 256)
		for s.Len() < until {
			for k := range batch {
				pushed++
				batch[k] = pushed
			}
			s.Push(batch)
		}
	}
	fill(16 * s.floor)
	first, rings := &s.older[0].Slots[0], len(s.older)
	require.Greater(t, rings, 3)
	fill(64 * s.floor)
	require.Same(t, first, &s.older[0].Slots[0])
	require.Equal(t, rings+2, len(s.older))
	dst := make([]uint64, 1000)
	for left := len(s.older); s.Len() > 0; {
		for _, got := range dst[:s.Pop(dst)] {
			if popped++; got != popped {
				t.Fatalf("popped %d, expected %d", got, popped)
			}
		}
		require.LessOrEqual(t, len(s.older), left)
		left = len(s.older)
	}
	require.Equal(t, pushed, popped)
	require.Len(t, s.Slots, s.floor)
}

func TestSwingsAllocateAlmostNothing(t *testing.T) {
	s := newStore[event.Notification]()
	batch, dst := make([]event.Notification, 1000), make([]event.Notification, 256)
	swing := func() {
		for range 20 {
			s.Push(batch)
		}
		for s.Len() > 0 {
			s.Pop(dst)
		}
	}
	swing()
	const swings = 100
	bytes := buffertest.AllocatedBytes(func() {
		for range swings {
			swing()
		}
	})
	assert.Less(t, bytes/(swings*20*1000), 40, "bytes an item")
}

// TestStaysSmallUnderTrickle never lets the ring run empty after a burst. Its
// items are so large that the floor is low and the burst soon forgotten.
func TestStaysSmallUnderTrickle(t *testing.T) {
	s := newStore[[512]byte]()
	require.Less(t, s.floor, 128)
	s.Push(make([][512]byte, 1<<12))
	dst := make([][512]byte, 16)
	for s.Len() > 24 {
		s.Pop(dst)
	}
	require.Len(t, s.Slots, 1<<12)
	for range 6 * lullLengths << 8 {
		s.Push(dst)
		require.Equal(t, 16, s.Pop(dst))
	}
	require.LessOrEqual(t, len(s.Slots), 1<<8)
}

// TestMovesWrappedItems grows and shrinks with items on both ends of the slots.
func TestMovesWrappedItems(t *testing.T) {
	d := drive(t)
	d.Feed(16)
	d.Expect(11)
	d.Feed(11)
	require.NotZero(t, d.Head)
	d.Feed(1)
	require.Len(t, d.Slots, 32)
	d.Expect(17)
	require.Zero(t, d.Head, "an empty ring starts again at slot 0")

	d.Feed(d.floor)
	d.Feed(d.floor * 2)
	d.Expect(d.floor*3 - 5)
	for len(d.Slots) > d.floor {
		d.Feed(400)
		d.Expect(400)
	}
	require.Same(t, &d.low[0], &d.Slots[0], "the storage set aside is used again")
	d.Expect(5)
}
