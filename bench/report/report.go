// Package report writes what a judged run came to as text: for a terminal, a file, a
// pull request, the README. Package page draws the same.
//
//	judge.Judged ─┬─▶ Tables      table.txt: a table per unit, then what follows from them
//	              ├─▶ Summary     summary.md
//	              ├─▶ Winners     who does best, a line per workload
//	              ├─▶ Comparison  two programs, for a pull request
//	              └─▶ Readme      a table between two marks
//	[]judge.Row ──┴─▶ Rows, Changes
//
// Nothing is computed here but lines that combine several rows. All functions write what
// their input says and nothing else, so the same run gives the same bytes; their errors
// are those of the writer.
package report

import (
	"fmt"
	"io"
	"strings"

	"informerlab/bench/format"
	"informerlab/bench/judge"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
)

// Legend explains the marks of Tables.
const legend = `
Medians over process blocks; beside them the ratio to the first column, with its 95 % interval
over blocks. < is less, > more, = no difference that matters, ~ undecided, ? blocks are missing,
≠ unlike work: the two buffers differ in what they may lose, so neither is better for being less.
Two figures are bounds, as the generator was late: then the interval is of the nearer ones.
The intervals are not widened for the number of rows: of twenty rows without a difference one
has an interval that leaves out 1×. For benchstat's view: go tool benchstat -col /buffer raw.txt
`

// Tables writes a table for each unit, and what follows from them. base names the column
// that others are compared with; "" stands for judge.Reference. A base that the run does
// not have is an error.
func Tables(w io.Writer, j *judge.Judged, base string) error {
	tables, err := j.Tables(base)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	var text strings.Builder
	if len(tables) == 0 {
		text.WriteString("no results\n")
	}
	if e := &j.Run.Manifest.Environment; e.CPU != "" && len(tables) > 0 {
		fmt.Fprintf(&text, "%s, GOMAXPROCS=%d, commit %s\n", e.Fingerprint(), e.GOMAXPROCS, e.ShortCommit())
	}
	for i := range tables {
		if err := writeTable(&text, &tables[i]); err != nil {
			return err
		}
	}
	if len(tables) > 0 {
		if !j.Sided {
			derived(&text, j)
		}
		text.WriteString(legend)
	}
	return write(w, text.String())
}

func write(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// writeTable writes one unit.
func writeTable(text *strings.Builder, t *judge.Table) error {
	u := worker.UnitOf(t.Unit)
	title := u.Name
	if u.Meaning != u.Name {
		title = u.Meaning + ", " + u.Name
	}
	table := format.Table{Head: []string{""}, Right: map[int]bool{}}
	for i, name := range t.Columns {
		if t.Losses[i] != "" {
			name += " (" + t.Losses[i] + ")"
		}
		table.Right[len(table.Head)] = true
		table.Head = append(table.Head, name)
		if i > 0 {
			table.Head = append(table.Head, "vs "+t.Columns[0])
		}
	}
	var notes []string
	for _, line := range t.Lines {
		cells := []string{line.Name}
		for i, cell := range line.Cells {
			figure := format.None
			if cell.Has {
				figure = format.Range(cell.Low, cell.High, t.Unit)
			}
			cells = append(cells, figure)
			if i > 0 {
				cells = append(cells, against(&cell))
			}
			if cell.Missing.Any() {
				notes = append(notes, line.Name+", "+cell.Missing.String())
			}
		}
		table.Add(cells...)
	}
	fmt.Fprintf(text, "\n%s\n", title)
	if err := table.Text(text); err != nil {
		return err
	}
	for _, note := range notes {
		fmt.Fprintf(text, "? %s\n", note)
	}
	return nil
}

// against writes how a cell compares with the base column.
func against(cell *judge.Cell) string {
	switch {
	case cell.Against == nil && !cell.Missing.Any():
		return ""
	case cell.Against == nil || len(cell.Against.Missing) > 0: // what is left of the blocks decides nothing
		return "?"
	}
	return cell.Against.Figures() + " " + mark(cell.Against)
}

// mark is the verdict on a row in one character.
func mark(r *judge.Row) string {
	less, more := stats.Faster, stats.Slower // what costs less is faster
	if worker.UnitOf(r.Unit).Higher {
		less, more = more, less
	}
	switch {
	case r.Unlike:
		return "≠"
	case r.Verdict == more:
		return ">"
	case r.Verdict == less:
		return "<"
	case r.Verdict == stats.Equivalent:
		return "="
	}
	return "~"
}

// Winners writes who does best under each workload, a line each; nothing for none.
func Winners(w io.Writer, j *judge.Judged) error {
	if len(j.Winners) == 0 {
		return nil
	}
	table := format.Table{}
	for i := range j.Winners {
		winner := &j.Winners[i]
		note := winner.Note()
		if note == "" {
			note = "no other is behind"
		}
		table.Add(winner.Workload, worker.UnitOf(winner.Unit).Meaning, winner.String(), note)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "\nWho does best, of those that lose nothing; %s:\n", judge.WinnerRule())
	if err := table.Text(&text); err != nil {
		return err
	}
	return write(w, text.String())
}
