package fidelity

import (
	"sync"

	"k8s.io/client-go/tools/cache"

	"informerlab/core/event"
)

// A recorder is one handler on one side. Its methods are called by the
// pipeline's goroutine; the driver takes what it recorded while that is idle.
type recorder struct {
	mu        sync.Mutex
	calls     []Call
	stall     chan struct{} // not nil = calls block until it is closed
	panicking bool          // the next call panics
	panicked  bool          // the last call has panicked
}

// record files one call as begun, and then does what the driver has ordered.
func (r *recorder) record(c Call) {
	r.mu.Lock()
	r.calls = append(r.calls, c)
	stall, panicking := r.stall, r.panicking
	r.panicking, r.panicked = false, panicking
	r.mu.Unlock()
	if stall != nil {
		<-stall
	}
	if panicking {
		panic("fidelity: a handler panics because the history says so")
	}
}

// take returns the calls since the last take.
func (r *recorder) take() []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := r.calls
	r.calls = nil
	return calls
}

func (r *recorder) setStall(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if on == (r.stall != nil) {
		return
	}
	if on {
		r.stall = make(chan struct{})
		return
	}
	close(r.stall)
	r.stall = nil
}

func (r *recorder) setPanicking(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.panicking = on
}

// hasPanicked reports whether the last call has, so that the next will be held.
func (r *recorder) hasPanicked() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.panicked
}

// add, update and remove are what both sides' handlers call.

func (r *recorder) add(o event.Object, initial bool) {
	r.record(Call{Kind: event.Add, Key: event.KeyOf(o), New: o.GetResourceVersion(), Initial: initial})
}

func (r *recorder) update(before, after event.Object) {
	r.record(Call{
		Kind: event.Update, Key: event.KeyOf(after),
		Old: before.GetResourceVersion(), New: after.GetResourceVersion(),
	})
}

func (r *recorder) remove(o event.Object, unknown bool) {
	r.record(Call{Kind: event.Delete, Key: event.KeyOf(o), Old: o.GetResourceVersion(), Unknown: unknown})
}

// ourHandler is a recorder as a handler of core/informer.
type ourHandler struct{ *recorder }

// OnAdd records an add.
func (h ourHandler) OnAdd(o event.Object, initial bool) { h.add(o, initial) }

// OnUpdate records an update.
func (h ourHandler) OnUpdate(before, after event.Object) { h.update(before, after) }

// OnDelete records a delete.
func (h ourHandler) OnDelete(o event.Object, unknown bool) { h.remove(o, unknown) }

// theirHandler is a recorder as a handler of client-go.
type theirHandler struct{ *recorder }

var _ cache.ResourceEventHandler = theirHandler{}

// OnAdd records an add.
func (h theirHandler) OnAdd(o any, initial bool) { h.add(o.(event.Object), initial) }

// OnUpdate records an update.
func (h theirHandler) OnUpdate(before, after any) {
	h.update(before.(event.Object), after.(event.Object))
}

// OnDelete records a delete; an inferred one comes in a wrapper, which may have
// no object in it.
func (h theirHandler) OnDelete(o any) {
	inferred, unknown := o.(cache.DeletedFinalStateUnknown)
	if !unknown {
		h.remove(o.(event.Object), false)
		return
	}
	if state, ok := inferred.Obj.(event.Object); ok {
		h.remove(state, true)
		return
	}
	key, err := event.ParseKey(inferred.Key)
	if err != nil {
		panic(err)
	}
	h.remove(event.Tombstone(key), true)
}
