package loadgen

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"informerlab/loadgen/arrival"
	"informerlab/loadgen/cost"
	"informerlab/loadgen/population"
)

// An option reads and writes one field of a workload as text. The table of all
// options is what files, labels and flags have in common: each setting, from
// wherever it comes, goes through set.
type option struct {
	name     string
	expected string // what its values are
	meaning  string // in one line
	form     form   // how a file writes its values
	word     string // of a number: what stands for 0 instead of it; "" = none does
	get      func(*Workload) string
	set      func(*Workload, string) bool // false = the value is not as expected
}

// A form is how a file writes values.
type form int

const (
	formNumber form = iota // 20_000, or the option's word in quotes
	formText               // "250ms"
	formList               // ["rate", "keys"]; as text joined by commas
)

// An optionGroup is what belongs together in a description.
type optionGroup struct {
	title   string
	options []option
}

// The limits of options lie far above what a two-core machine can bear, and low
// enough that a slip of the keyboard ends in a message instead of swapping.
const (
	maxListeners = 4096
	maxSize      = 1 << 20
	maxSigma     = 4
	maxDuration  = time.Hour
	maxVisitors  = 10_000
	maxRelists   = 1000
	maxSpeed     = 1e6
	maxSeconds   = 3600
)

// The words of options. The first of each list is what "" means.
var (
	costWords    = cost.Laws()
	workWords    = cost.Works()
	pickWords    = population.Picks()
	objectWords  = []string{"shared", "fresh"}
	arrivalWords = arrival.Kinds()
)

// recordedArrival is the arrival process of a workload that replays a trace or, if
// it has a rate, only takes the times from it.
const recordedArrival = "recorded"

// optionGroups are all options in the order of labels and descriptions.
var optionGroups = []optionGroup{
	{"who listens", listenerOptions()},
	{"what happens to which objects", objectOptions()},
	{"when", timeOptions()},
	{"from where", originOptions()},
}

func listenerOptions() []option {
	return []option{
		wholeOption("listeners", 0, maxListeners, func(w *Workload) *int { return &w.Listeners },
			"handlers per informer"),
		wholeOption("stalled", 0, maxListeners, func(w *Workload) *int { return &w.Stalled },
			"of these, how many block in their first live call: the first ones"),
		durationOption("stall", func(w *Workload) *time.Duration { return &w.Stall },
			"how long they block; 0s: until the others are done"),
		wholeOption("slow", 0, maxListeners, func(w *Workload) *int { return &w.Slow },
			"how many handlers have calls that cost something: the last ones; 0: all, if cost says what"),
		durationOption("cost", func(w *Workload) *time.Duration { return &w.Cost },
			"of a call of a slow handler, or of a key that a worker takes; on average"),
		oneOf("costs", costWords, func(w *Workload) *string { return &w.Costs }, "how costs are distributed"),
		oneOf("work", workWords, func(w *Workload) *string { return &w.Work }, "how a cost is spent"),
		percentOption("panics", 100, func(w *Workload) *float64 { return &w.Panics }, "of calls that end in a panic"),
		wholeOption("workers", 0, maxListeners, func(w *Workload) *int { return &w.Workers },
			"that take keys from the work queue that a handler fills; 0: no queue"),
		decimalOption("visitors", maxVisitors, func(w *Workload) *float64 { return &w.Visitors },
			"handlers per second that come while events flow"),
		durationOption("stay", func(w *Workload) *time.Duration { return &w.Stay },
			"after which a visitor goes; 0s: at the end"),
		durationOption("resync", func(w *Workload) *time.Duration { return &w.Resync },
			"how often handlers are told the whole cache again; 0s: never"),
	}
}

func objectOptions() []option {
	return []option{
		wholeOption("keys", 1, maxKeys, func(w *Workload) *int { return &w.Keys }, "that there are at the start"),
		oneOf("pick", pickWords, func(w *Workload) *string { return &w.Pick }, "which key an event strikes"),
		decimalOption("skew", 100, func(w *Workload) *float64 { return &w.Skew },
			"of zipf and recent the exponent, of hot the percentage of events that strike hot keys"),
		percentOption("hot", 100, func(w *Workload) *float64 { return &w.Hot }, "of keys that are hot"),
		percentOption("churn", 100, func(w *Workload) *float64 { return &w.Churn },
			"of events that delete a key or add one again, half each"),
		percentOption("grow", 100, func(w *Workload) *float64 { return &w.Grow },
			"of events that add a key never seen before"),
		percentOption("shrink", 100, func(w *Workload) *float64 { return &w.Shrink },
			"of events that delete a key for good"),
		wholeOption("size", 0, maxSize, func(w *Workload) *int { return &w.Size },
			"bytes of payload per object, on average"),
		decimalOption("sigma", maxSigma, func(w *Workload) *float64 { return &w.Sigma },
			"of the logarithm of sizes; 0: all the same"),
		oneOf("objects", objectWords, func(w *Workload) *string { return &w.Objects },
			"built before the clock starts, or anew with each event"),
		wholeOption("relists", 0, maxRelists, func(w *Workload) *int { return &w.Relists },
			"how often the version expires, so that all is listed again"),
		percentOption("gap", 100, func(w *Workload) *float64 { return &w.Gap },
			"of events that get lost before each relist"),
		seedOption(),
	}
}

func timeOptions() []option {
	return []option{
		orWord("auto", wholeOption("events", 1, maxEvents, func(w *Workload) *int { return &w.Events },
			"before the last one; auto: as many as suit the listeners")),
		wholeOption("prefill", 0, maxEvents, func(w *Workload) *int { return &w.Prefill },
			"of these, how many flow before the clock starts"),
		oneOf("arrival", arrivalWords, func(w *Workload) *string { return &w.Arrival },
			"the arrival process; recorded: a replay, or with a rate, drawn events when those of the trace came"),
		decimalOption("rate", maxRate, func(w *Workload) *float64 { return &w.Rate },
			"events per second, on average; 0: a closed loop, unless utilization says it"),
		percentOption("utilization", 1000, func(w *Workload) *float64 { return &w.Utilization },
			"of what slow handlers can take, instead of rate"),
		decimalOption("peak", 1000, func(w *Workload) *float64 { return &w.Peak },
			"the highest rate as a multiple of the average, of bursts, ramp and sine; 0: as suits those"),
		durationOption("period", func(w *Workload) *time.Duration { return &w.Period },
			"of a burst and the pause after it, a ramp, a day of sine, or between relists; 0s: as suits those"),
		decimalOption("seconds", maxSeconds, func(w *Workload) *float64 { return &w.Seconds },
			"that the rate lasts; 0: as events says"),
	}
}

func originOptions() []option {
	return []option{
		orWord("max", decimalOption("speed", maxSpeed, func(w *Workload) *float64 { return &w.Speed },
			"of a replay; max: a closed loop")),
		wordsOption("trace", "the path of a trace, without commas", func(w *Workload) *string { return &w.Trace },
			"from where lab runs; empty: the one that it carries"),
		wordsOption("mix", "names of built-in workloads joined by +", func(w *Workload) *string { return &w.Mix },
			"workloads whose events flow side by side, an informer each; empty: only this one"),
	}
}

// defaultWorkload is what options have where a file does not say otherwise.
var defaultWorkload = Workload{Listeners: 1, Keys: 1000, Seed: 1}

// lookup finds an option by its name.
func lookup(name string) (option, bool) {
	for _, g := range optionGroups {
		for _, o := range g.options {
			if o.name == name {
				return o, true
			}
		}
	}
	return option{}, false
}

func wholeOption(name string, low, high int, field func(*Workload) *int, meaning string) option {
	return option{
		name: name, meaning: meaning, expected: fmt.Sprintf("a whole number from %d to %d", low, high),
		get: func(w *Workload) string { return strconv.Itoa(*field(w)) },
		set: func(w *Workload, value string) bool {
			n, err := strconv.Atoi(value)
			*field(w) = n
			return err == nil && n >= low && n <= high
		},
	}
}

func decimalOption(name string, high float64, field func(*Workload) *float64, meaning string) option {
	return option{
		name: name, meaning: meaning, expected: fmt.Sprintf("a number from 0 to %.0f", high),
		get: func(w *Workload) string { return strconv.FormatFloat(*field(w), 'g', -1, 64) },
		set: func(w *Workload, value string) bool {
			n, err := strconv.ParseFloat(value, 64)
			*field(w) = math.Abs(n) // only of -0 that makes a difference, which would print
			return err == nil && n >= 0 && n <= high
		},
	}
}

func percentOption(name string, high float64, field func(*Workload) *float64, meaning string) option {
	o := decimalOption(name, high, field, "percentage "+meaning)
	o.expected = fmt.Sprintf("a percentage from 0 to %.0f", high)
	return o
}

// orWord lets a number be given as a word, which stands for 0.
func orWord(word string, o option) option {
	plain := o
	o.word, o.expected = word, o.expected+", or "+word
	o.get = func(w *Workload) string {
		if s := plain.get(w); s != "0" {
			return s
		}
		return word
	}
	o.set = func(w *Workload, value string) bool {
		if value == word || value == "0" {
			plain.set(w, "0") // it may lie out of a number's range, but is set all the same
			return true
		}
		return plain.set(w, value)
	}
	return o
}

func durationOption(name string, field func(*Workload) *time.Duration, meaning string) option {
	return option{
		name: name, meaning: meaning, form: formText, expected: "a duration from 0s to 1h, such as 250ms",
		// In ASCII, as durations become part of names of benchmarks.
		get: func(w *Workload) string { return strings.Replace(field(w).String(), "µ", "u", 1) },
		set: func(w *Workload, value string) bool {
			d, err := time.ParseDuration(value)
			*field(w) = d
			return err == nil && d >= 0 && d <= maxDuration
		},
	}
}

// oneOf is an option with a few values. The first is stored as "".
func oneOf(name string, values []string, field func(*Workload) *string, meaning string) option {
	return option{
		name: name, meaning: meaning + ": " + strings.Join(values, ", "), form: formText,
		expected: "one of " + strings.Join(values, ", "),
		get: func(w *Workload) string {
			if *field(w) == "" {
				return values[0]
			}
			return *field(w)
		},
		set: func(w *Workload, value string) bool {
			*field(w) = value
			if value == values[0] {
				*field(w) = ""
			}
			return slices.Contains(values, value)
		},
	}
}

// words is an option with any text that a label can hold.
func wordsOption(name, expected string, field func(*Workload) *string, meaning string) option {
	return option{
		name: name, meaning: meaning, form: formText, expected: expected,
		get: func(w *Workload) string { return *field(w) },
		set: func(w *Workload, value string) bool {
			*field(w) = value
			return utf8.ValidString(value) && !strings.ContainsFunc(value, func(r rune) bool {
				return r == ',' || unicode.IsControl(r)
			})
		},
	}
}

func seedOption() option {
	return option{
		name: "seed", meaning: "of all chance", expected: "a whole number from 0 to 18446744073709551615",
		get: func(w *Workload) string { return strconv.FormatUint(w.Seed, 10) },
		set: func(w *Workload, value string) (ok bool) {
			n, err := strconv.ParseUint(value, 10, 64)
			w.Seed = n
			return err == nil
		},
	}
}
