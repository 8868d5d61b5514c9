package micro

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"text/tabwriter"
)

// interleave runs a measurement of all contestants that it fits, round by round
// and each round in an order of its own, and prints what came of it.
func interleave[T any](
	ctx context.Context, c *command, m measurement[T], k kind[T], all []Contestant[T],
) error {
	t := table{title: m.name() + "/item=" + k.name, base: c.base}
	var fit []Contestant[T]
	for _, contestant := range all {
		if m.fits(contestant.Traits) {
			fit = append(fit, contestant)
			t.rows = append(t.rows, row{name: contestant.Name})
		}
	}
	order := rand.New(rand.NewPCG(c.seed, 0))
	for range c.rounds {
		for _, i := range order.Perm(len(fit)) {
			if err := ctx.Err(); err != nil {
				return err
			}
			figures, err := m.measure(fit[i], k, m.count)
			if err != nil {
				return err
			}
			t.rows[i].runs = append(t.rows[i].runs, figures)
			if c.raw {
				fmt.Fprintln(c.out, rawLine(m, k, fit[i].Name, figures))
			}
		}
	}
	if c.raw || len(fit) == 0 {
		return nil
	}
	return t.write(c.out)
}

// rawLine returns a run in the Go benchmark format.
func rawLine[T any](m measurement[T], k kind[T], contestant string, figures []figure) string {
	line := fmt.Sprintf("Benchmark%s/%s %d", m.family, m.label(k, contestant), m.count)
	for _, f := range figures {
		line += fmt.Sprintf(" %.6g %s", f.value, f.unit)
	}
	return line
}

// A table shows one measurement.
type table struct {
	title, base string
	rows        []row
}

// A row is a contestant.
type row struct {
	name string
	runs [][]figure // by round
}

// values returns one figure of every round.
func (r row) values(column int) []float64 {
	values := make([]float64, len(r.runs))
	for round, figures := range r.runs {
		values[round] = figures[column].value
	}
	return values
}

func (t *table) write(out io.Writer) error {
	base := slices.IndexFunc(t.rows, func(r row) bool { return r.name == t.base })
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, t.title)
	for _, f := range t.rows[0].runs[0] {
		fmt.Fprintf(w, "\t%s\t", f.unit)
		if base >= 0 {
			fmt.Fprint(w, "×")
		}
	}
	fmt.Fprintln(w)
	for i, r := range t.rows {
		fmt.Fprint(w, r.name)
		for column := range r.runs[0] {
			fmt.Fprintf(w, "\t%s\t", digits(quantile(r.values(column), 2)))
			if base >= 0 && i != base {
				fmt.Fprint(w, times(t.rows[base].values(column), r.values(column)))
			}
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
	return w.Flush()
}

// times renders how many times less than base own is, round by round. It is
// silent where one of them is as good as nothing.
func times(base, own []float64) string {
	const nothing = 0.01
	ratios := make([]float64, len(own))
	for round := range own {
		if base[round] < nothing || own[round] < nothing {
			return ""
		}
		ratios[round] = base[round] / own[round]
	}
	return fmt.Sprintf("%s [%s %s]", digits(quantile(ratios, 2)),
		digits(quantile(ratios, 1)), digits(quantile(ratios, 3)))
}

// quantile returns the given quarter of the values: 2 is the median. Between
// two values it takes the point in between.
func quantile(values []float64, quarter int) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := float64(quarter*(len(sorted)-1)) / 4
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// digits renders three digits, and all of large numbers.
func digits(v float64) string {
	switch {
	case v >= 100 || v <= -100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10 || v <= -10:
		return fmt.Sprintf("%.1f", v)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.2f", v), ".00")
}
