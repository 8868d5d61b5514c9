package loadgen

import (
	"informerlab/core/event"
	"informerlab/core/source"
)

// An Object is one state of one key. Objects are built with their Load and
// never change, so any goroutine may read them.
//
// It fills one 64-byte cache line, and a Load lays its objects out in the order
// of their first use, so that a pipeline finds the next one about as warm as if
// a decoder had just written it.
type Object struct {
	namespace, name, version string
	// ID numbers the objects of a Load from 1. It is unique per key and
	// version, so outside contestants can convert Load.Objects into a slice
	// of their own and find the twin of an object by its ID.
	ID      uint64
	payload *[]byte // nil unless the load has a payload size
}

var _ event.Object = (*Object)(nil)

// GetNamespace returns the namespace, empty for a cluster-scoped object.
func (o *Object) GetNamespace() string { return o.namespace }

// GetName returns the name, empty for the object of a bookmark.
func (o *Object) GetName() string { return o.name }

// GetResourceVersion returns the version, which no other state of the same key has.
func (o *Object) GetResourceVersion() string { return o.version }

// Payload returns the bytes that make the object as large as was asked for, or nil.
func (o *Object) Payload() []byte {
	if o.payload == nil {
		return nil
	}
	return *o.payload
}

// An Event is one message of a load's watch stream.
type Event struct {
	Object *Object // never nil; of a Bookmark only the version means anything
	Type   source.EventType
}

// End is the key of the sentinel: the last event of every load adds it, so that
// a run without handlers is seen to be finished when the cache holds it.
var End = event.Key{Name: "loadgen-end"}
