package informer

import (
	"fmt"

	"informerlab/core/event"
	"informerlab/core/indexer"
)

// A Lister reads objects of one type from a cache. Its methods may be called
// concurrently and panic if the cache holds an object of another type.
type Lister[T event.Object] struct {
	indexer   *indexer.Indexer
	namespace string
	scoped    bool
}

// NewLister returns a Lister of all objects in ix.
func NewLister[T event.Object](ix *indexer.Indexer) Lister[T] { return Lister[T]{indexer: ix} }

// Namespace returns a Lister of the objects in one namespace.
func (l Lister[T]) Namespace(namespace string) Lister[T] {
	l.namespace, l.scoped = namespace, true
	return l
}

// Get returns the object with the given name, in the Lister's namespace or, for
// a Lister of all objects, among those without a namespace.
func (l Lister[T]) Get(name string) (obj T, ok bool) {
	return l.GetKey(event.Key{Namespace: l.namespace, Name: name})
}

// GetKey returns the object with the given key, if the Lister's namespace is
// unset or the key's.
func (l Lister[T]) GetKey(key event.Key) (obj T, ok bool) {
	if l.scoped && key.Namespace != l.namespace {
		return obj, false
	}
	cached, ok := l.indexer.Get(key)
	if !ok {
		return obj, false
	}
	return l.typed(cached), true
}

// List returns the Lister's objects that match accepts, in no order; a nil match
// accepts all. Objects are the cache's own and read-only. A namespace is listed
// through the index named indexer.NamespaceIndex if there is one.
func (l Lister[T]) List(match func(T) bool) []T {
	var out []T
	for _, cached := range l.candidates() {
		if l.scoped && cached.GetNamespace() != l.namespace {
			continue
		}
		if obj := l.typed(cached); match == nil || match(obj) {
			out = append(out, obj)
		}
	}
	return out
}

func (l Lister[T]) candidates() []event.Object {
	if l.scoped {
		if objects, err := l.indexer.ByIndex(indexer.NamespaceIndex, l.namespace); err == nil {
			return objects
		}
	}
	return l.indexer.List()
}

func (l Lister[T]) typed(cached event.Object) T {
	obj, ok := cached.(T)
	if !ok {
		panic(fmt.Sprintf("informer: lister of %T: the cache holds a %T under %s", obj, cached, event.KeyOf(cached)))
	}
	return obj
}
