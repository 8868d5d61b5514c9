package controller

import (
	"fmt"
	"slices"

	"informerlab/core/event"
	"informerlab/core/indexer"
	"informerlab/core/queue"
)

// publishBatch is how many notifications of a replaced or resynced cache are
// published at once. client-go's batches are of the same size
// (the_real_fifo.go); a larger one only leaves the caches of the processor.
const publishBatch = 1000

// syncRound marks a notification as sync; the processor puts the current round in.
const syncRound = 1

// Do runs change, which writes the cache, so that nothing can come between the
// write and the publication of what it publishes: processor.Processor.Do. The
// batch is valid only during publish.
type Do func(change func(publish func(batch []event.Notification)))

// An Applier turns deltas into cache writes and notifications. One goroutine uses
// it. Its fields are set before the first Process, and their functions are called
// inside Do, in the order of what happens to the cache: they must not call
// functions of a user that may block.
type Applier struct {
	// Observe is called with each batch before it is published; nil = nothing.
	Observe func(batch []event.Notification)
	// OnReject is called with each object that an index function rejects; nil =
	// it is left out without a word. What came before it has been published.
	OnReject func(*event.Rejection)
	// BlankIsSync takes two blank resource versions for the same state, as
	// client-go does. Then an update between two blank versions is a sync.
	BlankIsSync bool

	indexer *indexer.Indexer
	do      Do

	// What change works on: fields instead of captured variables, and scratch
	// space that is used again, so that a batch costs no allocation.
	deltas  []queue.Delta
	initial bool
	err     error
	changes []indexer.Change
	batch   []event.Notification
	change  func(publish func(batch []event.Notification))
}

// NewApplier returns an Applier that writes to ix and publishes through do.
func NewApplier(ix *indexer.Indexer, do Do) *Applier {
	a := &Applier{indexer: ix, do: do}
	a.change = a.apply
	return a
}

// Process applies deltas, oldest first: a queue.Process. What kind of
// notification a delta becomes depends on the cache, not on the delta's type:
// an object that the cache does not hold is added, one that it holds is
// updated. A delete is told even if the cache had nothing. An object that an index
// function rejects is left out: nothing is published for it, and the cache keeps
// the state it had. Process fails only for delta types that it does not know.
func (a *Applier) Process(deltas []queue.Delta, initial bool) error {
	a.deltas, a.initial, a.err = deltas, initial, nil
	// A publication that panicked has left its batch behind.
	clear(a.batch)
	a.batch = a.batch[:0]
	a.do(a.change)
	a.deltas = nil
	return a.err
}

func (a *Applier) apply(publish func([]event.Notification)) {
	rest := a.deltas
	for len(rest) > 0 {
		n := 1
		switch rest[0].Type {
		case queue.ReplacedAll:
			a.replaceAll(rest[0].List, publish)
		case queue.SyncAll:
			a.syncAll(publish)
		case queue.Bookmark:
			a.indexer.Bookmark(rest[0].Object.GetResourceVersion())
		case queue.Added, queue.Updated, queue.Deleted, queue.Replaced, queue.Sync:
			n = plain(rest)
			a.applyPlain(rest[:n], publish)
		default:
			a.err = fmt.Errorf("controller: apply: unknown delta type %d", rest[0].Type)
			return
		}
		rest = rest[n:]
	}
}

// plain returns how many of the first deltas concern a single object each.
func plain(deltas []queue.Delta) (n int) {
	for n < len(deltas) && deltas[n].Type >= queue.Added && deltas[n].Type <= queue.Sync {
		n++
	}
	return n
}

func (a *Applier) applyPlain(deltas []queue.Delta, publish func([]event.Notification)) {
	changes := slices.Grow(a.changes[:0], len(deltas))[:len(deltas)]
	for i := range deltas {
		d := &deltas[i]
		changes[i] = indexer.Change{Object: d.Object, Delete: d.Type == queue.Deleted}
	}
	a.changes = changes
	a.indexer.Apply(changes)
	for i := range changes {
		switch c := &changes[i]; {
		case c.Rejected != nil:
			a.reject(c, publish)
		case c.Delete:
			deleted(a.next(publish), c, deltas[i].FinalStateUnknown)
		default:
			a.written(a.next(publish), c, &deltas[i])
		}
	}
	a.flush(publish)
	clear(changes)
}

// replaceAll swaps the whole cache before it tells anyone, deletions first, so
// that the first initial add already finds the whole list in the cache.
func (a *Applier) replaceAll(list *queue.List, publish func([]event.Notification)) {
	changes, gone := a.indexer.Replace(list.Items, list.ResourceVersion, list.Kept...)
	for _, obj := range gone {
		*a.next(publish) = event.Notification{Old: obj, Kind: event.Delete, Flags: event.FinalStateUnknown}
	}
	for i := range changes {
		if c := &changes[i]; c.Rejected != nil {
			a.reject(c, publish)
		} else {
			a.written(a.next(publish), c, nil)
		}
	}
	a.flush(publish)
}

// reject reports an object in its place among what is published.
func (a *Applier) reject(c *indexer.Change, publish func([]event.Notification)) {
	if a.OnReject != nil {
		a.flush(publish)
		a.OnReject(c.Rejected)
	}
}

func (a *Applier) syncAll(publish func([]event.Notification)) {
	for _, obj := range a.indexer.List() {
		*a.next(publish) = event.Notification{Old: obj, New: obj, Kind: event.Update, Round: syncRound}
	}
	a.flush(publish)
}

// deleted makes n, which is zero, the notification of a removal. The last state is
// seldom the one that the cache held, which handlers know.
func deleted(n *event.Notification, c *indexer.Change, unknown bool) {
	n.Old, n.New, n.Kind = c.Object, c.Old, event.Delete
	if c.Old == nil {
		n.New = event.Tombstone(event.KeyOf(c.Object))
	}
	if unknown {
		n.Flags = event.FinalStateUnknown
	}
}

// written makes n, which is zero, the notification of a write, by d if it is not
// nil. An update is a sync if it did not change the resource version, as that of an
// object that a relist found unchanged. A blank version proves nothing: then only a
// resync is a sync.
func (a *Applier) written(n *event.Notification, c *indexer.Change, d *queue.Delta) {
	n.Old, n.New, n.Kind = c.Old, c.Object, event.Update
	switch {
	case c.Old == nil:
		n.Kind = event.Add
		if a.initial {
			n.Flags = event.Initial
		}
	case c.Old.GetResourceVersion() == c.Object.GetResourceVersion():
		if c.Object.GetResourceVersion() != "" || a.BlankIsSync || d != nil && d.Type == queue.Sync {
			n.Round = syncRound
		}
	}
}

// next returns the place of one more notification in the batch, with all fields
// zero. It publishes the batch before if that is full.
func (a *Applier) next(publish func([]event.Notification)) *event.Notification {
	if len(a.batch) >= publishBatch {
		a.flush(publish)
	}
	a.batch = append(a.batch, event.Notification{})
	return &a.batch[len(a.batch)-1]
}

func (a *Applier) flush(publish func([]event.Notification)) {
	if len(a.batch) > 0 {
		if a.Observe != nil {
			a.Observe(a.batch)
		}
		publish(a.batch)
		clear(a.batch)
		a.batch = a.batch[:0]
	}
}
