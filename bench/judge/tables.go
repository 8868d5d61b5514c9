package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"informerlab/bench/run"
)

// A Table shows one unit: rows are workloads, columns buffers, or sides where two
// programs are compared.
type Table struct {
	Unit    string
	Columns []string // the base first
	Losses  []string // what the buffer of a column may lose; "" = nothing
	Lines   []Line
}

// A Line is one workload, and one buffer if columns are sides.
type Line struct {
	Name  string
	Cells []Cell // one per column
}

// A Cell is one figure.
type Cell struct {
	Has     bool
	Low     float64 // median over blocks; where a generator was late, of the lower bounds
	High    float64 // median over blocks of what was measured
	Against *Row    // how it compares with the base column; nil for that, and where one has none
	Missing Missing // blocks that lack it
}

// Tables returns a table for each unit that is no detail. base names the first column,
// with which others are compared; "" stands for Reference, or the first there is. A base
// that the run does not have is an error.
func (j *Judged) Tables(base string) ([]Table, error) {
	columns := j.columns()
	if base == "" {
		base = Reference
		if j.Sided {
			base = Base
		}
	} else if !slices.Contains(columns, base) {
		return nil, fmt.Errorf("unknown base %q: expected one of %s", base, strings.Join(columns, ", "))
	}
	slices.SortStableFunc(columns, func(a, b string) int {
		return cmp.Compare(rank(a == base), rank(b == base))
	})
	var tables []Table
	for _, unit := range j.Blocks.units() {
		t := Table{Unit: unit, Columns: columns}
		for _, column := range columns {
			t.Losses = append(t.Losses, string(j.Loss(run.Row{Buffer: column})))
		}
		for _, workload := range j.Blocks.Workloads {
			t.Lines = append(t.Lines, j.lines(workload, unit, columns)...)
		}
		if len(t.Lines) > 0 {
			tables = append(tables, t.used())
		}
	}
	return tables, nil
}

func rank(first bool) int {
	if first {
		return 0
	}
	return 1
}

// columns returns all buffers, or sides, in the order of the run's arms.
func (j *Judged) columns() (columns []string) {
	for _, a := range j.Run.Manifest.Arms {
		name := a.Buffer
		if j.Sided {
			name = a.Side
		}
		if !slices.Contains(columns, name) {
			columns = append(columns, name)
		}
	}
	return columns
}

// lines returns the lines of a workload that have a figure.
func (j *Judged) lines(workload, unit string, columns []string) (lines []Line) {
	if !j.Sided {
		rows := make([]run.Row, len(columns))
		for i, name := range columns {
			rows[i] = run.Row{Workload: workload, Buffer: name}
		}
		return j.line(workload, unit, rows)
	}
	for _, name := range j.Blocks.Buffers {
		rows := make([]run.Row, len(columns))
		for i, side := range columns {
			rows[i] = run.Row{Workload: workload, Buffer: name, Side: side}
		}
		lines = append(lines, j.line(workload+" "+name, unit, rows)...)
	}
	return lines
}

// line returns a line, or none without any figure.
func (j *Judged) line(name, unit string, rows []run.Row) []Line {
	line, some := Line{Name: name}, false
	for i, row := range rows {
		cell, blocks := Cell{Has: j.Blocks.Has(row, unit)}, j.Blocks.blocksOf(rows...)
		if j.Sided { // controls take part in few
			blocks = j.Blocks.blocksOf(row)
		}
		if j.Blocks.expects(row, unit) {
			cell.Missing = j.Blocks.lacking(row, unit, blocks)
		}
		if cell.Has {
			cell.Low, cell.High = j.Blocks.Bounds(row, unit)
			some = true
		}
		if i > 0 && cell.Has && j.Blocks.Has(rows[0], unit) {
			cell.Against = j.against(rows[0], row, unit)
		}
		line.Cells = append(line.Cells, cell)
	}
	if !some {
		return nil
	}
	return []Line{line}
}

// against returns the judged row, or judges one that the rules leave out, by its
// interval and without a floor.
func (j *Judged) against(base, row run.Row, unit string) *Row {
	if r := j.find(row, unit); r != nil && (j.Sided || r.Against == base.Buffer) {
		return r
	}
	r := j.Blocks.Compare(base, row, Metric{Unit: unit})
	r.Unlike = j.Loss(base) != j.Loss(row)
	return &r
}

// used leaves out columns without any figure.
func (t Table) used() Table {
	used := Table{Unit: t.Unit, Lines: make([]Line, len(t.Lines))}
	for c, name := range t.Columns {
		some := func(l Line) bool { return l.Cells[c].Has || l.Cells[c].Missing.Any() }
		if !slices.ContainsFunc(t.Lines, some) {
			continue
		}
		used.Columns, used.Losses = append(used.Columns, name), append(used.Losses, t.Losses[c])
		for i, line := range t.Lines {
			used.Lines[i].Name = line.Name
			used.Lines[i].Cells = append(used.Lines[i].Cells, line.Cells[c])
		}
	}
	return used
}
