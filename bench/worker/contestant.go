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
// events are released, after the initial list (and the prefill of a load that
// has one) has been handled, and ends when every handler that is timed knows the
// sentinel, the last event. Then all is checked, and a difference is an error:
//
//	the cache      holds what the load says
//	the handlers   of a lossless buffer have had every call, in order; of a lossy one
//	               they know the final state, by calls that fit to one another
//	the account    of a contestant that keeps one adds up, call by call
//
// Where the generator of an open load was late, latencies are upper bounds, and
// the result has lower ones beside them; where it was not, they are exact. A metric
// such as p99-ns is the upper bound, p99-lower-ns the lower one, left out where they
// are equal. The metrics late and saturated say why there are bounds or none.
//
// A contestant that discards all is done when the cache has the sentinel and the
// account shows that nothing was left out.
//
// Limits: one run at a time; CPU time and page faults come from getrusage, so
// they cover the whole process, its garbage collector included.
package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/core/processor"
	"informerlab/loadgen"
)

// A Contestant is one way from a source to handlers that can be measured.
type Contestant struct {
	Name    string // as in -buffers and in results, with its options if it has any
	Summary string // what it is, in one line
	Traits  buffer.Traits
	Bound   bool // it shows what others could reach, and does not compete with them
	// New builds a pipeline for one run over load. What has to be converted
	// for the contestant is converted here, before the clock starts; load is
	// read only, and conversions may be kept from one call to the next. ctx
	// carries the profiler labels of the run and is what the pipeline has to
	// derive its own contexts from; it does not end before Stop.
	New func(ctx context.Context, load *loadgen.Load) (Pipeline, error)
	// Parse returns the contestant that spec stands for, which has the same
	// name up to the first colon, or an error if there is none. Nil means that
	// Name takes no options.
	Parse func(spec string) (Contestant, error)
}

// A Pipeline is one contestant over one load. Its methods but Get are called by
// one goroutine at a time, in the order AddHandler…, Start, Pace, Release, any of
// the others, Stop, Accounts.
type Pipeline interface {
	// AddHandler adds the next handler, number 0 first, which is told the whole
	// cache again every so often (0 = never). After Start the handler comes late:
	// it is told what there is, and then what follows.
	AddHandler(r *loadgen.Recorder, resync time.Duration) error
	// RemoveHandler takes away the handler with this number. It does not wait
	// for a call that is under way.
	RemoveHandler(number int) error
	// Start runs the pipeline and returns when every handler has had the
	// whole initial list, but for what its buffer lost of it.
	Start() error
	// Release lets the next of the load's Parts flow; start is the zero of the
	// intended times in the last part.
	Release(start time.Time)
	// Get returns the mark of the object that the cache holds of a key. Workers
	// behind handlers call it, any number of them and at any time.
	Get(key event.Key) (m loadgen.Mark, held bool)
	// Each calls f for every object in the cache, in any order. It is called
	// after the last event.
	Each(f func(key event.Key, m loadgen.Mark, version string))
	// Accounts returns what became of the notifications of each handler, in
	// order and those of removed ones too, or nil if the contestant keeps no
	// accounts. It may be called at any time after Start, and they have to be
	// exact after Stop. A contestant that is not lossless has to keep them.
	Accounts() []processor.Stats
	// Pace tells how the generator kept to the intended times of the load. Its Lag
	// is asked for before Release.
	Pace() loadgen.Pace
	// Stop ends the pipeline and returns when all its goroutines have ended.
	// It is called exactly once, also after a failed Start.
	Stop()
}

// ErrUnknown says that no contestant has a name.
var ErrUnknown = errors.New("unknown buffer")

// Find returns the contestant that spec, a name with or without options, stands
// for. If none has the name it fails with ErrUnknown and lists the names.
func Find(contestants []Contestant, spec string) (Contestant, error) {
	name, _, options := strings.Cut(spec, ":")
	var names []string
	for _, c := range contestants {
		names = append(names, c.Name)
		family, _, _ := strings.Cut(c.Name, ":")
		switch {
		case family != name:
			continue
		case c.Parse != nil:
			return c.Parse(spec)
		case options:
			return c, fmt.Errorf("worker: buffer %q: %s takes no options", spec, name)
		}
		return c, nil
	}
	known := strings.Join(names, ", ")
	return Contestant{}, fmt.Errorf("worker: %w %q: expected one of %s", ErrUnknown, name, known)
}

// Fits returns an error if the workload makes no sense for a contestant with
// these traits: a handler that stops would stop all that blocks behind it, the
// lab included, and one that is never called cannot stop, learn or queue anything.
func Fits(traits buffer.Traits, w loadgen.Workload) error {
	switch {
	case traits.Blocks && w.Stalled > 0:
		return fmt.Errorf("worker: workload %s: a buffer that blocks would stop the cache and all other handlers "+
			"for as long as one handler stops: expected stalled=0 or a buffer that does not block", w)
	case traits.Loss == buffer.DropsEvery && (w.Stalls() || w.Visitors > 0 || w.Workers > 0):
		return fmt.Errorf("worker: workload %s: behind a buffer that discards all no handler is ever called: "+
			"expected another buffer", w)
	}
	return nil
}
