package page

import (
	"fmt"
	"io"
	"strings"
)

// Summary writes the verdicts of a run as Markdown, for a terminal or a pull
// request. Errors are those of the writer.
func Summary(w io.Writer, in Input) error {
	d := newData(&in)
	var text strings.Builder
	m := &in.Run.Manifest
	fmt.Fprintf(&text, "## %s: %s\n\n", in.folder(), m.Status)
	for _, f := range facts(in.Run) {
		fmt.Fprintf(&text, "- %s: %s\n", f.Name, f.Value)
	}
	if in.Unfit != "" {
		fmt.Fprintf(&text, "\n**Not fit for verdicts:** %s\n", in.Unfit)
	}
	rows := [][]string{{"control", "expected", "found", ""}}
	for _, c := range in.Controls {
		outcome := "as expected"
		if !c.Fine {
			outcome = "**not as expected**"
		}
		rows = append(rows, []string{c.Name, c.Expected, c.Found, outcome})
	}
	table(&text, rows)
	rows = [][]string{{"workload", "", "buffer", "by"}}
	for _, w := range d.winners() {
		var names []string
		for _, a := range w.Arms {
			names = append(names, fmt.Sprintf("%s (%s)", a.Label, a.Figure))
		}
		by := w.Metric
		if w.Note != "" {
			by += "; " + w.Note
		}
		for _, a := range w.Others {
			if a.Missing != "" {
				by += "; " + a.Label + ": " + a.Missing
			}
		}
		rows = append(rows, []string{w.Workload, w.Verdict, strings.Join(names, ", "), by})
	}
	table(&text, rows)
	rows = [][]string{{"workload", "figure", "buffer", "against", "ratio [95 % interval]", "verdict"}}
	for _, v := range in.Verdicts {
		name := v.Buffer
		if a := d.arm(v.Buffer, v.Side); a != nil {
			name = a.label()
		}
		if v.Control == "" {
			rows = append(rows, []string{v.Workload, v.Unit, name, v.Base, v.figures(), v.words()})
		}
	}
	table(&text, rows)
	if d.bounds() {
		text.WriteString("\n" + boundLegend + "\n")
	}
	if d.lossy() {
		text.WriteString("\n≠ loses or merges notifications: it does other work, and is not ranked.\n")
	}
	for _, f := range m.Fitness {
		if s := f.String(); s != "" {
			fmt.Fprintf(&text, "\n%s: %s.\n", f.Workload, s)
		}
	}
	fmt.Fprintf(&text, "\nAgain: `%s`\n", d.commands()[0].Line)
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("page: summary: %w", err)
	}
	return nil
}

// table writes rows in Markdown, the first as its head, with columns that align in
// a terminal too. A head alone is nothing.
func table(text *strings.Builder, rows [][]string) {
	if len(rows) < 2 {
		return
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i := range row {
			row[i] = strings.ReplaceAll(row[i], "|", `\|`)
			widths[i] = max(widths[i], len([]rune(row[i])))
		}
	}
	text.WriteByte('\n')
	for i, row := range rows {
		for j, cell := range row {
			fmt.Fprintf(text, "| %s%s ", cell, strings.Repeat(" ", widths[j]-len([]rune(cell))))
		}
		text.WriteString("|\n")
		if i > 0 {
			continue
		}
		for _, width := range widths {
			text.WriteString("|" + strings.Repeat("-", width+2))
		}
		text.WriteString("|\n")
	}
}
