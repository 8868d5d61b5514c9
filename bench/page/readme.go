package page

import (
	"bytes"
	"fmt"
	"strings"
)

// The marks between which Readme writes.
const (
	ReadmeBegin = "<!-- a table that lab writes begins -->"
	ReadmeEnd   = "<!-- a table that lab writes ends -->"
)

// Readme returns the text of a README with a table of the run in place of what is
// between the two marks: a row for each workload, by the figure it is about, and
// a column for each buffer. It is an error if the marks are not there once each, in
// that order.
func Readme(text []byte, in Input) ([]byte, error) {
	begins, ends := bytes.Count(text, []byte(ReadmeBegin)), bytes.Count(text, []byte(ReadmeEnd))
	before, rest, _ := bytes.Cut(text, []byte(ReadmeBegin))
	_, after, ordered := bytes.Cut(rest, []byte(ReadmeEnd))
	if begins != 1 || ends != 1 || !ordered {
		return nil, fmt.Errorf("page: readme: found %d and %d marks, expected one %q and one %q after it",
			begins, ends, ReadmeBegin, ReadmeEnd)
	}
	d := newData(&in)
	rows := [][]string{{"workload", "figure"}}
	for _, a := range d.arms {
		rows[0] = append(rows[0], a.label())
	}
	for _, l := range d.loads {
		name := d.primary(l.label)
		if name == "" {
			continue
		}
		u := unitOf(name)
		row := []string{"`" + l.label + "`", u.meaning}
		for _, a := range d.arms {
			s, has := d.get(a.row(l.label), name)
			cell := "–"
			if has {
				cell = u.format(s.middle)
			}
			if d.bound(a.row(l.label), name) {
				cell += boundMark
			}
			if d.wins(l.label, a) {
				cell = "**" + cell + "**"
			}
			if missing := d.missing(l.label, name, a); missing != "" {
				cell += " (" + missing + ")"
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	var b strings.Builder
	b.WriteString(ReadmeBegin + "\n")
	table(&b, rows)
	fmt.Fprintf(&b, "\nMedians over process blocks of [results/%s](results/%s/summary.md), measured on %s by\n"+
		"commit %s; bold is the winner, or those that tie.", d.folder, d.folder,
		in.Run.Manifest.Started.UTC().Format("2006-01-02"), in.Run.Manifest.Environment.ShortCommit())
	if d.bounds() {
		b.WriteString(" " + boundLegend)
	}
	if d.lossy() {
		b.WriteString(" ≠ loses or merges notifications, and is not ranked.")
	}
	b.WriteString("\n\n" + ReadmeEnd)
	return bytes.Join([][]byte{before, []byte(b.String()), after}, nil), nil
}

// missing tells what an arm lacks of the figure that decides under a workload, or
// nothing.
func (d *data) missing(workload, unit string, a *arm) string {
	for _, w := range d.in.Winners {
		if w.Workload == workload && w.Unit == unit {
			return w.missing(a)
		}
	}
	return ""
}

// wins reports whether an arm is among the winners of a workload.
func (d *data) wins(workload string, a *arm) bool {
	for _, w := range d.in.Winners {
		for _, name := range w.Buffers {
			if w.Workload == workload && name == a.info.Buffer && w.missing(a) == "" {
				return true
			}
		}
	}
	return false
}

// lossy reports whether any arm does other work than most.
func (d *data) lossy() bool {
	for _, a := range d.arms {
		if a.lossy() {
			return true
		}
	}
	return false
}
