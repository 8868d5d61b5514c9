// Package bounded is a listener buffer that never holds more than it was told
// to: a ring of fixed capacity, and a choice of what happens when it is full.
//
//	drop-newest    Push ─x─▶ [ o o o o o o o o ] ──▶ Pop    what does not fit is discarded
//	drop-oldest    Push ───▶ [ o o o o o o o o ] ──▶ Pop    the head makes room
//	                                     └──x──▶ Discard
//	block          Push ─ ─ ▶[ o o o o o o o o ] ──▶ Pop    the pusher waits for a pop
//	block-timeout  the same for some time, and then drop-newest
//
// # Algorithm
//
// A mutex, batches in and out by at most two copies each, a consumer that is
// woken only if it sleeps. The ring is allocated with the first push and doubles
// up to the capacity. What it holds beyond 48 KiB is given back when it runs
// empty; a burst that comes then pays for the growth again.
//
// Drop-oldest calls the Discard hook without the lock, while the items behind
// the evicted ones are there for the consumer to take. So Pop takes its items
// and then waits for the hooks of the evictions that began before it did: it
// never returns an item before the loss of an earlier one has been told, and
// pushers that evict for ever do not hold it up. Evictions that begin meanwhile
// are of later items, and counted apart.
//
// A batch that finds no room in a blocking buffer gets a turn, in which it goes
// in piece by piece as items are popped; later pushes queue up behind it. A timer
// is set only then, one for the whole batch. When it has run out, the consumer is
// given up: until it pops again nobody else waits for it, so that a handler that
// has stopped costs one timeout and not one for every batch.
//
// # Pedigree
//
// Bounded buffers with one condition for room and one for items are as old as
// monitors (Hoare, 1974). Counting what began before apart from what began after
// is the grace period of sleepable RCU in the Linux kernel. Go channels have the
// turn-taking of waiting senders, which is what ours is made of; client-go's
// watch channels block as block does, and the API server's watch cache, which has
// a budget of time for slow watchers, is the model of block-timeout.
//
// # What it promises
//
// Strict FIFO order of what is not discarded, any number of producers, and never
// more than the capacity waiting: items that Pop has returned do not count. A
// batch stays together, whatever other producers do. Which items are lost is
// exact: drop-newest keeps what fits of a batch and loses the end of it,
// drop-oldest loses the oldest of what waits and then of the batch itself, block
// loses nothing before Close, and block-timeout what has not fitted in after the
// timeout since Push began to wait, or at once while the consumer is given up. A
// hook may push, close and ask, but not pop.
//
// # What it costs
//
// The slots, at most the capacity of them; drop-oldest as much again where it
// evicts large batches. No push allocates once the ring has grown, also while
// items are lost. A push that makes the ring grow copies what waits.
//
// # When to choose it
//
// When memory must have a limit. Drop-oldest where the newest state counts most,
// drop-newest where the work already begun does: either way the listener heals
// what was lost from the cache, which costs a look-up an object, and a handler
// that needs every change is not served. Block where nothing may be lost and all
// may be as slow as the slowest: it holds up the pipeline, cache and other
// handlers included, for as long as the consumer stops; block-timeout bounds that
// for each push. Where few objects change often, coalescing needs less memory and
// keeps the last state of each.
package bounded

import (
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"unsafe"

	"informerlab/core/buffer"
)

// KeptBytes bounds what a drained buffer keeps, but for items of more than 3
// KiB: slots for a controller's batch of 1,000 notifications of 48 bytes, and
// the scratch space of drop-oldest for a few hundred.
const KeptBytes = slotBytes + 16<<10

const (
	// minSlots is the first allocation, unless the capacity is smaller or the
	// first batch larger: most informers are quiet (kubernetes/kubernetes#142231).
	minSlots     = 16
	slotBytes    = 48 << 10
	scratchBytes = 14 << 10 // which the allocator's size classes may make 16
)

type bounded[T any] struct {
	params buffer.Params[T]
	line   *line // of blocked pushers; nil if the policy does not block

	bell      buffer.Bell // what follows is guarded by it
	ring      buffer.Ring[T]
	highWater int

	scratch  []T    // empty, for evicted items; nil also while a push uses it
	evicting [2]int // pushes of which items are being discarded, by epoch
	epoch    int    // of the evictions that begin now
	heard    sync.Cond
}

// New returns an empty buffer with p's capacity and policy, and with its timeout
// if that is BlockTimeout. It is an error if one of them is missing or has no
// sense.
func New[T any](p buffer.Params[T]) (buffer.Buffer[T], error) {
	if p.Capacity < 1 {
		return nil, fmt.Errorf("bounded: capacity %d: it must be at least 1", p.Capacity)
	}
	switch {
	case p.Policy == 0:
		return nil, fmt.Errorf("bounded: policy: none is given")
	case p.Policy > buffer.BlockTimeout:
		return nil, fmt.Errorf("bounded: policy %d: there is none of that number", p.Policy)
	case p.Policy == buffer.BlockTimeout && p.Timeout <= 0:
		return nil, fmt.Errorf("bounded: timeout %v: block-timeout needs one above 0", p.Timeout)
	case p.Policy != buffer.BlockTimeout && p.Timeout != 0:
		return nil, fmt.Errorf("bounded: timeout %v: only block-timeout takes one", p.Timeout)
	}
	b := &bounded[T]{params: p}
	b.heard.L = &b.bell
	if p.Policy == buffer.Block || p.Policy == buffer.BlockTimeout {
		b.line = newLine()
	}
	return b, nil
}

// Push implements buffer.Buffer. With the policies Block and BlockTimeout it may
// wait for the consumer.
func (b *bounded[T]) Push(items []T) {
	if len(items) == 0 {
		return
	}
	b.bell.Lock()
	switch {
	case b.bell.Closed():
		b.bell.Unlock()
		b.params.Discarded(items, buffer.Closed)
	case len(items) <= b.room():
		b.put(items)
		b.bell.UnlockAndRing()
	case b.line != nil && !b.line.givenUp:
		b.pushInTurn(items)
	case b.params.Policy == buffer.DropOldest:
		b.evict(items)
	default:
		// Nothing passes those who wait in line, although nobody else waits.
		n := b.put(items[:max(0, min(len(items), b.room()))])
		b.lose(items[n:], buffer.Overflow)
	}
}

// lose discards items that found no room. What waits meanwhile cannot be popped
// before the hook has heard of all of them: else a consumer could have handled
// everything, and wait for more, without knowing what it lost. It is called with
// the lock held and releases it.
func (b *bounded[T]) lose(items []T, why buffer.Reason) {
	epoch := b.epoch
	b.evicting[epoch]++
	b.bell.Unlock()
	b.params.Discarded(items, why)
	b.bell.Lock()
	b.evicting[epoch]--
	b.bell.UnlockAndRing()
	b.heard.Signal()
}

// room returns how many items may be put in without waiting. While there is a
// line all room is for those who stand in it.
func (b *bounded[T]) room() int {
	if b.line != nil && b.line.length > 0 {
		return 0
	}
	return b.params.Capacity - b.ring.Count
}

// put appends as many of the items as the capacity allows and returns their
// number.
func (b *bounded[T]) put(items []T) int {
	n := min(len(items), b.params.Capacity-b.ring.Count)
	b.grow(n)
	b.ring.Put(items[:n])
	b.highWater = max(b.highWater, b.ring.Count)
	return n
}

// grow makes room for n items more, which the capacity must allow: it doubles.
func (b *bounded[T]) grow(n int) {
	need := b.ring.Count + n
	if need <= len(b.ring.Slots) {
		return
	}
	slots := make([]T, min(b.params.Capacity, max(minSlots, 1<<bits.Len(uint(need-1)))))
	b.ring = buffer.Ring[T]{Slots: slots, Count: b.ring.Take(slots[:b.ring.Count])}
}

// evict puts the newest items in and discards what they leave no room for,
// oldest first. It is called with the lock held and releases it.
func (b *bounded[T]) evict(items []T) {
	lost := max(0, len(items)-b.params.Capacity)
	need := b.ring.Count + len(items) - lost - b.params.Capacity
	evicted := slices.Grow(b.scratch, need)[:need]
	b.scratch = nil
	b.ring.Take(evicted)
	b.put(items[lost:])
	epoch := b.epoch
	b.evicting[epoch]++
	b.bell.Unlock()

	b.params.Discarded(evicted, buffer.Overflow)
	b.params.Discarded(items[:lost], buffer.Overflow)
	clear(evicted)

	b.bell.Lock()
	b.evicting[epoch]--
	b.scratch = evicted[:0]
	b.giveBack()
	b.bell.UnlockAndRing()
	b.heard.Signal()
}

// awaitDiscards returns when the hook has heard of all that was lost before.
// For what is lost from now on another count is used, which is 0: whoever
// had been in it was waited for when the counts were exchanged last.
func (b *bounded[T]) awaitDiscards() {
	before := b.epoch
	if b.evicting[before] == 0 {
		return
	}
	b.epoch = 1 - before
	for b.evicting[before] > 0 {
		b.heard.Wait()
	}
}

// giveBack forgets storage that an empty buffer need not keep.
func (b *bounded[T]) giveBack() {
	if b.ring.Count > 0 {
		return
	}
	if bytes[T](len(b.ring.Slots)) > slotBytes && len(b.ring.Slots) > minSlots {
		b.ring.Slots = nil
	}
	if bytes[T](cap(b.scratch)) > scratchBytes {
		b.scratch = nil
	}
}

// Pop implements buffer.Buffer. What it takes has left the buffer at once: if it
// must then wait for the Discard hook to hear of what was lost before, that
// does not count as waiting items.
func (b *bounded[T]) Pop(dst []T) int {
	if len(dst) == 0 {
		panic("bounded: Pop: empty dst")
	}
	b.bell.Lock()
	for b.ring.Count == 0 {
		if !b.bell.Wait() {
			b.bell.Unlock()
			return 0
		}
	}
	n := b.ring.Take(dst)
	b.giveBack()
	if b.line != nil {
		b.line.givenUp = false
		if b.line.length > 0 {
			b.line.tellRoom()
		}
	}
	b.awaitDiscards()
	b.bell.Unlock()
	return n
}

// Close implements buffer.Buffer. What a blocked push has not put in by then is
// discarded, as closed.
func (b *bounded[T]) Close() {
	b.bell.Close()
	if b.line != nil {
		b.line.close()
	}
}

// Len implements buffer.Buffer. It is exact at the moment it is taken.
func (b *bounded[T]) Len() int {
	b.bell.Lock()
	defer b.bell.Unlock()
	return b.ring.Count
}

// Gauges implements buffer.Gauged.
func (b *bounded[T]) Gauges() buffer.Gauges {
	b.bell.Lock()
	defer b.bell.Unlock()
	return buffer.Gauges{
		Bytes:     bytes[T](len(b.ring.Slots) + cap(b.scratch)),
		HighWater: b.highWater,
		WakeUps:   b.bell.WakeUps(),
	}
}

// bytes returns what so many items take.
func bytes[T any](items int) int {
	var zero T
	return items * int(unsafe.Sizeof(zero))
}

var (
	_ buffer.Buffer[int] = (*bounded[int])(nil)
	_ buffer.Gauged      = (*bounded[int])(nil)
)
