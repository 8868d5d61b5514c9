package loadgen

import (
	"time"

	"informerlab/core/event"
	"informerlab/core/source"
)

// An Object is one state of one key. Objects never change once they are handed
// out, so any goroutine may read them. A Load that is built beforehand lays its
// objects out in the order of their first use, so that a pipeline finds the next
// one about as warm as if a decoder had just written it.
type Object struct {
	Mark
	version string
	payload *[]byte // nil unless the load has a payload size
}

var _ event.Object = (*Object)(nil)

// GetNamespace returns the namespace, empty for a cluster-scoped object.
func (o *Object) GetNamespace() string { return o.key.Namespace }

// GetName returns the name, empty for the object of a bookmark.
func (o *Object) GetName() string { return o.key.Name }

// GetResourceVersion returns the version, which no other state of the same key has.
func (o *Object) GetResourceVersion() string { return o.version }

// Payload returns the bytes that make the object as large as was asked for, or nil.
func (o *Object) Payload() []byte {
	if o.payload == nil {
		return nil
	}
	return *o.payload
}

// A Mark says which state of a load an object is. Outside contestants, which
// turn objects into their own, keep it in the twin: it is what a Recorder has to
// be told. The zero Mark stands for a state that is not known.
type Mark struct {
	key *key
	due time.Duration // of the one event that brings it; notTimed if there may be several, or none
	id  uint32
}

// ID numbers the states of a load from 1. It is unique per key and version.
func (m Mark) ID() uint64 { return uint64(m.id) }

// notTimed is the intended time of what has none of its own.
const notTimed time.Duration = -1

// A key is what the states of one object have in common. Where the keys of a
// load are known beforehand they are numbered, otherwise the number is unnumbered
// and a key that is added again after a delete may be another *key.
type key struct {
	event.Key
	number uint32
}

const unnumbered = 1<<32 - 1

// An Event is one message of a load's watch stream.
type Event struct {
	Object *Object       // nil exactly for Failed; of a Bookmark only the version means anything
	Due    time.Duration // the intended time; negative for an event of a closed loop or a prefill
	// Type is Failed where the version expires, so that the reader has to list
	// again; the load's next list then holds what it missed.
	Type source.EventType
}

// End is the key of the sentinel: the last event of every load adds it, so that
// a run without handlers is seen to be finished when the cache holds it.
var End = event.Key{Name: "loadgen-end"}
