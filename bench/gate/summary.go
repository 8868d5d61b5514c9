package gate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"informerlab/bench/format"
	"informerlab/bench/report"
	"informerlab/bench/run"
)

// WriteSummary writes the report in Markdown, for a pull request or a terminal:
// what came of it, the layers, the rows that are not equivalent, and then all.
func (r *Report) WriteSummary(w io.Writer) error {
	var s strings.Builder
	status, why := r.Status()
	heading := map[int]string{
		StatusFine: "not slower", StatusSlower: "fails", StatusInconclusive: "inconclusive",
	}[status]
	fmt.Fprintf(&s, "# Gate: %s\n\n%s against %s, %v.\n", heading, r.Head, r.Base, r.Took.Round(time.Second))
	for i, reason := range why {
		if i == 0 {
			fmt.Fprintln(&s)
		}
		fmt.Fprintf(&s, "- %s\n", format.Cell(reason))
	}
	table := format.Table{Head: []string{"layer", "outcome", "rows", "time"}}
	for _, layer := range r.Layers {
		took := layer.Took.Round(time.Second / 10).String()
		table.Add(layer.Name, layer.outcome(), report.Tally(layer.Rows), took)
	}
	err := table.Markdown(&s)
	for _, layer := range r.Layers {
		err = errors.Join(err, layer.write(&s))
	}
	if err == nil {
		_, err = io.WriteString(w, s.String())
	}
	return err
}

// SaveSummary writes the summary to a file, whole or not at all.
func (r *Report) SaveSummary(path string) error {
	var text bytes.Buffer
	if err := r.WriteSummary(&text); err != nil {
		return fmt.Errorf("gate: summary: %w", err)
	}
	return run.Replace(path, text.Bytes())
}

// outcome tells of a layer in a few words.
func (l *LayerReport) outcome() string {
	switch {
	case l.failed():
		return "**fails**"
	case l.Unfit != "":
		return "**unfit**: " + l.Unfit
	case l.Skipped != "":
		return "skipped: " + l.Skipped
	case slices.ContainsFunc(l.Rows, blind):
		return "**inconclusive**"
	}
	return "passed"
}

// write writes what a layer found.
func (l *LayerReport) write(s *strings.Builder) error {
	if l.Failure != "" {
		fmt.Fprintf(s, "\n## %s\n\n```\n%s\n```\n", l.Name, l.Failure)
	}
	notable := report.Notable(l.Rows)
	if len(notable) > 0 || len(l.Controls) > 0 {
		fmt.Fprintf(s, "\n## %s\n", l.Name)
	}
	err := errors.Join(report.Controls(s, l.Controls), report.Rows(s, notable))
	if len(l.Rows) > len(notable) {
		fmt.Fprintf(s, "\n<details><summary>%s: all %d rows</summary>\n", l.Name, len(l.Rows))
		err = errors.Join(err, report.Rows(s, l.Rows))
		fmt.Fprint(s, "\n</details>\n")
	}
	return err
}
