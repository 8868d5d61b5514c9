package loadgen

import (
	"fmt"
	"time"

	"informerlab/core/event"
)

// A view is what a lossy handler knows. It may miss any event, but it is told
// only what can have happened to what it knows:
//
//	add      of a key that it does not know; initial ones only of the list's objects
//	update   from the state that it was told last
//	delete   of a key that it knows
//
// In a load in which no state of a key comes twice it must also never be told a
// state that is not newer than the one before. What it knows converges to what
// the cache holds.
type view struct {
	expect    *Expect
	held      []uint32 // object ID by key number; 0 = it knows of none
	newest    []uint32 // the object told of last, by key number, deleted or not
	target    []uint32 // what the cache holds at the next milestone
	differing int      // keys of which held is not target
	ascending bool     // of each key every event brings a greater ID
	err       error    // the first call that cannot have been right
}

func newView(e *Expect) *view {
	e.forLossy()
	l := e.load
	v := &view{
		expect:    e,
		held:      make([]uint32, len(l.keys)),
		newest:    make([]uint32, len(l.keys)),
		ascending: len(l.objects) == len(l.Initial)+len(l.steps),
	}
	v.aim(listed)
	return v
}

// aim sets the target to a milestone.
func (v *view) aim(milestone int) {
	v.target = v.expect.at[milestone].held
	v.differing = 0
	for key, id := range v.target {
		if v.held[key] != id {
			v.differing++
		}
	}
}

// heldOf returns the object held of a key, or 0.
func (v *view) heldOf(key event.Key) uint64 {
	number, known := v.expect.ofLossy.numbers[key]
	if !known {
		return 0
	}
	return uint64(v.held[number])
}

// tell changes the view as a call says.
func (v *view) tell(code uint64) {
	kind, flag, oldID, id := decode(code)
	if kind == callDelete {
		id = oldID
	}
	l := v.expect.load
	if id == 0 || id > uint64(len(l.objects)) {
		v.wrong("object %d: there is none, or it was never told of", id)
		return
	}
	key := l.keyOf[id-1]
	had, now := v.held[key], uint32(id)
	switch {
	case kind == callAdd && had != 0:
		v.wrong("add of object %d: it knows object %d of that key", id, had)
	case kind == callAdd && flag && id > uint64(len(l.Initial)):
		v.wrong("initial add of object %d: it is not in the list", id)
	case kind == callUpdate && uint64(had) != oldID:
		v.wrong("update from object %d to %d: it was told object %d last", oldID, id, had)
	case kind == callDelete && had == 0:
		v.wrong("delete of object %d: it knows none of that key", id)
	case v.ascending && now <= v.newest[key] && !(kind == callDelete && flag):
		v.wrong("object %d: it was told object %d of that key before", id, v.newest[key])
	}
	v.newest[key] = max(v.newest[key], now)
	if kind == callDelete {
		now = 0
	}
	v.held[key] = now
	if target := v.target[key]; (had == target) != (now == target) {
		if now == target {
			v.differing--
		} else {
			v.differing++
		}
	}
}

// wrong notes the first wrong call.
func (v *view) wrong(format string, args ...any) {
	if v.err == nil {
		v.err = fmt.Errorf("loadgen: recorder: "+format, args...)
	}
}

// dueOf returns the intended time of the event that a call tells of; of a delete
// whose final state is unknown there is none.
func (v *view) dueOf(code uint64, by time.Duration) (due time.Duration, timed bool) {
	kind, flag, oldID, id := decode(code)
	if kind == callDelete {
		id = oldID
	}
	if id == 0 || id > uint64(len(v.expect.load.objects)) || kind == callDelete && flag {
		return 0, false
	}
	return v.expect.dueOf(id, by)
}

// check returns the first wrong call, or else where the view differs from the
// final state.
func (v *view) check() error {
	if v.err != nil {
		return v.err
	}
	v.aim(done)
	for key, id := range v.target {
		if v.held[key] != id {
			return fmt.Errorf("loadgen: recorder: of %d keys the last state was not told, such as %s: "+
				"it knows object %d: expected %d", v.differing, v.expect.load.keys[key], v.held[key], id)
		}
	}
	return nil
}
