package informer

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"go.uber.org/atomic"

	"informerlab/core/event"
	"informerlab/core/queue"
)

// rejections counts and reports the objects that are left out, each once per
// version, and everything else that goes to OnProcessError. Two goroutines use it:
// the reflector's finds what Accept and Transform reject, the controller's what
// index functions and Clone do.
//
// last holds at most one version per key: that of the object that was left out
// last. An entry goes when the object is deleted, or missing from a list although
// it was not left out since the list before.
type rejections struct {
	hook    func(error) // Options.OnProcessError
	recover bool
	logger  *slog.Logger
	total   atomic.Uint64
	turn    chan struct{} // holds a token while hook runs, so that calls do not overlap
	any     atomic.Bool   // whether last has an entry; all that is read while it has none

	mu    sync.Mutex
	last  map[event.Key]rejected
	lists uint64 // how many have come

	pending []*event.Rejection // the controller's own: counted, but not yet reported
}

// A rejected is the version of an object that was left out.
type rejected struct {
	version string
	list    uint64 // lists, when the object was left out or listed last
	late    bool   // found by the controller, behind the queue
}

func newRejections(o *Options) *rejections {
	x := &rejections{
		hook: o.OnProcessError, recover: o.Panic.Recover, logger: o.Logger,
		turn: make(chan struct{}, 1), last: make(map[event.Key]rejected),
	}
	if x.hook == nil {
		x.hook = func(err error) { x.logger.Error("deltas not processed", "error", err) }
	}
	return x
}

// report calls OnProcessError, after the call in progress. Its panic is logged.
func (x *rejections) report(err error) {
	x.turn <- struct{}{}
	defer func() { <-x.turn }()
	x.guard("OnProcessError", func() { x.hook(err) }, "error", err)
}

// guard calls a hook of the user and, if the informer recovers, logs its panic.
func (x *rejections) guard(name string, hook func(), args ...any) {
	if !x.recover {
		hook()
		return
	}
	if p := event.Try(hook); p != nil {
		args = append(args, "hook", name, "panic", fmt.Sprint(p.Value), "stack", string(p.Stack))
		x.logger.Error("hook panicked", args...)
	}
}

// reject takes what Accept or Transform rejects.
func (x *rejections) reject(r *event.Rejection) {
	if x.fresh(r, false) {
		x.report(r)
	}
}

// rejectLater takes what an index function or Clone rejects. The publish lock is
// held and the queue may be locked, so flush reports it.
func (x *rejections) rejectLater(r *event.Rejection) {
	if x.fresh(r, true) {
		x.pending = append(x.pending, r)
	}
}

// flush reports what rejectLater took. It is the controller's AfterPop.
func (x *rejections) flush(context.Context) {
	for _, r := range x.pending {
		x.report(r)
	}
	x.pending = nil
}

// fresh counts a rejection, unless the same version of the object was the last to
// be left out under its key. A blank version is never the same.
func (x *rejections) fresh(r *event.Rejection, late bool) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	before, again := x.last[r.Key]
	x.last[r.Key] = rejected{r.Version, x.lists, late}
	x.any.Store(true)
	if again && r.Version != "" && r.Version == before.version {
		return false
	}
	x.total.Inc()
	return true
}

// observe forgets deleted objects, as the controller comes to their deletion. What
// was found in front of the queue may be newer than that, and stays.
func (x *rejections) observe(batch []event.Notification) {
	if !x.any.Load() {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range batch {
		if n := &batch[i]; n.Kind == event.Delete {
			if key := event.KeyOf(n.Old); x.last[key].late {
				delete(x.last, key)
			}
		}
	}
	x.any.Store(len(x.last) > 0)
}

// added forgets the objects of which the last delta is a deletion.
func (x *rejections) added(deltas []queue.Delta) {
	if !x.any.Load() {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	gone := make(map[event.Key]bool)
	for i := range deltas {
		if d := &deltas[i]; d.Object != nil {
			gone[event.KeyOf(d.Object)] = d.Type == queue.Deleted
		}
	}
	for key, is := range gone {
		if is {
			delete(x.last, key)
		}
	}
	x.any.Store(len(x.last) > 0)
}

// listed forgets the objects that are not in a list, except those that were left
// out since the list before: perhaps of this one.
func (x *rejections) listed(items []event.Object) {
	if !x.any.Load() {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, o := range items {
		if o == nil {
			continue
		}
		key := event.KeyOf(o)
		if r, left := x.last[key]; left {
			r.list = x.lists
			x.last[key] = r
		}
	}
	for key, r := range x.last {
		if r.list != x.lists {
			delete(x.last, key)
		}
	}
	x.lists++
	x.any.Store(len(x.last) > 0)
}

// A store is the queue as the reflector sees it.
type store struct {
	queue.Queue
	rejections *rejections
}

// Add queues deltas.
func (s store) Add(deltas []queue.Delta) error {
	err := s.Queue.Add(deltas)
	s.rejections.added(deltas)
	return err
}

// Replace queues a list.
func (s store) Replace(items []event.Object, resourceVersion string) error {
	err := s.Queue.Replace(items, resourceVersion)
	s.rejections.listed(items)
	return err
}
