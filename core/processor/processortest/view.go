package processortest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

// A View is a level-driven handler of one Cluster: it has the state of each
// object that it was told last, and checks that each call fits to that: nothing
// is added that it has, or deleted or updated that it has not, or updated from
// another state than that, or brought back to an older one.
//
// A delete carries a state that is not older than the one told last. Without
// finalStateUnknown it was the object's last one; with it it may be any, or an
// event.Tombstone. No state is told that the cluster never had, and calls come one
// at a time. Of objects that the cluster never wrote it knows nothing.
type View struct {
	During func(calls int) // in each call, after its checks; nil = nothing

	has  map[string]int // version by name
	gaps int            // keys that OnGap named
	busy atomic.Bool    // a call has not returned

	written *written

	books  sync.Mutex // of what follows, between publisher and handler
	wrong  error      // what was wrong first
	calls  int
	told   map[string]age // by name
	owed   map[string][]loss
	newest func() age
}

// An age orders the states of all objects: twice the version, and one more for a
// delete of it.
type age int

// A loss is owed to the handler: a state of at least that age, by that call.
type loss struct {
	age    age
	by     int
	unseen bool // the handler may have known of no object before
}

// NewView returns a view of nothing.
func NewView(c *Cluster) *View {
	return &View{
		has: map[string]int{}, told: map[string]age{}, owed: map[string][]loss{},
		newest:  func() age { return age(2*c.version.Load() + 1) },
		written: &c.written,
	}
}

// Calls returns the number of calls so far. Any goroutine may ask.
func (v *View) Calls() int {
	v.books.Lock()
	defer v.books.Unlock()
	return v.calls
}

// Gaps returns how many keys were announced as lost. Nothing may move.
func (v *View) Gaps() int { return v.gaps }

// Has returns how many objects it has. Nothing may move.
func (v *View) Has() int { return len(v.has) }

// Owe returns a Discard hook that passes on to discard and notes that what
// overflowed is owed to the view: when within has told how many calls the
// handler may still get, a state at least as new must have been told.
func (v *View) Owe(discard buffer.Discard[event.Notification], within func() int) buffer.Discard[event.Notification] {
	return func(n event.Notification, why buffer.Reason) {
		allowed := within() // before discard files it
		discard(n, why)
		if why != buffer.Overflow {
			return
		}
		v.books.Lock()
		defer v.books.Unlock()
		obj := n.Object().(*Object)
		lost := age(2 * obj.version)
		if n.Kind == event.Delete {
			lost++
		}
		if lost > v.told[obj.name] { // else the handler is ahead of what was lost
			told, owed := v.told[obj.name], v.owed[obj.name]
			unseen := told == 0 || told%2 == 1 || n.Before() == nil || len(owed) > 0 && owed[0].unseen
			v.owed[obj.name] = append(owed, loss{lost, v.calls + allowed, unseen})
		}
	}
}

// Owed returns for how many objects a state is owed. Nothing may move.
func (v *View) Owed() (n int) {
	for name, owed := range v.owed {
		if !v.excused(name, owed[len(owed)-1]) {
			n++
		}
	}
	return n
}

// excused reports whether what was lost need not be told: the object was deleted
// later, or then, and the handler may not know that it existed.
func (v *View) excused(name string, l loss) bool {
	deleted := v.written.lastDeleted(name)
	return deleted > l.age || deleted == l.age && l.unseen
}

// settle drops what is owed for an object when the handler has been told a state
// of that age.
func (v *View) settle(name string, told age) {
	v.told[name] = told
	owed := v.owed[name]
	for len(owed) > 0 && owed[0].age <= told {
		if v.calls > owed[0].by && !v.excused(name, owed[0]) {
			v.fail("what was lost of %s was told by call %d, due by %d", name, v.calls, owed[0].by)
		}
		owed = owed[1:]
	}
	if len(owed) == 0 {
		delete(v.owed, name)
	} else {
		v.owed[name] = owed
	}
}

func (v *View) fail(format string, args ...any) {
	if v.wrong == nil {
		v.wrong = fmt.Errorf("processortest: call %d: %s", v.calls, fmt.Sprintf(format, args...))
	}
}

// A call is one that a listener makes. An object that is missing is nil.
type call struct {
	kind         event.Kind
	from, to     event.Object
	finalUnknown bool // of a delete
}

// name returns the object's name, or "" if the call is of none or of two.
func (c call) name() string {
	obj := c.to
	if c.kind == event.Delete {
		obj = c.from
	}
	switch o := obj.(type) {
	case *Object:
		if from, ok := c.from.(*Object); o != nil && (!ok || from == nil || from.name == o.name) {
			return o.name
		}
	case event.Tombstone:
		if c.kind == event.Delete {
			return o.Name
		}
	}
	return ""
}

// versionOf returns the version of a state, 0 if there is none.
func versionOf(obj event.Object) int {
	if o, ok := obj.(*Object); ok && o != nil {
		return o.version
	}
	return 0
}

// tell checks and notes a call.
func (v *View) tell(c call) {
	if !v.busy.CompareAndSwap(false, true) {
		v.books.Lock()
		v.fail("another call has not returned")
		v.books.Unlock()
		return
	}
	defer v.busy.Store(false)
	v.books.Lock()
	v.calls++
	name := c.name()
	if name == "" {
		v.fail("%v from %v to %v: it is not of one object", c.kind, c.from, c.to)
		v.books.Unlock()
		return
	}
	v.check(name, c)
	had := versionOf(c.to)
	if had == 0 {
		v.settle(name, v.newest()) // how new the absence is cannot be seen
	} else {
		v.settle(name, age(2*had))
	}
	v.books.Unlock()
	if had == 0 {
		delete(v.has, name)
	} else {
		v.has[name] = had
	}
	if v.During != nil {
		v.During(v.calls)
	}
}

// check notes how a call does not fit to what was told before, or to what the
// cluster has had.
func (v *View) check(name string, c call) {
	had, from, to := v.has[name], versionOf(c.from), versionOf(c.to)
	_, tombstone := c.from.(event.Tombstone)
	fits := had == from
	switch c.kind {
	case event.Update:
		fits = fits && had > 0
	case event.Delete: // of the last state, of which it need not have been told
		fits = had > 0 && (had <= from || tombstone && c.finalUnknown)
	}
	if !fits {
		v.fail("%v of %s from version %d to %d, but it was told %d last", c.kind, name, from, to, had)
	}
	if to != 0 && to < had {
		v.fail("%v of %s goes back from version %d to %d", c.kind, name, had, to)
	}
	for _, obj := range []event.Object{c.from, c.to} {
		if o, ok := obj.(*Object); ok && o != nil && !v.written.existed(o) {
			v.fail("%v of %s with version %d, which it never had", c.kind, name, o.version)
		}
	}
	if o, ok := c.from.(*Object); ok && c.kind == event.Delete && !c.finalUnknown && !v.written.wasLast(o) {
		v.fail("%v of %s with version %d as its last state, which it was not", c.kind, name, o.version)
	}
}

// OnAdd implements processor.Handler.
func (v *View) OnAdd(obj event.Object, _ bool) { v.tell(call{kind: event.Add, to: obj}) }

// OnUpdate implements processor.Handler.
func (v *View) OnUpdate(old, obj event.Object) { v.tell(call{kind: event.Update, from: old, to: obj}) }

// OnDelete implements processor.Handler.
func (v *View) OnDelete(obj event.Object, finalStateUnknown bool) {
	v.tell(call{kind: event.Delete, from: obj, finalUnknown: finalStateUnknown})
}

// OnGap implements processor.GapHandler.
func (v *View) OnGap(keys []event.Key) {
	v.books.Lock()
	defer v.books.Unlock()
	if v.busy.Load() {
		v.fail("a gap while a call has not returned")
	}
	if len(keys) == 0 {
		v.fail("a gap without keys")
	}
	v.gaps += len(keys)
	for k, key := range keys {
		if slices.Contains(keys[:k], key) {
			v.fail("a gap with %s twice", key)
		}
		if v.has[key.Name] == 0 {
			v.settle(key.Name, v.newest()) // it may have come and gone untold
		}
	}
}
