package loadgen

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
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

	// Who listens.
	Listeners int           // handlers per load
	Stalled   int           // of these, how many block in their first live call: the first ones
	Stall     time.Duration // how long they block; 0 = until the others are done
	Slow      int           // how many calls cost something: the last ones; 0 = all, if Cost says what
	Cost      time.Duration // of a call of a slow handler, on average; 0 = nothing
	Costs     string        // how costs are distributed: fixed, exponential or pareto
	Work      string        // how a cost is spent: sleep, or spin on a processor
	Panics    float64       // percent of calls that end in a panic
	Workers   int           // that take keys from the work queue that a handler fills; 0 = no queue
	Visitors  float64       // handlers per second that come while events flow
	Stay      time.Duration // after which a visitor goes; 0 = at the end
	Resync    time.Duration // how often handlers are told the whole cache again; 0 = never

	// What happens to which objects.
	Keys    int     // that there are at the start
	Pick    string  // which key an event strikes: uniform, zipf or hot
	Skew    float64 // of zipf the exponent, of hot the percent of events that strike hot keys
	Hot     float64 // percent of keys that are hot
	Churn   float64 // percent of events that delete a key or add one again, half each
	Grow    float64 // percent of events that add a key never seen before
	Shrink  float64 // percent of events that delete a key for good
	Size    int     // bytes of payload per object, on average
	Sigma   float64 // of the logarithm of sizes; 0 = all the same
	Objects string  // shared: built before the clock starts; fresh: each event has a new one
	Relists int     // how often the version expires, so that all is listed again
	Gap     float64 // percent of events that get lost before each relist
	Seed    uint64

	// When.
	Events      int           // 0 = as many as suit the listeners, see EventCount
	Prefill     int           // events that flow before the clock starts, in a closed loop
	Arrival     string        // the arrival process; no effect in a closed loop
	Rate        float64       // events per second, on average; 0 = closed loop
	Utilization float64       // percent of what slow handlers can take, instead of Rate; 0 = Rate says it
	Peak        float64       // the highest rate as a multiple of the average: of bursts, ramp and sine
	Period      time.Duration // of a burst and the pause after it, of a day, or between thundering relists
	Seconds     float64       // that Rate lasts; 0 = as Events says

	// From where.
	Speed float64 // of a replay; 0 = closed loop
	Trace string  // path of the trace to replay; "" = the one of package recorded
	Mix   string  // names of workloads joined by "+" that run side by side, an informer each; "" = none

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
