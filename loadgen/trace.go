package loadgen

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"informerlab/core/event"
	"informerlab/core/source"
)

// A Trace is a recorded watch of one or more resources, ready to be replayed.
// It is immutable; any goroutine may use it.
type Trace struct {
	loads []*Load // by name of the resource; Due is at the recorded speed
}

// ReadTrace reads a trace in the form that package recorded describes, plain or
// compressed by gzip. It reads line by line: what it needs beside the trace it
// returns does not grow with the file. name is the file's name, for messages.
//
// A line that is no such record, or that cannot follow the ones before it, is a
// *TraceError.
func ReadTrace(r io.Reader, name string) (*Trace, error) {
	lines, err := newLineReader(r, name)
	if err != nil {
		return nil, err
	}
	t := traceReader{resources: map[string]*resourceReader{}, first: -1}
	var line traceLine
	for lines.next(&line) {
		if found, expected := t.line(&line); found != "" {
			return nil, lines.fail(found, expected)
		}
	}
	if lines.err != nil {
		return nil, lines.err
	}
	if len(t.resources) == 0 {
		return nil, lines.fail("the end of the file", "at least one record")
	}
	for _, res := range t.byName() {
		if !res.listed {
			return nil, lines.fail("the end of the file",
				"the bookmark that ends the initial list of "+res.builder.load.Resource)
		}
	}
	return t.trace(), nil
}

// A TraceError says where a trace is not what it should be.
type TraceError struct {
	File            string
	Line            int // from 1
	Found, Expected string
	Cause           error // of a failed read; else nil
}

// Error returns "file:line: found …, expected …".
func (e *TraceError) Error() string {
	return fmt.Sprintf("%s:%d: found %s, expected %s", e.File, e.Line, e.Found, e.Expected)
}

// Unwrap returns the cause.
func (e *TraceError) Unwrap() error { return e.Cause }

// Resources returns the names of the resources, sorted.
func (t *Trace) Resources() []string {
	var names []string
	for _, l := range t.loads {
		names = append(names, l.Resource)
	}
	return names
}

// Duration returns the time from the first event of any resource to the last,
// as recorded.
func (t *Trace) Duration() time.Duration {
	var last time.Duration
	for _, l := range t.loads {
		last = max(last, l.Duration())
	}
	return last
}

// Loads returns one load per resource, in the order of Resources. All are on
// one clock, whose zero is the first event after the initial lists: started
// together they keep the recorded order of events across resources. speed
// divides the recorded times: 1 = as recorded, 100 = a hundred times as fast,
// 0 = closed loops. It panics if speed is negative or not a number.
func (t *Trace) Loads(speed float64) []*Load {
	if !(speed >= 0) {
		panic(fmt.Sprintf("loadgen: replay at speed %v: expected 0 or more", speed))
	}
	loads := make([]*Load, len(t.loads))
	for i, recorded := range t.loads {
		load := *recorded
		load.Due = nil
		if speed > 0 {
			load.Due = make([]time.Duration, len(recorded.Due))
			for j, due := range recorded.Due {
				load.Due[j] = time.Duration(min(float64(due)/speed, maxDue))
			}
		}
		loads[i] = &load
	}
	return loads
}

// maxDue, some 146 years, keeps intended times clear of overflow however slow
// the replay.
const maxDue = 1 << 62

// A traceReader checks line against line and builds the loads.
type traceReader struct {
	resources map[string]*resourceReader
	last      int64 // t of the line before
	first     int64 // t of the first line after an initial list; -1 = none yet
}

// A resourceReader is what is known of one resource.
type resourceReader struct {
	builder *builder
	keys    map[string]*heldKey
	listed  bool   // the bookmark that ends the initial list has come
	newest  uint64 // the newest version of the list's objects, then of the list, then of the events
}

type heldKey struct {
	number uint32
	held   bool // the key exists
}

// line takes one record. If it cannot follow the ones before it, line returns
// what was found and what was expected.
func (t *traceReader) line(l *traceLine) (found, expected string) {
	if found, expected = l.check(); found != "" {
		return found, expected
	}
	if l.t < t.last {
		return fmt.Sprintf("t = %d after %d", l.t, t.last), "times that never fall"
	}
	t.last = l.t
	res := t.resources[string(l.resource)]
	if res == nil {
		name := string(l.resource)
		res = &resourceReader{builder: newBuilder(name), keys: map[string]*heldKey{}}
		t.resources[name] = res
	}
	switch {
	case l.initial && res.listed:
		return "initial = true after the initial list of " + string(l.resource), "events that change it"
	case l.initial:
		return res.initial(l)
	case !res.listed:
		return fmt.Sprintf("%s before the initial list of %s has ended", l.kind, l.resource),
			`"initial":true as far as the bookmark that ends the list`
	}
	if t.first < 0 {
		t.first = l.t
	}
	return res.event(l)
}

// initial takes a record of the initial list, or the bookmark that ends it.
func (r *resourceReader) initial(l *traceLine) (found, expected string) {
	switch l.kind {
	case source.Bookmark:
		if l.version < r.newest {
			return fmt.Sprintf("version %d of the list of %s, which holds %d",
				l.version, r.builder.load.Resource, r.newest), "one no older than its objects"
		}
		r.listed, r.newest = true, l.version
		r.builder.list(r.builder.text.bytes(l.rv))
		return "", ""
	case source.Added:
		if r.keys[string(l.key)] != nil {
			return fmt.Sprintf("%s twice in the initial list", l.key), "each key once"
		}
		key := r.add(l.key)
		key.held, r.newest = true, max(r.newest, l.version)
		r.builder.object(key.number, r.builder.text.bytes(l.rv))
		return "", ""
	}
	return fmt.Sprintf("an initial %s", l.kind), "ADDED or BOOKMARK in an initial list"
}

// event takes a record that follows the initial list.
func (r *resourceReader) event(l *traceLine) (found, expected string) {
	if l.version < r.newest || l.version == r.newest && l.kind != source.Bookmark {
		return fmt.Sprintf("version %d of %s after %d",
			l.version, r.builder.load.Resource, r.newest), "versions that rise"
	}
	key := r.keys[string(l.key)]
	switch exists := key != nil && key.held; {
	case l.kind == source.Bookmark, exists == (l.kind != source.Added):
	case exists:
		return fmt.Sprintf("ADDED of %s, which exists", l.key), "MODIFIED or DELETED"
	default:
		return fmt.Sprintf("%s of %s, which does not exist", l.kind, l.key), "ADDED first"
	}
	if key == nil {
		key = r.add(l.key) // the empty key stands for all bookmarks
	}
	key.held = l.kind != source.Deleted
	r.newest = l.version
	b := r.builder
	b.event(b.object(key.number, b.text.bytes(l.rv)), l.kind)
	b.load.Due = append(b.load.Due, time.Duration(l.t))
	return "", ""
}

// add makes a key known. The text is kept once, whatever becomes of the key.
func (r *resourceReader) add(text []byte) *heldKey {
	s := r.builder.text.bytes(text)
	namespace, name, found := strings.Cut(s, "/")
	if !found {
		namespace, name = "", s
	}
	key := &heldKey{number: r.builder.key(event.Key{Namespace: namespace, Name: name})}
	r.keys[s] = key
	return key
}

func (t *traceReader) byName() []*resourceReader {
	var all []*resourceReader
	for _, r := range t.resources {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *resourceReader) int {
		return strings.Compare(a.builder.load.Resource, b.builder.load.Resource)
	})
	return all
}

// trace finishes all loads and moves them to one clock.
func (t *traceReader) trace() *Trace {
	trace := &Trace{}
	for _, r := range t.byName() {
		load := r.builder.finish(strconv.FormatUint(r.newest+1, 10))
		for i := range load.Due {
			load.Due[i] -= time.Duration(t.first)
		}
		load.Due = cut(append(load.Due, load.Duration())) // the sentinel comes with the last event
		trace.loads = append(trace.loads, load)
	}
	return trace
}
