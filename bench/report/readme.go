package report

import (
	"bytes"
	"fmt"
	"strings"

	"informerlab/bench/judge"
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
func Readme(text []byte, j *judge.Judged) ([]byte, error) {
	begins, ends := bytes.Count(text, []byte(ReadmeBegin)), bytes.Count(text, []byte(ReadmeEnd))
	before, rest, _ := bytes.Cut(text, []byte(ReadmeBegin))
	_, after, ordered := bytes.Cut(rest, []byte(ReadmeEnd))
	if begins != 1 || ends != 1 || !ordered {
		return nil, fmt.Errorf("report: readme: found %d and %d marks, expected one %q and one %q after it",
			begins, ends, ReadmeBegin, ReadmeEnd)
	}
	var b strings.Builder
	b.WriteString(ReadmeBegin + "\n")
	table := primaries(j, func(cell string) string { return "**" + cell + "**" })
	if err := table.Markdown(&b); err != nil {
		return nil, err
	}
	name := Name(j.Run)
	fmt.Fprintf(&b, "\nMedians over process blocks of [results/%s](results/%s/summary.md), measured on %s by\n"+
		"commit %s; bold is the winner, or those that tie.", name, name,
		j.Run.Manifest.Started.UTC().Format("2006-01-02"), j.Run.Manifest.Environment.ShortCommit())
	if Bounds(j) {
		b.WriteString(" " + BoundLegend)
	}
	if Lossy(j) {
		b.WriteString(" " + lossLegend)
	}
	b.WriteString("\n\n" + ReadmeEnd)
	return bytes.Join([][]byte{before, []byte(b.String()), after}, nil), nil
}
