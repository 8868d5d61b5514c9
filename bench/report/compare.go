package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"informerlab/bench/format"
	"informerlab/bench/judge"
	"informerlab/bench/run"
	"informerlab/bench/stats"
)

// Rows writes rows as a Markdown table, with all that is known of each.
func Rows(w io.Writer, rows []judge.Row) error {
	table := format.Table{
		Head: []string{"workload", "buffer", "metric", "base", "head", "change [95 % interval]", "floor", "detectable",
			"blocks", "verdict"},
	}
	for i := range rows {
		r := &rows[i]
		verdict := r.Words()
		switch {
		case r.Verdict == stats.Slower || r.Verdict == stats.Missing:
			verdict = "**" + verdict + "**"
		case r.Verdict == stats.Inconclusive && r.Needs > 0:
			verdict = "inconclusive: needs " + format.Plural(r.Needs, "more block")
		}
		if r.PSlower > 0 && r.Verdict == stats.Slower {
			verdict += fmt.Sprintf(" (p=%.2g)", r.PSlower)
		}
		if r.PFaster > 0 && r.Verdict == stats.Faster {
			verdict += fmt.Sprintf(" (p=%.2g)", r.PFaster)
		}
		if !r.Compared() {
			table.Add(r.Workload, r.Buffer, r.Unit, "", "", "", "", "", "", verdict)
			continue
		}
		detectable := r.DetectableText()
		if r.Low == r.High {
			detectable = "any"
		}
		table.Add(r.Workload, r.Buffer, r.Unit, format.Value(r.Base, r.Unit), format.Value(r.Head, r.Unit), r.Figures(),
			r.FloorText(), detectable, fmt.Sprint(r.Estimate.Blocks), verdict)
	}
	return table.Markdown(w)
}

// Controls writes controls as a Markdown table.
func Controls(w io.Writer, controls []judge.Control) error {
	table := format.Table{Head: []string{"control", "row", "expected", "found", ""}}
	for i := range controls {
		c := &controls[i]
		table.Add(c.Known(), c.Workload+" "+c.Buffer+" "+c.Unit, c.Expected, c.Found(), c.Mark())
	}
	return table.Markdown(w)
}

// Comparison writes a comparison of two programs in Markdown, for a pull request or a
// terminal: what was found, of each row how sure that is, and whether the machine was
// fit.
func Comparison(w io.Writer, c *judge.Comparison) error {
	var text strings.Builder
	fmt.Fprintf(&text, "**%s** (%s, up to %s, %.0f s)\n", c.Outcome(), format.Plural(len(c.Rows), "row"),
		format.Plural(c.Blocks, "process block"), c.Seconds)
	if err := Rows(&text, c.Rows); err != nil {
		return err
	}
	if err := Controls(&text, c.Controls); err != nil {
		return err
	}
	return write(w, text.String())
}

// Changes writes how two runs differ, in a line per row: first those that differ, and
// those of one run only; the others are counted.
func Changes(w io.Writer, rows []judge.Row) error {
	table := format.Table{Head: []string{
		"WORKLOAD", "BUFFER", "UNIT", "BEFORE", "AFTER", "CHANGE", "BLOCKS", "VERDICT",
	}}
	counts := map[stats.Verdict]int{}
	few := 0
	for i := range rows {
		r := &rows[i]
		counts[r.Verdict]++
		if r.Compared() && r.Estimate.Blocks < 3 && len(r.Missing) == 0 {
			few++
		}
		if r.Verdict == stats.Equivalent || r.Verdict == stats.Inconclusive && len(r.Missing) == 0 {
			continue
		}
		figures := ""
		if r.Compared() {
			figures = r.Figures()
		}
		table.Add(r.Workload, run.Arm{Buffer: r.Buffer, Side: r.Side}.String(), r.Unit, format.Value(r.Base, r.Unit),
			format.Value(r.Head, r.Unit), figures, fmt.Sprint(r.Estimate.Blocks), r.Words())
	}
	var text strings.Builder
	if err := table.Text(&text); err != nil {
		return err
	}
	compared := 0
	for _, r := range rows {
		if r.Compared() {
			compared++
		}
	}
	fmt.Fprintf(&text, "%s compared: %s. Intervals hold for all of them together.\n", format.Plural(compared, "row"),
		Tally(rows))
	if few > 0 {
		fmt.Fprintf(&text, "%s have fewer than 3 blocks, which decide nothing.\n", format.Plural(few, "row"))
	}
	return write(w, text.String())
}

// Tally counts the rows of each verdict.
func Tally(rows []judge.Row) string {
	var parts []string
	for _, verdict := range []stats.Verdict{
		stats.Missing, stats.Slower, stats.Inconclusive, stats.Faster, stats.Equivalent, stats.New,
	} {
		n := 0
		for _, r := range rows {
			if r.Verdict == verdict {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, verdict))
		}
	}
	return strings.Join(parts, ", ")
}

// Notable returns the rows that are not equivalent.
func Notable(rows []judge.Row) []judge.Row {
	return slices.DeleteFunc(slices.Clone(rows), func(r judge.Row) bool { return r.Verdict == stats.Equivalent })
}
