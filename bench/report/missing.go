package report

import (
	"fmt"
	"slices"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchproc"
)

// A Missing reports how many process blocks of a contestant lack a metric, and why. It
// is an error so that it can be a footnote.
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

// Error implements error.
func (m Missing) Error() string { return m.String() }

// The units of what a block lacks in which the generator was always late, and the
// unit that tells so.
var (
	latencyUnits = []string{"p50-sec", "p90-sec", "p99-sec", "p99.9-sec", "max-sec", "pause-sec"}
	spoiledUnit  = "spoiled"
)

// lateIn reports whether a result lacks latencies because the generator was late.
func lateIn(record *benchfmt.Result) bool {
	spoiled, told := record.Value(spoiledUnit)
	return told && spoiled > 0 && !slices.ContainsFunc(latencyUnits, func(unit string) bool {
		_, has := record.Value(unit)
		return has
	})
}

// blockCounts counts results, one for each block, by configuration and place in its
// tables.
type blockCounts map[string]map[place]blockCount

type blockCount struct{ all, late int }

func (b blockCounts) add(config string, at place, record *benchfmt.Result) {
	if b[config] == nil {
		b[config] = map[place]blockCount{}
	}
	n := b[config][at]
	n.all++
	if lateIn(record) {
		n.late++
	}
	b[config][at] = n
}

// lack notes which places of a table of latencies lack blocks: they have the metric in
// other blocks, or the generator was late. A column without any block is added.
func (t *table) lack(blocks blockCounts) {
	if !slices.Contains(latencyUnits, t.unit) {
		return // a result may have any other figure or not
	}
	for at, measured := range blocks[t.config] {
		m := Missing{Name: at.column.StringValues(), Blocks: measured.all, Of: measured.all}
		if c := t.cells[at]; c != nil {
			m.Blocks -= len(c.values)
		} else if measured.late == 0 || !slices.Contains(t.rows, at.row) {
			continue
		}
		m.Late = min(measured.late, m.Blocks)
		if m.Any() {
			t.missing[at] = m
			t.column(at.column)
		}
	}
}

// column makes sure that a table has a column.
func (t *table) column(key benchproc.Key) {
	if !slices.Contains(t.columns, key) {
		t.columns = append(t.columns, key)
	}
}
