package processortest

import (
	"fmt"
	"sync"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

// A View is a level-driven handler of one Cluster: it has the state of each
// object that it was told last, and checks that each call fits to that: nothing
// is added that it has, or deleted that it has not, or updated from another state
// than that, or brought back to an older one.
type View struct {
	During func(calls int) // in each call, after its checks; nil = nothing

	has   map[string]int // version by name
	wrong error          // what was wrong first
	gaps  int            // keys that OnGap named

	books  sync.Mutex // of what follows, between publisher and handler
	calls  int
	told   map[string]age // by name
	owed   map[string][]loss
	newest func() age
	gone   func(name string) age
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
		newest: func() age { return age(2*c.version.Load() + 1) },
		gone:   c.lastDeleted,
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
			owed := v.owed[obj.name]
			told := v.told[obj.name]
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
	gone := v.gone(name)
	return gone > l.age || gone == l.age && l.unseen
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

// tell notes a call. version is 0 for a delete.
func (v *View) tell(kind string, from, obj event.Object, version int) {
	o := obj.(*Object)
	had, known := v.has[o.name], 0
	if from != nil {
		known = from.(*Object).version
	}
	v.books.Lock()
	v.calls++
	fits := had == known
	if version == 0 { // the last state, of which it need not have been told
		fits = 0 < had && had <= known
	}
	if !fits {
		v.fail("%s of %s from version %d to %d, but it was told %d last", kind, o.name, known, version, had)
	}
	if version != 0 && version < had {
		v.fail("%s of %s goes back from version %d to %d", kind, o.name, had, version)
	}
	if version == 0 {
		v.settle(o.name, v.newest()) // how new the absence is cannot be seen
	} else {
		v.settle(o.name, age(2*version))
	}
	v.books.Unlock()
	if version == 0 {
		delete(v.has, o.name)
	} else {
		v.has[o.name] = version
	}
	if v.During != nil {
		v.During(v.calls)
	}
}

// OnAdd implements processor.Handler.
func (v *View) OnAdd(obj event.Object, _ bool) { v.tell("add", nil, obj, obj.(*Object).version) }

// OnUpdate implements processor.Handler.
func (v *View) OnUpdate(old, obj event.Object) { v.tell("update", old, obj, obj.(*Object).version) }

// OnDelete implements processor.Handler.
func (v *View) OnDelete(obj event.Object, _ bool) { v.tell("delete", obj, obj, 0) }

// OnGap implements processor.GapHandler.
func (v *View) OnGap(keys []event.Key) {
	v.books.Lock()
	defer v.books.Unlock()
	v.gaps += len(keys)
	for _, key := range keys {
		if v.has[key.Name] == 0 {
			v.settle(key.Name, v.newest()) // it may have come and gone untold
		}
	}
}
