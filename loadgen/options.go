package loadgen

import (
	"fmt"
	"math"
	"strconv"
)

// An Option is a knob of a workload, as it is set.
type Option struct {
	Name, Value, Expected string
}

// Options returns the workload's options in the order of its label.
func (w Workload) Options() []Option {
	var all []Option
	if w.kind != nil {
		for _, o := range w.kind.options {
			all = append(all, Option{o.name, o.get(&w), o.expected})
		}
	}
	return all
}

// An option reads and writes one field of a workload.
type option struct {
	name     string
	expected string // what its values are
	always   bool   // part of the label also at its default
	get      func(*Workload) string
	set      func(*Workload, string) bool // false = the value is not as expected
}

func (o option) shown() option {
	o.always = true
	return o
}

// The limits lie far above what a two-core machine can bear, and low enough
// that a slip of the keyboard ends in a message instead of swapping.
var (
	listeners = wholeOption("listeners", 0, 4096, func(w *Workload) *int { return &w.Listeners })
	stalled   = wholeOption("stalled", 0, 4096, func(w *Workload) *int { return &w.Stalled })
	keys      = wholeOption("keys", 1, maxKeys, func(w *Workload) *int { return &w.Keys })
	size      = wholeOption("size", 0, 1<<20, func(w *Workload) *int { return &w.Size })
	churn     = percentOption("churn", func(w *Workload) *float64 { return &w.Churn })
	count     = wholeOption("events", 1, maxEvents, func(w *Workload) *int { return &w.Events })
	events    = orWord("auto", count)
	prefill   = wholeOption("prefill", 0, maxEvents, func(w *Workload) *int { return &w.Prefill })
	seconds   = numberOption("seconds", 3600, func(w *Workload) *float64 { return &w.Seconds })
	rate      = numberOption("rate", maxRate, func(w *Workload) *float64 { return &w.Rate })
	factor    = numberOption("speed", 1e6, func(w *Workload) *float64 { return &w.Speed })
	speed     = orWord("max", factor)

	seed = option{
		name:     "seed",
		expected: "a whole number from 0",
		get:      func(w *Workload) string { return strconv.FormatUint(w.Seed, 10) },
		set: func(w *Workload, value string) (ok bool) {
			n, err := strconv.ParseUint(value, 10, 64)
			w.Seed = n
			return err == nil
		},
	}
	trace = option{
		name:     "trace",
		expected: "the path of a trace, without commas",
		get:      func(w *Workload) string { return w.Trace },
		set: func(w *Workload, value string) (ok bool) {
			w.Trace = value
			return value != ""
		},
	}
)

func wholeOption(name string, low, high int, field func(*Workload) *int) option {
	return option{
		name:     name,
		expected: fmt.Sprintf("a whole number from %d to %d", low, high),
		get:      func(w *Workload) string { return strconv.Itoa(*field(w)) },
		set: func(w *Workload, value string) bool {
			n, err := strconv.Atoi(value)
			*field(w) = n
			return err == nil && n >= low && n <= high
		},
	}
}

func numberOption(name string, high float64, field func(*Workload) *float64) option {
	return option{
		name:     name,
		expected: fmt.Sprintf("a number above 0 and up to %.0f", high),
		get:      func(w *Workload) string { return strconv.FormatFloat(*field(w), 'g', -1, 64) },
		set: func(w *Workload, value string) bool {
			n, err := strconv.ParseFloat(value, 64)
			*field(w) = n
			return err == nil && !math.IsNaN(n) && n > 0 && n <= high
		},
	}
}

// orWord lets an option be given as a word, which stands for 0.
func orWord(word string, o option) option {
	number := o
	o.expected += ", or " + word
	o.get = func(w *Workload) string {
		if s := number.get(w); s != "0" {
			return s
		}
		return word
	}
	o.set = func(w *Workload, value string) bool {
		if value == word || value == "0" {
			number.set(w, "0") // out of a number's range, but set all the same
			return true
		}
		return number.set(w, value)
	}
	return o
}

func percentOption(name string, field func(*Workload) *float64) option {
	return option{
		name:     name,
		expected: "a percentage from 0 to 100",
		get:      func(w *Workload) string { return strconv.FormatFloat(*field(w), 'g', -1, 64) },
		set: func(w *Workload, value string) bool {
			n, err := strconv.ParseFloat(value, 64)
			*field(w) = n
			return err == nil && n >= 0 && n <= 100
		},
	}
}
