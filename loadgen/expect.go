package loadgen

import (
	"fmt"
	"math/bits"
	"time"

	"informerlab/core/event"
	"informerlab/core/source"
)

// An Expect is what a correct pipeline makes of a load: the calls of a handler
// that was there from the start and gets every event in order, and the content
// of the cache when all is done. It is immutable and may be shared.
type Expect struct {
	Calls    int    // handler calls in all, those for the initial list included
	Initial  int    // calls for the initial list, which come first, in list order
	Checksum uint64 // over all calls in order
	load     *Load
	due      []time.Duration // of the calls after the initial ones; nil for a closed loop
	final    []uint32        // object ID by key number; 0 = the key is gone
}

// Expect works out what a correct pipeline makes of the load.
func (l *Load) Expect() *Expect {
	e := &Expect{load: l, due: l.Due, final: make([]uint32, len(l.keys)), Checksum: checksumSeed}
	for _, o := range l.Initial {
		e.call(encode(callAdd, true, 0, o.ID))
		e.final[l.keyOf[o.ID-1]] = uint32(o.ID)
	}
	e.Initial = e.Calls
	for _, s := range l.steps {
		key, id := l.keyOf[s.index()], s.index()+1
		held := &e.final[key]
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
	if l.Due != nil && e.Calls-e.Initial != len(l.steps) {
		e.due = make([]time.Duration, 0, e.Calls-e.Initial)
		for i, s := range l.steps {
			if s.kind() != source.Bookmark {
				e.due = append(e.due, l.Due[i])
			}
		}
	}
	return e
}

func (e *Expect) call(code uint64) {
	e.Calls++
	e.Checksum = chain(e.Checksum, code)
}

// Final returns the content of the cache after the last event: the object ID by key.
func (e *Expect) Final() map[event.Key]uint64 {
	final := make(map[event.Key]uint64)
	for key, id := range e.final {
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
