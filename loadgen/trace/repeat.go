package trace

import (
	"fmt"
	"maps"
	"slices"

	"informerlab/core/source"
)

// A repeater joins passes over one trace to a longer one.
type repeater struct {
	repeats  bool // there is more than one pass
	pass     int
	live     *snapshot
	shift    int64  // of this pass, added to times
	last     int64  // the last time emitted
	newest   uint64 // the highest version emitted
	listed   uint64 // objects in the initial lists of one pass
	relisted uint64 // the newest version given to an object of this pass's initial lists
	offset   uint64 // of this pass, added to versions
	emit     func(*Record) error
}

// most is the largest number that the format takes.
const most = 999_999_999_999_999_999

func (r *repeater) put(rec *Record) error {
	rec.T += r.shift
	added := rec.Initial && rec.Type == source.Added
	switch {
	case r.pass == 0 && added:
		r.listed++
	case r.pass == 0:
	case added:
		// The objects of a list are in any order of versions, so they get new
		// ones. There is room for them all between the last pass and the
		// lists' own versions.
		r.relisted++
		rec.setVersion(r.relisted)
	default:
		rec.setVersion(rec.Version + r.offset)
	}
	rec.Initial = rec.Initial && r.pass == 0
	if r.repeats {
		r.live.put(rec)
	}
	return r.send(rec)
}

func (r *repeater) send(rec *Record) error {
	if rec.T > most || rec.Version > most {
		return fmt.Errorf("%w: found t = %d and version %d, expected numbers of at most 18 digits",
			ErrCut, rec.T, rec.Version)
	}
	r.last, r.newest = rec.T, max(r.newest, rec.Version)
	return r.emit(rec)
}

// join deletes what still exists and begins the next pass.
func (r *repeater) join() error {
	for _, name := range slices.Sorted(maps.Keys(r.live.resources)) {
		for rec := range r.live.of(name) {
			rec.T, rec.Type, rec.Initial = r.last, source.Deleted, false
			rec.setVersion(r.newest + 1)
			if err := r.send(rec); err != nil {
				return err
			}
		}
	}
	r.pass++
	r.live, r.shift = newSnapshot(), r.last
	r.relisted, r.offset = r.newest, r.newest+r.listed
	return nil
}
