// Package event is the vocabulary that the whole pipeline speaks: objects, their
// keys, and the notifications that tell a handler what became of them.
//
// It imports nothing of ours, and nothing here locks, blocks or starts anything.
package event

import (
	"fmt"
	"strings"
)

// An Object is what a source lists and watches and the indexer keeps. Every
// Kubernetes object satisfies it through its ObjectMeta. Objects are shared by
// pointer between the cache and all handlers, so nobody may change one once it
// has entered the pipeline.
type Object interface {
	GetNamespace() string
	GetName() string
	// GetResourceVersion names the state of the object. Two states of one
	// object with the same version are the same state, unless the version is
	// blank: a Transform may have removed it, so a blank version proves nothing.
	GetResourceVersion() string
}

// A Key is the identity of an object within one resource. It is comparable, so
// that maps are keyed by it directly and no "namespace/name" string is built on
// the hot path. A UID plays no part: an object deleted and created again under
// its name has the same key.
type Key struct {
	Namespace string // empty for cluster-scoped objects
	Name      string
}

// KeyOf returns the key of an object.
func KeyOf(o Object) Key { return Key{o.GetNamespace(), o.GetName()} }

// String returns "namespace/name", or "name" for a cluster-scoped object.
func (k Key) String() string {
	if k.Namespace == "" {
		return k.Name
	}
	return k.Namespace + "/" + k.Name
}

// ParseKey reads what Key.String prints. It fails if s has more than one slash
// or no name.
func ParseKey(s string) (Key, error) {
	namespace, name, found := strings.Cut(s, "/")
	if !found {
		namespace, name = "", s
	}
	if name == "" || strings.Contains(name, "/") {
		return Key{}, fmt.Errorf("event: key %q: expected name or namespace/name", s)
	}
	return Key{namespace, name}, nil
}

// A Tombstone stands in for an object of which only the key is known: its
// deletion was missed and no last state was kept. It has no resource version.
type Tombstone Key

// GetNamespace returns the namespace of the missing object.
func (t Tombstone) GetNamespace() string { return t.Namespace }

// GetName returns the name of the missing object.
func (t Tombstone) GetName() string { return t.Name }

// GetResourceVersion returns the empty string.
func (t Tombstone) GetResourceVersion() string { return "" }

// Kind says what happened to an object, as the cache saw it: an object that the
// cache did not hold is added whatever the source called the event.
type Kind uint8

// The kinds of notification. The zero Kind is none of them, so that a
// forgotten one shows.
const (
	Add Kind = iota + 1
	Update
	Delete
)

// String returns "add", "update" or "delete".
func (k Kind) String() string {
	switch k {
	case Add:
		return "add"
	case Update:
		return "update"
	case Delete:
		return "delete"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Flags qualify a notification.
type Flags uint8

const (
	// Initial marks an add that belongs to the initial list: the first content
	// of the cache, or the replay that a late handler gets.
	Initial Flags = 1 << iota
	// FinalStateUnknown marks a delete that was inferred from a relist. Old is
	// the last state seen, perhaps stale, or an event.Tombstone if there was none.
	FinalStateUnknown
)

// A Notification tells one change to handlers. It is built once, is immutable,
// and is passed by value; it fits in 48 bytes on 64-bit machines, and a test
// holds it to that.
type Notification struct {
	Old Object // the state before, and of a delete the last one; nil for an add
	// New is the state after. Of a delete it is the state that handlers were
	// told before, which the last one may be newer than: a Tombstone if they
	// were told of none, nil if it is Old. See Before.
	New Object
	// Seq numbers the notifications of one processor in the order of their
	// publication, from 1. Replayed initial adds carry the Seq of the last
	// notification published before the replay.
	Seq uint64
	// Round is 0 for a notification that goes to every handler. Otherwise it
	// is a sync notification, and goes only to the handlers that are due in
	// that resync round: a resync delivers the object again, or old and new
	// state have the same resource version and that is not blank.
	Round uint32
	Kind  Kind
	Flags Flags
}

// Object returns the object the notification is about: New, or Old for a delete.
func (n *Notification) Object() Object {
	if n.Kind == Delete {
		return n.Old
	}
	return n.New
}

// Before returns the state that handlers have been told last when they are told
// this notification, or nil if they have been told of none.
func (n *Notification) Before() Object {
	before := n.Old
	if n.Kind == Delete && n.New != nil {
		before = n.New
	}
	if _, none := before.(Tombstone); none {
		return nil
	}
	return before
}

// String returns the notification in one line, for tests and logs.
func (n Notification) String() string {
	rv := func(o Object) string {
		if o == nil {
			return "-"
		}
		return o.GetResourceVersion()
	}
	after := n.New
	if n.Kind == Delete {
		after = nil
	}
	s := fmt.Sprintf("%s %s %s>%s", n.Kind, KeyOf(n.Object()), rv(n.Old), rv(after))
	if n.Flags&Initial != 0 {
		s += " initial"
	}
	if n.Flags&FinalStateUnknown != 0 {
		s += " final-state-unknown"
	}
	return s
}
