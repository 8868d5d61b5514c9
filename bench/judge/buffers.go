package judge

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"informerlab/bench/format"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
	"informerlab/core/buffer"
)

// Buffers compares each buffer of a run with one of them, which is the base of
// every row. Runs have few blocks, for differences that are large, so verdicts are by
// the interval: Slower if the 95 % interval lies above the floor, Faster if below it.
func Buffers(t *Blocks, reference string, rules Rules) []Row {
	var rows []Row
	for _, workload := range t.Workloads {
		base := run.Row{Workload: workload, Buffer: reference}
		for _, name := range t.Buffers {
			head := run.Row{Workload: workload, Buffer: name}
			for _, m := range rules.Metrics {
				if name != reference && t.expects(base, m.Unit) && t.expects(head, m.Unit) {
					rows = append(rows, t.Compare(base, head, m))
				}
			}
		}
	}
	return rows
}

// Compare compares two rows of one run, of which even the workloads may differ, block by
// block. Its verdict is by the interval.
func (t *Blocks) Compare(base, head run.Row, m Metric) Row {
	r := t.row(base, head, m, t.blocksOf(base, head))
	r.Against = run.Arm{Buffer: base.Buffer, Side: base.Side}.String()
	if base.Side != "" && base.Buffer == head.Buffer {
		r.Against = base.Side
	}
	r.byInterval(stats.Strict)
	return r
}

// byInterval gives a verdict by the interval, which few blocks have.
func (r *Row) byInterval(alpha float64) {
	r.PSlower, r.PFaster = r.Estimate.PSlower, r.Estimate.PFaster
	r.Verdict, r.Needs = stats.Judge(r.Estimate, 1, 1, r.Floor, alpha)
	switch limit := math.Log1p(r.Floor); {
	case r.Low > limit:
		r.Verdict, r.Needs = stats.Slower, 0
	case r.High < -limit:
		r.Verdict, r.Needs = stats.Faster, 0
	}
	r.settle()
}

// WinnerFloor is by how much a buffer must be behind to be beaten: what less
// than that decides depends on the machine.
const WinnerFloor = 0.03

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
	Missing []Missing
	// Undecided are those that are at least tieLimit times behind the best, with blocks too
	// few or too unlike to prove it: they neither tie nor are behind.
	Undecided []Row
}

// tieLimit is the ratio above which two medians are no tie, whatever the interval. Where
// they have bounds it is of the nearer ones.
const tieLimit = 2

// Word is what it comes to: winner, tie or undecided.
func (w *Winner) Word() string {
	switch {
	case len(w.Best) == 0 || len(w.Undecided) > 0:
		return "undecided"
	case len(w.Best) == 1:
		return "winner"
	}
	return "tie"
}

// Won reports whether a buffer won, alone or in a tie.
func (w *Winner) Won(buffer string) bool {
	return w.Word() != "undecided" && slices.Contains(w.Best, buffer)
}

// String says who won: a buffer, or several that tie, or nobody.
func (w *Winner) String() string {
	switch names := strings.Join(w.Best, ", "); {
	case w.Word() == "winner":
		return names
	case names == "":
		return "undecided"
	default:
		return w.Word() + ": " + names
	}
}

// Note says by how much, and who is not ranked.
func (w *Winner) Note() string {
	var parts []string
	if w.Next.Buffer != "" {
		parts = append(parts, "next is "+w.Next.Buffer+", "+w.Next.Figures())
	}
	for i := range w.Undecided {
		parts = append(parts, "too few blocks to rank "+w.Undecided[i].Buffer+", "+w.Undecided[i].Figures())
	}
	if len(w.Missing) > 0 {
		parts = append(parts, "not ranked: "+listed(w.Missing))
	}
	return strings.Join(parts, "; ")
}

// deciding are the units of which the first that a workload has decides.
var deciding = []string{worker.OthersNSPerEvent, worker.NSPerEvent, worker.P99}

// Winners returns who does best under each workload of a run without sides. A
// buffer is beaten if the 95 % interval of its paired ratio to the one with the
// lowest median lies above the floor; all that are not beaten tie. Competitors that
// lack blocks do not take part, and without two others there is no verdict.
func Winners(t *Blocks, arms []run.ArmInfo) []Winner {
	var competitors []string
	for _, arm := range arms {
		if arm.Side == "" && arm.Traits.Loss == buffer.Lossless && arm.Traits.Bound != buffer.Nothing {
			competitors = append(competitors, arm.Buffer)
		}
	}
	var winners []Winner
	for _, workload := range t.Workloads {
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

func (t *Blocks) winner(workload, unit string, competitors []string) Winner {
	w := Winner{Workload: workload, Unit: unit}
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
		return cmp.Compare(stats.Median(t.Values(row(a), unit)), stats.Median(t.Values(row(b), unit)))
	})
	w.Best = []string{best}
	var behind []Row
	for _, name := range whole {
		if name == best {
			continue
		}
		r := t.row(row(best), row(name), Metric{unit, WinnerFloor}, blocks)
		_, most := t.Bounds(row(best), unit)
		least, _ := t.Bounds(row(name), unit)
		switch {
		case r.Low > math.Log1p(WinnerFloor):
			behind = append(behind, r)
		case least > tieLimit*most:
			w.Undecided = append(w.Undecided, r)
		default:
			w.Best = append(w.Best, name)
		}
	}
	slices.SortStableFunc(behind, func(a, b Row) int { return cmp.Compare(a.Mean, b.Mean) })
	if len(behind) > 0 {
		w.Next = behind[0]
	}
	return w
}

// WinnerRule says in a sentence how Winners decides.
func WinnerRule() string {
	return "a buffer is behind if the 95 % interval of its paired ratio to the best, over process blocks, lies above " +
		format.Percent(WinnerFloor)
}
