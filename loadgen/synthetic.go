package loadgen

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"informerlab/core/event"
	"informerlab/core/source"
)

// MinVersions is the smallest number of states a key goes through before the
// first comes again. With fewer, a pipeline that lost a whole cycle of a key
// would be harder to catch.
const MinVersions = 64

// A Synthetic describes a load drawn at random: all keys are in the initial
// list, then each event strikes a key chosen evenly.
type Synthetic struct {
	Seed   uint64 // the same seed gives the same load
	Keys   int    // at least 1
	Events int    // events before the sentinel
	// Versions is the number of states per key, used in turn and then again;
	// 0 = MinVersions, and less than that is an error. A state is built when
	// the sequence first needs it.
	Versions int
	// DeleteShare and AddShare are the shares of events, from 0 to 1, that
	// delete a present key and add an absent one again. The rest update a
	// present key; so does an event for which there is no key to delete or add.
	DeleteShare, AddShare float64
	ObjectSize            int     // bytes of payload per object; 0 = none
	Rate                  float64 // events per second, evenly spaced; 0 = closed loop
	// Prefill is how many of the events make up the prefill.
	Prefill int
}

const (
	maxKeys       = 10_000_000
	maxEvents     = 100_000_000
	maxRate       = 10_000_000
	maxObjectSize = 10 << 20
)

func (s *Synthetic) check() error {
	switch {
	case s.Keys < 1 || s.Keys > maxKeys:
		return fmt.Errorf("loadgen: synthetic: %d keys: expected 1 to %d", s.Keys, maxKeys)
	case s.Events < 0 || s.Events > maxEvents:
		return fmt.Errorf("loadgen: synthetic: %d events: expected 0 to %d", s.Events, maxEvents)
	case s.Prefill < 0 || s.Prefill > s.Events:
		return fmt.Errorf("loadgen: synthetic: %d of %d events as prefill: expected 0 to all", s.Prefill, s.Events)
	case s.Versions != 0 && s.Versions < MinVersions:
		return fmt.Errorf("loadgen: synthetic: %d versions per key: expected at least %d",
			s.Versions, MinVersions)
	case !(s.DeleteShare >= 0 && s.AddShare >= 0 && s.DeleteShare+s.AddShare <= 1):
		return fmt.Errorf("loadgen: synthetic: shares %v deleted, %v added: expected from 0 to 1 together",
			s.DeleteShare, s.AddShare)
	case s.ObjectSize < 0 || s.ObjectSize > maxObjectSize:
		return fmt.Errorf("loadgen: synthetic: object size %d: expected 0 to %d bytes",
			s.ObjectSize, maxObjectSize)
	case !(s.Rate >= 0 && s.Rate <= maxRate):
		return fmt.Errorf("loadgen: synthetic: rate %v: expected 0 to %d events per second", s.Rate, maxRate)
	}
	return nil
}

// Load builds the load. It fails if a field is out of its range.
func (s Synthetic) Load() (*Load, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if s.Versions == 0 {
		s.Versions = MinVersions
	}
	d := drawer{Synthetic: s, builder: newBuilder("objects"), rng: rand.New(rand.NewPCG(s.Seed, 0))}
	d.list()
	for range s.Events {
		d.draw()
	}
	load := d.builder.finish(d.version())
	load.fill(s.ObjectSize)
	load.Prefill = s.Prefill
	if s.Rate > 0 {
		load.Due = make([]time.Duration, load.Len()-load.Prefill)
		for i := range load.Due {
			load.Due[i] = time.Duration(min(float64(i)/s.Rate*float64(time.Second), maxDue))
		}
	}
	return load, nil
}

// A drawer builds a synthetic load event by event.
type drawer struct {
	Synthetic
	builder *builder
	rng     *rand.Rand
	states  []cycle  // by key number
	present []uint32 // key numbers, in no order
	absent  []uint32
	last    uint64 // the newest resource version
}

// A cycle is the states of one key that exist so far, and which of them is next.
type cycle struct {
	ids  []uint32
	next int
}

// version returns a new resource version. Versions count up over the whole
// load, as those of one etcd do.
func (d *drawer) version() string {
	d.last++
	return d.builder.text.number(d.last)
}

// list makes the keys and puts the first state of each into the initial list.
func (d *drawer) list() {
	const keysPerNamespace = 100 // about what a busy namespace holds
	d.states = make([]cycle, d.Keys)
	d.present = make([]uint32, d.Keys)
	var text []byte
	var namespace string
	for i := range d.Keys {
		if i%keysPerNamespace == 0 {
			text = fmt.Appendf(text[:0], "namespace-%d", i/keysPerNamespace)
			namespace = d.builder.text.bytes(text)
		}
		text = strconv.AppendInt(append(text[:0], "object-"...), int64(i), 10)
		key := d.builder.key(event.Key{Namespace: namespace, Name: d.builder.text.bytes(text)})
		d.state(key)
		d.present[i] = key
	}
	d.builder.list(d.version())
}

// state returns the ID of the next state of a key.
func (d *drawer) state(key uint32) uint32 {
	c := &d.states[key]
	if c.next == d.Versions {
		c.next = 0
	}
	if c.next == len(c.ids) {
		c.ids = append(c.ids, d.builder.object(key, d.version()))
	}
	c.next++
	return c.ids[c.next-1]
}

// draw adds one event.
func (d *drawer) draw() {
	var share float64
	if d.DeleteShare+d.AddShare > 0 {
		share = d.rng.Float64()
	}
	switch {
	case share < d.DeleteShare && len(d.present) > 0:
		d.event(source.Deleted, take(d.rng, &d.present, &d.absent))
	case share < d.DeleteShare+d.AddShare && len(d.absent) > 0, len(d.present) == 0:
		d.event(source.Added, take(d.rng, &d.absent, &d.present))
	default:
		d.event(source.Modified, d.present[d.rng.IntN(len(d.present))])
	}
}

func (d *drawer) event(t source.EventType, key uint32) { d.builder.event(d.state(key), t) }

// take moves a random key from one set to the other and returns it.
func take(rng *rand.Rand, from, to *[]uint32) uint32 {
	f := *from
	i := rng.IntN(len(f))
	key := f[i]
	f[i] = f[len(f)-1]
	*from, *to = f[:len(f)-1], append(*to, key)
	return key
}

// fill gives every object its own payload of size bytes.
func (l *Load) fill(size int) {
	if size == 0 {
		return
	}
	payloads := make([][]byte, len(l.objects))
	for i := range payloads {
		payloads[i] = make([]byte, size)
		l.objects[i].payload = &payloads[i]
	}
}
