package informer

import (
	"informerlab/core/event"
	"informerlab/core/processor"
)

// Funcs is a Handler made of functions; nil ones are skipped. It does not hear
// whether an add is initial or a delete's final state unknown: see DetailedFuncs.
type Funcs struct {
	Add    func(obj event.Object)
	Update func(old, new event.Object)
	Delete func(obj event.Object)
}

var _ Handler = Funcs{}

// OnAdd calls Add.
func (f Funcs) OnAdd(obj event.Object, _ bool) {
	if f.Add != nil {
		f.Add(obj)
	}
}

// OnUpdate calls Update.
func (f Funcs) OnUpdate(old, new event.Object) {
	if f.Update != nil {
		f.Update(old, new)
	}
}

// OnDelete calls Delete.
func (f Funcs) OnDelete(obj event.Object, _ bool) {
	if f.Delete != nil {
		f.Delete(obj)
	}
}

// DetailedFuncs is a Handler made of functions that hear everything; nil ones
// are skipped.
type DetailedFuncs struct {
	Add    func(obj event.Object, initial bool)
	Update func(old, new event.Object)
	Delete func(obj event.Object, finalStateUnknown bool)
	Gap    func(keys []event.Key) // see processor.GapHandler
}

var _ processor.GapHandler = DetailedFuncs{}

// OnAdd calls Add.
func (f DetailedFuncs) OnAdd(obj event.Object, initial bool) {
	if f.Add != nil {
		f.Add(obj, initial)
	}
}

// OnUpdate calls Update.
func (f DetailedFuncs) OnUpdate(old, new event.Object) {
	if f.Update != nil {
		f.Update(old, new)
	}
}

// OnDelete calls Delete.
func (f DetailedFuncs) OnDelete(obj event.Object, finalStateUnknown bool) {
	if f.Delete != nil {
		f.Delete(obj, finalStateUnknown)
	}
}

// OnGap calls Gap.
func (f DetailedFuncs) OnGap(keys []event.Key) {
	if f.Gap != nil {
		f.Gap(keys)
	}
}

// Filtering passes on to Handler only what concerns objects that Filter
// accepts. An update that brings an object into the filter is an add (never an
// initial one), one that takes it out is a delete of the old state. Filter
// gets an event.Tombstone for a delete of which no state is known.
type Filtering struct {
	Filter  func(obj event.Object) bool
	Handler Handler
}

var _ processor.GapHandler = Filtering{}

// OnAdd passes on an add of an accepted object.
func (f Filtering) OnAdd(obj event.Object, initial bool) {
	if f.Filter(obj) {
		f.Handler.OnAdd(obj, initial)
	}
}

// OnUpdate passes on an update as what it is to the accepted objects.
func (f Filtering) OnUpdate(old, new event.Object) {
	switch newer, older := f.Filter(new), f.Filter(old); {
	case newer && older:
		f.Handler.OnUpdate(old, new)
	case newer:
		f.Handler.OnAdd(new, false)
	case older:
		f.Handler.OnDelete(old, false)
	}
}

// OnDelete passes on a delete of an accepted object.
func (f Filtering) OnDelete(obj event.Object, finalStateUnknown bool) {
	if f.Filter(obj) {
		f.Handler.OnDelete(obj, finalStateUnknown)
	}
}

// OnGap passes the keys on, unfiltered, to a Handler that wants them.
func (f Filtering) OnGap(keys []event.Key) {
	if g, wants := f.Handler.(processor.GapHandler); wants {
		g.OnGap(keys)
	}
}
