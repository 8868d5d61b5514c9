// Package coalescing is a listener buffer with one waiting item for each key: a
// push of a key that already waits is merged into what waits. What a stalled
// handler can pile up is bounded by the number of keys, however long it stalls.
//
//	                  hash ─▶ table of keys
//	                            │     │
//	Push ──lock──▶ merge into ──▼─────▼──── or append
//	               oldest ─▶  [ a ⇄ b ⇄ c ⇄ d ]  newest
//	                            └─▶ Pop, one at a time
//
// # Algorithm
//
// Entries are linked in the order in which their keys came, and a hash table
// finds them by key. A merged entry keeps its place: a key that changes all the
// time neither jumps ahead nor starves. One that is cancelled leaves the middle of
// the list without a trace, so pairs that cancel for ever need no room behind an
// old entry at the head.
//
// The table has linear hashing: it grows and shrinks by one bucket at a time, so
// that no push stops all listeners to rebuild it, and memory follows the backlog
// down. A Go map would keep its size, and hash and compare each key once more to
// let it go; here an entry knows its hash, and Pop does not look at the key. Pushed
// keys are hashed some ahead of their lookup, because most of the time goes into
// waiting for the memory that they lie in.
//
// Merging happens under the lock. The Discard hook is told afterwards, without
// it, of each item that a waiting one stands for (Superseded), and of both when
// two cancelled each other (Annihilated). Since discarded items are still in the
// pusher's slice, or in an entry that has left, nothing is copied or allocated
// for that.
//
// # Pedigree
//
// A key that keeps its first place while changes to it pile up is what client-go
// had between reflector and controller (DeltaFIFO, tools/cache/delta_fifo.go) and
// what its work queue does with bare keys. Linear hashing is Litwin's (VLDB 1980);
// Larson brought it into main memory (CACM 31(4), 1988).
//
// # What it promises
//
// For each key, items in the order of their pushes, merged where Merge says so.
// Any number of producers; a push is taken whole, at one instant, and never waits
// for the consumer. At most one item of a key waits, unless Merge keeps both; then
// later items are merged with the newer. Every pushed item is popped, discarded or
// waiting. Memory follows the number of waiting keys, up and down, and a drained
// buffer pins at most KeptBytes.
//
// Pop hands out one item a call: an item in the consumer's hands can no longer be
// merged, and the next push of its key waits as an item of its own, even while
// the handler is still busy with the first.
//
// # What it costs
//
// A push hashes its key, looks it up and merges, all under the lock, and has to
// read each object's key where a FIFO buffer only copies (BenchmarkPush,
// BenchmarkStream): the more keys there are, the more it waits for memory. The
// hook is called for almost every push to a hot key. Beside the item an entry
// takes 64 bytes, and 16 of the table while the backlog grows.
//
// # When to choose it
//
// When the handler only needs to know the latest state, as one does that puts
// keys into a work queue, and may be slow, stall, or meet keys that change faster
// than it can follow. Not for a handler that counts events or wants to see every
// change: take package chunked, and room for the backlog.
package coalescing

import (
	"errors"
	"hash/maphash"
	"math/bits"

	"informerlab/core/buffer"
)

// KeptBytes bounds what a drained buffer pins, but for items of more than a KiB:
// free entries, the last blocks of the table, and less than 2 KiB of the rest.
const KeptBytes = 64 << 10

const (
	// batchItems is how many items a push takes without an allocation of its
	// own. The controller publishes no more at once.
	batchItems = 1024
	// aheadItems is how many items are hashed before the first of them is looked
	// up, so that the memory that their keys lie in is fetched in parallel.
	aheadItems = 8
)

// New returns an empty buffer. It uses p.Key, p.Merge and p.Discard and ignores
// the rest of p; without the first two it fails. Key and Merge are called under
// the lock of the buffer, so they must not use it, and must not panic.
func New[T any](p buffer.Params[T]) (buffer.Buffer[T], error) {
	if p.Key == nil || p.Merge == nil {
		return nil, errors.New("coalescing: new: Params.Key and Params.Merge must be set")
	}
	return newCoalescing(p, p.Key), nil
}

type coalescing[K comparable, T any] struct {
	params buffer.Params[T]
	key    func(T) K
	seed   maphash.Seed

	bell      buffer.Bell // what follows is guarded by it
	table     table[K, T]
	waiting   entry[K, T] // no item: head of the ring of all that wait, the oldest next
	free      stock[K, T]
	cancelled *entry[K, T] // chain, by the push that holds the lock
	highWater int
	merged    uint64
}

func newCoalescing[T any, K comparable](p buffer.Params[T], key func(T) K) *coalescing[K, T] {
	c := &coalescing[K, T]{params: p, key: key, seed: maphash.MakeSeed()}
	c.free.most = (KeptBytes - keptBuckets*wordBytes - 2<<10) / entryBytes[K, T]()
	c.waiting.prev, c.waiting.next = &c.waiting, &c.waiting
	return c
}

// Fates are what became of the items of one push, by index; the others wait.
type fates struct{ superseded, annihilated set }

// A set of small numbers.
type set []uint64

func (s set) add(i int) { s[i/64] |= 1 << (i % 64) }

// Push implements buffer.Buffer.
func (c *coalescing[K, T]) Push(items []T) {
	if len(items) == 0 {
		return
	}
	var room [2 * batchItems / 64]uint64
	words, sets := (len(items)+63)/64, room[:]
	if len(items) > batchItems {
		sets = make([]uint64, 2*words)
	}
	f := fates{sets[:words], sets[words : 2*words]}
	cancelled, ok := c.take(items, f)
	if !ok {
		c.params.Discarded(items, buffer.Closed)
		return
	}
	c.tell(items, f.superseded, buffer.Superseded)
	if cancelled != nil {
		c.bury(cancelled)
		c.tell(items, f.annihilated, buffer.Annihilated)
	}
}

// take merges items with those that wait, and returns the chain of what they
// cancelled, or false if the buffer is closed.
func (c *coalescing[K, T]) take(items []T, f fates) (cancelled *entry[K, T], ok bool) {
	c.bell.Lock()
	if c.bell.Closed() {
		c.bell.Unlock()
		return nil, false
	}
	defer c.release()
	var keys [aheadItems]K
	var hashes [aheadItems]uint64
	for first := 0; first < len(items); first += aheadItems {
		ahead := items[first:min(first+aheadItems, len(items))]
		for i := range ahead {
			keys[i] = c.key(ahead[i])
			hashes[i] = maphash.Comparable(c.seed, keys[i])
		}
		for i := range ahead {
			c.put(&ahead[i], &keys[i], hashes[i], first+i, f)
		}
	}
	cancelled, c.cancelled = c.cancelled, nil
	return cancelled, true
}

// release unlocks, and wakes the consumer if there is something for it.
func (c *coalescing[K, T]) release() {
	if c.table.len == 0 {
		c.bell.Unlock()
	} else {
		c.bell.UnlockAndRing()
	}
}

// put merges the item of that index or appends it. The lock is held.
func (c *coalescing[K, T]) put(item *T, key *K, hash uint64, index int, f fates) {
	e := c.table.find(hash, key)
	if e == nil {
		c.add(item, key, hash)
		return
	}
	merged, outcome := c.params.Merge(e.item, *item)
	switch outcome {
	case buffer.Merged:
		e.item, e.key = merged, *key
		f.superseded.add(index)
		c.merged++
	case buffer.Cancel:
		c.unlink(e)
		e.next, c.cancelled = c.cancelled, e
		f.annihilated.add(index)
	default:
		c.add(item, key, hash)
	}
}

// add appends an entry. The lock is held.
func (c *coalescing[K, T]) add(item *T, key *K, hash uint64) {
	e := c.free.take()
	e.item, e.key, e.hash = *item, *key, hash
	e.prev, e.next = c.waiting.prev, &c.waiting
	e.prev.next, e.next.prev = e, e
	c.table.insert(e)
	c.highWater = max(c.highWater, c.table.len)
}

// unlink takes an entry out of the table and the ring. The lock is held.
func (c *coalescing[K, T]) unlink(e *entry[K, T]) {
	e.prev.next, e.next.prev = e.next, e.prev
	c.table.remove(e)
}

// tell calls the Discard hook for the items of these indices.
func (c *coalescing[K, T]) tell(items []T, indices set, why buffer.Reason) {
	if c.params.Discard == nil {
		return
	}
	for word, left := range indices {
		for ; left != 0; left &= left - 1 {
			c.params.Discard(items[word*64+bits.TrailingZeros64(left)], why)
		}
	}
}

// bury discards the items of a chain of entries, and recycles these.
func (c *coalescing[K, T]) bury(cancelled *entry[K, T]) {
	if c.params.Discard != nil {
		for e := cancelled; e != nil; e = e.next {
			c.params.Discard(e.item, buffer.Annihilated)
		}
	}
	c.bell.Lock()
	defer c.bell.Unlock()
	for e := cancelled; e != nil; {
		next := e.next
		c.free.put(e)
		e = next
	}
}

// Pop implements buffer.Buffer. It returns one item, whatever the length of dst.
func (c *coalescing[K, T]) Pop(dst []T) int {
	if len(dst) == 0 {
		panic("coalescing: Pop: empty dst")
	}
	c.bell.Lock()
	defer c.bell.Unlock()
	for c.table.len == 0 {
		if !c.bell.Wait() {
			return 0
		}
	}
	e := c.waiting.next
	c.unlink(e)
	dst[0] = e.item
	c.free.put(e)
	return 1
}

// Close implements buffer.Buffer.
func (c *coalescing[K, T]) Close() { c.bell.Close() }

// Len implements buffer.Buffer. It is exact at the moment it is taken.
func (c *coalescing[K, T]) Len() int {
	c.bell.Lock()
	defer c.bell.Unlock()
	return c.table.len
}

// Gauges implements buffer.Gauged.
func (c *coalescing[K, T]) Gauges() buffer.Gauges {
	c.bell.Lock()
	defer c.bell.Unlock()
	return buffer.Gauges{
		Bytes:     (c.table.len+c.free.len)*entryBytes[K, T]() + c.table.bytes(),
		HighWater: c.highWater, Merged: c.merged, WakeUps: c.bell.WakeUps(),
	}
}

var (
	_ buffer.Buffer[int] = (*coalescing[int, int])(nil)
	_ buffer.Gauged      = (*coalescing[int, int])(nil)
)
