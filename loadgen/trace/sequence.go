package trace

import (
	"bytes"
	"fmt"

	"informerlab/core/source"
)

// A sequence knows what may follow the records so far.
type sequence struct {
	resources map[string]*watch
	recent    *watch // of the record before
	last      int64  // T of the record before
}

// A watch is what is known of one resource.
type watch struct {
	name   []byte
	keys   map[string]struct{} // that exist
	listed bool                // the bookmark that ends the initial list has come
	newest uint64              // the newest version of the list's objects, then of the list, then of the events
}

// next takes a record. If it cannot follow the ones before, next returns the
// field that is wrong, what was found and what was expected.
func (s *sequence) next(rec *Record) (f field, found, expected string) {
	if rec.T < s.last {
		return fieldT, fmt.Sprintf("t = %d after %d", rec.T, s.last), "times that never fall"
	}
	s.last = rec.T
	w := s.recent
	if w == nil || !bytes.Equal(w.name, rec.Resource) {
		if w = s.resources[string(rec.Resource)]; w == nil {
			w = &watch{name: bytes.Clone(rec.Resource), keys: map[string]struct{}{}}
			s.resources[string(w.name)] = w
		}
		s.recent = w
	}
	switch {
	case rec.Initial && w.listed:
		return fieldInitial, fmt.Sprintf("initial = true after the initial list of %s", excerpt(w.name)),
			"events that change it"
	case rec.Initial:
		return w.initial(rec)
	case !w.listed:
		return fieldType, fmt.Sprintf("%s before the initial list of %s has ended", rec.Type, excerpt(w.name)),
			`"initial":true as far as the bookmark that ends the list`
	}
	return w.event(rec)
}

// initial takes a record of the initial list, or the bookmark that ends it.
func (w *watch) initial(rec *Record) (f field, found, expected string) {
	switch rec.Type {
	case source.Bookmark:
		if rec.Version < w.newest {
			return fieldRV, fmt.Sprintf("version %d of the list of %s, which holds %d",
				rec.Version, excerpt(w.name), w.newest), "one no older than its objects"
		}
		w.listed, w.newest = true, rec.Version
		return 0, "", ""
	case source.Added:
		if _, twice := w.keys[string(rec.Key)]; twice {
			return fieldKey, fmt.Sprintf("%s twice in the initial list", excerpt(rec.Key)), "each key once"
		}
		w.keys[string(rec.Key)], w.newest = struct{}{}, max(w.newest, rec.Version)
		return 0, "", ""
	}
	return fieldType, fmt.Sprintf("an initial %s", rec.Type), "ADDED or BOOKMARK in an initial list"
}

// event takes a record that follows the initial list.
func (w *watch) event(rec *Record) (f field, found, expected string) {
	if rec.Version < w.newest || rec.Version == w.newest && rec.Type != source.Bookmark {
		return fieldRV, fmt.Sprintf("version %d of %s after %d", rec.Version, excerpt(w.name), w.newest),
			"versions that rise"
	}
	w.newest = rec.Version
	if rec.Type == source.Bookmark {
		return 0, "", ""
	}
	switch _, exists := w.keys[string(rec.Key)]; {
	case exists && rec.Type == source.Added:
		return fieldKey, fmt.Sprintf("ADDED of %s, which exists", excerpt(rec.Key)), "MODIFIED or DELETED"
	case !exists && rec.Type != source.Added:
		return fieldKey, fmt.Sprintf("%s of %s, which does not exist", rec.Type, excerpt(rec.Key)), "ADDED first"
	}
	switch rec.Type {
	case source.Added:
		w.keys[string(rec.Key)] = struct{}{}
	case source.Deleted:
		delete(w.keys, string(rec.Key))
	}
	return 0, "", ""
}

// unended returns the first resource by name whose initial list has no end.
func (s *sequence) unended() (name string, found bool) {
	for _, w := range s.resources {
		if !w.listed && (!found || string(w.name) < name) {
			name, found = string(w.name), true
		}
	}
	return name, found
}
