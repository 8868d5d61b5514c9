// Package chunked is a listener buffer made of fixed blocks: none is ever
// copied or resized, and each leaves as soon as it is spent, so that the memory
// follows the backlog up and down.
//
//	Push ─lock─▶ [ o o . . ] [ o o o o ] [ o o o o ] [ . o o o ] ─▶ Pop
//	               newest                              oldest
//	             [ . . . . ] [ . . . . ] spares, for as long as the collector lets them
//
// # Algorithm
//
// Producers write into the newest block, under a mutex. When the consumer has
// nothing left it takes, under the mutex, all that the oldest block holds: it
// alone may touch those slots now, and copies and clears them with no lock
// held. When everything has been popped the same block is filled again from its
// start, which keeps a quiet buffer small and in the CPU's cache. A push signals
// only if the consumer sleeps.
//
// The first block has 16 slots and each next one twice as many, up to 48 KiB.
// Blocks are found through a directory, a ring of their headers, and not linked:
// the collector finds all at once and shares them among its workers, where a
// chain of blocks is followed by one. Spent blocks go to a shelf that is held
// weakly: a backlog that swings takes them from there, and what no swing
// wanted until the next collection is gone.
//
// # Pedigree
//
// The deque of the C++ library has the directory. Blocks for queues between
// threads are in folly's UnboundedQueue, crossbeam's SegQueue, tokio's mpsc and
// xsync's UMPSCQueue; taking everything at one synchronisation is what nats's
// ipQueue and the LMAX Disruptor do. That the spares are weak is ours.
//
// # What it promises
//
// Strict FIFO order, any number of producers, no loss, no bound. A push copies
// its items once and beyond that allocates blocks, 48 KiB at a time: it does
// not depend on the backlog, but for the directory, of which 24 bytes a block
// are copied when it doubles (12 KiB at 1.5 million items of 16 bytes). A
// drained buffer keeps at most KeptBytes, an unused one has no block.
//
// # What it costs
//
// At most two partly filled blocks beside the backlog. Pop ends at the end of a
// block, with less than there is, once in thousands of items. While a
// collection runs, a producer that allocates may have to help it, holding the
// lock (BenchmarkWorst in bench/micro).
//
// # When to choose it
//
// When the backlog may become large: a handler that stops for minutes, a resync
// of a hundred thousand objects. And when in doubt.
//
// # When not
//
// When handlers may be too slow for good: it holds all that they do not take.
// That needs a buffer that drops or coalesces.
package chunked

import (
	"go.uber.org/atomic"

	"informerlab/core/buffer"
)

// KeptBytes bounds what a drained buffer keeps, but for items of more than 3
// KiB: one block, so that a pipeline that keeps up allocates nothing, and less
// than a KiB of its own fields and directory.
const KeptBytes = blockBytes + 1<<10

const (
	// blockBytes is the size of a full block. It is a whole number of the
	// runtime's pages, so that nothing is rounded up, and holds a controller's
	// batch of 1,000 notifications. One block may be kept, hence no more:
	// BenchmarkStream and BenchmarkBurst of bench/micro do not choose among
	// sizes from there on.
	blockBytes = 48 << 10
	// minSlots is the length of the first block, unless the first batch is
	// larger: most informers are quiet (kubernetes/kubernetes#142231). With
	// 16-byte items it takes 256 bytes and the first directory 192.
	minSlots     = 16
	minDirectory = 8
	// maxSpares limits the shelf, the list of which would be copied under the
	// lock as it grows. A million items of 16 bytes fill about 330 blocks, so
	// that bursts of that size find all of theirs again.
	maxSpares = 512
)

// New returns an empty buffer. It ignores all of p but Discard.
func New[T any](p buffer.Params[T]) buffer.Buffer[T] { return newChunked(p) }

type chunked[T any] struct {
	params buffer.Params[T]

	bell   buffer.Bell // what follows is guarded by it, down to the padding
	blocks blocks[T]
	pushed int64 // items ever
	// Invariant: the backlog has not been larger than highWater, and cannot be
	// while pushed <= safe. So it need not be looked at until then.
	highWater, safe int64

	_ [64]byte // keeps what the consumer writes without the lock off the lines above

	ready  []T          // taken from blocks and not yet popped
	popped atomic.Int64 // items ever; only the consumer writes it
}

func newChunked[T any](p buffer.Params[T]) *chunked[T] { return &chunked[T]{params: p} }

// Push implements buffer.Buffer.
func (c *chunked[T]) Push(items []T) {
	if len(items) == 0 {
		return
	}
	c.bell.Lock()
	if c.bell.Closed() {
		c.bell.Unlock()
		c.params.Discarded(items, buffer.Closed)
		return
	}
	if c.blocks.room() < len(items) && c.popped.Load() == c.pushed {
		c.blocks.rewind() // the consumer works on what it popped last
	}
	c.blocks.put(items)
	c.pushed += int64(len(items))
	if c.pushed > c.safe {
		c.raise()
	}
	c.bell.UnlockAndRing()
}

// raise brings highWater up to date. The caller holds the lock.
func (c *chunked[T]) raise() {
	popped := c.popped.Load()
	c.highWater = max(c.highWater, c.pushed-popped)
	c.safe = popped + c.highWater
}

// Pop implements buffer.Buffer. It returns no more than what the block held
// when it last looked, although more may wait.
func (c *chunked[T]) Pop(dst []T) int {
	if len(dst) == 0 {
		panic("chunked: Pop: empty dst")
	}
	if len(c.ready) == 0 && !c.refill() {
		return 0
	}
	n := copy(dst, c.ready)
	clear(c.ready[:n])
	c.ready = c.ready[n:]
	c.popped.Store(c.popped.Load() + int64(n))
	return n
}

// refill waits for items and takes them. It returns false if the buffer is
// closed and drained.
func (c *chunked[T]) refill() bool {
	c.bell.Lock()
	defer c.bell.Unlock()
	for {
		c.ready = c.blocks.take()
		if len(c.ready) > 0 {
			return true
		}
		if !c.bell.Wait() {
			return false
		}
	}
}

// Close implements buffer.Buffer.
func (c *chunked[T]) Close() { c.bell.Close() }

// Len implements buffer.Buffer. Items that the consumer has taken and not yet
// popped count.
func (c *chunked[T]) Len() int {
	c.bell.Lock()
	defer c.bell.Unlock()
	return int(c.pushed - c.popped.Load())
}

// Gauges implements buffer.Gauged. Spares, which are the collector's, are not in
// Bytes.
func (c *chunked[T]) Gauges() buffer.Gauges {
	c.bell.Lock()
	defer c.bell.Unlock()
	return buffer.Gauges{
		Bytes:     c.blocks.bytes(),
		HighWater: int(c.highWater),
		WakeUps:   c.bell.WakeUps(),
	}
}

var (
	_ buffer.Buffer[int] = (*chunked[int])(nil)
	_ buffer.Gauged      = (*chunked[int])(nil)
)
