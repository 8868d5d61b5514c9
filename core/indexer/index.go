package indexer

import (
	"cmp"
	"fmt"
	"slices"

	"informerlab/core/event"
)

// AddIndexers adds indexes by name and indexes what is there. If one of the
// names is taken, or a function fails on a cached object, it returns an error and
// adds none; if a function panics, so does AddIndexers, unless the Indexer
// recovers, and adds none. It may be called at any time; the objects already
// cached are indexed before it returns, and readers and writers wait meanwhile.
func (x *Indexer) AddIndexers(indexers map[string]IndexFunc) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	added := make([]*index, 0, len(indexers))
	for name, fn := range indexers {
		if x.find(name) != nil {
			return fmt.Errorf("indexer: add index %q: the name is taken", name)
		}
		added = append(added, newIndex(name, fn))
	}
	values, err := x.valuesOfAll(added)
	if err != nil {
		return err
	}
	x.indexes = append(x.indexes, added...)
	room := make([][]string, len(added))
	for e, vs := range values {
		e.values = append(e.values, vs...)
		for i, ix := range added {
			ix.insert(e, vs[i])
			room[i] = slices.Grow(room[i], len(vs[i]))
		}
	}
	x.scratch = append(x.scratch, room...)
	return nil
}

// valuesOfAll returns what the functions of the indexes say of each cached
// object. It changes nothing.
func (x *Indexer) valuesOfAll(indexes []*index) (values map[*entry][][]string, err error) {
	if x.recover {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("indexer: add indexes: %w", event.Recovered(r))
			}
		}()
	}
	values = make(map[*entry][][]string, len(x.items))
	for _, e := range x.items {
		vs := make([][]string, len(indexes))
		for i, ix := range indexes {
			if vs[i], err = ix.fn(e.object, nil); err != nil {
				return nil, ix.failed(e.key, err)
			}
		}
		values[e] = vs
	}
	return values, nil
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
// with obj, each once, in no order. It is an error if there is no such index or
// its function fails on obj. The function runs on the caller's goroutine, and
// without a lock.
func (x *Indexer) Index(name string, obj event.Object) ([]event.Object, error) {
	x.mu.RLock()
	ix, err := x.named(name)
	x.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	values, err := ix.fn(obj, nil)
	if err != nil {
		return nil, ix.failed(event.KeyOf(obj), err)
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	if ix, err = x.named(name); err != nil { // Replace makes new ones
		return nil, err
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
