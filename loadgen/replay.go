package loadgen

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/atomic"

	"informerlab/core/event"
	"informerlab/core/source"
	"informerlab/loadgen/trace"
)

// A Replay describes the loads of a trace, one per resource. All are on one
// clock, whose zero is the first event after the initial lists: started together
// they keep the recorded order of events across resources.
type Replay struct {
	// Open opens the trace at its beginning. It is read once to build the
	// loads; if they are Fresh, each of their streams reads it again.
	Open func() (io.ReadCloser, error)
	Name string // the file's name, for messages
	// Speed divides the recorded times: 1 = as recorded, 100 = a hundred times
	// as fast, 0 = closed loops.
	Speed float64
	// Fresh makes the events while they are handed out, so that the memory
	// for it does not grow with the trace. Otherwise they are built beforehand,
	// as the fastest way to hand them out.
	Fresh bool
}

// Loads reads the trace and returns its loads, ordered by the names of their
// resources. A line that is no record, or that cannot follow the ones before it,
// is a *trace.Error. It panics if Speed is negative or not a number.
func (r Replay) Loads() ([]*Load, error) {
	if !(r.Speed >= 0) {
		panic(fmt.Sprintf("loadgen: replay at speed %v: expected 0 or more", r.Speed))
	}
	reader, err := r.reader()
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	p := pass{recording: &recording{Replay: r, first: -1}, resources: map[string]loader{}}
	for {
		var record trace.Record
		if err := reader.Next(&record); errors.Is(err, io.EOF) {
			return p.loads(), nil
		} else if err != nil {
			return nil, err
		}
		if string(record.Key) == End.Name {
			return nil, reader.RefuseKey("any other, as this one marks the end of a load")
		}
		p.record(&record)
	}
}

// times returns when the events of all resources were recorded.
func (r Replay) times() (times []time.Duration, err error) {
	reader, err := r.reader()
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	for {
		var record trace.Record
		if err := reader.Next(&record); errors.Is(err, io.EOF) {
			return times, nil
		} else if err != nil {
			return nil, err
		}
		if !record.Initial && record.Type != source.Bookmark {
			times = append(times, time.Duration(record.T))
		}
	}
}

// A reader is an open trace and its file.
type reader struct {
	*trace.Reader
	file io.Closer
}

func (r *reader) Close() {
	r.Reader.Close()
	_ = r.file.Close() // it was only read
}

func (r Replay) reader() (*reader, error) {
	file, err := r.Open()
	if err != nil {
		return nil, fmt.Errorf("loadgen: replay: %w", err)
	}
	opened, err := trace.NewReader(file, r.Name)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &reader{opened, file}, nil
}

// A pass is one pass over a trace to make loads of it.
type pass struct {
	*recording
	resources map[string]loader
}

// A loader builds the load of one resource, record by record.
type loader interface {
	list(r *trace.Record) // of the initial list, in order; the bookmark at its end too
	event(r *trace.Record)
	load(first int64) *Load
}

func (p *pass) record(r *trace.Record) {
	res := p.resources[string(r.Resource)]
	if res == nil {
		name := string(r.Resource)
		if res = newCollected(name, p.Speed); p.Fresh {
			res = newStreamed(name, p.recording)
		}
		p.resources[name] = res
	}
	if r.Initial {
		res.list(r)
		return
	}
	if p.first < 0 {
		p.first = r.T
	}
	res.event(r)
}

func (p *pass) loads() (all []*Load) {
	for _, name := range slices.Sorted(maps.Keys(p.resources)) {
		all = append(all, p.resources[name].load(p.first))
	}
	return all
}

// maxDue, some 146 years, keeps intended times clear of overflow however slow
// the replay.
const maxDue = 1 << 62

// scaled returns when an event is due that was recorded at t.
func scaled(t, first int64, speed float64) time.Duration {
	if speed == 0 {
		return notTimed
	}
	return time.Duration(min(float64(t-first)/speed, maxDue))
}

// collected is the loader of a load that is built beforehand.
type collected struct {
	builder *builder
	speed   float64
	numbers map[string]uint32 // of keys
	listed  []uint32
	times   []int64
	newest  uint64 // version
}

func newCollected(resource string, speed float64) *collected {
	return &collected{builder: newBuilder(resource), speed: speed, numbers: map[string]uint32{}}
}

// object adds the object of a record. The key's text is kept once, whatever
// becomes of it; the empty one stands for all bookmarks.
func (r *collected) object(record *trace.Record) uint32 {
	b := r.builder
	number, known := r.numbers[string(record.Key)]
	if !known {
		text := b.text.bytes(record.Key)
		number = b.key(keyOf(text))
		r.numbers[text] = number
	}
	r.newest = record.Version
	id := b.object(number, b.text.bytes(record.RV))
	if record.Object != nil {
		payload := slices.Clone(record.Object)
		b.load.objects[id-1].payload = &payload
	}
	return id
}

func (r *collected) list(record *trace.Record) {
	if record.Type == source.Bookmark {
		r.newest = record.Version
		r.builder.list(r.builder.text.bytes(record.RV), r.listed)
		return
	}
	r.listed = append(r.listed, r.object(record))
}

func (r *collected) event(record *trace.Record) {
	r.builder.event(r.object(record), record.Type)
	r.times = append(r.times, record.T)
}

func (r *collected) load(first int64) *Load {
	load := r.builder.finish(strconv.FormatUint(r.newest+1, 10))
	if r.speed > 0 {
		load.Due = make([]time.Duration, 0, len(r.times)+1)
		for _, t := range r.times {
			load.Due = append(load.Due, scaled(t, first, r.speed))
		}
		load.Due = append(load.Due, load.Duration()) // the sentinel comes with the last event
	}
	return load
}

func keyOf(text string) event.Key {
	namespace, name, found := strings.Cut(text, "/")
	if !found {
		namespace, name = "", text
	}
	return event.Key{Namespace: namespace, Name: name}
}

// replay is what the streams of a fresh load read.
type replay struct {
	*recording
	resource string
	newest   uint64 // version in the trace
	events   int    // the sentinel included
	span     time.Duration
	speed    float64
	expect   *Expect
	failed   atomic.Error  // of a stream that could not read what was there before
	broken   chan struct{} // closed when failed is set
}

// fail notes why a stream ended before its time, the first time.
func (r *replay) fail(err error) {
	if r.failed.CompareAndSwap(nil, err) {
		close(r.broken)
	}
}

// Broken returns a channel that is closed when a stream of the load ended before
// its time; it is nil for a load that is built.
func (l *Load) Broken() <-chan struct{} {
	if l.replay == nil {
		return nil
	}
	return l.replay.broken
}

// Err returns why a stream of the load ended before its time, or nil. Any
// goroutine may call it.
func (l *Load) Err() error {
	if l.replay == nil {
		return nil
	}
	return l.replay.failed.Load()
}

// A tracker makes the objects of one resource as its records come. Like the cache
// it knows only what exists.
type tracker struct {
	live map[string]*tracked
	ids  uint32
}

// tracked is an object that exists.
type tracked struct {
	key  *key
	held uint32 // ID of its present state
}

// apply returns the object that a record brings, which has the next ID, and the
// ID of the state before it, 0 if there was none.
func (t *tracker) apply(r *trace.Record, due time.Duration) (o *Object, before uint32) {
	t.ids++
	known := t.live[string(r.Key)]
	if known == nil {
		text := string(r.Key)
		known = &tracked{key: &key{keyOf(text), unnumbered}}
		if r.Type != source.Bookmark {
			t.live[text] = known
		}
	}
	before, known.held = known.held, t.ids
	if r.Type == source.Deleted {
		delete(t.live, string(r.Key))
	}
	o = &Object{Mark: Mark{key: known.key, due: due, id: t.ids}, version: string(r.RV)}
	if r.Object != nil {
		payload := slices.Clone(r.Object)
		o.payload = &payload
	}
	return o, before
}

// content returns what exists.
func (t *tracker) content() content {
	all := content{sparse: make(map[event.Key]uint32, len(t.live))}
	for _, known := range t.live {
		all.sparse[known.key.Key] = known.held
	}
	return all
}

// streamed is the loader of a fresh load. It keeps what the load needs beforehand,
// and no events.
type streamed struct {
	tracker
	replay
	all  *Load
	last int64
}

func newStreamed(resource string, r *recording) *streamed {
	s := &streamed{tracker: tracker{live: map[string]*tracked{}}, all: &Load{Resource: resource, fresh: true}}
	s.replay = replay{recording: r, resource: resource, events: 1, speed: r.Speed, broken: make(chan struct{})}
	s.all.Lists = []List{{}}
	s.expect = &Expect{load: s.all, Ordered: true, Checksum: checksumSeed}
	return s
}

func (s *streamed) list(r *trace.Record) {
	list, e := &s.all.Lists[0], s.expect
	if r.Type != source.Bookmark {
		o, _ := s.apply(r, notTimed)
		list.Objects = append(list.Objects, o)
		e.call(encode(callAdd, true, 0, o.id))
		return
	}
	list.Version, s.newest = string(r.RV), r.Version
	e.Initial, e.Filled = e.Calls, e.Calls
	e.at[listed] = state{e.Calls, s.content()}
	e.at[filled] = e.at[listed]
}

func (s *streamed) event(r *trace.Record) {
	o, before := s.apply(r, notTimed)
	switch r.Type {
	case source.Added:
		s.expect.call(encode(callAdd, false, 0, o.id))
	case source.Modified:
		s.expect.call(encode(callUpdate, false, before, o.id))
	case source.Deleted:
		s.expect.call(encode(callDelete, false, o.id, 0))
	}
	s.events++
	s.newest, s.last = r.Version, r.T
}

func (s *streamed) load(first int64) *Load {
	s.expect.call(encode(callAdd, false, 0, s.ids+1))
	end := s.content()
	end.sparse[End] = s.ids + 1
	s.expect.at[done] = state{s.expect.Calls, end}
	if s.events > 1 && s.speed > 0 {
		s.span = scaled(s.last, first, s.speed)
	}
	s.all.replay = &s.replay
	return s.all
}
