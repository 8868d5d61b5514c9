package loadgen

import (
	"fmt"
	"iter"
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
	// Ordered says that the calls can come in one order only. They can in more
	// where a relist finds objects gone: it is open when their deletes come.
	Ordered bool

	load *Load
	due  []time.Duration // of the calls from Filled on; nil unless events are timed and built beforehand
	at   [milestones]state

	ofLevels struct { // what only level recorders need, made by the first
		once sync.Once
		// last is the last timed moment that brought an object, by index of the
		// object, and before the one that brought the same object before, by
		// moment; both count moments from 1, and 0 = there is none.
		last, before []uint32
		moments      []time.Duration
		numbers      map[event.Key]uint32 // of the keys
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
	calls int // that a handler has had which gets every event
	cache content
}

// A content is what a cache holds. Of a load that is built it is by key number,
// so that it takes 4 bytes a key.
type content struct {
	dense  []uint32 // object ID by key number; 0 = the key is absent
	sparse map[event.Key]uint32
}

// Expect works out what a correct pipeline makes of the load.
func (l *Load) Expect() *Expect {
	if l.replay != nil {
		return l.replay.expect
	}
	e := &Expect{load: l, Ordered: true, Checksum: checksumSeed}
	m := model{Expect: e, held: make([]uint32, len(l.keys))}
	m.list(l.Lists[0], true)
	e.Initial = e.Calls
	e.at[listed] = m.state()
	lists := l.Lists[1:]
	for i := range l.steps {
		if i == l.Prefill {
			e.Filled = e.Calls
			e.at[filled] = m.state()
		}
		calls, next := e.Calls, l.Event(i)
		if next.Type == source.Failed {
			m.list(lists[0], false)
			lists = lists[1:]
		} else {
			m.event(next)
		}
		for range e.Calls - calls {
			if next.Due >= 0 && !l.fresh {
				e.due = append(e.due, next.Due)
			}
		}
	}
	e.at[done] = m.state()
	e.due = cut(e.due)
	return e
}

// A model is the cache of a correct pipeline.
type model struct {
	*Expect
	held []uint32 // object ID by key number; 0 = the key is absent
}

func (m *model) state() state { return state{m.Calls, content{dense: slices.Clone(m.held)}} }

// event changes the model by one event and notes the call that it makes.
func (m *model) event(e Event) {
	held, id := &m.held[e.Object.key.number], e.Object.id
	switch e.Type {
	case source.Added:
		m.call(encode(callAdd, false, 0, id))
		*held = id
	case source.Modified:
		m.call(encode(callUpdate, false, *held, id))
		*held = id
	case source.Deleted:
		m.call(encode(callDelete, false, id, 0))
		*held = 0
	}
}

// list replaces the model by a list and notes the calls that this makes: what is
// as before makes an update from the same to the same, as a resync does (a
// handler gets it unless the informer has found that it wants no resync), and
// what is gone a delete with the state that was held.
func (m *model) list(l List, initial bool) {
	present := make([]bool, len(m.held))
	for _, o := range l.Objects {
		held := &m.held[o.key.number]
		present[o.key.number] = true
		if *held == 0 {
			m.call(encode(callAdd, initial, 0, o.id))
		} else {
			m.call(encode(callUpdate, false, *held, o.id))
		}
		*held = o.id
	}
	for key, id := range m.held {
		if id != 0 && !present[key] {
			m.call(encode(callDelete, true, id, 0))
			m.held[key] = 0
			m.Ordered = false
		}
	}
}

// forLevels makes what level recorders need.
func (e *Expect) forLevels() {
	o, l := &e.ofLevels, e.load
	o.once.Do(func() {
		o.numbers = make(map[event.Key]uint32, len(l.keys))
		for number := range l.keys {
			o.numbers[l.keys[number].Key] = uint32(number)
		}
		if l.Due == nil || l.fresh {
			return
		}
		o.last, o.before, o.moments = make([]uint32, len(l.objects)), []uint32{0}, []time.Duration{notTimed}
		brings := func(object *Object, due time.Duration) {
			last := &o.last[object.id-1]
			o.before, o.moments = append(o.before, *last), append(o.moments, due)
			*last = uint32(len(o.moments) - 1)
		}
		lists := l.Lists[1:]
		for _, next := range l.Events() {
			switch {
			case next.Type == source.Failed:
				for _, object := range lists[0].Objects {
					brings(object, next.Due)
				}
				lists = lists[1:]
			case next.Due >= 0:
				brings(next.Object, next.Due)
			}
		}
	})
}

// timed reports whether an event with an intended time brings an object.
func (e *Expect) timed(m Mark) bool {
	return m.due >= 0 || m.key != nil && e.ofLevels.last != nil && e.ofLevels.last[m.id-1] > 0
}

// dueOf returns the intended time of what brought an object, of several the last
// one that was due by then.
func (e *Expect) dueOf(m Mark, by time.Duration) (due time.Duration, timed bool) {
	if m.due >= 0 {
		return m.due, true
	}
	for i := e.ofLevels.last[m.id-1]; i > 0; i = e.ofLevels.before[i] {
		if due := e.ofLevels.moments[i]; due <= by {
			return due, true
		}
	}
	return 0, false
}

func (e *Expect) call(code uint64) {
	e.Calls++
	e.Checksum = chain(e.Checksum, code)
}

// all yields the keys and the IDs of the objects held.
func (c content) all(keys []key) iter.Seq2[event.Key, uint32] {
	return func(yield func(event.Key, uint32) bool) {
		for number, id := range c.dense {
			if id != 0 && !yield(keys[number].Key, id) {
				return
			}
		}
		for k, id := range c.sparse {
			if !yield(k, id) {
				return
			}
		}
	}
}

// Final returns the content of the cache after the last event: the object ID by key.
func (e *Expect) Final() map[event.Key]uint64 {
	final := make(map[event.Key]uint64)
	for key, id := range e.at[done].cache.all(e.load.keys) {
		final[key] = uint64(id)
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

func encode(kind uint64, flag bool, oldID, newID uint32) uint64 {
	code := kind | uint64(oldID)<<callOldBit | uint64(newID)
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
