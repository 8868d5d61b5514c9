// Package worker measures contestants, one process per contestant and workload,
// so that nothing that one of them leaves behind (a grown heap, a warm cache, a
// leaked goroutine) can help or harm the next.
//
//	driver ── {"op":"prepare",…} ──▶ worker   builds the load, converts its objects
//	       ── {"op":"run"} ────────▶          one fresh pipeline, timed, checked, stopped
//	       ◀─ {"result":{…}} ──────           or {"error":"…"}: never a number for a wrong run
//
// A worker speaks one JSON value a line on its standard input and output, so a
// contestant of any origin can take part: a program outside this module only
// has to call Serve with its own contestants. Measurement starts when the watch
// events are released, after the initial list has been handled by everyone, and
// ends when every handler has had its last call. Then the calls of each handler
// and the content of the cache are compared with what the load says they must
// be; a difference is an error.
//
// Limits: one run at a time; CPU time and page faults come from getrusage, so
// they cover the whole process, its garbage collector included.
package worker

import (
	"context"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"informerlab/core/event"
	"informerlab/loadgen"
)

// A Contestant is one way from a source to handlers that can be measured.
type Contestant struct {
	Name     string // as in -buffers and in results, without options
	Contract string // its promise in one line, for lab list
	// New builds a pipeline for one run over load. What has to be converted
	// for the contestant is converted here, before the clock starts; load is
	// read only, and conversions may be kept from one call to the next. spec
	// in Options is the whole contestant, options included.
	New func(load *loadgen.Load, o Options) (Pipeline, error)
	// Check reports whether spec, which starts with Name, is a contestant
	// that New can build. Nil means that Name takes no options.
	Check func(spec string) error
}

// Options tell a contestant how to build one pipeline.
type Options struct {
	// Context carries the profiler labels of the run and is what the pipeline
	// has to derive its own contexts from; it does not end before Stop.
	Context context.Context
	// Spec is the contestant's name with its options: "ring",
	// "bounded:drop-oldest,cap=1024".
	Spec string
}

// A Pipeline is one contestant over one load. Its methods are called by one
// goroutine, in the order AddHandler…, Start, Release, any of the others, Stop.
type Pipeline interface {
	// AddHandler adds the next handler, number 0 first. Only before Start.
	AddHandler(r *loadgen.Recorder)
	// Start runs the pipeline and returns when every handler has had the
	// whole initial list.
	Start() error
	// Release lets the watch events flow; start is the zero of their intended
	// times.
	Release(start time.Time)
	// Has reports whether the cache holds the key.
	Has(key event.Key) bool
	// Each calls f for every object in the cache, in any order. It is called
	// after the last event.
	Each(f func(key event.Key, id uint64))
	// Pending returns the number of notifications that wait for handler i, or
	// -1 if the contestant cannot tell.
	Pending(i int) int
	// Lateness returns by how many nanoseconds the generator was late for its
	// events, or nil if the load has no intended times.
	Lateness() *hdrhistogram.Histogram
	// Stop ends the pipeline and returns when all its goroutines have ended.
	// It is called exactly once, also after a failed Start.
	Stop()
}

// An Auditor is a Pipeline that keeps accounts of its own. They are checked at
// the end of every run, after Stop.
type Auditor interface {
	// Audit returns an error if a notification is unaccounted for, or was
	// discarded although the contestant's contract is to lose none.
	Audit() error
}
