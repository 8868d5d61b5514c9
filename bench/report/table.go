package report

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchproc"
	"golang.org/x/perf/benchunit"
)

// confidence is the level of the intervals, as benchstat's default.
const confidence = 0.95

// A table shows one unit under one configuration.
type table struct {
	config     string
	unit       string
	assumption benchmath.Assumption
	losses     losses
	rows       []benchproc.Key
	columns    []benchproc.Key // the base first
	cells      map[place]*cell
	missing    map[place]Missing // of cells that lack blocks
	notes      []string
}

type place struct{ row, column benchproc.Key }

type cell struct {
	values  []float64
	sample  *benchmath.Sample
	summary benchmath.Summary
}

func newTable(unit string, units benchfmt.UnitMetadataMap, l losses) *table {
	return &table{
		unit: unit, assumption: units.GetAssumption(unit), losses: l,
		cells: map[place]*cell{}, missing: map[place]Missing{},
	}
}

func (t *table) add(row, column benchproc.Key, value float64) {
	c := t.cells[place{row, column}]
	if c == nil {
		c = &cell{}
		t.cells[place{row, column}] = c
		if !slices.Contains(t.rows, row) {
			t.rows = append(t.rows, row)
		}
		t.column(column)
	}
	c.values = append(c.values, value)
}

// finish sorts rows and columns, the base to the front, and does the statistics.
func (t *table) finish(base string) {
	slices.SortFunc(t.rows, func(a, b benchproc.Key) int { return CompareNames(rowName(a), rowName(b)) })
	benchproc.SortKeys(t.columns)
	at := slices.IndexFunc(t.columns, func(k benchproc.Key) bool { return k.StringValues() == base })
	if at > 0 {
		column := t.columns[at]
		t.columns = slices.Insert(slices.Delete(t.columns, at, at+1), 0, column)
	}
	for _, c := range t.cells {
		// NewSample sorts in place, and the order of blocks is wanted later.
		c.sample = benchmath.NewSample(slices.Clone(c.values), &benchmath.DefaultThresholds)
		c.summary = t.assumption.Summary(c.sample, confidence)
	}
}

// CompareNames orders names alphabetically, but runs of digits as numbers. The
// order of first appearance would be the random order of measurement.
func CompareNames(a, b string) int {
	for a != "" && b != "" {
		digitsA, digitsB := leadingDigits(a), leadingDigits(b)
		if digitsA > 0 && digitsB > 0 {
			c := cmp.Or(cmp.Compare(digitsA, digitsB), cmp.Compare(a[:digitsA], b[:digitsB]))
			if c != 0 {
				return c
			}
			a, b = a[digitsA:], b[digitsB:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

func leadingDigits(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }

// write renders the table as text.
func (t *table) write(w *bytes.Buffer) {
	head := t.head()
	var lines [][]parts
	widths := make([]partWidths, len(t.columns))
	first := 0
	for _, row := range t.rows {
		line := t.line(row)
		for c, p := range line {
			widths[c].include(p)
		}
		lines = append(lines, line)
		first = max(first, utf8.RuneCountInString(rowName(row)))
	}
	for c := range t.columns {
		for _, h := range head {
			widths[c].comparison += max(0, utf8.RuneCountInString(h[c])-widths[c].all())
		}
	}
	for _, h := range head {
		line := pad("", first)
		for c := range t.columns {
			line += " │ " + center(h[c], widths[c].all())
		}
		fmt.Fprintf(w, "%s │\n", line)
	}
	for i, row := range t.rows {
		line := pad(rowName(row), first)
		for c, p := range lines[i] {
			line += "   " + p.aligned(widths[c])
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
	for i, note := range t.notes {
		fmt.Fprintf(w, "%s %s\n", superscript(i+1), note)
	}
}

// head returns the lines above the columns: names, what those lose that do, and
// the unit.
func (t *table) head() [][]string {
	var names, lost, units []string
	lossy := false
	for i, column := range t.columns {
		name, unit := column.StringValues(), t.unit
		if i > 0 {
			unit += "  vs " + t.columns[0].StringValues()
		}
		names, lost, units = append(names, name), append(lost, t.losses[name]), append(units, unit)
		lossy = lossy || t.losses[name] != ""
	}
	if !lossy {
		return [][]string{names, units}
	}
	return [][]string{names, lost, units}
}

// alike reports whether a column may lose what the base may.
func (t *table) alike(column benchproc.Key) bool {
	return t.losses[column.StringValues()] == t.losses[t.columns[0].StringValues()]
}

// parts are the texts of one cell, each aligned over its column.
type parts struct{ figure, interval, comparison string }

// partWidths are the widths of the parts of one column.
type partWidths struct{ figure, interval, comparison int }

func (w *partWidths) include(p parts) {
	w.figure = max(w.figure, utf8.RuneCountInString(p.figure))
	w.interval = max(w.interval, utf8.RuneCountInString(p.interval))
	w.comparison = max(w.comparison, utf8.RuneCountInString(p.comparison))
}

func (w partWidths) all() int { return w.figure + 1 + w.interval + 2 + w.comparison }

func (p parts) aligned(w partWidths) string {
	left := strings.Repeat(" ", max(0, w.figure-utf8.RuneCountInString(p.figure)))
	return left + p.figure + " " + pad(p.interval, w.interval) + "  " + pad(p.comparison, w.comparison)
}

// line renders the cells of one row. Each figure has its own scale, because
// contestants may be a thousandfold apart.
func (t *table) line(row benchproc.Key) []parts {
	base, baseLacks := t.cells[place{row, t.columns[0]}], t.missing[place{row, t.columns[0]}]
	var cells []parts
	for _, column := range t.columns {
		c, lacks := t.cells[place{row, column}], t.missing[place{row, column}]
		if c == nil {
			p := parts{figure: "-"}
			if lacks.Any() {
				p.interval = strings.TrimSpace(t.note([]error{lacks}))
			}
			cells = append(cells, p)
			continue
		}
		p := parts{
			figure:   benchunit.Scale(c.summary.Center, benchunit.ClassOf(t.unit)),
			interval: "± " + c.summary.PctRangeString(),
		}
		warnings := append(slices.Clone(c.sample.Warnings), c.summary.Warnings...)
		if lacks.Any() {
			warnings = append(warnings, lacks)
		}
		switch {
		case column == t.columns[0]:
		case lacks.Any() || baseLacks.Any(): // what is left of the blocks decides nothing
			p.comparison = "?"
		case base != nil:
			compared := t.assumption.Compare(base.sample, c.sample)
			p.comparison = ratio(base.summary.Center, c.summary.Center, compared)
			if !t.alike(column) {
				p.comparison = "≠" + p.comparison
			}
			warnings = append(warnings, compared.Warnings...)
		}
		p.interval += t.note(warnings)
		cells = append(cells, p)
	}
	return cells
}

// ratio renders how a center compares with the base's.
func ratio(base, center float64, c benchmath.Comparison) string {
	text := "?"
	if base > 0 && center >= 0 {
		text = times(center / base)
	}
	if c.P > c.Alpha {
		text = "~" + text
	}
	return fmt.Sprintf("%s (%s)", text, c)
}

// times renders a factor with three digits.
func times(factor float64) string {
	switch {
	case factor >= 100:
		return fmt.Sprintf("%.0fx", factor)
	case factor >= 10:
		return fmt.Sprintf("%.1fx", factor)
	case factor >= 1:
		return fmt.Sprintf("%.2fx", factor)
	case factor >= 0.001:
		return fmt.Sprintf("%.3fx", factor)
	}
	return fmt.Sprintf("%.1gx", factor)
}

// note files warnings as footnotes and returns their marks.
func (t *table) note(warnings []error) string {
	var marks []string
	for _, warning := range warnings {
		text := warning.Error()
		at := slices.Index(t.notes, text)
		if at < 0 {
			at = len(t.notes)
			t.notes = append(t.notes, text)
		}
		if mark := superscript(at + 1); !slices.Contains(marks, mark) {
			marks = append(marks, mark)
		}
	}
	if len(marks) == 0 {
		return ""
	}
	return " " + strings.Join(marks, " ")
}

func superscript(n int) string {
	digits := []rune("⁰¹²³⁴⁵⁶⁷⁸⁹")
	text := ""
	for _, d := range fmt.Sprint(n) {
		text += string(digits[d-'0'])
	}
	return text
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

func center(s string, width int) string {
	left := max(0, width-utf8.RuneCountInString(s)) / 2
	return pad(strings.Repeat(" ", left)+s, width)
}
