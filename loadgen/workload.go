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
// the same events from its description, because all chance comes from Seed.
//
//	workloads/NAME.toml ─┐                           ┌─▶ label: NAME:option=value,…
//	a file of the user ──┼─▶ Workload ─▶ check ──────┤
//	:option=value, -set ─┘   (over the defaults)     └─▶ description: all options, as a file
//
// Workloads are comparable values. Of texts with a few values, "" is the first
// that is named. The zero Workload has no load; get one from Workloads or
// ParseWorkload.
type Workload struct {
	Name    string
	Summary string // one line

	// Who listens.
	Listeners int           // handlers per load
	Stalled   int           // of these, how many block in their first live call: the first ones
	Stall     time.Duration // how long they block; 0 = until the others are done
	Slow      int           // handlers of which calls cost something: the last ones; 0 = all, if Cost says what
	Cost      time.Duration // of a call of a slow handler, or if there are Workers of a key; on average
	Costs     string        // how costs are distributed: fixed, exponential or pareto
	Work      string        // how a cost is spent: sleep, or spin on a processor
	Panics    float64       // percent of calls that end in a panic
	Workers   int           // that take keys from the work queue that a handler fills; 0 = no queue
	Visitors  float64       // handlers per second that come while events flow
	Stay      time.Duration // after which a visitor goes; 0 = at the end
	Resync    time.Duration // how often handlers are told the whole cache again; 0 = never

	// What happens to which objects.
	Keys    int     // that there are at the start
	Pick    string  // which key an event strikes: uniform, zipf, hot, turns or recent
	Skew    float64 // of zipf and recent the exponent, of hot the percent of events that strike hot keys
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
	Arrival     string        // a kind of package arrival; recorded is a replay
	Rate        float64       // events per second, on average; 0 = closed loop
	Utilization float64       // percent of what slow handlers can take, instead of Rate; 0 = Rate says it
	Peak        float64       // the highest rate as a multiple of the average; 0 = as package arrival has it
	Period      time.Duration // as package arrival has it; 0 = its default
	Seconds     float64       // that Rate lasts; 0 = as Events says

	// From where.
	Speed float64 // of a replay; 0 = closed loop
	Trace string  // path of the trace to replay; "" = the one of package recorded
	Mix   string  // names of workloads joined by "+" that run side by side, an informer each; "" = none

	label          string // names of the options that labels tell, joined by commas
	blocks, rounds int    // 0 = as suits the length of a run
}

// ParseWorkload reads "name" or "name:option=value,…", where name is that of a
// built-in workload, or the path of a file: with a slash in it, or .toml at its
// end, and no colon. Settings, each an option=value too, come last and win.
// Errors are one line and say what was found and expected; those about the
// content of a file are a *FileError and tell the place.
func ParseWorkload(label string, settings ...string) (Workload, error) {
	name, rest, given := strings.Cut(label, ":")
	base, err := namedWorkload(name)
	if err != nil {
		return Workload{}, err
	}
	var options []string
	if given {
		options = strings.Split(rest, ",")
	}
	w := base
	for _, source := range [][]string{options, settings} {
		if err := w.apply(source); err != nil {
			return Workload{}, fmt.Errorf("loadgen: workload %s: %w", base.Name, err)
		}
	}
	if f := w.check(); f != nil {
		return Workload{}, fmt.Errorf("loadgen: workload %s: %w", base.Name, f)
	}
	w.tellApart(&base)
	return w, nil
}

// namedWorkload returns the workload of a name or a file.
func namedWorkload(name string) (Workload, error) {
	if strings.ContainsRune(name, '/') || strings.HasSuffix(name, fileEnding) {
		return readWorkloadFile(name)
	}
	var names []string
	for _, w := range builtin() {
		if w.Name == name {
			return w, nil
		}
		names = append(names, w.Name)
	}
	return Workload{}, fmt.Errorf("loadgen: unknown workload %q: expected one of %s, or a file.toml",
		name, strings.Join(names, ", "))
}

// apply sets options from texts "option=value", each option at most once.
func (w *Workload) apply(settings []string) error {
	given := map[string]bool{}
	for _, setting := range settings {
		name, value, found := strings.Cut(setting, "=")
		o, known := lookup(name)
		switch {
		case !known:
			return unknownOption(name, nil)
		case !found:
			return &misfit{[]string{name}, "option " + name + " without a value", o.expected}
		case given[name]:
			return &misfit{[]string{name}, "option " + name + " a second time", "it once"}
		case !o.set(w, value):
			return &misfit{[]string{name}, name + "=" + shorten(value), o.expected}
		}
		given[name] = true
	}
	return nil
}

// unknownOption names the nearest option, or one of the others that fit in the
// same place.
func unknownOption(name string, others []option) *misfit {
	nearest, least := "", 0
	for _, g := range append([]optionGroup{{"", others}}, optionGroups...) {
		for _, o := range g.options {
			if d := editDistance(name, o.name); nearest == "" || d < least {
				nearest, least = o.name, d
			}
		}
	}
	return &misfit{[]string{name}, fmt.Sprintf("unknown option %q", name), "one that there is, such as " + nearest}
}

// editDistance is how many letters have to be put in, left out or replaced to make b
// of a (V. I. Levenshtein, Binary codes capable of correcting deletions,
// insertions, and reversals, 1966).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1) // distances of a prefix of a to those of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// tellApart adds the options in which w differs from base to its label.
func (w *Workload) tellApart(base *Workload) {
	for _, g := range optionGroups {
		for _, o := range g.options {
			if o.get(w) == o.get(base) || w.tells(o.name) {
				continue
			}
			if w.label != "" {
				w.label += ","
			}
			w.label += o.name
		}
	}
}

// tells reports whether the workload's label tells an option.
func (w *Workload) tells(name string) bool { return slices.Contains(w.told(), name) }

func (w *Workload) told() []string {
	if w.label == "" {
		return nil
	}
	return strings.Split(w.label, ",")
}

// String returns the label: the name, the options that tell instances of the
// workload apart, and those that differ from what its file says. ParseWorkload
// reads that of a built-in workload.
func (w Workload) String() string {
	label, sign := w.Name, ":"
	for _, name := range w.told() {
		o, _ := lookup(name)
		label += sign + name + "=" + o.get(&w)
		sign = ","
	}
	return label
}

// BenchName returns the label as parts of the name of a Go benchmark:
// "workload=saturate/listeners=8". Of a trace it tells only the file's name.
func (w Workload) BenchName() string {
	name := "workload=" + w.Name
	for _, told := range w.told() {
		o, _ := lookup(told)
		value := o.get(&w)
		if told == "trace" && value != "" {
			value = benchText(filepath.Base(value))
		}
		name += "/" + told + "=" + value
	}
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

// Measured returns how many process blocks and rounds the workload is measured
// in unless somebody says otherwise; 0 is as suits the length of a run.
func (w Workload) Measured() (blocks, rounds int) { return w.blocks, w.rounds }
