package indexer

import (
	"cmp"
	"fmt"
	"slices"

	"informerlab/core/event"
)

// AddIndexers adds indexes by name and indexes what is there. If one of the
// names is taken it returns an error and adds none; if a function fails on a
// cached object it panics and adds none. It may be called at any time; the
// objects already cached are indexed before it returns.
func (x *Indexer) AddIndexers(indexers map[string]IndexFunc) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for name := range indexers {
		if x.find(name) != nil {
			return fmt.Errorf("indexer: add index %q: the name is taken", name)
		}
	}
	before, done := len(x.indexes), false
	defer func() {
		if !done { // an index function panicked
			x.indexes = x.indexes[:before]
			for _, e := range x.items {
				e.values = e.values[:before]
			}
		}
	}()
	for name, fn := range indexers {
		ix := &index{name: name, fn: fn, sets: make(map[string]map[*entry]struct{})}
		x.indexes = append(x.indexes, ix)
		for _, e := range x.items {
			e.values = append(e.values, nil)
			x.reindex(e, len(x.indexes)-1, ix)
		}
	}
	done = true
	return nil
}

// Indexers returns the index functions by name.
func (x *Indexer) Indexers() map[string]IndexFunc {
	x.mu.RLock()
	defer x.mu.RUnlock()
	m := make(map[string]IndexFunc, len(x.indexes))
	for _, ix := range x.indexes {
		m[ix.name] = ix.fn
	}
	return m
}

// ByIndex returns the objects that the named index shows under value, in no
// order. It is an error if there is no such index.
func (x *Indexer) ByIndex(name, value string) ([]event.Object, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	ix, err := x.named(name)
	if err != nil {
		return nil, err
	}
	objects := make([]event.Object, 0, len(ix.sets[value]))
	for e := range ix.sets[value] {
		objects = append(objects, e.object)
	}
	return objects, nil
}

// Index returns the objects that share at least one value of the named index
// with obj, each once, in no order. It is an error if there is no such index.
func (x *Indexer) Index(name string, obj event.Object) ([]event.Object, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	ix, err := x.named(name)
	if err != nil {
		return nil, err
	}
	values, err := ix.fn(obj, nil)
	if err != nil {
		return nil, fmt.Errorf("indexer: index %q of %s: %w", name, event.KeyOf(obj), err)
	}
	seen := make(map[*entry]struct{})
	var objects []event.Object
	for _, v := range values {
		for e := range ix.sets[v] {
			if _, twice := seen[e]; !twice {
				seen[e] = struct{}{}
				objects = append(objects, e.object)
			}
		}
	}
	return objects, nil
}

// IndexKeys returns the sorted keys of the objects that the named index shows
// under value. It is an error if there is no such index.
func (x *Indexer) IndexKeys(name, value string) ([]event.Key, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	ix, err := x.named(name)
	if err != nil {
		return nil, err
	}
	keys := make([]event.Key, 0, len(ix.sets[value]))
	for e := range ix.sets[value] {
		keys = append(keys, e.key)
	}
	slices.SortFunc(keys, func(a, b event.Key) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return keys, nil
}

// IndexValues returns the values that the named index holds, in no order; nil
// if there is no such index.
func (x *Indexer) IndexValues(name string) []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	ix := x.find(name)
	if ix == nil {
		return nil
	}
	values := make([]string, 0, len(ix.sets))
	for v := range ix.sets {
		values = append(values, v)
	}
	return values
}

func (x *Indexer) find(name string) *index {
	for _, ix := range x.indexes {
		if ix.name == name {
			return ix
		}
	}
	return nil
}

func (x *Indexer) named(name string) (*index, error) {
	if ix := x.find(name); ix != nil {
		return ix, nil
	}
	return nil, fmt.Errorf("indexer: no index %q", name)
}
