package queue

import (
	"log/slog"

	"informerlab/core/event"
)

// DeltaFIFOOptions are the options of a DeltaFIFO. The zero value is usable.
type DeltaFIFOOptions struct {
	// Known is what the controller has, usually the indexer. Without it, a
	// relist deletes only what is queued, a Deleted counts only if its key is
	// queued, and Resync does nothing. It is asked under the lock of the queue.
	Known Store
	// Transform changes objects before they are queued; nil = none.
	Transform Transform
	// Recover turns a panic of Transform into an error that it returned.
	Recover bool
	// OnReject is called with each object that is left out because Transform
	// failed, by the goroutine that added it and without a lock of the queue.
	// nil = Add returns it in its error, and Replace logs it to Logger.
	OnReject func(*event.Rejection)
	// Requeue puts back the deltas that process returned an error for, instead
	// of dropping them: their key goes to the back. Nothing newer can be queued
	// for it, because the queue is locked while it processes. They are handed
	// out again when their turn comes: pacing is the caller's.
	Requeue bool
	// Logger takes slow processing, known keys without an object, and objects
	// left out; nil = nobody does.
	Logger *slog.Logger
	// ReplaceAsSync makes Replace queue Sync deltas instead of Replaced ones,
	// as client-go does unless EmitDeltaTypeReplaced is set. If a transform
	// removes the resource versions, a relist then looks like a resync.
	ReplaceAsSync bool
}

// A DeltaFIFO is a queue of keys, each with its deltas, oldest first. A key
// stays where its first delta put it; once popped and added again, it goes to
// the back. Of two deletions in a row the one that knows more is kept; nothing
// else is merged.
//
// The lock is held while process runs, so that what it changes (the Known store)
// and the queue agree; producers wait. All methods but Pop are safe for
// concurrent use.
type DeltaFIFO struct {
	gate
	intake   intake
	keys     keyed
	known    Store // may be nil
	requeue  bool
	replaced DeltaType // what Replace queues
}

var _ Queue = (*DeltaFIFO)(nil)

// NewDeltaFIFO returns an empty DeltaFIFO.
func NewDeltaFIFO(o DeltaFIFOOptions) *DeltaFIFO {
	f := &DeltaFIFO{known: o.Known, requeue: o.Requeue, replaced: Replaced}
	f.intake = intake{transform: o.Transform, recover: o.Recover, onReject: o.OnReject, logger: o.Logger}
	if o.ReplaceAsSync {
		f.replaced = Sync
	}
	f.init(o.Logger)
	return f
}

// Add appends Added, Updated and Deleted deltas to those of their keys. A
// Deleted is ignored if its key is neither queued nor known. Deltas that cannot be
// queued are reported; the others are queued.
func (f *DeltaFIFO) Add(deltas []Delta) error {
	if len(deltas) == 0 {
		return nil
	}
	if f.intake.needs(deltas) {
		return f.intake.add(deltas, f.push)
	}
	f.push(deltas)
	return nil
}

func (f *DeltaFIFO) push(deltas []Delta) {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.count()
	f.populate(0)
	for _, d := range deltas {
		key := event.KeyOf(d.Object)
		if d.Type == Deleted && !f.exists(key) {
			continue // a relist has reported this deletion before
		}
		f.keys.append(key, d)
	}
}

// exists says whether a deletion of the key would tell anything new.
func (f *DeltaFIFO) exists(key event.Key) bool {
	if f.keys.queued(key) {
		return true
	}
	if f.known == nil {
		return false
	}
	_, found := f.known.Get(key)
	return found
}

// Replace queues a Replaced for each item, in order, then a Deleted with
// FinalStateUnknown for each other key that is queued or known: with the newest
// object queued or else the one known. If nothing came before, all keys queued
// then are the initial population.
//
// Items that cannot be queued are reported, and their keys count as listed: they
// are not deleted.
func (f *DeltaFIFO) Replace(items []event.Object, _ string) error {
	f.intake.report(f.replace(items))
	return nil
}

func (f *DeltaFIFO) replace(items []event.Object) (left []*event.Rejection) {
	f.intake.mu.Lock()
	defer f.intake.mu.Unlock()
	items, left = f.intake.list(items)
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.count()
	listed := make(map[event.Key]struct{}, len(items))
	for _, o := range items {
		key := event.KeyOf(o)
		f.keys.append(key, Delta{Type: f.replaced, Object: o})
		listed[key] = struct{}{}
	}
	for _, key := range keysOf(left) {
		listed[key] = struct{}{}
	}
	f.deleteUnlisted(listed)
	if !f.populated {
		f.keys.markInitial()
		f.populate(f.keys.len())
	}
	return left
}

// deleteUnlisted infers the deletions that a relist implies. A queued key keeps
// its place, also if the object was never known: its add may be popped next.
func (f *DeltaFIFO) deleteUnlisted(listed map[event.Key]struct{}) {
	for e := f.keys.head; e != nil; e = e.next {
		if _, found := listed[e.key]; !found {
			e.add(Delta{Type: Deleted, Object: e.newest().Object, FinalStateUnknown: true})
		}
	}
	if f.known == nil {
		return
	}
	for _, key := range f.known.Keys() {
		if _, found := listed[key]; found || f.keys.queued(key) {
			continue
		}
		o, found := f.known.Get(key)
		if !found {
			f.logMissing("deletes it without last state", key)
			o = event.Tombstone(key)
		}
		f.keys.append(key, Delta{Type: Deleted, Object: o, FinalStateUnknown: true})
	}
}

// Resync queues a Sync for each known object, unless something is queued for its
// key: that is newer than what is known. It always returns nil.
func (f *DeltaFIFO) Resync() error {
	if f.known == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.count()
	for _, key := range f.known.Keys() {
		o, found := f.known.Get(key)
		if !found {
			f.logMissing("skips it", key)
			continue
		}
		if !f.keys.queued(key) {
			f.keys.append(key, Delta{Type: Sync, Object: o})
		}
	}
	return nil
}

func (f *DeltaFIFO) logMissing(what string, key event.Key) {
	if f.logger != nil {
		f.logger.Info("queue: known key has no object; the queue "+what, "key", key.String())
	}
}

// Bookmark does nothing and returns nil.
func (f *DeltaFIFO) Bookmark(string) error { return nil }

// count states the length after a change.
func (f *DeltaFIFO) count() { f.holds(f.keys.len()) }

// Pop waits for a key, gives process all its deltas, and returns the error, or
// ErrClosed once the queue is closed and empty. The queue is locked while
// process runs.
func (f *DeltaFIFO) Pop(process Process) error {
	if !f.enter() {
		return ErrClosed
	}
	initial := !f.done
	e := f.keys.pop()
	f.count()
	keep := false
	defer func() {
		if !keep {
			if e.initial {
				f.settle(1)
			}
			f.keys.recycle(e)
		}
		f.count()
		f.leave()
	}()
	watch := f.stopwatch(f.keys.len())
	err := process(e.deltas, initial)
	watch.report(f.logger, e.deltas, 1)
	if err != nil && f.requeue && !f.closed {
		keep = true
		f.keys.push(e)
	}
	return err
}
