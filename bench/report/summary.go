package report

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"informerlab/bench/format"
	"informerlab/bench/judge"
	"informerlab/bench/run"
	"informerlab/bench/worker"
)

// Minute is how times are written.
const Minute = "2006-01-02 15:04 UTC"

// What is said wherever such figures are shown.
const (
	BoundMark   = " †"
	BoundLegend = "† is a bound: more than a tenth of it may be the generator's lateness."
	LossMark    = "\u00a0≠" // its space does not break
	lossLegend  = "≠ loses or merges notifications: it does other work, and is not ranked."
)

// Label names an arm, with a mark if it does other work than most.
func Label(j *judge.Judged, row run.Row) string {
	label := strings.TrimSpace(row.Buffer + " " + row.Side)
	if j.Loss(row) != "" {
		label += LossMark
	}
	return label
}

// Figure writes the median of a metric over blocks, or the bounds of it where a generator
// was late, with a mark if a smaller lateness may be in it; format.None if there is none.
func Figure(j *judge.Judged, row run.Row, unit string) string {
	low, high := j.Blocks.Bounds(row, unit)
	text := format.Range(low, high, unit)
	if low != high {
		return text
	}
	if unit == worker.P99 && j.Late(row) > judge.BoundShare {
		text += BoundMark
	}
	return text
}

// Bounds reports whether a figure that decides who wins is but a bound.
func Bounds(j *judge.Judged) bool {
	return slices.ContainsFunc(j.Winners, func(w judge.Winner) bool {
		return w.Unit == worker.P99 && slices.ContainsFunc(j.Run.Manifest.Arms, func(a run.ArmInfo) bool {
			return j.Late(run.Row{Workload: w.Workload, Buffer: a.Buffer, Side: a.Side}) > judge.BoundShare
		})
	})
}

// Lossy reports whether any arm does other work than most.
func Lossy(j *judge.Judged) bool {
	return slices.ContainsFunc(j.Run.Manifest.Arms, func(a run.ArmInfo) bool {
		return j.Loss(run.Row{Buffer: a.Buffer, Side: a.Side}) != ""
	})
}

// Name is the name of a run's folder.
func Name(r *run.Recorded) string { return filepath.Base(r.Path) }

// A Fact is what the head of a summary tells.
type Fact struct{ Name, Value string }

// Facts tell what was measured, and where.
func Facts(r *run.Recorded) []Fact {
	m := &r.Manifest
	e := &m.Environment
	commit := e.ShortCommit()
	if e.Dirty {
		commit += " (with changes)"
	}
	when := m.Started.UTC().Format(Minute)
	if m.Finished != nil {
		when += ", for " + m.Finished.Sub(m.Started).Round(time.Second).String()
	}
	all := []Fact{
		{"measured", when},
		{"what", fmt.Sprintf("%s under %s, at most %s", format.Plural(len(m.Arms), "arm"),
			format.Plural(len(m.Workloads), "workload"), format.Plural(len(m.Blocks), "process block"))},
		{"commit", commit},
		{"machine", fmt.Sprintf("%s, %s, %.0f GiB; kernel %s", e.CPU, format.Plural(e.Cores, "core"),
			float64(e.MemoryBytes)/(1<<30), e.Kernel)},
		{"Go", fmt.Sprintf("%s, GOMAXPROCS=%d, GOGC=%s", e.Go, e.GOMAXPROCS, cmp.Or(e.GOGC, "default"))},
		{"seed", strconv.FormatUint(m.Seed, 10)},
	}
	return slices.DeleteFunc(all, func(f Fact) bool { return f.Value == "" })
}

// Again is the command that measures a run again.
func Again(r *run.Recorded) string {
	line := ".build/lab"
	for _, arg := range r.Manifest.Args {
		line += " " + Quote(arg)
	}
	if e := &r.Manifest.Environment; e.Commit != "" {
		line = "git checkout " + e.ShortCommit() + " && make build && " + line
	}
	return line
}

// Quote makes an argument one word of a shell.
func Quote(arg string) string {
	plain := func(r rune) bool {
		word := r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r))
		return word || strings.ContainsRune("-_=:,./+%@", r)
	}
	if arg != "" && strings.IndexFunc(arg, func(r rune) bool { return !plain(r) }) < 0 {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}

// Summary writes a run and its verdicts as Markdown.
func Summary(w io.Writer, j *judge.Judged) error {
	var text strings.Builder
	m := &j.Run.Manifest
	fmt.Fprintf(&text, "## %s: %s\n\n", Name(j.Run), m.Status)
	for _, f := range Facts(j.Run) {
		fmt.Fprintf(&text, "- %s: %s\n", f.Name, f.Value)
	}
	if unfit := j.Unfit(); unfit != "" && j.Sided && len(j.Rows) > 0 {
		fmt.Fprintf(&text, "\n**Not fit for verdicts:** %s\n", unfit)
	}
	winners := format.Table{Head: []string{"workload", "", "buffer", "by"}}
	for i := range j.Winners {
		won := &j.Winners[i]
		var names []string
		for _, name := range won.Best {
			row := run.Row{Workload: won.Workload, Buffer: name}
			names = append(names, fmt.Sprintf("%s (%s)", name, Figure(j, row, won.Unit)))
		}
		by := worker.UnitOf(won.Unit).Meaning
		if note := won.Note(); note != "" {
			by += "; " + note
		}
		winners.Add(won.Workload, won.Word(), strings.Join(names, ", "), by)
	}
	rows := format.Table{Head: []string{
		"workload", "figure", "buffer", "against", "median", "ratio [95 % interval]", "verdict",
	}}
	for i := range j.Rows {
		r := &j.Rows[i]
		rows.Add(r.Workload, r.Unit, Label(j, r.Row), r.Against, Figure(j, r.Row, r.Unit), r.Figures(), r.Words())
	}
	err := errors.Join(Controls(&text, j.Controls), winners.Markdown(&text), rows.Markdown(&text))
	if err != nil {
		return err
	}
	if Bounds(j) {
		text.WriteString("\n" + BoundLegend + "\n")
	}
	if Lossy(j) {
		text.WriteString("\n" + lossLegend + "\n")
	}
	for _, f := range m.Fitness {
		if s := f.String(); s != "" {
			fmt.Fprintf(&text, "\n%s: %s.\n", f.Workload, s)
		}
	}
	fmt.Fprintf(&text, "\nAgain: `%s`\n", Again(j.Run))
	return write(w, text.String())
}

// Show writes what a run measured, where, the figure that each workload is about, and who
// did best.
func Show(w io.Writer, j *judge.Judged) error {
	var text strings.Builder
	m := &j.Run.Manifest
	fmt.Fprintf(&text, "%s: %s, %s, %s\nlab %s\n", Name(j.Run), m.Status, format.Plural(len(m.Blocks), "block"),
		format.Plural(len(j.Run.Slices), "slice"), strings.Join(m.Args, " "))
	changes := ""
	if m.Environment.Dirty {
		changes = " (with changes)"
	}
	fmt.Fprintf(&text, "commit %s%s on %s\n\n", m.Environment.ShortCommit(), changes, m.Environment.Fingerprint())
	notes := format.Table{}
	for _, arm := range m.Arms {
		notes.Add(run.Arm{Buffer: arm.Buffer, Side: arm.Side}.String(), arm.Traits.String())
	}
	for _, f := range m.Fitness {
		if s := f.String(); s != "" {
			notes.Add(f.Workload, s)
		}
	}
	figures := primaries(j, func(cell string) string { return cell })
	err := errors.Join(notes.Text(&text), write(&text, "\n"), figures.Text(&text), Winners(&text, j))
	if err != nil {
		return err
	}
	return write(w, text.String())
}

// primaries is a table with a row for each workload, by the figure it is about, and a
// column for each arm that is no control; bold marks who wins.
func primaries(j *judge.Judged, bold func(string) string) format.Table {
	table := format.Table{Head: []string{"workload", "figure"}}
	var arms []run.Row
	for _, a := range j.Run.Manifest.Arms {
		if row := (run.Row{Buffer: a.Buffer, Side: a.Side}); a.Side != judge.Again && a.Side != judge.Slowed {
			arms, table.Head = append(arms, row), append(table.Head, Label(j, row))
		}
	}
	for _, label := range j.Run.Manifest.Workloads {
		unit, won := j.Primary(label), j.Winner(label)
		if unit == "" {
			continue
		}
		cells := []string{"`" + label + "`", worker.UnitOf(unit).Meaning}
		for _, row := range arms {
			row.Workload = label
			cell := Figure(j, row, unit)
			if won != nil && row.Side == "" && won.Won(row.Buffer) {
				cell = bold(cell)
			}
			if missing := j.Blocks.Lacking(row, unit); missing.Any() {
				cell += " (" + missing.Text() + ")"
			}
			cells = append(cells, cell)
		}
		table.Add(cells...)
	}
	return table
}
