package micro

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"

	"informerlab/bench/format"
	"informerlab/bench/stats"
)

// interleave runs a measurement of all contestants that it fits, round by round
// and each round in an order of its own, and prints what came of it.
func interleave[T any](
	ctx context.Context, p *Plan, out io.Writer, m measurement[T], k kind[T], all []Contestant[T],
) error {
	t := table{title: m.name() + "/item=" + k.name, base: p.Base}
	var fit []Contestant[T]
	for _, contestant := range all {
		if m.fits(contestant.Traits) {
			fit = append(fit, contestant)
			t.rows = append(t.rows, row{name: contestant.Name})
		}
	}
	order := rand.New(rand.NewPCG(p.Seed, 0))
	for range p.Rounds {
		for _, i := range order.Perm(len(fit)) {
			if err := ctx.Err(); err != nil {
				return err
			}
			figures, err := m.measure(fit[i], k, m.count)
			if err != nil {
				return err
			}
			t.rows[i].runs = append(t.rows[i].runs, figures)
			if p.Raw {
				fmt.Fprintln(out, rawLine(m, k, fit[i].Name, figures))
			}
		}
	}
	if p.Raw || len(fit) == 0 {
		return nil
	}
	return t.write(out)
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
	text := format.Table{Head: []string{t.title}, Right: map[int]bool{}}
	for _, f := range t.rows[0].runs[0] {
		text.Right[len(text.Head)] = true
		if text.Head = append(text.Head, f.unit); base >= 0 {
			text.Head = append(text.Head, "vs "+t.base)
		}
	}
	for i, r := range t.rows {
		cells := []string{r.name}
		for column, f := range r.runs[0] {
			cells = append(cells, format.Value(stats.Median(r.values(column)), f.unit))
			switch {
			case base < 0:
			case i == base:
				cells = append(cells, "")
			default:
				cells = append(cells, ratio(t.rows[base].values(column), r.values(column)))
			}
		}
		text.Add(cells...)
	}
	if err := text.Text(out); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out)
	return err
}

// ratio writes how many times more own is than base, round by round. It is
// silent where one of them is as good as nothing.
func ratio(base, own []float64) string {
	const nothing = 0.01
	logs := make([]float64, len(own))
	for round := range own {
		if base[round] < nothing || own[round] < nothing {
			return ""
		}
		logs[round] = math.Log(own[round] / base[round])
	}
	e := stats.Compare(logs)
	return format.Interval(math.Exp(e.Mean), math.Exp(e.Low), math.Exp(e.High))
}
