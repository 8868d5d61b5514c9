// Package judge compares what was measured, and is the only one to do so: two programs,
// the buffers of one run, two runs. Every output of the lab shows its rows.
//
//	slices of a run ─▶ Blocks ──▶ a log ratio per process block ── stats ──▶ Row with a Verdict
//	                                                                           │
//	    Sides: head against base, with controls ─▶ Comparison                  │
//	    Buffers: each against one of them        Winners: who does best  ◀─────┤
//	    Diff: two runs of one machine            Exact: figures that do not vary
//
// A row is a workload, a buffer and a metric. The log ratios of a row are of pairs of
// one block; their trimmed mean, interval and sign-flip test are those of package stats,
// and Holm corrects for the number of rows wherever a verdict is by a test. A latency
// whose generator was late is known between two bounds, and a row of it is decided only
// if the interval of the nearer ones is; older runs lack such latencies. Nobody wins
// because others have no figure.
//
// Limits: where a run compares buffers it has few blocks, so verdicts are by the
// interval alone, without a correction for the number of rows.
//
// All functions are pure and may be called concurrently.
package judge

import (
	"fmt"
	"math"
	"strings"

	"informerlab/bench/format"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
)

// A Metric is what is compared, with the relative difference that matters: 0.01
// for 1 %.
type Metric struct {
	Unit  string
	Floor float64
}

// Rules say how slices become verdicts.
type Rules struct {
	Metrics []Metric
	Alpha   float64 // stats.Alpha, or Strict where red rows are not measured again
	Percent float64 // that Slowed is slower by construction
}

// A Row is one comparison and its verdict.
type Row struct {
	run.Row        // what is compared
	Against string // with: a side, a buffer, or "before"
	Metric
	Base, Head float64   // medians over blocks of medians over rounds; NaN = none
	Logs       []float64 // by block, of head/base as measured, positive is worse
	// The estimate is of Logs or, if Bounded, of the nearer ones of two bounds of each
	// block, as a generator was late: see stats.CompareBounds.
	stats.Estimate
	Bounded          bool
	PSlower, PFaster float64 // after Holm over all rows
	Verdict          stats.Verdict
	Needs            int // blocks more, if inconclusive
	// Missing lists which of the two lack blocks. The verdict is Inconclusive then, and
	// Needs is 0.
	Missing []Missing
	Unlike  bool    // the two may lose unlike things, so that neither is better for costing less
	Amount  float64 // the floor in units of the metric instead, where base has next to nothing; 0 = none
	Note    string  // what else a reader should know
}

// Compared reports whether the row has both sides.
func (r *Row) Compared() bool { return r.Verdict != stats.New && r.Verdict != stats.Missing }

// MissingText returns Missing as one line; "" if nothing is missing.
func (r *Row) MissingText() string { return listed(r.Missing) }

// Ratio returns head/base with its 95 % interval, NaN or infinite where not known.
func (r *Row) Ratio() (ratio, low, high float64) {
	return math.Exp(r.Mean), math.Exp(r.Low), math.Exp(r.High)
}

// Figures writes the ratio and its interval.
func (r *Row) Figures() string {
	ratio, low, high := r.Ratio()
	switch {
	case low != high:
	case ratio > 1/1.6 && ratio < 1.6:
		return format.Change(ratio)
	default:
		return format.Ratio(ratio)
	}
	return format.Interval(ratio, low, high)
}

// FloorText writes the least difference that matters.
func (r *Row) FloorText() string {
	if r.Amount > 0 {
		return format.Value(r.Amount, r.Unit)
	}
	return format.Percent(r.Floor)
}

// DetectableText writes the smallest slowdown that would have been found; "" if
// nothing varies or too little is known.
func (r *Row) DetectableText() string {
	if visible := math.Expm1(r.MDE); visible > 0 && !math.IsInf(visible, 0) {
		return format.Percent(visible)
	}
	return ""
}

// Words says what came of the row.
func (r *Row) Words() string {
	words := string(r.Verdict)
	switch {
	case len(r.Missing) > 0:
		return "undecided: " + r.MissingText()
	case r.Unlike:
		return "≠ unlike work"
	case r.Verdict == stats.Inconclusive && r.Needs > 0:
		words = "inconclusive +" + fmt.Sprint(r.Needs)
	case strings.HasPrefix(r.Unit, "B/") && r.Verdict == stats.Faster:
		words = "less"
	case strings.HasPrefix(r.Unit, "B/") && r.Verdict == stats.Slower:
		words = "more"
	}
	if r.Note != "" {
		words += ": " + r.Note
	}
	return words
}

// settle takes back a verdict that rests on missing blocks.
func (r *Row) settle() {
	if len(r.Missing) > 0 {
		r.Verdict, r.Needs = stats.Inconclusive, 0
	}
}

// Exact judges a figure that does not vary: worse is what grows by more than the floor,
// the larger one of a share of base and an amount.
func Exact(row run.Row, unit string, base, head, share, amount float64) Row {
	r := Row{Row: row, Metric: Metric{unit, share}, Base: base, Head: head, Verdict: stats.Equivalent}
	r.Mean = stats.LogRatio([]float64{base}, []float64{head})
	if base == 0 && head > 0 {
		r.Mean = math.Inf(1)
	}
	r.Low, r.High = r.Mean, r.Mean
	if amount > share*base {
		r.Floor, r.Amount = 0, amount
	}
	switch floor := max(share*base, amount); {
	case head-base > floor:
		r.Verdict = stats.Slower
	case base-head > floor:
		r.Verdict = stats.Faster
	}
	return r
}

// Unmeasured is a row without any figure, which must not pass as equivalent.
func Unmeasured(row run.Row, verdict stats.Verdict, note string) Row {
	unknown := math.NaN()
	r := Row{Row: row, Base: unknown, Head: unknown, Verdict: verdict, Note: note}
	r.Mean, r.Low, r.High, r.MDE = unknown, unknown, unknown, unknown
	return r
}

// Judge gives verdicts at a level, after Holm over all rows.
func Judge(rows []Row, alpha float64) {
	var slower, faster []float64
	for _, r := range rows {
		slower, faster = append(slower, r.Estimate.PSlower), append(faster, r.Estimate.PFaster)
	}
	slower, faster = stats.Holm(slower), stats.Holm(faster)
	for i := range rows {
		r := &rows[i]
		r.PSlower, r.PFaster = slower[i], faster[i]
		r.Verdict, r.Needs = stats.Judge(r.Estimate, r.PSlower, r.PFaster, r.Floor, alpha)
		r.settle()
	}
}

// Latency reports whether a unit is a latency, of which a late generator tells nothing
// or only bounds.
func Latency(unit string) bool {
	switch unit {
	case worker.P50, worker.P90, worker.P99, worker.P999, worker.MaxLatency, worker.Pause:
		return true
	}
	return false
}
