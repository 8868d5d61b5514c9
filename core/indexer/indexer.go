// Package indexer is the informer's cache: the last known state of each object
// by key, with secondary indexes that are kept in step with it.
//
//	controller ── Apply, Replace ──▶ Indexer ◀── Get, List, ByIndex ── handlers, workers
//
// Promises: a batch is applied under one lock, so readers see all of it or none;
// what is returned is the object put in, shared by pointer and read-only by
// contract; an index never shows an object under a value that it no longer has.
// Limits: one lock for all, so many fast readers delay the writer; lists are in
// no order; an index function that fails panics, because a cache that silently
// lost an index is worse than a crash.
package indexer

import (
	"fmt"
	"iter"
	"slices"
	"sync"

	"informerlab/core/event"
)

// NamespaceIndex is the usual name of the index by namespace.
const NamespaceIndex = "namespace"

// An IndexFunc appends to dst the values under which obj is to be found and
// returns it. It must be a pure function of obj.
type IndexFunc func(obj event.Object, dst []string) ([]string, error)

// ByNamespace is the IndexFunc of NamespaceIndex.
func ByNamespace(obj event.Object, dst []string) ([]string, error) {
	return append(dst, obj.GetNamespace()), nil
}

// A Change is one write of a batch.
type Change struct {
	Object event.Object // the new state, or for a deletion anything with the key
	// Old is set by Apply and Replace: the state before this change, nil if
	// there was none.
	Old    event.Object
	Delete bool
}

// An Indexer is the cache. All methods may be called concurrently.
type Indexer struct {
	mu      sync.RWMutex
	items   map[event.Key]*entry
	indexes []*index
	version string   // of the last write
	scratch []string // index values of the object being written
}

// An entry is one cached object. Its values are kept so that a write need not
// call the index functions for the state it replaces.
type entry struct {
	object event.Object
	key    event.Key
	values [][]string // values[i] belongs to indexes[i]
}

type index struct {
	name string
	fn   IndexFunc
	sets map[string]map[*entry]struct{} // no set is empty
}

// New returns an empty Indexer with the given indexes by name.
func New(indexers map[string]IndexFunc) *Indexer {
	x := &Indexer{items: make(map[event.Key]*entry)}
	if err := x.AddIndexers(indexers); err != nil {
		panic(err) // unreachable: an empty Indexer has no name to collide with
	}
	return x
}

// Add puts one object in, whether or not its key is already there.
func (x *Indexer) Add(obj event.Object) { x.Apply([]Change{{Object: obj}}) }

// Delete removes the object with obj's key. It is no error if there is none.
func (x *Indexer) Delete(obj event.Object) { x.Apply([]Change{{Object: obj, Delete: true}}) }

// Apply makes the changes in order under one lock and fills in their Old. The
// resource version becomes that of the last change, unless its object has none.
func (x *Indexer) Apply(changes []Change) {
	if len(changes) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	begun := 0
	defer func() {
		if begun > 0 { // an index function panicked
			x.undo(changes[:begun])
		}
	}()
	for i := range changes {
		c := &changes[i]
		begun++
		if c.Delete {
			c.Old = x.remove(event.KeyOf(c.Object))
		} else {
			x.put(c.Object, &c.Old)
		}
	}
	begun = 0
	if v := changes[len(changes)-1].Object.GetResourceVersion(); v != "" {
		x.version = v
	}
}

// undo takes the changes back, of which the last may be half made. The index
// functions have accepted the old states before.
func (x *Indexer) undo(changes []Change) {
	for _, c := range slices.Backward(changes) {
		if c.Old == nil {
			x.remove(event.KeyOf(c.Object))
		} else {
			x.put(c.Old, new(event.Object))
		}
	}
}

// put writes obj and sets old to what it replaces, before an index function can panic.
func (x *Indexer) put(obj event.Object, old *event.Object) {
	key := event.KeyOf(obj)
	e := x.items[key]
	if e == nil {
		e = &entry{key: key}
		if len(x.indexes) > 0 {
			e.values = make([][]string, len(x.indexes))
		}
		x.items[key] = e
	}
	*old, e.object = e.object, obj
	for i, ix := range x.indexes {
		x.reindex(e, i, ix)
	}
}

func (x *Indexer) remove(key event.Key) (old event.Object) {
	e := x.items[key]
	if e == nil {
		return nil
	}
	delete(x.items, key)
	for i, ix := range x.indexes {
		ix.remove(e, e.values[i])
	}
	return e.object
}

// reindex brings index i up to date with e's object. It is cheap when the
// values have not changed, which is nearly always.
func (x *Indexer) reindex(e *entry, i int, ix *index) {
	values, err := ix.fn(e.object, x.scratch[:0])
	if err != nil {
		panic(fmt.Errorf("indexer: index %q of %s: %w", ix.name, e.key, err))
	}
	x.scratch = values
	if slices.Equal(values, e.values[i]) {
		return
	}
	ix.remove(e, e.values[i])
	e.values[i] = slices.Clone(values)
	for _, v := range values {
		set := ix.sets[v]
		if set == nil {
			set = make(map[*entry]struct{})
			ix.sets[v] = set
		}
		set[e] = struct{}{}
	}
}

func (ix *index) remove(e *entry, values []string) {
	for _, v := range values {
		set := ix.sets[v]
		delete(set, e)
		if len(set) == 0 {
			delete(ix.sets, v)
		}
	}
}

// Replace makes items the whole content in one step. It returns a change for
// each item in order, with the state that the cache held before under its key
// (for each of several items of one key), and the objects that were there and
// are not in items. If an index function fails it panics and changes nothing.
func (x *Indexer) Replace(items []event.Object, resourceVersion string) (changes []Change, gone []event.Object) {
	x.mu.Lock()
	defer x.mu.Unlock()
	before, restore := x.reset(len(items))
	done := false
	defer func() {
		if !done { // an index function panicked
			restore()
		}
	}()
	changes = make([]Change, len(items))
	for i, obj := range items {
		x.put(obj, new(event.Object))
		changes[i].Object = obj
		if e := before[event.KeyOf(obj)]; e != nil {
			changes[i].Old = e.object
		}
	}
	for key, e := range before {
		if _, kept := x.items[key]; !kept {
			gone = append(gone, e.object)
		}
	}
	x.version, done = resourceVersion, true
	return changes, gone
}

// reset empties the Indexer and returns what it held and how to get it back.
func (x *Indexer) reset(room int) (before map[event.Key]*entry, restore func()) {
	before = x.items
	x.items = make(map[event.Key]*entry, room)
	sets := make([]map[string]map[*entry]struct{}, len(x.indexes))
	for i, ix := range x.indexes {
		sets[i], ix.sets = ix.sets, make(map[string]map[*entry]struct{})
	}
	return before, func() {
		x.items = before
		for i, ix := range x.indexes {
			ix.sets = sets[i]
		}
	}
}

// Get returns the object with the given key.
func (x *Indexer) Get(key event.Key) (event.Object, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	e := x.items[key]
	if e == nil {
		return nil, false
	}
	return e.object, true
}

// Len returns the number of objects.
func (x *Indexer) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.items)
}

// Keys returns the keys of all objects in no order.
func (x *Indexer) Keys() []event.Key {
	x.mu.RLock()
	defer x.mu.RUnlock()
	keys := make([]event.Key, 0, len(x.items))
	for key := range x.items {
		keys = append(keys, key)
	}
	return keys
}

// List returns all objects in no order, as they were at one moment.
func (x *Indexer) List() []event.Object {
	x.mu.RLock()
	defer x.mu.RUnlock()
	objects := make([]event.Object, 0, len(x.items))
	for _, e := range x.items {
		objects = append(objects, e.object)
	}
	return objects
}

// All ranges over all objects in no order, as they are at one moment. Writers
// wait until the range ends, and its body must not call the Indexer.
func (x *Indexer) All() iter.Seq[event.Object] {
	return func(yield func(event.Object) bool) {
		x.mu.RLock()
		defer x.mu.RUnlock()
		for _, e := range x.items {
			if !yield(e.object) {
				return
			}
		}
	}
}

// ResourceVersion returns the version of the last write: not the highest, since
// versions of different objects need not be comparable.
func (x *Indexer) ResourceVersion() string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.version
}

// Bookmark moves the resource version without changing any object.
func (x *Indexer) Bookmark(resourceVersion string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.version = resourceVersion
}
