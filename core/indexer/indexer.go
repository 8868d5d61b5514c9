// Package indexer is the informer's cache: the last known state of each object
// by key, with secondary indexes that are kept in step with it.
//
//	controller ── Apply, Replace ──▶ Indexer ◀── Get, List, ByIndex ── handlers, workers
//
// Promises: a batch is applied under one lock, so readers see all of it or none;
// what is returned is the object put in, shared by pointer and read-only by
// contract; an index never shows an object under a value that it no longer has.
// An object that an index function rejects is left out, and only that object: the
// cache keeps the state that it held under the key, all indexes agree with it,
// and the Change says why. client-go's store panics instead, and has changed part
// of its indexes by then (kubernetes#43605).
//
// Limits: one lock for all, so many fast readers delay the writer; lists are in
// no order; index functions run under the lock.
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
// returns it. It must be a pure function of obj, and must not call the Indexer. An
// error means that obj cannot be indexed; see Change.Rejected.
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
	Old event.Object
	// Rejected is set by Apply and Replace if an index function returned an
	// error for Object: then this change is not made, and Old is nil. So it is
	// if one panicked and the Indexer recovers. nil before the call.
	Rejected *event.Rejection
	Delete   bool
}

// An Indexer is the cache. All methods may be called concurrently.
type Indexer struct {
	mu      sync.RWMutex
	items   map[event.Key]*entry
	indexes []*index
	version string     // of the last write
	scratch [][]string // by index, with room for the values of any cached object
	recover bool       // panics of index functions are errors
}

// keptStacks is how many panics of one batch keep their stacks: one that hits
// every object of a long list must not take gigabytes.
const keptStacks = 16

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

// New returns an empty Indexer with the given indexes by name. A panic of an
// index function passes through the method that called it, and may leave the
// front of a batch applied, but no object half.
func New(indexers map[string]IndexFunc) *Indexer {
	x := &Indexer{items: make(map[event.Key]*entry)}
	if err := x.AddIndexers(indexers); err != nil {
		panic(err) // unreachable: an empty Indexer has no name to collide with
	}
	return x
}

// NewRecovering returns an Indexer like New, except that a panic of an index
// function counts as an error that it returned.
func NewRecovering(indexers map[string]IndexFunc) *Indexer {
	x := New(indexers)
	x.recover = true
	return x
}

// Add puts one object in, whether or not its key is already there. It panics,
// and changes nothing, if an index function fails: Apply reports that.
func (x *Indexer) Add(obj event.Object) {
	changes := []Change{{Object: obj}}
	x.Apply(changes)
	if r := changes[0].Rejected; r != nil {
		panic(r.Err)
	}
}

// Delete removes the object with obj's key. It is no error if there is none.
func (x *Indexer) Delete(obj event.Object) { x.Apply([]Change{{Object: obj, Delete: true}}) }

// Apply makes the changes in order under one lock and fills in their Old. Those
// that an index function rejects are left out, and have Rejected set. The
// resource version becomes that of the last change, made or not, unless its
// object has none.
func (x *Indexer) Apply(changes []Change) {
	if len(changes) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.apply(changes)
	last := &changes[len(changes)-1]
	if last.Rejected != nil {
		if last.Rejected.Version != "" {
			x.version = last.Rejected.Version
		}
	} else if v := last.Object.GetResourceVersion(); v != "" {
		x.version = v
	}
}

// apply makes the changes that index functions accept.
func (x *Indexer) apply(changes []Change) {
	panics := 0
	for done := 0; done < len(changes); {
		done += x.applyUntilPanic(changes[done:], &panics)
	}
}

// applyUntilPanic makes changes until an index function panics, if the Indexer
// recovers, and returns how many it is done with. One deferred function serves
// the whole batch.
func (x *Indexer) applyUntilPanic(changes []Change, panics *int) (done int) {
	if x.recover {
		defer func() {
			if r := recover(); r != nil {
				p := event.Recovered(r)
				if *panics++; *panics > keptStacks {
					p.Stack = nil
				}
				c := &changes[done]
				c.Rejected = event.RejectObject(c.Object, fmt.Errorf("indexer: index function: %w", p))
				done++
			}
		}()
	}
	for i := range changes {
		done = i
		c := &changes[i]
		if c.Delete {
			c.Old = x.remove(event.KeyOf(c.Object))
		} else if err := x.put(c); err != nil {
			c.Rejected = event.RejectObject(c.Object, err)
		}
	}
	return len(changes)
}

// put writes the object of c and fills in what it replaces. It changes nothing
// before all index functions have accepted the object.
func (x *Indexer) put(c *Change) error {
	key := event.KeyOf(c.Object)
	e := x.items[key]
	if e == nil {
		return x.enter(key, c)
	}
	first := len(x.indexes) // the first index whose values change: nearly always none
	for i, ix := range x.indexes {
		values, err := ix.fn(c.Object, x.scratch[i][:0])
		if err != nil {
			return ix.failed(key, err)
		}
		if first < i || !slices.Equal(values, e.values[i]) {
			x.scratch[i] = values
			first = min(first, i)
		}
	}
	c.Old, e.object = e.object, c.Object
	for i := first; i < len(x.indexes); i++ {
		if !slices.Equal(x.scratch[i], e.values[i]) {
			x.indexes[i].remove(e, e.values[i])
			x.place(e, i)
		}
	}
	return nil
}

// enter writes the object of c under a key that is not there.
func (x *Indexer) enter(key event.Key, c *Change) error {
	for i, ix := range x.indexes {
		values, err := ix.fn(c.Object, x.scratch[i][:0])
		if err != nil {
			return ix.failed(key, err)
		}
		x.scratch[i] = values
	}
	e := &entry{key: key, object: c.Object}
	if len(x.indexes) > 0 {
		e.values = make([][]string, len(x.indexes))
	}
	x.items[key], c.Old = e, nil
	for i := range x.indexes {
		x.place(e, i)
	}
	return nil
}

// place shows e in index i under the values in scratch.
func (x *Indexer) place(e *entry, i int) {
	e.values[i] = slices.Clone(x.scratch[i])
	x.indexes[i].insert(e, e.values[i])
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

func newIndex(name string, fn IndexFunc) *index {
	return &index{name: name, fn: fn, sets: make(map[string]map[*entry]struct{})}
}

// failed wraps an error of the index function.
func (ix *index) failed(key event.Key, err error) error {
	return fmt.Errorf("indexer: index %q of %s: %w", ix.name, key, err)
}

func (ix *index) insert(e *entry, values []string) {
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
// are not in items.
//
// The keys in kept were in the list, but their items were left out of it: what
// the cache holds under them stays. So it does for an item that an index function
// rejects, whose change has Rejected set, unless another item has its key.
func (x *Indexer) Replace(items []event.Object, resourceVersion string, kept ...event.Key) (
	changes []Change, gone []event.Object) {
	x.mu.Lock()
	defer x.mu.Unlock()
	next := x.emptied(len(items)) // aside, so that a panic leaves everything as it was
	changes = make([]Change, len(items))
	for i, obj := range items {
		changes[i].Object = obj
	}
	next.apply(changes)
	for i := range changes {
		c := &changes[i]
		if c.Rejected != nil {
			next.keep(x.items[c.Rejected.Key])
			continue
		}
		c.Old = nil
		if e := x.items[event.KeyOf(c.Object)]; e != nil {
			c.Old = e.object
		}
	}
	for _, key := range kept {
		next.keep(x.items[key])
	}
	for key, e := range x.items {
		if _, stays := next.items[key]; !stays {
			gone = append(gone, e.object)
		}
	}
	x.items, x.indexes, x.version = next.items, next.indexes, resourceVersion
	return changes, gone
}

// emptied returns an Indexer with the same index functions and no content, which
// shares the scratch space of x.
func (x *Indexer) emptied(room int) *Indexer {
	next := &Indexer{items: make(map[event.Key]*entry, room), scratch: x.scratch, recover: x.recover}
	for _, ix := range x.indexes {
		next.indexes = append(next.indexes, newIndex(ix.name, ix.fn))
	}
	return next
}

// keep takes over an entry of another Indexer with the same indexes, unless it is
// nil or its key has an entry here.
func (x *Indexer) keep(e *entry) {
	if e == nil || x.items[e.key] != nil {
		return
	}
	x.items[e.key] = e
	for i, ix := range x.indexes {
		ix.insert(e, e.values[i])
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
