package loadgen

import (
	"fmt"

	"informerlab/core/event"
)

// A view is what a level-driven handler knows. It may miss any event, but it is
// told only what can have happened to what it knows:
//
//	add      of a key that it does not know; initial ones only of a list's objects
//	update   from the state that it was told last
//	delete   of a key that it knows
//
// In a load in which no state of a key comes twice it must also never be told a
// state that is not newer than the one before. What it knows converges to what
// the cache holds.
type view struct {
	expect    *Expect
	late      bool                 // it came when events flowed, and any object may be initial
	again     bool                 // it may be told again what it knows: by a resync or a later list
	dense     []known              // by key number
	sparse    map[event.Key]*known // of keys without a number
	differing int                  // keys of which held is not target
	repeats   int                  // updates to what it knew
	err       error                // the first call that cannot have been right
}

// known is what a view knows of one key.
type known struct {
	held   uint32 // ID of the object that it was told last; 0 = it knows of none
	newest uint32 // the newest object that it was told of, deleted or not
	target uint32 // what the cache holds at the next milestone
}

func newView(e *Expect, o RecorderOptions) *view {
	e.forLevels()
	v := &view{
		expect: e, late: o.Late, again: o.Resyncs || len(e.load.Lists) > 1,
		dense: make([]known, len(e.load.keys)), sparse: map[event.Key]*known{},
	}
	return v
}

// of returns what the view knows of a mark's key.
func (v *view) of(m Mark) *known {
	if m.key.number < uint32(len(v.dense)) {
		return &v.dense[m.key.number]
	}
	return v.named(m.key.Key)
}

// markOf returns the mark of the object that the view was told last of a key, or
// the zero Mark.
func (v *view) markOf(name event.Key) Mark {
	if number, dense := v.expect.ofLevels.numbers[name]; dense {
		return Mark{key: &v.expect.load.keys[number], due: notTimed, id: v.dense[number].held}
	}
	if k := v.sparse[name]; k != nil {
		return Mark{key: &key{name, unnumbered}, due: notTimed, id: k.held}
	}
	return Mark{}
}

// named returns what the view knows of a key without a number.
func (v *view) named(key event.Key) *known {
	k := v.sparse[key]
	if k == nil {
		k = new(known)
		v.sparse[key] = k
	}
	return k
}

// aim sets the targets to a milestone.
func (v *view) aim(milestone int) {
	cache := v.expect.at[milestone].cache
	for key := range v.dense {
		v.dense[key].target = 0
	}
	for key, k := range v.sparse {
		if k.target = 0; k.held == 0 {
			delete(v.sparse, key)
		}
	}
	for number, id := range cache.dense {
		v.dense[number].target = id
	}
	for key, id := range cache.sparse {
		v.named(key).target = id
	}
	v.differing = 0
	for range v.wrongKeys() {
		v.differing++
	}
}

// wrongKeys yields the keys of which the view does not know the target.
func (v *view) wrongKeys() func(yield func(event.Key, known) bool) {
	return func(yield func(event.Key, known) bool) {
		for number, k := range v.dense {
			if k.held != k.target && !yield(v.expect.load.keys[number].Key, k) {
				return
			}
		}
		for key, k := range v.sparse {
			if k.held != k.target && !yield(key, *k) {
				return
			}
		}
	}
}

// add, update and delete change the view as a call says.
func (v *view) add(m Mark, initial bool) {
	switch k := v.of(m); {
	case k.held != 0:
		v.wrong("add of object %d: it knows object %d of that key", m.id, k.held)
	case initial && !v.late && int(m.id) > v.listed():
		v.wrong("initial add of object %d: it is not in the list", m.id)
	default:
		v.newer(k, m)
	}
	v.hold(m, m.id)
}

func (v *view) update(before, m Mark) {
	switch k := v.of(m); {
	case k.held != before.id:
		v.wrong("update from object %d to %d: it was told object %d last", before.id, m.id, k.held)
	case v.again && before.id == m.id:
		v.repeats++
	default:
		v.newer(k, m)
	}
	v.hold(m, m.id)
}

func (v *view) delete(m Mark, unknown bool) {
	switch k := v.of(m); {
	case k.held == 0:
		v.wrong("delete of object %d: it knows none of that key", m.id)
	case !unknown:
		v.newer(k, m)
	}
	v.hold(m, 0)
}

// listed returns the largest ID of an object of the initial list.
func (v *view) listed() int {
	objects := v.expect.load.Lists[0].Objects
	if len(objects) == 0 {
		return 0
	}
	return int(objects[len(objects)-1].id)
}

// newer checks that a state is newer than those it was told of, if that can be told.
func (v *view) newer(k *known, m Mark) {
	if m.id <= k.newest && !v.expect.load.again {
		v.wrong("object %d: it was told object %d of that key before", m.id, k.newest)
	}
}

// hold makes the view know an object of m's key, which m is the newest state of
// or an older one; 0 = none.
func (v *view) hold(m Mark, id uint32) {
	k := v.of(m)
	if (k.held == k.target) != (id == k.target) {
		if id == k.target {
			v.differing--
		} else {
			v.differing++
		}
	}
	k.held, k.newest = id, max(k.newest, m.id)
	if id == 0 && k.target == 0 && m.key.number >= uint32(len(v.dense)) {
		delete(v.sparse, m.key.Key) // of objects without end only those that exist are remembered
	}
}

// wrong notes the first wrong call.
func (v *view) wrong(format string, args ...any) {
	if v.err == nil {
		v.err = fmt.Errorf("loadgen: recorder: "+format, args...)
	}
}

// check returns the first wrong call, or else where the view differs from the
// final state.
func (v *view) check() error {
	if v.err != nil {
		return v.err
	}
	v.aim(done)
	for key, k := range v.wrongKeys() {
		return fmt.Errorf("loadgen: recorder: of %d keys the last state was not told, such as %s: "+
			"it knows object %d: expected %d", v.differing, key, k.held, k.target)
	}
	return nil
}
