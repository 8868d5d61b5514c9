package gate

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

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
		fmt.Fprintf(&s, "- %s\n", cell(reason))
	}
	if len(r.Layers) > 0 {
		r.writeLayers(&s)
	}
	for _, layer := range r.Layers {
		layer.write(&s)
	}
	_, err := io.WriteString(w, s.String())
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

func (r *Report) writeLayers(s *strings.Builder) {
	fmt.Fprint(s, "\n| layer | outcome | rows | time |\n|---|---|---|---|\n")
	for _, layer := range r.Layers {
		fmt.Fprintf(s, "| %s | %s | %s | %v |\n", layer.Name, cell(layer.outcome()), layer.tally(),
			layer.Took.Round(time.Second/10))
	}
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
	case slices.ContainsFunc(l.Rows, func(r Row) bool { return r.blind() }):
		return "**inconclusive**"
	}
	return "passed"
}

// tally counts the rows of each verdict.
func (l *LayerReport) tally() string {
	var told []string
	for _, verdict := range []Verdict{Missing, Slower, Inconclusive, Faster, Equivalent, New} {
		n := 0
		for _, row := range l.Rows {
			if row.Verdict == verdict {
				n++
			}
		}
		if n > 0 {
			told = append(told, fmt.Sprintf("%d %s", n, verdict))
		}
	}
	return strings.Join(told, ", ")
}

// write writes what a layer found.
func (l *LayerReport) write(s *strings.Builder) {
	if l.Failure != "" {
		fmt.Fprintf(s, "\n## %s\n\n```\n%s\n```\n", l.Name, l.Failure)
	}
	var notable []Row
	for _, row := range l.Rows {
		if row.Verdict != Equivalent {
			notable = append(notable, row)
		}
	}
	if len(notable) > 0 || len(l.Controls) > 0 {
		fmt.Fprintf(s, "\n## %s\n", l.Name)
	}
	for i, control := range l.Controls {
		if i == 0 {
			fmt.Fprintln(s)
		}
		mark := "as expected"
		if !control.Passed {
			mark = "**not as expected**"
		}
		fmt.Fprintf(s, "- control, %s: %s, %s\n", cell(control.Name), cell(control.Outcome), mark)
	}
	writeRows(s, notable)
	if len(l.Rows) > len(notable) {
		fmt.Fprintf(s, "\n<details><summary>%s: all %d rows</summary>\n", l.Name, len(l.Rows))
		writeRows(s, l.Rows)
		fmt.Fprint(s, "\n</details>\n")
	}
}

func writeRows(s *strings.Builder, rows []Row) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprint(s, "\n| workload | buffer | unit | base | head | change | 95 % interval | floor | would see | blocks "+
		"| verdict |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		verdict := string(r.Verdict)
		if r.Verdict == Slower || r.Verdict == Missing {
			verdict = "**" + verdict + "**"
		}
		if r.Note != "" {
			verdict += ": " + r.Note
		}
		if !r.compared() {
			fmt.Fprintf(s, "| %s | %s | | | | | | | | | %s |\n", cell(r.Workload), cell(r.Buffer), cell(verdict))
			continue
		}
		interval, would, floor := "exact", "any", percent(r.Floor)
		if r.Amount > 0 {
			floor = fmt.Sprintf("%+.3g", r.Amount)
		}
		if r.Low != r.High {
			interval, would = percent(r.Low)+" to "+percent(r.High), percent(r.MDE)
		}
		fmt.Fprintf(s, "| %s | %s | %s | %.6g | %.6g | %s | %s | %s | %s | %d | %s |\n", cell(r.Workload),
			cell(r.Buffer), r.Unit, r.Base, r.Head, percent(r.Change), interval, floor, would, r.Blocks,
			cell(verdict))
	}
}

// cell makes a text fit into a cell of a table, or into one line.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "\t", " ").Replace(text)
}
