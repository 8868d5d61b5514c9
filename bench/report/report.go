// Package report turns the raw text of a run into tables. Rows are workloads,
// columns are buffers (where programs are compared: sides), one table per unit;
// each figure is a median over process blocks, with the ratio to a base column and
// the p-value of that comparison.
//
//	raw.txt ── Read ──▶ Results ── Write ──▶ tables, then what follows from them
//
// The raw text is in the Go benchmark format with key=value names, so benchstat
// reads it as well; statistics are those of x/perf (medians and the Mann-Whitney
// U-test, or exact where the unit says so). Results are never changed: a report
// is made again from the raw text whenever it is wanted.
//
// Limits: the U-test needs 4 blocks a side to reach p < 0.05 at all and 6 for a
// confidence interval; the tables say so where there are fewer. Nothing corrects
// for many comparisons.
package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchproc"
	"golang.org/x/perf/benchunit"
)

// DefaultBase is the column that others are compared with when there is one of
// this name and no other is asked for.
const DefaultBase = "reference"

// LossKey is the key of the file configuration that says what a buffer may lose.
// A result without it is of one that loses nothing.
const LossKey = "loss"

// DetailKey is the key of the metadata of units that explain others. Tables leave
// them out; benchstat does not.
const DetailKey = "detail"

const legend = `
Medians over process blocks ± half the 95 % interval. The ratio is to the base
column: below 1x is less, and in the tables less is better. ~ is not significant at p < 0.05.
`

const lossLegend = `≠ compares unlike work: the two buffers differ in what they may lose, which stands under
their names, so neither is better for being less.
`

// Results are the benchmark results of one or more raw texts.
type Results struct {
	records []*benchfmt.Result
	units   benchfmt.UnitMetadataMap
	losses  losses
}

// losses says what buffers may lose, by their names. Those that lose nothing are
// not in it.
type losses map[string]string

// label returns a buffer's name, with what it may lose.
func (l losses) label(buffer string) string {
	if loss := l[buffer]; loss != "" {
		return buffer + " (" + loss + ")"
	}
	return buffer
}

// Read reads raw text; name is used in errors, which tell file and line.
func Read(raw io.Reader, name string) (*Results, error) {
	results := &Results{losses: losses{}}
	reader := benchfmt.NewReader(raw, name)
	for reader.Scan() {
		switch record := reader.Result().(type) {
		case *benchfmt.Result:
			results.records = append(results.records, tidied(record.Clone()))
			if loss := record.GetConfig(LossKey); loss != "" {
				results.losses[newSeries(record.Name, "").buffer] = loss
			}
		case *benchfmt.SyntaxError:
			return nil, fmt.Errorf("report: %w", record)
		}
	}
	if err := reader.Err(); err != nil {
		return nil, fmt.Errorf("report: %s: %w", name, err)
	}
	results.units = reader.Units()
	return results, nil
}

// tidied gives zeros the unit that other values of theirs have, which benchfmt
// leaves out: it takes what it does not change by a factor for tidy.
func tidied(record *benchfmt.Result) *benchfmt.Result {
	for i := range record.Values {
		if v := &record.Values[i]; v.Value == 0 {
			_, v.Unit = benchunit.Tidy(1, v.Unit)
		}
	}
	return record
}

// Add adds the results of another raw text, as if they were later blocks of the
// same run.
func (r *Results) Add(later *Results) {
	r.records = append(r.records, later.records...)
	for key, metadata := range later.units {
		if r.units[key] == nil {
			r.units[key] = metadata
		}
	}
	maps.Copy(r.losses, later.losses)
}

// Len returns the number of benchmark lines.
func (r *Results) Len() int { return len(r.records) }

// Write writes all tables. base names the column to compare with, and "" stands
// for DefaultBase; a table without it takes its first column. A base that is in
// no table at all is an error.
func (r *Results) Write(w io.Writer, base string) error {
	tables, err := r.tables(base)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if len(tables) == 0 {
		text.WriteString("no results\n")
	}
	config := ""
	for _, t := range tables {
		if t.config != config {
			config = t.config
			text.WriteString(config)
		}
		text.WriteByte('\n')
		t.write(&text)
	}
	if len(tables) > 0 {
		if !r.sided() {
			r.writeDerived(&text)
		}
		text.WriteString(legend)
		if len(r.losses) > 0 {
			text.WriteString(lossLegend)
		}
	}
	if _, err := w.Write(text.Bytes()); err != nil {
		return fmt.Errorf("report: write: %w", err)
	}
	return nil
}

// sided reports whether the results compare programs, side by side, rather than
// buffers.
func (r *Results) sided() bool {
	return slices.ContainsFunc(r.records, func(record *benchfmt.Result) bool {
		return bytes.Contains(record.Name, []byte("/side="))
	})
}

// rowName shortens the name of a benchmark to what tells rows apart.
func rowName(key benchproc.Key) string {
	return strings.TrimPrefix(key.StringValues(), "Pipeline/workload=")
}

// tables groups the results by configuration and unit.
func (r *Results) tables(base string) ([]*table, error) {
	filter, err := benchproc.NewFilter("*")
	if err != nil {
		return nil, fmt.Errorf("report: filter: %w", err)
	}
	var parser benchproc.ProjectionParser
	byTable, unit, err := parser.ParseWithUnit(".config", filter)
	if err != nil {
		return nil, fmt.Errorf("report: table projection: %w", err)
	}
	columns, first := "/buffer", DefaultBase
	if r.sided() {
		columns, first = "/side", "base"
	}
	byColumn, err := parser.Parse(columns, filter)
	if err != nil {
		return nil, fmt.Errorf("report: column projection: %w", err)
	}
	byRow, err := parser.Parse(".fullname", filter)
	if err != nil {
		return nil, fmt.Errorf("report: row projection: %w", err)
	}
	// Columns that lose are marked, not put into a table of their own.
	if _, err := parser.Parse(LossKey, filter); err != nil {
		return nil, fmt.Errorf("report: loss projection: %w", err)
	}
	var buffers []string
	tables, blocks := map[benchproc.Key]*table{}, blockCounts{}
	var keys []benchproc.Key
	for _, record := range r.records {
		row, column := byRow.Project(record), byColumn.Project(record)
		if buffer := column.StringValues(); !slices.Contains(buffers, buffer) {
			buffers = append(buffers, buffer)
		}
		for i, key := range byTable.ProjectValues(record) {
			if i == 0 {
				blocks.add(configText(key, byTable), place{row, column}, record)
			}
			if r.units.Get(key.Get(unit), DetailKey) != nil {
				continue
			}
			t := tables[key]
			if t == nil {
				t = newTable(key.Get(unit), r.units, r.losses)
				tables[key], keys = t, append(keys, key)
			}
			t.add(row, column, record.Values[i].Value)
		}
	}
	if base != "" && !slices.Contains(buffers, base) {
		names := strings.Join(buffers, ", ")
		return nil, fmt.Errorf("report: unknown base %q: expected one of %s", base, names)
	}
	benchproc.SortKeys(keys)
	var sorted []*table
	for _, key := range keys {
		t := tables[key]
		t.config = configText(key, byTable)
		t.lack(blocks)
		t.finish(cmp.Or(base, first))
		sorted = append(sorted, t)
	}
	slices.SortStableFunc(sorted, func(a, b *table) int {
		if a.config != b.config {
			return 0 // keys have put equal configurations beside each other
		}
		return r.unitLine(a.unit) - r.unitLine(b.unit)
	})
	return sorted, nil
}

// unitLine returns where the raw text first describes a unit: the order of
// tables, whatever workload happened to be measured first.
func (r *Results) unitLine(unit string) int {
	if m := r.units.Get(unit, "better"); m != nil {
		_, line := m.Pos()
		return line
	}
	return 1 << 30
}

// configText returns the file configuration of a table as benchstat shows it.
func configText(key benchproc.Key, projection *benchproc.Projection) string {
	var text strings.Builder
	for _, field := range projection.FlattenedFields() {
		if value := key.Get(field); value != "" && field.Name != ".unit" {
			fmt.Fprintf(&text, "%s: %s\n", field.Name, value)
		}
	}
	return text.String()
}
