package processortest

import "sync"

// written is what a View needs to know of the states that a Cluster has had. It is
// safe for concurrent use.
type written struct {
	mu      sync.Mutex
	objects map[string]*lifetimes // by name
}

// lifetimes are of one object.
type lifetimes struct {
	newest int // version written last
	// finals are the versions that were deleted, oldest first, at most keptFinals.
	// Those before the first of them are unknown if some were dropped.
	finals  []int
	dropped bool
}

// keptFinals bounds the memory of a cluster that runs for long.
const keptFinals = 256

func (w *written) write(o *Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.objects == nil {
		w.objects = map[string]*lifetimes{}
	}
	if w.objects[o.name] == nil {
		w.objects[o.name] = &lifetimes{}
	}
	w.objects[o.name].newest = o.version
}

func (w *written) delete(o *Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.objects[o.name]
	if len(l.finals) == keptFinals {
		l.finals = append(l.finals[:0], l.finals[1:]...)
		l.dropped = true
	}
	l.finals = append(l.finals, o.version)
}

// existed reports whether the cluster can have had a state; it has, of objects that
// it never wrote.
func (w *written) existed(o *Object) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.objects[o.name]
	return l == nil || 0 < o.version && o.version <= l.newest
}

// wasLast reports whether a state can have been the last one before a delete.
func (w *written) wasLast(o *Object) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.objects[o.name]
	if l == nil || l.dropped && o.version < l.finals[0] {
		return true // not known
	}
	for _, final := range l.finals {
		if final == o.version {
			return true
		}
	}
	return false
}

// lastDeleted returns the age of the latest deletion of an object, or 0.
func (w *written) lastDeleted(name string) age {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l := w.objects[name]; l != nil && len(l.finals) > 0 {
		return age(2*l.finals[len(l.finals)-1] + 1)
	}
	return 0
}
