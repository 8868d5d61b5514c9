package judge

import (
	"fmt"
	"strings"

	"informerlab/bench/run"
)

// A Missing reports how many process blocks of a contestant lack a metric, and why.
//
// One rule holds for every reader of a run: a contestant that lacks blocks never wins,
// never ties, and is neither faster nor slower than others. Nobody wins because the
// others lack blocks. Note: the generator is late more often beside a contestant that
// uses the processors more, so the remaining blocks are a biased sample of it.
type Missing struct {
	Name   string // of the contestant
	Blocks int    // without the metric
	Of     int    // in which it was measured, or should have been
	Late   int    // of Blocks, those in which the generator was late
}

// Any reports whether blocks are missing.
func (m Missing) Any() bool { return m.Blocks > 0 }

// Text is String without the name.
func (m Missing) Text() string {
	why := "generator late"
	switch {
	case m.Late == 0:
		why = "not measured"
	case m.Late < m.Blocks:
		why = fmt.Sprintf("generator late in %d, others not measured", m.Late)
	}
	return fmt.Sprintf("%d of %d blocks missing: %s", m.Blocks, m.Of, why)
}

// String returns one line.
func (m Missing) String() string { return m.Name + ": " + m.Text() }

// Lacking returns how many of its blocks lack a metric of a row that should have it.
func (t *Blocks) Lacking(row run.Row, unit string) Missing {
	if !t.expects(row, unit) {
		return Missing{}
	}
	return t.lacking(row, unit, t.blocksOf(row))
}

// lacking returns which of the blocks lack a metric of a row.
func (t *Blocks) lacking(row run.Row, unit string, blocks []int) Missing {
	m := Missing{Name: run.Arm{Buffer: row.Buffer, Side: row.Side}.String(), Of: len(blocks)}
	for _, block := range blocks {
		if present(t.values[row][block][unit]) {
			continue
		}
		m.Blocks++
		if Latency(unit) && t.late(row, block) {
			m.Late++
		}
	}
	return m
}

// lackingAny returns lacking of each row that lacks blocks.
func (t *Blocks) lackingAny(unit string, blocks []int, rows ...run.Row) (all []Missing) {
	for _, row := range rows {
		if m := t.lacking(row, unit, blocks); m.Any() {
			all = append(all, m)
		}
	}
	return all
}

// listed joins missing blocks to one line; "" if there are none.
func listed(all []Missing) string {
	var texts []string
	for _, m := range all {
		texts = append(texts, m.String())
	}
	return strings.Join(texts, "; ")
}
