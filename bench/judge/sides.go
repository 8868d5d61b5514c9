package judge

import (
	"fmt"
	"slices"

	"informerlab/bench/format"
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

// A Control is a comparison whose outcome is known.
type Control struct {
	Row              // of Base with Again or Slowed
	Percent  float64 // that Slowed is slower by construction
	Expected string  // in words
	Passed   bool
}

// Known says what the control compares.
func (c *Control) Known() string {
	if c.Side == Slowed {
		return fmt.Sprintf("base, made %.3g %% slower", c.Percent)
	}
	return "base against itself"
}

// Found says what came of it.
func (c *Control) Found() string { return c.Figures() + ", " + c.Words() }

// Mark says whether it is as expected.
func (c *Control) Mark() string {
	if c.Passed {
		return "as expected"
	}
	return "**not as expected**"
}

// A Comparison is the outcome of comparing two sides. A row that base has and head
// has not is among Rows, as Missing.
type Comparison struct {
	Rows     []Row
	Controls []Control
	Blocks   int
	Seconds  float64 // that it took
}

// Unfit returns why no verdict counts: a control that failed or, as nothing is known
// without them, that there are none. "" = they count.
func (c *Comparison) Unfit() string {
	text := ""
	for _, control := range c.Controls {
		if !control.Passed {
			if text != "" {
				text += "; "
			}
			text += fmt.Sprintf("%s, %s under %s, %s, came out as %s", control.Known(), control.Buffer,
				control.Workload, control.Unit, control.Found())
		}
	}
	if len(c.Controls) == 0 {
		return "there were no controls"
	}
	return text
}

// Fit reports whether all controls passed.
func (c *Comparison) Fit() bool { return c.Unfit() == "" }

// Of returns the rows with this verdict.
func (c *Comparison) Of(v stats.Verdict) (rows []Row) {
	for _, r := range c.Rows {
		if r.Verdict == v {
			rows = append(rows, r)
		}
	}
	return rows
}

// Outcome sums up in a few words.
func (c *Comparison) Outcome() string {
	missing, red, open := len(c.Of(stats.Missing)), len(c.Of(stats.Slower)), len(c.Of(stats.Inconclusive))
	switch {
	case missing > 0:
		return "missing: " + format.Plural(missing, "row") + " that base has"
	case len(c.Rows) == 0:
		return "nothing was compared"
	case !c.Fit():
		return "unfit: a control did not come out as it had to, so no verdict counts"
	case red > 0:
		return fmt.Sprintf("slower: %d of %d", red, len(c.Rows))
	case open > 0:
		return fmt.Sprintf("inconclusive: %d of %d, none slower", open, len(c.Rows))
	}
	return "not slower"
}

// Sides compares Head with Base, row by row, in the order of workloads and
// buffers.
func Sides(all []run.Slice, rules Rules) *Comparison {
	t := BlocksOf(all)
	c := &Comparison{Blocks: t.Count}
	for _, workload := range t.Workloads {
		for _, buffer := range t.Buffers {
			for _, m := range rules.Metrics {
				c.add(t, workload, buffer, m, rules)
			}
		}
	}
	missing := c.Of(stats.Missing)
	c.Rows = slices.DeleteFunc(c.Rows, func(r Row) bool { return r.Verdict == stats.Missing })
	Judge(c.Rows, rules.Alpha)
	c.Rows = append(c.Rows, missing...)
	return c
}

// add compares one row, if base has it.
func (c *Comparison) add(t *Blocks, workload, buffer string, m Metric, rules Rules) {
	row := func(side string) run.Row { return run.Row{Workload: workload, Buffer: buffer, Side: side} }
	base, head := row(Base), row(Head)
	switch {
	case !t.expects(base, m.Unit):
		return
	case !t.expects(head, m.Unit):
		r := Unmeasured(head, stats.Missing, "head has no such figure")
		r.Metric, r.Against = m, Base
		c.Rows = append(c.Rows, r)
		return
	}
	r := t.row(base, head, m, t.blocksOf(base, head))
	r.Against = Base
	c.Rows = append(c.Rows, r)
	for _, side := range []string{Again, Slowed} {
		if side == Slowed && Latency(m.Unit) {
			continue // what keeps a processor busy at the end of a run delays no event before that
		}
		if t.expects(row(side), m.Unit) {
			c.Controls = append(c.Controls, t.control(base, row(side), m, rules))
		}
	}
}

// control compares base with a side whose outcome is known. That it is one of
// several rows plays no part: a machine that fails one control is not fit.
func (t *Blocks) control(base, other run.Row, m Metric, rules Rules) Control {
	blocks := t.blocksOf(other) // of which it takes part in few
	c := Control{Row: t.row(base, other, m, blocks), Percent: rules.Percent, Expected: "slower"}
	r := &c.Row
	r.Against = Base
	r.PSlower, r.PFaster = r.Estimate.PSlower, r.Estimate.PFaster
	r.Verdict, r.Needs = stats.Judge(r.Estimate, r.PSlower, r.PFaster, r.Floor, stats.Alpha)
	r.settle()
	if other.Side == Slowed {
		c.Passed = r.Verdict == stats.Slower
		return c
	}
	c.Passed = r.Verdict != stats.Slower && r.Verdict != stats.Faster && len(r.Missing) == 0
	c.Percent, c.Expected = 0, "neither slower nor faster"
	return c
}
