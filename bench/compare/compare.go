// Package compare tells whether one program is slower than another, or one buffer
// than another, and how far that verdict can be trusted.
//
//	run.Execute: arms base, head, base-again, base-slowed, block by block: for CPU
//	      │      time in duets on one processor, else by turns in random order
//	      │ slices
//	      ▼
//	Sides: per row the log ratios of blocks ── stats ──▶ verdicts ┐
//	       base-again must be like base, base-slowed slower ──────┴──▶ Comparison ──▶ Markdown, exit status
//
// A row is a workload, a buffer and a metric. Every comparison holds controls of one
// buffer under each workload: a second copy of base, which must not differ, and,
// except for latency, base with a known slowdown, which must be found. If one goes
// wrong the machine was not fit, and no verdict counts. Each row tells the smallest
// effect that it could have seen.
//
// Limits: base and head run the same workloads on the same machine at the same
// time; nothing is compared with figures of another day. By chance one in
// five hundred comparisons has a slower row, whatever the number of rows; one in a
// hundred if the rules say so, as a gate's do, which measures red rows again.
package compare

import (
	"math"
	"slices"

	"informerlab/bench/report"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
)

// The sides of a comparison, as labels of arms.
const (
	Base   = "base"
	Head   = "head"
	Again  = "base-again"  // the control that must not differ from Base
	Slowed = "base-slowed" // the control that must be found slower
)

// A Metric is what is compared, with the relative difference that matters: 0.01
// for 1 %.
type Metric struct {
	Unit  string
	Floor float64
}

// Timing returns the metrics that tell a slowdown at so many processors: at one
// the processor time, which in duets hardly depends on what else the machine does;
// at more the time by the clock, and of open loops the latency.
func Timing(procs int) []Metric {
	if procs == 1 {
		return []Metric{{worker.CPUNSPerEvent, 0.01}}
	}
	return []Metric{
		{worker.NSPerEvent, 0.015}, {worker.OthersNSPerEvent, 0.015}, {worker.P50, 0.05}, {worker.P99, 0.10},
	}
}

// Rules say how slices become verdicts.
type Rules struct {
	Metrics []Metric
	Alpha   float64 // stats.Alpha, or Strict where red rows are not measured again
	Percent float64 // that base-slowed is slower by construction
}

// A Row is one comparison and its verdict.
type Row struct {
	Workload, Buffer string
	Metric
	Base, Head float64   // medians over blocks of medians over rounds
	Logs       []float64 // by block: what the estimate is of
	stats.Estimate
	PSlower, PFaster float64 // after Holm over all rows
	Verdict          stats.Verdict
	Needs            int // blocks more, if inconclusive
	// Missing lists which of the two lack blocks. The verdict is Inconclusive then, and
	// Needs is 0.
	Missing []report.Missing
}

// MissingText returns Missing as one line; "" if nothing is missing.
func (r *Row) MissingText() string { return listed(r.Missing) }

// settle takes back a verdict that rests on missing blocks.
func (r *Row) settle() {
	if len(r.Missing) > 0 {
		r.Verdict, r.Needs = stats.Inconclusive, 0
	}
}

// A Control is a comparison whose outcome is known.
type Control struct {
	Row             // of Base with Side
	Side    string  // Again or Slowed
	Percent float64 // that Slowed is slower by construction
	Passed  bool
}

// A Comparison is the outcome of comparing two sides.
type Comparison struct {
	Rows     []Row
	Controls []Control
	Missing  []string // rows that base has and head has not
	Blocks   int
	Seconds  float64 // that it took
}

// Fit reports whether all controls passed. Without controls nothing is known, and
// that is not fit.
func (c *Comparison) Fit() bool {
	for _, control := range c.Controls {
		if !control.Passed {
			return false
		}
	}
	return len(c.Controls) > 0
}

// Red returns the rows that are slower.
func (c *Comparison) Red() (red []Row) {
	for _, r := range c.Rows {
		if r.Verdict == stats.Slower {
			red = append(red, r)
		}
	}
	return red
}

// Inconclusive returns the rows without a verdict.
func (c *Comparison) Inconclusive() (open []Row) {
	for _, r := range c.Rows {
		if r.Verdict == stats.Inconclusive {
			open = append(open, r)
		}
	}
	return open
}

// Sides compares Head with Base, row by row, in the order of workloads and
// buffers.
func Sides(all []run.Slice, rules Rules) *Comparison {
	t := tableOf(all)
	c := &Comparison{Blocks: t.blocks}
	for _, workload := range t.workloads {
		for _, buffer := range t.buffers {
			for _, m := range rules.Metrics {
				c.add(t, workload, buffer, m, rules)
			}
		}
	}
	judge(c.Rows, rules.Alpha)
	return c
}

// add compares one row, if base has it.
func (c *Comparison) add(t *table, workload, buffer string, m Metric, rules Rules) {
	row := func(side string) run.Row { return run.Row{Workload: workload, Buffer: buffer, Side: side} }
	base, head := row(Base), row(Head)
	switch {
	case !t.expects(base, m.Unit):
		return
	case !t.expects(head, m.Unit):
		c.Missing = append(c.Missing, workload+" "+buffer+" "+m.Unit)
		return
	}
	c.Rows = append(c.Rows, t.row(base, head, m, t.blocksOf(base, head)))
	for _, side := range []string{Again, Slowed} {
		if side == Slowed && isLatency(m.Unit) {
			continue // what keeps a processor busy at the end of a run delays no event before that
		}
		if t.expects(row(side), m.Unit) {
			c.Controls = append(c.Controls, t.control(base, row(side), m, rules))
		}
	}
}

func isLatency(unit string) bool {
	switch unit {
	case worker.P50, worker.P90, worker.P99, worker.P999, worker.MaxLatency, worker.Pause:
		return true
	}
	return false
}

// Buffers compares each buffer of a run with one of them, which is the base of
// every row. Runs have few blocks, for differences that are large, so verdicts are by
// the interval: Slower if the 95 % interval lies above the floor, Faster if below it.
func Buffers(all []run.Slice, reference string, rules Rules) []Row {
	t := tableOf(all)
	var rows []Row
	for _, workload := range t.workloads {
		base := run.Row{Workload: workload, Buffer: reference}
		for _, buffer := range t.buffers {
			head := run.Row{Workload: workload, Buffer: buffer}
			for _, m := range rules.Metrics {
				if buffer != reference && t.expects(base, m.Unit) && t.expects(head, m.Unit) {
					rows = append(rows, t.row(base, head, m, t.blocksOf(base, head)))
				}
			}
		}
	}
	for i := range rows {
		r := &rows[i]
		r.PSlower, r.PFaster = r.Estimate.PSlower, r.Estimate.PFaster
		r.Verdict, r.Needs = stats.Judge(r.Estimate, 1, 1, r.Floor, rules.Alpha)
		switch limit := math.Log1p(r.Floor); {
		case r.Low > limit:
			r.Verdict, r.Needs = stats.Slower, 0
		case r.High < -limit:
			r.Verdict, r.Needs = stats.Faster, 0
		}
		r.settle()
	}
	return rows
}

// judge gives verdicts, after Holm over all rows.
func judge(rows []Row, alpha float64) {
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

// A table holds slices by row, block and unit.
type table struct {
	workloads, buffers []string // in the order of first appearance in blocks' own order
	blocks             int
	values             map[run.Row]map[int]map[string][]float64 // by block and unit, in order of rounds
}

func tableOf(all []run.Slice) *table {
	t := &table{values: map[run.Row]map[int]map[string][]float64{}}
	for _, s := range all {
		if !slices.Contains(t.workloads, s.Workload) {
			t.workloads = append(t.workloads, s.Workload)
		}
		if !slices.Contains(t.buffers, s.Buffer) {
			t.buffers = append(t.buffers, s.Buffer)
		}
		t.blocks = max(t.blocks, s.Block)
		blocks := t.values[s.Row]
		if blocks == nil {
			blocks = map[int]map[string][]float64{}
			t.values[s.Row] = blocks
		}
		if blocks[s.Block] == nil {
			blocks[s.Block] = map[string][]float64{}
		}
		for unit := range s.Values {
			blocks[s.Block][unit] = padded(blocks[s.Block][unit], s.Round)
			blocks[s.Block][unit][s.Round-1] = s.Values[unit]
		}
	}
	slices.SortFunc(t.workloads, report.CompareNames) // the order of measurement is random
	slices.Sort(t.buffers)
	return t
}

// padded makes room for a value of this round; rounds without one are NaN.
func padded(values []float64, round int) []float64 {
	for len(values) < round {
		values = append(values, math.NaN())
	}
	return values
}

func (t *table) has(row run.Row, unit string) bool {
	for _, block := range t.values[row] {
		if present(block[unit]) {
			return true
		}
	}
	return false
}

// row compares two rows of slices by one metric, over blocks in which both should
// have it. Positive estimates are worse.
func (t *table) row(base, head run.Row, m Metric, blocks []int) Row {
	var logs, bases, heads []float64
	for _, block := range blocks {
		b, h := t.values[base][block][m.Unit], t.values[head][block][m.Unit]
		if !present(b) || !present(h) {
			continue
		}
		ratio := stats.LogRatio(b, h)
		if m.Unit == worker.EventsPerSecond {
			ratio = -ratio
		}
		logs = append(logs, ratio)
		bases, heads = append(bases, stats.Median(b)), append(heads, stats.Median(h))
	}
	return Row{
		Workload: head.Workload, Buffer: head.Buffer, Metric: m,
		Base: stats.Median(bases), Head: stats.Median(heads), Logs: logs, Estimate: stats.Compare(logs),
		Missing: t.lackingAny(m.Unit, blocks, base, head),
	}
}

// control compares base with a side whose outcome is known. That it is one of
// several rows plays no part: a machine that fails one control is not fit.
func (t *table) control(base, other run.Row, m Metric, rules Rules) Control {
	blocks := t.blocksOf(other) // of which it takes part in few
	c := Control{Row: t.row(base, other, m, blocks), Side: other.Side, Percent: rules.Percent}
	r := &c.Row
	r.PSlower, r.PFaster = r.Estimate.PSlower, r.Estimate.PFaster
	r.Verdict, r.Needs = stats.Judge(r.Estimate, r.PSlower, r.PFaster, r.Floor, stats.Alpha)
	r.settle()
	if other.Side == Slowed {
		c.Passed = r.Verdict == stats.Slower
	} else {
		c.Passed = r.Verdict != stats.Slower && r.Verdict != stats.Faster && len(r.Missing) == 0
		c.Percent = 0
	}
	return c
}
