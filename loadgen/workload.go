package loadgen

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"informerlab/loadgen/recorded"
)

// A Workload is a load with what drives it, as data: which events, how fast,
// and how many handlers of which some stall. Both ends of a measurement build
// the same events from its label, because all chance comes from Seed.
//
//	saturate:listeners=8,keys=100000
//	└ name   └ options, each with a default
//
// Workloads are comparable values. The zero Workload has no load; get one from
// Workloads or ParseWorkload.
type Workload struct {
	Name    string
	Summary string // one line

	Listeners int     // handlers per load
	Stalled   int     // of these, how many block in their first live call
	Keys      int     // of a synthetic load
	Events    int     // of a synthetic load; 0 = as many as suit the listeners, see EventCount
	Prefill   int     // events that flow before the clock starts, in a closed loop
	Seconds   float64 // that Rate lasts; 0 = as Events says
	Size      int     // bytes of payload per object
	Churn     int     // percent of events that delete a key or add one again, half each
	Rate      float64 // events per second; 0 = closed loop
	Speed     float64 // of a replay; 0 = closed loop
	Trace     string  // path of the trace to replay; "" = the one of package recorded
	Seed      uint64

	kind *kind
}

// A kind is an entry of the catalogue: a workload with its defaults, and the
// options that may change it.
type kind struct {
	defaults Workload
	options  []option
	check    func(*Workload) error // of options against one another; nil = none
}

// catalogue is the one list of workloads.
var catalogue = []*kind{
	{
		defaults: Workload{
			Name:      "saturate",
			Summary:   "closed loop: all events are there at once, handlers return at once",
			Listeners: 1, Keys: 1000, Seed: 1,
		},
		options: []option{listeners.shown(), keys, events, churn, size, seed},
	},
	{
		defaults: Workload{
			Name:      "steady",
			Summary:   "open loop: a constant rate, latency from the intended time",
			Listeners: 1, Keys: 1000, Rate: 20_000, Seed: 1,
		},
		options: []option{rate.shown(), listeners.shown(), keys, events, churn, size, seed},
		check:   needsListener,
	},
	{
		defaults: Workload{
			Name:      "stall",
			Summary:   "closed loop; some handlers stop at their first event, then drain; stalled=0: control",
			Listeners: 2, Stalled: 1, Keys: 10_000, Events: 1_000_000, Seed: 1,
		},
		options: []option{stalled.shown(), listeners, keys, events, churn, size, seed},
		check:   needsRunner,
	},
	{
		defaults: Workload{
			Name: "freeze",
			Summary: "open loop behind handlers stopped with a backlog: how long a growing one freezes the others; " +
				"stalled=0: control",
			Listeners: 2, Stalled: 1, Keys: 10_000, Prefill: 3_900_000, Rate: 20_000, Seconds: 20, Seed: 1,
		},
		options: []option{stalled.shown(), listeners, prefill, rate, seconds, keys, churn, size, seed},
		check:   needsRunnerAndBounds,
	},
	{
		defaults: Workload{
			Name:      "replay",
			Summary:   "a recorded cluster, one informer per resource on one clock; speed=max: closed loop",
			Listeners: 1, Speed: 100,
		},
		options: []option{speed.shown(), listeners, trace},
	},
}

func needsListener(w *Workload) error {
	if w.Listeners == 0 {
		return fmt.Errorf("listeners=0: expected at least one, whose latency is measured")
	}
	return nil
}

func needsRunner(w *Workload) error {
	if w.Stalled >= w.Listeners {
		return fmt.Errorf("stalled=%d of listeners=%d: expected at least one that runs",
			w.Stalled, w.Listeners)
	}
	return nil
}

func needsRunnerAndBounds(w *Workload) error {
	if n := w.EventCount(); n > maxEvents {
		return fmt.Errorf("%d events in all: expected at most %d", n, maxEvents)
	}
	return needsRunner(w)
}

// Workloads returns the catalogue, each workload with its defaults.
func Workloads() []Workload {
	var all []Workload
	for _, k := range catalogue {
		w := k.defaults
		w.kind = k
		all = append(all, w)
	}
	return all
}

// ParseWorkload reads "name" or "name:option=value,…". Its errors are one line
// and say what was expected.
func ParseWorkload(label string) (Workload, error) {
	name, rest, found := strings.Cut(label, ":")
	var names []string
	for _, w := range Workloads() {
		names = append(names, w.Name)
		if w.Name != name {
			continue
		}
		if !found {
			return w, nil
		}
		if err := w.parse(strings.Split(rest, ",")); err != nil {
			return Workload{}, fmt.Errorf("loadgen: workload %s: %w", name, err)
		}
		return w, nil
	}
	return Workload{}, fmt.Errorf("loadgen: unknown workload %q: expected one of %s",
		name, strings.Join(names, ", "))
}

func (w *Workload) parse(parts []string) error {
	given := map[string]bool{}
	for _, part := range parts {
		name, value, found := strings.Cut(part, "=")
		i := slices.IndexFunc(w.kind.options, func(o option) bool { return o.name == name })
		switch {
		case i < 0:
			var names []string
			for _, o := range w.kind.options {
				names = append(names, o.name)
			}
			return fmt.Errorf("unknown option %q: expected one of %s", name, strings.Join(names, ", "))
		case !found:
			return fmt.Errorf("option %s has no value: expected %s", name, w.kind.options[i].expected)
		case given[name]:
			return fmt.Errorf("option %s is given twice: expected once", name)
		}
		given[name] = true
		if o := w.kind.options[i]; !o.set(w, value) {
			return fmt.Errorf("%s=%s: expected %s", name, value, o.expected)
		}
	}
	if w.kind.check != nil {
		return w.kind.check(w)
	}
	return nil
}

// String returns the canonical label, which ParseWorkload reads: the name, the
// options that tell instances of it apart, and those that differ from their
// defaults.
func (w Workload) String() string {
	label, sign := w.Name, ":"
	w.differing(func(o option) {
		label += sign + o.name + "=" + o.get(&w)
		sign = ","
	})
	return label
}

// BenchName returns the label as parts of the name of a Go benchmark:
// "workload=saturate/listeners=8". Of a trace it tells only the file's name.
func (w Workload) BenchName() string {
	name := "workload=" + w.Name
	w.differing(func(o option) {
		value := o.get(&w)
		if o.name == trace.name {
			value = benchText(filepath.Base(value))
		}
		name += "/" + o.name + "=" + value
	})
	return name
}

// benchText makes a file's name fit: white space would end a benchmark's name,
// and a slash a part of it.
func benchText(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == '/' || r > '~' {
			return '_'
		}
		return r
	}, s)
}

func (w *Workload) differing(yield func(option)) {
	if w.kind == nil {
		return
	}
	for _, o := range w.kind.options {
		if o.always || o.get(w) != o.get(&w.kind.defaults) {
			yield(o)
		}
	}
}

// MarshalText returns the label.
func (w Workload) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads a label as ParseWorkload does.
func (w *Workload) UnmarshalText(label []byte) (err error) {
	*w, err = ParseWorkload(string(label))
	return err
}

// Open reports whether events have intended times.
func (w Workload) Open() bool { return w.Rate > 0 || w.Speed > 0 }

// Stalls reports whether the workload is about stopped handlers and what the
// others feel of them, as its control is too.
func (w Workload) Stalls() bool {
	return w.kind != nil && slices.ContainsFunc(w.kind.options, func(o option) bool { return o.name == stalled.name })
}

// Others returns the number of the first handler that a workload times. One that
// Stalls leaves out those that stop, and its control, so that it times the same
// handlers, the first.
func (w Workload) Others() int {
	if !w.Stalls() {
		return 0
	}
	return min(max(1, w.Stalled), max(0, w.Listeners-1))
}

// EventCount returns the number of events of a synthetic load, the sentinel not
// counted. Unless Events or Seconds say it, an open load lasts two seconds, and a closed
// one has as many as take the fastest contestants some 20 ms and the slowest
// one to three seconds: with many listeners enough that the first growth of
// their buffers is not most of what is allocated.
func (w Workload) EventCount() int {
	switch {
	case w.Events > 0:
		return w.Events
	case w.Seconds > 0:
		return w.Prefill + max(1, int(w.Rate*w.Seconds))
	case w.Rate > 0:
		return max(1, int(2*w.Rate))
	}
	return max(80_000, 400_000/(w.Listeners+1))
}

// Loads builds the workload's loads: one, or one per resource of a trace. It
// fails if a trace cannot be read; then the error names file and line.
func (w Workload) Loads() ([]*Load, error) {
	switch {
	case w.kind == nil:
		return nil, fmt.Errorf("loadgen: workload %q: expected one of the catalogue", w.Name)
	case w.Name == "replay":
		return w.replay()
	}
	load, err := Synthetic{
		Seed: w.Seed, Keys: w.Keys, Events: w.EventCount(), ObjectSize: w.Size, Rate: w.Rate, Prefill: w.Prefill,
		DeleteShare: float64(w.Churn) / 200, AddShare: float64(w.Churn) / 200,
	}.Load()
	if err != nil {
		return nil, err
	}
	return []*Load{load}, nil
}

func (w *Workload) replay() ([]*Load, error) {
	var input io.Reader = recorded.Open()
	name := recorded.Name
	if w.Trace != "" {
		file, err := os.Open(w.Trace)
		if err != nil {
			return nil, fmt.Errorf("loadgen: replay: %w", err)
		}
		defer func() { _ = file.Close() }() // it was only read
		input, name = file, w.Trace
	}
	t, err := ReadTrace(input, name)
	if err != nil {
		return nil, err
	}
	return t.Loads(w.Speed), nil
}

// NewRecorders returns one recorder per listener for one of the loads, the
// stalling ones first; lossy ones if the handlers need not hear of every event.
// Those that are timed measure latency if the workload is open.
func (w Workload) NewRecorders(e *Expect, lossy bool) []*Recorder {
	recorders := make([]*Recorder, w.Listeners)
	for i := range recorders {
		recorders[i] = NewRecorder(e, RecorderOptions{
			Stall: i < w.Stalled, Latency: w.Open() && i >= w.Others(), Lossy: lossy,
		})
	}
	return recorders
}
