package compare

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"informerlab/bench/report"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
	"informerlab/core/buffer"
)

// winnerFloor is by how much a buffer must be behind to be beaten: what less
// than that decides depends on the machine.
const winnerFloor = 0.03

// A Winner tells which buffer does best under a workload. Only those compete that
// lose nothing and hold what waits: others do less.
type Winner struct {
	Workload string
	Unit     string // of what is compared
	// Best is one buffer, or several that tie, the one with the lowest median first.
	// It is empty where nothing is decided, as fewer than two have all blocks.
	Best []string
	// Next is the row of the first buffer behind the best; its Buffer is "" if
	// there is none.
	Next Row
	// Missing are the competitors that lack blocks, which are not ranked.
	Missing []report.Missing
}

// deciding are the units of which the first that a workload has decides.
var deciding = []string{worker.OthersNSPerEvent, worker.NSPerEvent, worker.P99}

// Winners returns who does best under each workload of a run without sides. A
// buffer is beaten if the 95 % interval of its paired ratio to the one with the
// lowest median lies above the floor; all that are not beaten tie. Competitors that
// lack blocks do not take part, and without two others there is no verdict.
func Winners(r *run.Recorded) []Winner {
	t := tableOf(r.Slices)
	var competitors []string
	for _, arm := range r.Manifest.Arms {
		if arm.Side == "" && arm.Traits.Loss == buffer.Lossless && arm.Traits.Bound != buffer.Nothing {
			competitors = append(competitors, arm.Buffer)
		}
	}
	var winners []Winner
	for _, workload := range t.workloads {
		for _, unit := range deciding {
			expected := func(name string) bool { return t.expects(run.Row{Workload: workload, Buffer: name}, unit) }
			if slices.ContainsFunc(competitors, expected) {
				winners = append(winners, t.winner(workload, unit, competitors))
				break
			}
		}
	}
	return winners
}

func (t *table) winner(workload, unit string, competitors []string) Winner {
	w := Winner{Workload: workload, Unit: unit}
	m := Metric{unit, winnerFloor}
	row := func(name string) run.Row { return run.Row{Workload: workload, Buffer: name} }
	var rows []run.Row
	for _, name := range competitors {
		rows = append(rows, row(name))
	}
	blocks := t.blocksOf(rows...)
	var whole []string
	for _, name := range competitors {
		if missing := t.lacking(row(name), unit, blocks); missing.Any() {
			w.Missing = append(w.Missing, missing)
		} else {
			whole = append(whole, name)
		}
	}
	if len(whole) == 0 || len(whole) == 1 && len(w.Missing) > 0 {
		return w
	}
	best := slices.MinFunc(whole, func(a, b string) int {
		return cmp.Compare(stats.Median(t.medians(row(a), unit)), stats.Median(t.medians(row(b), unit)))
	})
	w.Best = []string{best}
	behind := []Row{}
	for _, name := range whole {
		if name == best {
			continue
		}
		r := t.row(row(best), row(name), m, blocks)
		if r.Low > math.Log1p(winnerFloor) {
			behind = append(behind, r)
		} else {
			w.Best = append(w.Best, name)
		}
	}
	slices.SortStableFunc(behind, func(a, b Row) int { return cmp.Compare(a.Mean, b.Mean) })
	if len(behind) > 0 {
		w.Next = behind[0]
	}
	return w
}

// MissingText returns Missing as one line; "" if nothing is missing.
func (w Winner) MissingText() string { return listed(w.Missing) }

// String says who won: a buffer, or several that tie, or nobody.
func (w Winner) String() string {
	switch len(w.Best) {
	case 0:
		return "undecided"
	case 1:
		return w.Best[0]
	}
	return "tie: " + strings.Join(w.Best, ", ")
}

// WriteWinners writes a line per workload.
func WriteWinners(out io.Writer, winners []Winner) error {
	if len(winners) == 0 {
		return nil
	}
	fmt.Fprintf(out, "\nWho does best, of those that lose nothing; a buffer is behind if the 95 %% interval of\n"+
		"its paired ratio to the best, over process blocks, lies above %.0f %%:\n", 100*winnerFloor)
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	for _, w := range winners {
		next := "no other is behind"
		if len(w.Missing) > 0 {
			next = "not ranked: " + w.MissingText()
		}
		if w.Next.Buffer != "" {
			next = fmt.Sprintf("next: %s, %.3gx [%.3g, %.3g]", w.Next.Buffer,
				math.Exp(w.Next.Mean), math.Exp(w.Next.Low), math.Exp(w.Next.High))
			if len(w.Missing) > 0 {
				next += "; not ranked: " + w.MissingText()
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", w.Workload, w.Unit, w, next)
	}
	return table.Flush()
}
