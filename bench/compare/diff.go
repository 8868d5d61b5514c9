package compare

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"text/tabwriter"

	"golang.org/x/perf/benchmath"

	"informerlab/bench/report"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
)

// ErrMachines says that two runs are of different machines.
var ErrMachines = errors.New("the runs are of different machines")

// A Change is how a row's figure differs between two runs.
type Change struct {
	run.Row
	Unit          string
	Before, After float64 // medians over blocks
	P             float64 // of a Mann-Whitney U-test over blocks
	Blocks        [2]int
	// Missing lists which of the runs lack blocks, as "before" and "after". P is NaN
	// then.
	Missing []report.Missing
}

// Diff compares what two runs of one machine have both measured. The runs are of
// different hours, so a small change may be the machine's: Sides compares what is
// measured at the same time. It fails with ErrMachines for runs of two machines.
func Diff(before, after *run.Recorded) ([]Change, error) {
	a, b := before.Manifest.Environment.Fingerprint(), after.Manifest.Environment.Fingerprint()
	if a != b {
		return nil, fmt.Errorf("compare: %w: %s and %s", ErrMachines, a, b)
	}
	old, new := tableOf(before.Slices), tableOf(after.Slices)
	var changes []Change
	for _, row := range slices.SortedFunc(maps.Keys(old.values), compareRows) {
		for _, u := range worker.Units() {
			known := old.has(row, u.Name) || new.has(row, u.Name)
			if u.Detail || !known || !old.expects(row, u.Name) || !new.expects(row, u.Name) {
				continue
			}
			c := Change{Row: row, Unit: u.Name}
			was, is := old.medians(row, u.Name), new.medians(row, u.Name)
			c.Before, c.After, c.Blocks = stats.Median(was), stats.Median(is), [2]int{len(was), len(is)}
			for i, t := range []*table{old, new} {
				m := t.lacking(row, u.Name, t.blocksOf(row))
				if m.Name = [2]string{"before", "after"}[i]; m.Any() {
					c.Missing = append(c.Missing, m)
				}
			}
			if len(c.Missing) > 0 {
				c.P = math.NaN()
				changes = append(changes, c)
				continue
			}
			c.P = benchmath.AssumeNothing.Compare(benchmath.NewSample(was, &benchmath.DefaultThresholds),
				benchmath.NewSample(is, &benchmath.DefaultThresholds)).P
			changes = append(changes, c)
		}
	}
	return changes, nil
}

func compareRows(a, b run.Row) int {
	return slices.Compare([]string{a.Workload, a.Buffer, a.Side}, []string{b.Workload, b.Buffer, b.Side})
}

// medians returns the medians over rounds of each block that has the unit.
func (t *table) medians(row run.Row, unit string) (all []float64) {
	for _, block := range slices.Sorted(maps.Keys(t.values[row])) {
		if rounds := t.values[row][block][unit]; present(rounds) {
			all = append(all, stats.Median(rounds))
		}
	}
	return all
}

// WriteChanges writes a line per change.
func WriteChanges(out io.Writer, changes []Change) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WORKLOAD\tBUFFER\tUNIT\tBEFORE\tAFTER\tRATIO\tP\tBLOCKS")
	for _, c := range changes {
		ratio := "?"
		if c.Before > 0 {
			ratio = fmt.Sprintf("%.3gx", c.After/c.Before)
		}
		if c.P >= 0.05 {
			ratio = "~" + ratio
		}
		p, missing := fmt.Sprintf("%.3f", c.P), ""
		if len(c.Missing) > 0 {
			ratio, p, missing = "?", "-", " ("+listed(c.Missing)+")"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d, %d%s\n", c.Workload,
			run.Arm{Buffer: c.Buffer, Side: c.Side}, c.Unit, scaled(c.Before, c.Unit), scaled(c.After, c.Unit),
			ratio, p, c.Blocks[0], c.Blocks[1], missing)
	}
	return table.Flush()
}
