package compare

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"golang.org/x/perf/benchmath"

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
			if u.Detail || !old.has(row, u.Name) || !new.has(row, u.Name) {
				continue
			}
			c := Change{Row: row, Unit: u.Name}
			was, is := old.medians(row, u.Name), new.medians(row, u.Name)
			c.Before, c.After, c.Blocks = stats.Median(was), stats.Median(is), [2]int{len(was), len(is)}
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
		if rounds := t.values[row][block][unit]; len(rounds) > 0 {
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
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%.3f\t%d, %d\n", c.Workload,
			run.Arm{Buffer: c.Buffer, Side: c.Side}, c.Unit, scaled(c.Before, c.Unit), scaled(c.After, c.Unit),
			ratio, c.P, c.Blocks[0], c.Blocks[1])
	}
	return table.Flush()
}
