package compare

import (
	"maps"
	"math"
	"slices"
	"strings"

	"informerlab/bench/report"
	"informerlab/bench/run"
	"informerlab/bench/worker"
)

// present reports whether a block has a metric, in at least one round.
func present(rounds []float64) bool {
	return slices.ContainsFunc(rounds, func(v float64) bool { return !math.IsNaN(v) })
}

// expects reports whether a row should have a metric: it has it in some block, or it
// would if the generator had not been late.
func (t *table) expects(row run.Row, unit string) bool {
	if t.has(row, unit) {
		return true
	}
	return isLatency(unit) && slices.ContainsFunc(t.blocksOf(row), func(b int) bool { return t.late(row, b) })
}

// late reports whether the generator was late in any round of a block.
func (t *table) late(row run.Row, block int) bool {
	return slices.ContainsFunc(t.values[row][block][worker.SpoiledRuns], func(v float64) bool { return v > 0 })
}

// blocksOf returns the blocks in which any of the rows was measured.
func (t *table) blocksOf(rows ...run.Row) []int {
	all := map[int]bool{}
	for _, row := range rows {
		for block := range t.values[row] {
			all[block] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// lacking returns which of the blocks lack a metric of a row.
func (t *table) lacking(row run.Row, unit string, blocks []int) report.Missing {
	m := report.Missing{Name: run.Arm{Buffer: row.Buffer, Side: row.Side}.String(), Of: len(blocks)}
	for _, block := range blocks {
		if present(t.values[row][block][unit]) {
			continue
		}
		m.Blocks++
		if isLatency(unit) && t.late(row, block) {
			m.Late++
		}
	}
	return m
}

// lackingAny returns lacking of each row that lacks blocks.
func (t *table) lackingAny(unit string, blocks []int, rows ...run.Row) (all []report.Missing) {
	for _, row := range rows {
		if m := t.lacking(row, unit, blocks); m.Any() {
			all = append(all, m)
		}
	}
	return all
}

// listed joins missing blocks to one line; "" if there are none.
func listed(all []report.Missing) string {
	var texts []string
	for _, m := range all {
		texts = append(texts, m.String())
	}
	return strings.Join(texts, "; ")
}
