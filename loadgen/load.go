package loadgen

import (
	"iter"
	"strconv"
	"strings"
	"time"

	"informerlab/core/event"
	"informerlab/core/source"
)

// A Load is what one informer is driven with: a list, and the events that
// follow it. The last event is an Added of End. Loads are immutable once built;
// any goroutine may read one, and any number of streams may share it.
//
// What it consists of is built beforehand, or if it is fresh, made event by event
// while a stream hands it out: from templates, or from a trace that is read
// meanwhile.
type Load struct {
	Resource string // what the objects are, such as "pods"
	// Lists holds the initial list, and then one for each time that the version
	// expires: what there is at that moment. Most loads have only the first.
	Lists []List
	// Prefill is how many events come before all others, in a closed loop of
	// their own: they have to be released first and are never timed.
	Prefill int
	// Due holds the intended time, after the release, of each event from
	// Prefill on, ascending. It is nil for a closed loop, where all events are
	// due at once, and for a load that is read from a trace.
	Due []time.Duration

	fresh   bool
	again   bool     // some state comes more than once
	objects []Object // by ID, from 1 at index 0
	keys    []key    // by number
	// steps are the events. They are numbers and not pointers on purpose: a
	// million events as []source.Event are 40 MB that every garbage
	// collection has to walk, as steps they are 4 MB that none looks at.
	steps  []step
	replay *replay // what it is read from; nil = it is built
}

// A List is what a list request is answered with.
type List struct {
	Version string
	Objects []*Object // in list order
}

// A step is an event in 32 bits: the object's ID, then 3 bits of event type.
type step uint32

const (
	stepTypeBits = 3
	maxObjects   = 1<<(32-stepTypeBits) - 1
)

func newStep(id uint32, t source.EventType) step { return step(id<<stepTypeBits | uint32(t)) }

func (s step) id() uint32             { return uint32(s) >> stepTypeBits } // 0 = of no object
func (s step) kind() source.EventType { return source.EventType(s & (1<<stepTypeBits - 1)) }

// Len returns the number of events, the sentinel's, bookmarks and expired
// versions included.
func (l *Load) Len() int {
	if l.replay != nil {
		return l.replay.events
	}
	return len(l.steps)
}

// Open reports whether events have intended times.
func (l *Load) Open() bool { return l.Due != nil || l.replay != nil && l.replay.speed > 0 }

// Fresh reports whether each event brings an object of its own, which is made
// while the load is handed out.
func (l *Load) Fresh() bool { return l.fresh }

// Event returns event i, counted from 0, of a load that is built.
func (l *Load) Event(i int) Event {
	s := l.steps[i]
	e := Event{Due: notTimed, Type: s.kind()}
	if s.id() > 0 {
		e.Object = &l.objects[s.id()-1]
	}
	if l.Due != nil && i >= l.Prefill {
		e.Due = l.Due[i-l.Prefill]
	}
	return e
}

// Events yields the events of a load that is built in order with their positions.
func (l *Load) Events() iter.Seq2[int, Event] {
	return func(yield func(int, Event) bool) {
		for i := range l.steps {
			if !yield(i, l.Event(i)) {
				return
			}
		}
	}
}

// NumObjects returns the number of objects that are built, which is their largest ID.
func (l *Load) NumObjects() int { return len(l.objects) }

// Object returns the object with the given ID, from 1 to NumObjects.
func (l *Load) Object(id uint64) *Object { return &l.objects[id-1] }

// Objects yields all objects that are built by ascending ID, the lists' and
// bookmarks' included.
func (l *Load) Objects() iter.Seq[*Object] {
	return func(yield func(*Object) bool) {
		for i := range l.objects {
			if !yield(&l.objects[i]) {
				return
			}
		}
	}
}

// Parts returns how many releases the load takes: one for the prefill, if there
// is one, and one for the rest.
func (l *Load) Parts() int {
	if l.Prefill > 0 {
		return 2
	}
	return 1
}

// Duration returns the intended time of the last event; 0 for a closed loop.
func (l *Load) Duration() time.Duration {
	if l.replay != nil {
		return l.replay.span
	}
	if len(l.Due) == 0 {
		return 0
	}
	return l.Due[len(l.Due)-1]
}

// A builder collects a load in order of first use. Objects and keys move while
// it grows, so they are addressed by number until finish.
type builder struct {
	load  *Load
	keyOf []uint32 // the key number of each object, by ID from 1 at index 0
	lists [][]uint32
	text  arena
}

func newBuilder(resource string) *builder { return &builder{load: &Load{Resource: resource}} }

// key adds a key and returns its number.
func (b *builder) key(k event.Key) uint32 {
	number := uint32(len(b.load.keys))
	b.load.keys = append(b.load.keys, key{k, number})
	return number
}

// object adds a state of a key and returns its ID.
func (b *builder) object(key uint32, version string) uint32 {
	l := b.load
	id := uint32(len(l.objects) + 1)
	b.keyOf = append(b.keyOf, key)
	l.objects = append(l.objects, Object{Mark: Mark{due: notTimed, id: id}, version: version})
	return id
}

func (b *builder) event(id uint32, t source.EventType) {
	b.load.steps = append(b.load.steps, newStep(id, t))
}

// list adds a list of the objects with these IDs.
func (b *builder) list(version string, ids []uint32) {
	b.load.Lists = append(b.load.Lists, List{Version: version})
	b.lists = append(b.lists, ids)
}

// finish adds the sentinel and returns the load, its storage cut to size. The
// caller appends the sentinel's time to Due.
func (b *builder) finish(version string) *Load {
	b.event(b.object(b.key(End), version), source.Added)
	l := b.load
	l.objects, l.keys, l.steps = cut(l.objects), cut(l.keys), cut(l.steps)
	for i, key := range b.keyOf {
		l.objects[i].key = &l.keys[key]
	}
	for i, ids := range b.lists {
		objects := make([]*Object, len(ids))
		for j, id := range ids {
			objects[j] = &l.objects[id-1]
		}
		l.Lists[i].Objects = objects
	}
	return l
}

// cut returns a copy of s without spare capacity, so that a load weighs the
// same however it grew.
func cut[T any](s []T) []T {
	if len(s) == cap(s) {
		return s
	}
	return append(make([]T, 0, len(s)), s...)
}

// An arena packs many short strings into few allocations without pointers. It
// must not be copied.
type arena struct{ text strings.Builder }

const arenaChunk = 64 << 10 // large enough that a load has hundreds, not millions, of texts to mark

func (a *arena) bytes(p []byte) string {
	if a.text.Len()+len(p) > a.text.Cap() {
		a.text = strings.Builder{}
		a.text.Grow(max(arenaChunk, len(p)))
	}
	at := a.text.Len()
	a.text.Write(p)
	return a.text.String()[at:]
}

func (a *arena) number(n uint64) string {
	var digits [20]byte
	return a.bytes(strconv.AppendUint(digits[:0], n, 10))
}
