package page

import (
	"cmp"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"

	"informerlab/bench/compare"
	"informerlab/bench/format"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
	"informerlab/core/buffer"
)

// Rules are those by which a run is judged unless somebody says otherwise: of two
// sides those of lab compare. Buffers have wider floors than two versions of one
// program: who chooses among them looks for larger differences.
func Rules(r *run.Recorded) compare.Rules {
	rules := compare.Rules{Alpha: stats.Strict, Metrics: []compare.Metric{
		{Unit: worker.NSPerEvent, Floor: .03}, {Unit: worker.OthersNSPerEvent, Floor: .03},
		{Unit: worker.CPUNSPerEvent, Floor: .03}, {Unit: worker.P50, Floor: .1}, {Unit: worker.P99, Floor: .1},
		{Unit: worker.BytesPerPending, Floor: .03},
	}}
	for _, arm := range r.Manifest.Arms {
		if arm.Side == compare.Slowed {
			rules.Percent = arm.Spin
		}
		if arm.Side == compare.Base {
			rules.Metrics = compare.Timing(arm.Procs)
		}
	}
	return rules
}

// New compares what a run compares, by the rules given: head with base if it has
// sides, else each buffer with the reference, or the first if that is not among
// them. The caller may add Links.
func New(r *run.Recorded, rules compare.Rules) Input {
	in := Input{Run: r}
	base := ""
	for _, arm := range r.Manifest.Arms {
		if base == "" || arm.Buffer == reference {
			base = arm.Buffer
		}
	}
	if slices.ContainsFunc(r.Manifest.Arms, func(a run.ArmInfo) bool { return a.Side != "" }) {
		in.addSides(compare.Sides(r.Slices, rules))
		return in
	}
	for _, row := range compare.Buffers(r.Slices, base, rules) {
		v := verdictOf(row, base)
		v.Unlike = in.loss(row.Buffer, "") != in.loss(base, "")
		in.Verdicts = append(in.Verdicts, v)
	}
	for _, w := range compare.Winners(r) {
		winner := Winner{Workload: w.Workload, Unit: w.Unit, Buffers: w.Best, Missing: w.Missing}
		if next := w.Next; next.Buffer != "" {
			v := verdictOf(next, "")
			winner.Note = fmt.Sprintf("next is %s, %s", next.Buffer, v.figures())
		}
		in.Winners = append(in.Winners, winner)
	}
	in.order()
	return in
}

func (in *Input) addSides(c *compare.Comparison) {
	for _, row := range c.Rows {
		v := verdictOf(row, compare.Base)
		v.Side = compare.Head
		v.Unlike = in.loss(row.Buffer, compare.Base) != in.loss(row.Buffer, compare.Head)
		in.Verdicts = append(in.Verdicts, v)
	}
	for _, c := range c.Controls {
		v := verdictOf(c.Row, compare.Base)
		v.Side, v.Control = c.Side, "base again"
		expected := "neither slower nor faster"
		if c.Side == compare.Slowed {
			v.Control, expected = fmt.Sprintf("base, %.3g %% slower", c.Percent), "slower"
		}
		in.Verdicts = append(in.Verdicts, v)
		in.Controls = append(in.Controls, Control{
			Name:     fmt.Sprintf("%s · %s, %s, %s", v.Control, v.Workload, v.Buffer, unitOf(v.Unit).meaning),
			Expected: expected, Found: v.Verdict + ", " + v.figures(), Fine: c.Passed,
		})
	}
	if !c.Fit() && len(c.Rows) > 0 {
		in.Unfit = "a control did not come out as it had to."
		if len(c.Controls) == 0 {
			in.Unfit = "there are no controls."
		}
	}
	in.order()
}

// order puts verdicts and winners into the order of workloads and buffers of the run.
func (in *Input) order() {
	buffers := func(name string) int {
		return slices.IndexFunc(in.Run.Manifest.Arms, func(a run.ArmInfo) bool { return a.Buffer == name })
	}
	workloads := func(name string) int { return slices.Index(in.Run.Manifest.Workloads, name) }
	slices.SortStableFunc(in.Verdicts, func(a, b Verdict) int {
		return cmp.Or(workloads(a.Workload)-workloads(b.Workload), buffers(a.Buffer)-buffers(b.Buffer))
	})
	slices.SortStableFunc(in.Winners, func(a, b Winner) int { return workloads(a.Workload) - workloads(b.Workload) })
}

// loss is what an arm may lose.
func (in *Input) loss(name, side string) buffer.Loss {
	for _, a := range in.Run.Manifest.Arms {
		if a.Buffer == name && a.Side == side {
			return a.Traits.Loss
		}
	}
	return ""
}

func verdictOf(r compare.Row, base string) Verdict {
	return Verdict{
		Workload: r.Workload, Buffer: r.Buffer, Unit: r.Unit, Base: base, Ratio: math.Exp(r.Mean), Low: math.Exp(r.Low),
		High: math.Exp(r.High), Floor: r.Floor, Visible: math.Expm1(r.MDE), Verdict: string(r.Verdict), Needs: r.Needs,
		Blocks: r.Blocks, Missing: r.MissingText(),
	}
}

// Links returns the files of a run's folder that a page links to, as Input has
// them.
func Links(folder fs.FS) (has []string) {
	for _, l := range linkMeanings {
		if info, err := fs.Stat(folder, l.Name); err == nil && info.Mode().IsRegular() {
			has = append(has, l.Name)
		}
	}
	return has
}

// figures are the ratio and its interval.
func (v *Verdict) figures() string { return format.Interval(v.Ratio, v.Low, v.High) }

// folder is the name of the run's folder.
func (in *Input) folder() string { return filepath.Base(in.Run.Path) }
