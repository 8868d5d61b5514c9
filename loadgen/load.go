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
type Load struct {
	Resource       string    // what the objects are, such as "pods"
	Initial        []*Object // the initial list, in list order
	InitialVersion string    // the resource version of the initial list
	// Prefill is how many events come before all others, in a closed loop of
	// their own: they have to be released first and are never timed.
	Prefill int
	// Due holds the intended time, after the release, of each event from
	// Prefill on, ascending. It is nil for a closed loop, where all events are
	// due at once.
	Due []time.Duration

	objects []Object    // by ID, from 1 at index 0
	keyOf   []uint32    // the key number of each object, in the same order
	keys    []event.Key // by key number
	// steps are the events. They are numbers and not pointers on purpose: a
	// million events as []source.Event are 40 MB that every garbage
	// collection has to walk, as steps they are 4 MB that none looks at.
	steps []step
}

// A step is an event in 32 bits: the object's ID, then 3 bits of event type.
type step uint32

const (
	stepTypeBits = 3
	maxObjects   = 1<<(32-stepTypeBits) - 1
)

func newStep(id uint32, t source.EventType) step { return step(id<<stepTypeBits | uint32(t)) }

func (s step) index() uint32          { return uint32(s)>>stepTypeBits - 1 }
func (s step) kind() source.EventType { return source.EventType(s & (1<<stepTypeBits - 1)) }

// Len returns the number of events, the sentinel's and bookmarks included.
func (l *Load) Len() int { return len(l.steps) }

// Event returns event i, counted from 0.
func (l *Load) Event(i int) Event {
	s := l.steps[i]
	return Event{&l.objects[s.index()], s.kind()}
}

// Events yields the events in order with their positions.
func (l *Load) Events() iter.Seq2[int, Event] {
	return func(yield func(int, Event) bool) {
		for i := range l.steps {
			if !yield(i, l.Event(i)) {
				return
			}
		}
	}
}

// NumObjects returns the number of objects, which is the largest ID.
func (l *Load) NumObjects() int { return len(l.objects) }

// Object returns the object with the given ID, from 1 to NumObjects.
func (l *Load) Object(id uint64) *Object { return &l.objects[id-1] }

// Objects yields all objects by ascending ID, the list's and bookmarks' included.
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
	if len(l.Due) == 0 {
		return 0
	}
	return l.Due[len(l.Due)-1]
}

// A builder collects a load in order of first use. Objects move while it
// grows, so they are addressed by ID until finish.
type builder struct {
	load    *Load
	initial int // the first objects are the initial list
	text    arena
}

func newBuilder(resource string) *builder { return &builder{load: &Load{Resource: resource}} }

// key adds a key and returns its number.
func (b *builder) key(k event.Key) uint32 {
	b.load.keys = append(b.load.keys, k)
	return uint32(len(b.load.keys) - 1)
}

// object adds a state of a key and returns its ID.
func (b *builder) object(key uint32, version string) uint32 {
	l := b.load
	id := uint32(len(l.objects) + 1)
	l.keyOf = append(l.keyOf, key)
	l.objects = append(l.objects, Object{
		namespace: l.keys[key].Namespace, name: l.keys[key].Name, version: version, ID: uint64(id),
	})
	return id
}

func (b *builder) event(id uint32, t source.EventType) {
	b.load.steps = append(b.load.steps, newStep(id, t))
}

// list ends the initial list: all objects so far are its content.
func (b *builder) list(version string) {
	b.load.InitialVersion, b.initial = version, len(b.load.objects)
}

// finish adds the sentinel and returns the load, its storage cut to size. The
// caller appends the sentinel's time to Due.
func (b *builder) finish(version string) *Load {
	b.event(b.object(b.key(End), version), source.Added)
	l := b.load
	l.objects = cut(l.objects)
	l.keyOf, l.keys, l.steps = cut(l.keyOf), cut(l.keys), cut(l.steps)
	l.Initial = make([]*Object, b.initial)
	for i := range l.Initial {
		l.Initial[i] = &l.objects[i]
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
