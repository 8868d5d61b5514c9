package loadgen

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"time"

	"informerlab/core/event"
	"informerlab/core/source"
	"informerlab/loadgen/arrival"
	"informerlab/loadgen/population"
)

// MinVersions is the smallest number of states a key goes through before the
// first comes again. With fewer, a pipeline that lost a whole cycle of a key
// would be harder to catch.
const MinVersions = 64

// A Synthetic describes a load drawn at random: the keys that exist at the start
// are in the initial list, then each event is about a key of the population.
type Synthetic struct {
	Resource   string // what the objects are; "" = objects
	Seed       uint64 // the same seed gives the same load
	Population population.Population
	Events     int // that happen, before the sentinel; those lost before a relist are among them
	// Versions is the number of states per key, used in turn and then again;
	// 0 = MinVersions, and less than that is an error. A state is built when
	// the sequence first needs it.
	Versions int
	Sizes    population.Sizes // of payloads; the zero value = none
	Arrival  arrival.Process  // nil = closed loop
	Prefill  int              // how many of the events make up the prefill
	// Relists is how often the version expires, at even distances, and Gap the
	// percent of the events before each time that get lost: only the list tells
	// what they did. Not together with a prefill.
	Relists int
	Gap     float64
	Fresh   bool // each event brings a new object
}

const (
	maxKeys   = 10_000_000
	maxEvents = 100_000_000
	maxRate   = 10_000_000
)

func (s *Synthetic) check() error {
	switch {
	case s.Population.Keys > maxKeys:
		return fmt.Errorf("loadgen: synthetic: %d keys: expected at most %d", s.Population.Keys, maxKeys)
	case s.Events < 0 || s.Events > maxEvents:
		return fmt.Errorf("loadgen: synthetic: %d events: expected 0 to %d", s.Events, maxEvents)
	case s.Prefill < 0 || s.Prefill > s.Events:
		return fmt.Errorf("loadgen: synthetic: %d of %d events as prefill: expected 0 to all", s.Prefill, s.Events)
	case s.Versions != 0 && s.Versions < MinVersions:
		return fmt.Errorf("loadgen: synthetic: %d versions per key: expected at least %d",
			s.Versions, MinVersions)
	case s.Relists < 0 || s.Relists > s.Events:
		return fmt.Errorf("loadgen: synthetic: %d relists in %d events: expected 0 to as many", s.Relists, s.Events)
	case s.Relists > 0 && s.Prefill > 0:
		return fmt.Errorf("loadgen: synthetic: %d relists with a prefill: expected one or the other", s.Relists)
	case !(s.Gap >= 0 && s.Gap <= 100):
		return fmt.Errorf("loadgen: synthetic: %v percent lost before a relist: expected 0 to 100", s.Gap)
	}
	if err := s.Sizes.Check(); err != nil {
		return err
	}
	return s.Population.Check()
}

// The streams of random numbers of one seed. Each concern has its own, so that
// one can be changed without another.
const (
	randomKeys = iota
	randomTimes
	randomSizes
)

// Load builds the load. It fails if a field is out of its range.
func (s Synthetic) Load() (*Load, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if s.Versions == 0 {
		s.Versions = MinVersions
	}
	if s.Resource == "" {
		s.Resource = "objects"
	}
	d := drawer{
		Synthetic: s, builder: newBuilder(s.Resource),
		life: s.Population.Begin(rand.New(rand.NewPCG(s.Seed, randomKeys))),
		due:  func() (time.Duration, bool) { return 0, false },
	}
	if s.Arrival != nil {
		var stop func()
		d.due, stop = iter.Pull(s.Arrival.Times(rand.New(rand.NewPCG(s.Seed, randomTimes))))
		defer stop()
	}
	return d.load(), nil
}

// A drawer builds a synthetic load event by event.
type drawer struct {
	Synthetic
	builder *builder
	life    *population.Life
	due     func() (time.Duration, bool)
	states  []cycle  // by key number
	held    []uint32 // object ID by key number; 0 = the key is absent
	last    uint64   // the newest resource version
	text    []byte
	space   string // the namespace of the newest key
}

// A cycle is the states of one key that exist so far, and which of them is next.
type cycle struct {
	ids  []uint32
	next int
}

func (d *drawer) load() *Load {
	for key := range uint32(d.Population.Keys) {
		d.happen(key, source.Added)
	}
	d.list()
	load := d.builder.load
	segment := d.Events / (d.Relists + 1)
	for i := range d.Events {
		left := segment - 1 - i%segment
		relist := i/segment < d.Relists
		id, kind, due := d.draw(i)
		if lost := relist && float64(left) < d.Gap/100*float64(segment); !lost {
			d.event(id, kind, due)
		}
		if relist && left == 0 {
			d.event(0, source.Failed, due)
			d.list()
		}
	}
	due, _ := d.due()
	if d.Arrival != nil {
		load.Due = append(load.Due, due)
	}
	load = d.builder.finish(d.version())
	load.Due, load.Prefill, load.fresh = cut(load.Due), d.Prefill, d.Fresh
	load.fill(d.Sizes, rand.New(rand.NewPCG(d.Seed, randomSizes)))
	return load
}

// draw draws event i: the state that it brings and when it is due.
func (d *drawer) draw(i int) (id uint32, kind source.EventType, due time.Duration) {
	key, kind := d.life.Next()
	if i >= d.Prefill {
		due, _ = d.due()
	}
	return d.happen(key, kind), kind, due
}

// event adds an event that is streamed.
func (d *drawer) event(id uint32, kind source.EventType, due time.Duration) {
	d.builder.event(id, kind)
	if load := d.builder.load; d.Arrival != nil && len(load.steps) > d.Prefill {
		load.Due = append(load.Due, due)
	}
}

// happen changes a key and returns the ID of the state that it is in then.
func (d *drawer) happen(key uint32, kind source.EventType) uint32 {
	if int(key) == len(d.states) {
		d.key()
	}
	c := &d.states[key]
	if c.next == d.Versions {
		c.next = 0
		d.builder.load.again = true
	}
	if c.next == len(c.ids) {
		c.ids = append(c.ids, d.builder.object(key, d.version()))
	}
	c.next++
	id := c.ids[c.next-1]
	d.held[key] = id
	if kind == source.Deleted {
		d.held[key] = 0
	}
	return id
}

// version returns a new resource version. Versions count up over the whole
// load, as those of one etcd do.
func (d *drawer) version() string {
	d.last++
	return d.builder.text.number(d.last)
}

// key makes the next key.
func (d *drawer) key() {
	const keysPerNamespace = 100 // about what a busy namespace holds
	i := len(d.states)
	if i%keysPerNamespace == 0 {
		d.text = fmt.Appendf(d.text[:0], "namespace-%d", i/keysPerNamespace)
		d.space = d.builder.text.bytes(d.text)
	}
	d.text = strconv.AppendInt(append(d.text[:0], "object-"...), int64(i), 10)
	d.builder.key(event.Key{Namespace: d.space, Name: d.builder.text.bytes(d.text)})
	d.states, d.held = append(d.states, cycle{}), append(d.held, 0)
}

// list adds a list of what there is, in the order of the keys.
func (d *drawer) list() {
	var ids []uint32
	for _, id := range d.held {
		if id != 0 {
			ids = append(ids, id)
		}
	}
	d.builder.list(d.version(), ids)
}

// fill gives every object its own payload.
func (l *Load) fill(sizes population.Sizes, rng *rand.Rand) {
	if sizes.Mean == 0 {
		return
	}
	payloads := make([][]byte, len(l.objects))
	for i := range payloads {
		payloads[i] = make([]byte, sizes.Draw(rng))
		l.objects[i].payload = &payloads[i]
	}
}
