package queue

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"informerlab/core/event"
)

// A Transform changes an object before it is queued, for instance to drop
// fields that nobody reads. It may change the object in place, and must not
// change its key. It runs once per object received (deletions with
// FinalStateUnknown excepted), never in two goroutines at once for one queue, and
// must not call the queue. The popper does not wait for it.
//
// If it returns an error or no object, or panics and the queue recovers, that
// object is left out and goes to OnReject, and all others are queued. A deletion
// is never left out: it is queued with FinalStateUnknown and an event.Tombstone.
type Transform func(event.Object) (event.Object, error)

// keptStacks is how many panics of one call keep their stacks: one that hits
// every object of a long list must not take gigabytes.
const keptStacks = 16

// An intake is what objects pass before they are queued: a check and the
// transform. It orders those who add, and has no part in popping.
type intake struct {
	transform Transform
	recover   bool
	onReject  func(*event.Rejection)
	logger    *slog.Logger

	mu      sync.Mutex // taken before the queue's
	scratch []Delta    // guarded by mu; empty and zeroed between calls
}

// needs reports whether deltas have to pass the intake: without a transform, only
// those that cannot be queued do.
func (in *intake) needs(deltas []Delta) bool { return in.transform != nil || !valid(deltas) }

func valid(deltas []Delta) bool {
	for i := range deltas {
		if d := &deltas[i]; d.Object == nil || d.Type-Added > Deleted-Added {
			return false
		}
	}
	return true
}

// add pushes the deltas that can be queued, transformed, and reports the others
// when no lock is held any more.
func (in *intake) add(deltas []Delta, push func([]Delta)) error {
	left, mistakes := in.admit(deltas, push)
	if in.onReject == nil {
		for _, r := range left {
			mistakes = append(mistakes, r)
		}
		return errors.Join(mistakes...)
	}
	in.report(left)
	return errors.Join(mistakes...)
}

func (in *intake) admit(deltas []Delta, push func([]Delta)) (left []*event.Rejection, mistakes []error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	defer func() {
		clear(in.scratch)
		if in.scratch = in.scratch[:0]; cap(in.scratch) > 4*maxBatch {
			in.scratch = nil
		}
	}()
	for i := range deltas {
		if err := check(&deltas[i]); err != nil {
			mistakes = append(mistakes, err)
		} else {
			in.scratch = append(in.scratch, deltas[i])
		}
	}
	in.scratch, left = in.transformed(in.scratch)
	push(in.scratch)
	return left, mistakes
}

// list returns items, or a transformed copy without those that cannot be queued.
// in.mu is held.
func (in *intake) list(items []event.Object) (kept []event.Object, left []*event.Rejection) {
	if in.transform == nil && !slices.Contains(items, nil) {
		return items, nil
	}
	deltas := make([]Delta, 0, len(items))
	for i, o := range items {
		if o == nil {
			left = append(left, event.Reject(event.Key{}, "", fmt.Errorf("queue: replace: item %d is nil", i)))
			continue
		}
		deltas = append(deltas, Delta{Type: Replaced, Object: o})
	}
	deltas, failed := in.transformed(deltas)
	kept = make([]event.Object, len(deltas))
	for i := range deltas {
		kept[i] = deltas[i].Object
	}
	return kept, append(left, failed...)
}

// transformed transforms the objects of deltas, in place, and returns those
// deltas that can be queued.
func (in *intake) transformed(deltas []Delta) (kept []Delta, left []*event.Rejection) {
	if in.transform == nil {
		return deltas, nil
	}
	for done := 0; done < len(deltas); {
		done += in.transformUntilPanic(deltas[done:], &left)
	}
	if len(left) == 0 {
		return deltas, nil
	}
	return slices.DeleteFunc(deltas, func(d Delta) bool { return d.Object == nil }), left
}

// transformUntilPanic transforms until the transform panics, if the queue
// recovers, and returns how many deltas it is done with. Those that failed have
// no object, or a deletion's a Tombstone. One deferred function serves all.
func (in *intake) transformUntilPanic(deltas []Delta, left *[]*event.Rejection) (done int) {
	// These are taken first: a transform that fails may leave anything behind.
	var key event.Key
	var version string
	fail := func(err error) {
		err = fmt.Errorf("queue: transform %s: %w", key, err)
		*left = append(*left, event.Reject(key, version, err))
		d := &deltas[done]
		d.Object = nil
		if d.Type == Deleted {
			d.Object, d.FinalStateUnknown = event.Tombstone(key), true
		}
	}
	if in.recover {
		defer func() {
			if r := recover(); r != nil {
				p := event.Recovered(r)
				if len(*left) >= keptStacks {
					p.Stack = nil
				}
				fail(p)
				done++
			}
		}()
	}
	for ; done < len(deltas); done++ {
		d := &deltas[done]
		if d.Type == Deleted && d.FinalStateUnknown {
			continue // transformed when its state was seen
		}
		key, version = event.Key{}, ""
		key, version = event.KeyOf(d.Object), d.Object.GetResourceVersion()
		switch o, err := in.transform(d.Object); {
		case err != nil:
			fail(err)
		case o == nil:
			fail(errors.New("returned no object"))
		default:
			d.Object = o
		}
	}
	return done
}

// report passes on what was left out. No lock is held.
func (in *intake) report(left []*event.Rejection) {
	for _, r := range left {
		switch {
		case in.onReject != nil:
			in.onReject(r)
		case in.logger != nil:
			in.logger.Error("queue: object left out", "error", r)
		}
	}
}

// keysOf returns the keys of what was left out of a list.
func keysOf(left []*event.Rejection) (keys []event.Key) {
	for _, r := range left {
		keys = append(keys, r.Key)
	}
	return keys
}

// check says why a delta cannot be added.
func check(d *Delta) error {
	switch {
	case d.Type < Added || d.Type > Deleted:
		return fmt.Errorf("queue: add: delta type %s (%d), want Added, Updated or Deleted", d.Type, d.Type)
	case d.Object == nil:
		return fmt.Errorf("queue: add: %s without object", d.Type)
	}
	return nil
}
