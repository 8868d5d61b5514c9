package judge

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
)

// ErrMachines says that two runs are of different machines.
var ErrMachines = errors.New("the runs are of different machines")

// diffFloor is what a figure of two hours must differ by: a machine alone makes several
// percent.
const diffFloor = 0.05

// Diff compares what two runs of one machine have measured, row by row, after against
// before. The runs are of different hours, so a small change may be the machine's: Sides
// compares what is measured at the same time, this the i-th block of one run with the
// i-th of the other. Runs have few blocks, with which no test survives a correction for
// a hundred rows; a verdict is by the interval, widened so that all of them together
// hold with 95 % (Bonferroni). A row that only one of the runs has is New or Missing. It
// fails with ErrMachines for runs of two machines.
func Diff(before, after *run.Recorded) ([]Row, error) {
	a, b := before.Manifest.Environment.Fingerprint(), after.Manifest.Environment.Fingerprint()
	if a != b {
		return nil, fmt.Errorf("judge: %w: %s and %s", ErrMachines, a, b)
	}
	was, is := BlocksOf(before.Slices), BlocksOf(after.Slices)
	all := maps.Clone(was.values)
	maps.Copy(all, is.values)
	var rows, single []Row
	for _, row := range slices.SortedFunc(maps.Keys(all), compareRows) {
		for _, u := range worker.Units() {
			inBefore, inAfter := was.expects(row, u.Name), is.expects(row, u.Name)
			switch {
			case u.Detail || u.Name == worker.SpoiledRuns || !was.Has(row, u.Name) && !is.Has(row, u.Name):
			case inBefore && inAfter:
				rows = append(rows, change(was, is, row, u.Name))
			default:
				r := Unmeasured(row, stats.New, "only after has it")
				if inBefore {
					r.Verdict, r.Note = stats.Missing, "only before has it"
				}
				r.Metric, r.Against = Metric{u.Name, diffFloor}, "before"
				r.Base, r.Head = stats.Median(was.Values(row, u.Name)), stats.Median(is.Values(row, u.Name))
				single = append(single, r)
			}
		}
	}
	for i := range rows {
		r := &rows[i]
		r.Low, r.High = r.Interval(1 - 0.05/float64(len(rows)))
		r.byInterval(stats.Strict)
	}
	return append(rows, single...), nil
}

// change compares the blocks of one run with those of another, in their order.
func change(was, is *Blocks, row run.Row, unit string) Row {
	b, h := was.Values(row, unit), is.Values(row, unit)
	r := Row{Row: row, Against: "before", Metric: Metric{unit, diffFloor}, Base: stats.Median(b), Head: stats.Median(h)}
	for i := range min(len(b), len(h)) {
		ratio := stats.LogRatio(b[i:i+1], h[i:i+1])
		if worker.UnitOf(unit).Higher {
			ratio = -ratio
		}
		if !math.IsNaN(ratio) {
			r.Logs = append(r.Logs, ratio)
		}
	}
	r.Estimate = stats.Compare(r.Logs)
	for i, t := range []*Blocks{was, is} {
		m := t.lacking(row, unit, t.blocksOf(row))
		if m.Name = [2]string{"before", "after"}[i]; m.Any() {
			r.Missing = append(r.Missing, m)
		}
	}
	return r
}

func compareRows(a, b run.Row) int {
	return slices.Compare([]string{a.Workload, a.Buffer, a.Side}, []string{b.Workload, b.Buffer, b.Side})
}
