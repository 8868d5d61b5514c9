package loadgen

import (
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"time"

	"informerlab/core/event"
	"informerlab/core/source"
)

// An Expect is what a correct pipeline makes of a load: the calls of a handler
// that was there from the start and gets every event in order, and the content
// of the cache when all is done. What is exported never changes, and any
// goroutine may use it.
type Expect struct {
	Calls    int    // handler calls in all, those for the initial list included
	Initial  int    // calls for the initial list, which come first, in list order
	Filled   int    // calls for the initial list and the prefill
	Checksum uint64 // over all calls in order
	load     *Load
	due      []time.Duration // of the calls from Filled on; nil for a closed loop
	at       [milestones]state

	ofLossy struct { // what only recorders of lossy handlers need, made by the first
		once sync.Once
		// last is the last timed event that brought an object, by index of the
		// object, and before the one that brought the same object before, by
		// event; both count timed events from 1, and 0 = there is none.
		last, before []uint32
		numbers      map[event.Key]uint32 // the key numbers
	}
}

// The milestones of a handler, in their order.
const (
	listed     = iota // it knows the initial list
	filled            // and the prefill
	done              // and all the rest
	milestones        // their number
)

// A state is what there is at a milestone.
type state struct {
	calls int      // that a lossless handler has had
	held  []uint32 // by the cache: object ID by key number; 0 = the key is absent
}

// Expect works out what a correct pipeline makes of the load.
func (l *Load) Expect() *Expect {
	e := &Expect{load: l, due: l.Due, Checksum: checksumSeed}
	final := make([]uint32, len(l.keys))
	for _, o := range l.Initial {
		e.call(encode(callAdd, true, 0, o.ID))
		final[l.keyOf[o.ID-1]] = uint32(o.ID)
	}
	e.Initial = e.Calls
	e.at[listed] = state{e.Calls, slices.Clone(final)}
	for i, s := range l.steps {
		if i == l.Prefill {
			e.Filled = e.Calls
			e.at[filled] = state{e.Calls, slices.Clone(final)}
		}
		key, id := l.keyOf[s.index()], s.index()+1
		held := &final[key]
		switch s.kind() {
		case source.Added:
			e.call(encode(callAdd, false, 0, uint64(id)))
			*held = id
		case source.Modified:
			e.call(encode(callUpdate, false, uint64(*held), uint64(id)))
			*held = id
		case source.Deleted:
			e.call(encode(callDelete, false, uint64(id), 0))
			*held = 0
		}
	}
	e.at[done] = state{e.Calls, final}
	if l.Due != nil && e.Calls-e.Filled != len(l.Due) {
		e.due = make([]time.Duration, 0, e.Calls-e.Filled)
		for i, due := range l.Due {
			if l.steps[l.Prefill+i].kind() != source.Bookmark {
				e.due = append(e.due, due)
			}
		}
	}
	return e
}

// forLossy makes what recorders of lossy handlers need.
func (e *Expect) forLossy() {
	o, l := &e.ofLossy, e.load
	o.once.Do(func() {
		o.numbers = make(map[event.Key]uint32, len(l.keys))
		for number, key := range l.keys {
			o.numbers[key] = uint32(number)
		}
		o.last, o.before = make([]uint32, len(l.objects)), make([]uint32, len(l.Due)+1)
		for i := range l.Due {
			object := l.steps[l.Prefill+i].index()
			o.before[i+1], o.last[object] = o.last[object], uint32(i+1)
		}
	})
}

// dueOf returns the intended time of the event that brought an object, of
// several the last one that was due by then.
func (e *Expect) dueOf(id uint64, by time.Duration) (due time.Duration, timed bool) {
	for i := e.ofLossy.last[id-1]; i > 0; i = e.ofLossy.before[i] {
		if due := e.load.Due[i-1]; due <= by {
			return due, true
		}
	}
	return 0, false
}

func (e *Expect) call(code uint64) {
	e.Calls++
	e.Checksum = chain(e.Checksum, code)
}

// Final returns the content of the cache after the last event: the object ID by key.
func (e *Expect) Final() map[event.Key]uint64 {
	final := make(map[event.Key]uint64)
	for key, id := range e.at[done].held {
		if id != 0 {
			final[e.load.keys[key]] = uint64(id)
		}
	}
	return final
}

// CheckCache compares what each yields, the keys and object IDs of a cache in
// any order, with the final state, and says where they differ first.
func (e *Expect) CheckCache(each func(yield func(key event.Key, id uint64))) error {
	missing := e.Final()
	var err error
	each(func(key event.Key, id uint64) {
		want, known := missing[key]
		delete(missing, key)
		switch {
		case err != nil:
		case !known:
			err = fmt.Errorf("loadgen: cache of %s: holds %s, object %d: "+
				"expected it once, at the end of the load, or not at all", e.load.Resource, key, id)
		case id != want:
			err = fmt.Errorf("loadgen: cache of %s: holds object %d for %s: expected %d",
				e.load.Resource, id, key, want)
		}
	})
	for key, id := range missing {
		if err == nil {
			err = fmt.Errorf("loadgen: cache of %s: %d keys are missing, such as %s: expected object %d",
				e.load.Resource, len(missing), key, id)
		}
	}
	return err
}

// A call is encoded in 64 bits without loss, as long as IDs stay below
// maxObjects: two bits of kind, one flag, the old ID, the new ID.
const (
	callAdd    = 1 << 62
	callUpdate = 2 << 62
	callDelete = 3 << 62
	callFlag   = 1 << 61 // of an add: initial; of a delete: final state unknown
	callOldBit = 30
)

// decode is the inverse of encode.
func decode(code uint64) (kind uint64, flag bool, oldID, newID uint64) {
	const oldMask, newMask = callFlag>>callOldBit - 1, 1<<callOldBit - 1
	return code & callDelete, code&callFlag != 0, code >> callOldBit & oldMask, code & newMask
}

func encode(kind uint64, flag bool, oldID, newID uint64) uint64 {
	code := kind | oldID<<callOldBit | newID
	if flag {
		code |= callFlag
	}
	return code
}

// The chain is one multiplication per call; the multiplier is 2^64 divided by
// the golden ratio, and the rotation carries the strong high bits down to where
// the next code is mixed in.
const (
	checksumSeed = 0xcbf29ce484222325
	chainFactor  = 0x9e3779b97f4a7c15
)

func chain(sum, code uint64) uint64 { return bits.RotateLeft64(sum^code, 29) * chainFactor }
