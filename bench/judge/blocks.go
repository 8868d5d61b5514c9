package judge

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
)

// Blocks holds the slices of a run by row, block and unit. It is for reading only.
type Blocks struct {
	Workloads []string // in the order of CompareNames: that of measurement is random
	Buffers   []string
	Count     int
	values    map[run.Row]map[int]map[string][]float64 // by block and unit, in order of rounds
}

// BlocksOf sorts slices into blocks.
func BlocksOf(all []run.Slice) *Blocks {
	t := &Blocks{values: map[run.Row]map[int]map[string][]float64{}}
	for _, s := range all {
		if !slices.Contains(t.Workloads, s.Workload) {
			t.Workloads = append(t.Workloads, s.Workload)
		}
		if !slices.Contains(t.Buffers, s.Buffer) {
			t.Buffers = append(t.Buffers, s.Buffer)
		}
		t.Count = max(t.Count, s.Block)
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
	slices.SortFunc(t.Workloads, run.CompareNames)
	slices.Sort(t.Buffers)
	return t
}

// padded makes room for a value of this round; rounds without one are NaN.
func padded(values []float64, round int) []float64 {
	for len(values) < round {
		values = append(values, math.NaN())
	}
	return values
}

// present reports whether a block has a metric, in at least one round.
func present(rounds []float64) bool {
	return slices.ContainsFunc(rounds, func(v float64) bool { return !math.IsNaN(v) })
}

// Has reports whether any block of a row has a metric.
func (t *Blocks) Has(row run.Row, unit string) bool {
	for _, block := range t.values[row] {
		if present(block[unit]) {
			return true
		}
	}
	return false
}

// units returns the units that tables are of: those of the lab that are no details, then
// what another program measured.
func (t *Blocks) units() (units []string) {
	known := map[string]bool{}
	for _, u := range worker.Units() {
		if known[u.Name] = true; !u.Detail {
			units = append(units, u.Name)
		}
	}
	others := map[string]bool{}
	for _, blocks := range t.values {
		for _, block := range blocks {
			for unit := range block {
				if !known[unit] {
					others[unit] = true
				}
			}
		}
	}
	return append(units, slices.Sorted(maps.Keys(others))...)
}

// Values returns a metric of a row, for each of its blocks the median over rounds, NaN
// for a block that lacks it.
func (t *Blocks) Values(row run.Row, unit string) (all []float64) {
	for _, block := range t.blocksOf(row) {
		all = append(all, t.median(row, block, unit))
	}
	return all
}

// median returns the figure of one block: over rounds, of runs that have a property the
// share.
func (t *Blocks) median(row run.Row, block int, unit string) float64 {
	rounds := t.values[row][block][unit]
	if unit != worker.SpoiledRuns && unit != worker.LateRuns && unit != worker.SaturatedRuns || len(rounds) == 0 {
		return stats.Median(rounds)
	}
	sum := 0.0
	for _, v := range rounds {
		sum += v
	}
	return sum / float64(len(rounds))
}

// lower returns the lower bounds of a block, round by round: the values themselves where
// there are none.
func (t *Blocks) lower(row run.Row, block int, unit string) []float64 {
	lower := slices.Clone(t.values[row][block][unit])
	for i, v := range t.values[row][block][worker.LowerOf(unit)] {
		if i < len(lower) && !math.IsNaN(v) {
			lower[i] = v
		}
	}
	return lower
}

// Bounds returns between which values a metric of a row lies: medians over blocks of
// medians over rounds, equal ones unless a generator was late; NaN if no block has it.
func (t *Blocks) Bounds(row run.Row, unit string) (low, high float64) {
	var lows, highs []float64
	for _, block := range t.blocksOf(row) {
		lows = append(lows, stats.Median(t.lower(row, block, unit)))
		highs = append(highs, t.median(row, block, unit))
	}
	return stats.Median(lows), stats.Median(highs)
}

// saturated tells in how many blocks of a row the pipeline used all of the machine, so
// that its generator's lag is part of its latency; "" if in none.
func (t *Blocks) saturated(row run.Row) string {
	shares := t.Values(row, worker.SaturatedRuns)
	n := len(slices.DeleteFunc(slices.Clone(shares), func(share float64) bool { return !(share > 0) }))
	if n == 0 {
		return ""
	}
	name := run.Arm{Buffer: row.Buffer, Side: row.Side}.String()
	return fmt.Sprintf("%s saturated the machine in %d of %d blocks", name, n, len(shares))
}

// expects reports whether a row should have a metric: it has it in some block, or it
// would if the generator had not been late.
func (t *Blocks) expects(row run.Row, unit string) bool {
	if t.Has(row, unit) {
		return true
	}
	return Latency(unit) && slices.ContainsFunc(t.blocksOf(row), func(b int) bool { return t.late(row, b) })
}

// late reports whether the generator was late in any round of a block.
func (t *Blocks) late(row run.Row, block int) bool {
	return slices.ContainsFunc(t.values[row][block][worker.SpoiledRuns], func(v float64) bool { return v > 0 })
}

// blocksOf returns the blocks in which any of the rows was measured.
func (t *Blocks) blocksOf(rows ...run.Row) []int {
	all := map[int]bool{}
	for _, row := range rows {
		for block := range t.values[row] {
			all[block] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// row compares two rows by one metric, over blocks in which both should have it.
func (t *Blocks) row(base, head run.Row, m Metric, blocks []int) Row {
	var logs, bases, heads []float64
	var bounds []stats.Bounds
	for _, block := range blocks {
		b, h := t.values[base][block][m.Unit], t.values[head][block][m.Unit]
		if !present(b) || !present(h) {
			continue
		}
		ratio := stats.LogRatio(b, h)
		within := stats.BoundsOf(t.lower(base, block, m.Unit), b, t.lower(head, block, m.Unit), h)
		if worker.UnitOf(m.Unit).Higher {
			ratio, within = -ratio, stats.Bounds{Low: -within.High, High: -within.Low}
		}
		logs, bounds = append(logs, ratio), append(bounds, within)
		bases, heads = append(bases, stats.Median(b)), append(heads, stats.Median(h))
	}
	r := Row{
		Row: head, Metric: m, Base: stats.Median(bases), Head: stats.Median(heads), Logs: logs,
		Estimate: stats.CompareBounds(bounds), Missing: t.lackingAny(m.Unit, blocks, base, head),
	}
	r.Bounded = slices.ContainsFunc(bounds, func(b stats.Bounds) bool { return b.Low != b.High })
	if Latency(m.Unit) {
		r.Note = strings.Trim(t.saturated(base)+"; "+t.saturated(head), "; ")
	}
	return r
}
