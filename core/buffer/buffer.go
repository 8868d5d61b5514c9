// Package buffer is the first seam of the lab: the listener buffer, which
// carries items from the one goroutine that distributes notifications to the
// one that calls a handler. Locking and waking are inside, so that both can be
// compared.
//
//	distributor ── Push(batch) ──▶ Buffer ── Pop(dst) ──▶ listener
//	                                 │
//	                                 └── Discard(item, reason)
//
// The main laws; package buffertest checks them by these names (close in five
// parts) and a few more:
//
//   - two doors: every pushed item leaves by exactly one of two doors, Pop or
//     the Discard hook; at rest pushed = popped + discarded + Len.
//   - order: items leave in the order of Traits.Order.
//   - loss order: a push loses the oldest pending items, or its own last ones, and
//     discards the oldest first.
//   - length asked: a consumer that pops, and reads 0 from Len, has received all
//     items of the pushes that had returned by then, except those discarded.
//   - keys: two items may be merged only if namespace and name of their keys are
//     equal in all bytes; they are merged however many keys are pending.
//   - wake-up: a push makes a waiting Pop return, without any further push.
//   - close: Close releases blocked pushers; later pushes go to Discard with
//     reason Closed; Pop drains what is left and then returns 0 for ever.
//   - collectability: the buffer keeps no reference to an item that has left.
//   - silence: an idle buffer uses no CPU and allocates nothing.
//   - no leak: when Pop has returned 0, no goroutine of the buffer is left.
//
// Reference is client-go's own buffer in this shape. Locked turns a passive
// Store into a Buffer, and Bell is the lock and the wake-up of those that want
// more. What is not here: handlers, sync tracking, abandoning and healing,
// which belong to the listener in package processor.
package buffer

import (
	"fmt"
	"time"

	"informerlab/core/event"
)

// A Buffer carries items to one consumer.
type Buffer[T any] interface {
	// Push takes one batch: on return all its items are visible to Pop and a
	// waiting consumer has been woken; with the order PerProducer, as soon as
	// the pushes that other goroutines began earlier have returned too. The
	// slice stays the caller's. Any number of goroutines may push unless
	// Traits.Producers is One; it blocks only if Traits.Blocks.
	Push(items []T)
	// Pop waits for at least one item, moves the oldest ones into dst, and
	// returns their number; 0 means closed and drained. One goroutine pops.
	// dst must not be empty, and beyond those items nothing is written to it.
	Pop(dst []T) int
	// Close ends the intake: blocked pushers are released and later pushes
	// are discarded, while Pop drains what is left. It may be called by any
	// goroutine, any number of times, before or during any other call.
	Close()
	// Len returns the number of waiting items. It is approximate while the
	// buffer is in use and exact at rest. Any goroutine may call it. It is never
	// less than the number of items of returned pushes that are popped later.
	Len() int
}

// Gauges are what a buffer tells of itself to those who watch its backlog. They
// are exact at rest, and each a little old while the buffer is in use.
type Gauges struct {
	// Bytes is the memory allocated for waiting items and their order, and
	// kept for later ones. What items refer to is not in it.
	Bytes int
	// HighWater is the largest number of items that waited at once, as seen by
	// a push, a pop or this look.
	HighWater int
	Merged    uint64 // pushed items for which one that already waited stands
	WakeUps   uint64 // times that the waiting consumer was woken, Close included
}

// Gauged is a Buffer that tells its Gauges: every buffer of this project is.
// They may be asked for by any goroutine at any time.
type Gauged interface{ Gauges() Gauges }

// A Reason says why an item was discarded.
type Reason uint8

// The reasons for a discard. The zero Reason is none of them.
const (
	Overflow    Reason            = iota + 1 // the buffer was full
	Superseded                               // another item of the same key stands for it
	Annihilated                              // it and an opposite item cancelled each other
	Closed                                   // the buffer was closed before the item was handled
	NumReasons  = int(Closed) + 1            // for arrays indexed by Reason
)

// String returns the reason in one word.
func (r Reason) String() string {
	names := [...]string{"", "overflow", "superseded", "annihilated", "closed"}
	if int(r) < len(names) && r > 0 {
		return names[r]
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// Discard hears of each item that leaves without being popped. It runs on the
// goroutine that pushes or closes, with no lock of the buffer held, and may be
// called concurrently. An item that overflows is discarded before any item that
// waits then, or that its producer pushes after it, can be popped: a consumer that
// has handled all that it got knows of all that it lost.
//
// An item that overflows is either one of those being pushed, or the oldest pending
// item. Of one push the overflowing items are discarded oldest first. Those of the
// push itself are its first ones, if the buffer made room by evicting and everything
// older has left, or its last ones, which did not fit. So no item is kept between
// two lost ones of one push. A buffer always does the one or always the other. When
// it discards an item, Len counts everything pushed before that is neither lost nor
// popped; and when a push that lost something returns, something is pending or has
// been popped since it began. Listeners rely on this when they heal.
type Discard[T any] func(item T, why Reason)

// An Outcome is what merging two items of one key gave.
type Outcome uint8

// The outcomes of a merge.
const (
	// Merged: the returned item takes the place of the pending one and stands
	// for both. Of the two it is next that is discarded, as Superseded.
	Merged Outcome = iota + 1
	// Cancel: both are discarded, as Annihilated.
	Cancel
	// Keep: both stay, in order.
	Keep
)

// A Policy says what a full bounded buffer does with a push.
type Policy uint8

// The policies of bounded buffers.
const (
	DropNewest Policy = iota + 1 // the pushed item is discarded
	DropOldest                   // the longest waiting item is discarded
	Block                        // the pusher waits for room
	// BlockTimeout: the pusher waits for room at most Params.Timeout. When a
	// push has waited in vain, later ones need not, until something is popped.
	BlockTimeout
)

// Params configure a new buffer. The zero Params suit every unbounded one.
type Params[T any] struct {
	Capacity int           // most items waiting in a bounded buffer
	Policy   Policy        // what a full bounded buffer does
	Timeout  time.Duration // for BlockTimeout
	Discard  Discard[T]    // nil = nobody listens
	// Key and Merge serve coalescing buffers: Merge combines a pending item
	// with the next one of the same key.
	Key   func(T) event.Key
	Merge func(pending, next T) (T, Outcome)
}

// Discarded calls the Discard hook for each item, if there is one.
func (p *Params[T]) Discarded(items []T, why Reason) {
	if p.Discard == nil {
		return
	}
	for _, item := range items {
		p.Discard(item, why)
	}
}

// Order is the order in which items leave.
type Order string

// The orders that a buffer can promise, strongest first.
const (
	FIFO        Order = "FIFO"         // the order of pushes
	PerProducer Order = "per-producer" // the order of pushes of one goroutine
	PerKey      Order = "per-key"      // the order of pushes of one key
)

// Loss is what a buffer may discard before it is closed.
type Loss string

// The kinds of loss.
const (
	Lossless   Loss = "lossless"
	DropsNew   Loss = "drops newest"
	DropsOld   Loss = "drops oldest"
	Coalesces  Loss = "coalesces"
	DropsEvery Loss = "drops all"
)

// Bound is what limits the number of waiting items.
type Bound string

// The bounds.
const (
	Unbounded  Bound = "unbounded"
	ByCapacity Bound = "capacity"
	ByKeys     Bound = "keys"
	Nothing    Bound = "nothing" // no item ever waits
)

// Producers is how many goroutines may push at once.
type Producers string

// The numbers of producers.
const (
	Many Producers = "many"
	One  Producers = "one"
)

// Traits are what a variant declares of itself. The conformance suite holds it
// to them and reports print them.
type Traits struct {
	Order     Order
	Loss      Loss
	Bound     Bound
	Blocks    bool // Push may wait for the consumer
	Producers Producers
}

// String returns the contract in one line, as `lab list` prints it.
func (t Traits) String() string {
	s := fmt.Sprintf("%s, %s, %s", t.Order, t.Loss, t.Bound)
	switch t.Bound {
	case ByCapacity, ByKeys:
		s = fmt.Sprintf("%s, %s, bounded by %s", t.Order, t.Loss, t.Bound)
	case Nothing:
		s = fmt.Sprintf("%s, %s, holds nothing", t.Order, t.Loss)
	}
	if t.Blocks {
		s += ", blocks"
	}
	if t.Producers == One {
		s += ", one producer"
	}
	return s
}
