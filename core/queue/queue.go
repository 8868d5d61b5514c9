// Package queue holds deltas between the reflector, which learns of changes, and
// the controller, which applies them to the cache.
//
//	reflector ── Add, Replace, Resync, Bookmark ──▶ Queue ── Pop(process) ──▶ controller
//
//	FIFO       ReplacedAll │ Added a │ Updated b │ Updated a │ Bookmark │ Deleted b
//	           └─ alone ─┘ └──────── one batch ────────────┘ └ alone ─┘ └─ next
//
//	DeltaFIFO  a: Added, Updated      one Pop: a with all its deltas,
//	           b: Updated, Deleted    then b: keys in the order of their first delta
//
// There are two: FIFO keeps every delta in order of arrival and hands out
// batches; DeltaFIFO keeps a list of deltas per key and hands out one key at a
// time. Both are unbounded on purpose, as in client-go: what bounds FIFO in
// practice is that it holds its lock while processing once it is long, and
// DeltaFIFO that it always does. Deltas that are queued but never popped stay
// queued; nothing but DeltaFIFO's merging of deletions is dropped.
//
// The rules are those of client-go v0.37.2 (tools/cache/the_real_fifo.go in its
// atomic mode with bookmarks and unlocked processing, and delta_fifo.go).
// Different on purpose:
//
//   - A key that comes twice does not end a batch of FIFO: whoever applies a
//     batch in order inside one transaction needs no such rule, and a hot key
//     would reduce it to single deltas. A batch may also be shorter than what
//     is queued, because it is handed out where it lies, without a copy.
//   - A deletion that was inferred is a Deleted delta with FinalStateUnknown
//     set, not a wrapped object. Its key is that of its object; one without a
//     last state carries an event.Tombstone.
//   - Additions come in batches. An object whose transform fails is left out and
//     reported to OnReject; those beside it are queued, also those of one list.
//     client-go refuses the whole list and lists again without end. What the
//     cache holds of an object that was left out of a list stays.
//   - A deletion whose transform fails is queued without its last state. In
//     client-go it is lost, and the object stays cached until a relist.
//   - A transform runs once per object received. In client-go the streaming
//     initial list runs it twice (k/k#131799). It runs without holding up the
//     popper.
//   - Synced is never early. client-go's DeltaFIFO closes its channel before it
//     processes the last initial key, and its RealFIFO counts off a delta that
//     was already in processing when the first Replace came.
//   - Requeue, off by default, puts back what failed. client-go once did
//     (ErrRequeue, RetryOnError) and has given it up (k/k#129568).
//   - Len, HasSynced and Synced never wait, so that process may call them.
package queue

import (
	"errors"
	"fmt"

	"informerlab/core/event"
)

// DeltaType is what a delta asks the controller to do.
type DeltaType uint8

// The delta types. The zero DeltaType is none of them.
const (
	Added DeltaType = iota + 1
	Updated
	Deleted
	Replaced    // the object was part of a relist
	Sync        // the object is delivered again by a resync
	ReplacedAll // the whole cache is replaced by List (FIFO only)
	SyncAll     // every cached object is delivered again (FIFO only)
	Bookmark    // only the resource version of Object means anything (FIFO only)
)

// String returns the type as client-go spells it.
func (t DeltaType) String() string {
	names := [...]string{
		"", "Added", "Updated", "Deleted", "Replaced", "Sync", "ReplacedAll", "SyncAll", "Bookmark",
	}
	if int(t) < len(names) && t > 0 {
		return names[t]
	}
	return "Unknown"
}

// A Delta is one change on its way to the cache.
type Delta struct {
	Object event.Object // nil for ReplacedAll and SyncAll
	List   *List        // set exactly for ReplacedAll
	Type   DeltaType
	// FinalStateUnknown marks a Deleted that was inferred from a relist:
	// Object is the last state known, or an event.Tombstone.
	FinalStateUnknown bool
}

// A List is the content of a ReplacedAll delta.
type List struct {
	Items           []event.Object
	ResourceVersion string
	// Kept are the keys of items that were left out because the transform
	// failed: they were listed, so what the cache holds under them stays.
	Kept []event.Key
}

// String returns the delta in one line, for tests and logs.
func (d Delta) String() string {
	switch {
	case d.List != nil:
		return fmt.Sprintf("%s %d items @%s", d.Type, len(d.List.Items), d.List.ResourceVersion)
	case d.Object == nil:
		return d.Type.String()
	case d.Type == Bookmark:
		return fmt.Sprintf("%s @%s", d.Type, d.Object.GetResourceVersion())
	}
	s := fmt.Sprintf("%s %s @%s", d.Type, event.KeyOf(d.Object), d.Object.GetResourceVersion())
	if d.FinalStateUnknown {
		s += " final-state-unknown"
	}
	return s
}

// Process applies deltas to the cache, oldest first. They are valid only during
// the call. initial says that the queue had not synced when they were popped,
// so that they belong to the initial population. The queue may be locked
// meanwhile: of its methods, only Len, HasSynced and Synced may be called.
type Process func(deltas []Delta, initial bool) error

// A Queue takes deltas from any number of goroutines and gives them to one.
type Queue interface {
	// Add queues Added, Updated and Deleted deltas. Those without an object or
	// of another type are told in the error, those whose transform failed are
	// given to OnReject (without one they are told in the error, too), and all
	// others are queued. The slice stays the caller's.
	Add(deltas []Delta) error
	// Replace queues what makes the cache equal to items. The slice must not
	// be changed afterwards. Items that are nil or whose transform failed are
	// given to OnReject (without one they are logged) and left out, and what
	// the cache holds under their keys stays. It returns no error.
	Replace(items []event.Object, resourceVersion string) error
	// Resync queues what delivers every cached object again.
	Resync() error
	// Bookmark queues a change of the resource version alone. DeltaFIFO ignores it.
	Bookmark(resourceVersion string) error
	// Pop waits for deltas, gives them to process, and returns its error, or
	// ErrClosed once the queue is closed and empty. One goroutine at a time
	// may call it; a second one panics. A panic of process passes through
	// and leaves the queue usable, without the deltas that were popped.
	Pop(process Process) error
	// Close makes Pop return ErrClosed when nothing is left. Later additions
	// are still queued. It may be called twice.
	Close()
	// HasSynced reports whether the first Replace has been processed whole,
	// successfully or not (what was put back is not yet processed). If an
	// Add came before it, the queue has synced at once.
	HasSynced() bool
	// Synced returns a channel that is closed when HasSynced becomes true.
	Synced() <-chan struct{}
	// Len returns the number of deltas (FIFO) or keys (DeltaFIFO) waiting.
	Len() int
}

// ErrClosed is returned by Pop when the queue is closed and empty.
var ErrClosed = errors.New("queue: closed")

// A Store answers what the cache holds. DeltaFIFO asks it on Delete, Replace
// and Resync; it must be safe for concurrent use.
type Store interface {
	Get(key event.Key) (event.Object, bool)
	Keys() []event.Key
}
