package format

import (
	"fmt"
	"html/template"
	"io"
	"strings"
	"unicode/utf8"
)

// A Table has a head and rows of as many cells; a row may be shorter. A table without
// rows is written as nothing.
type Table struct {
	Head []string
	Rows [][]string
	// Right are the columns, from zero, that align at the right.
	Right map[int]bool
}

// Add appends a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Text writes the table for a terminal, two spaces between columns.
func (t *Table) Text(w io.Writer) error {
	return t.write(w, func(s string) string { return s }, "", "  ", "", false)
}

// Markdown writes the table in Markdown, after an empty line. Its columns are aligned
// for who reads the source.
func (t *Table) Markdown(w io.Writer) error {
	return t.write(w, Cell, "| ", " | ", " |", true)
}

// Cell makes a text fit into a cell of a Markdown table, or into one line.
func Cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "\t", " ").Replace(text)
}

func (t *Table) write(w io.Writer, cell func(string) string, left, between, right string, ruled bool) error {
	if len(t.Rows) == 0 {
		return nil
	}
	lines := append([][]string{t.Head}, t.Rows...)
	if len(t.Head) == 0 && !ruled {
		lines = t.Rows
	}
	var widths []int
	for _, line := range lines {
		for i, text := range line {
			if i == len(widths) {
				widths = append(widths, 3) // of the rule
				if !ruled {
					widths[i] = 0
				}
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell(text)))
		}
	}
	var b strings.Builder
	if ruled {
		b.WriteByte('\n')
	}
	for n, line := range lines {
		b.WriteString(left)
		var cells, rules []string
		for i, width := range widths {
			text, rule := "", strings.Repeat("-", width)
			if i < len(line) {
				text = cell(line[i])
			}
			space := strings.Repeat(" ", width-utf8.RuneCountInString(text))
			if t.Right[i] {
				text, rule = space+text, rule[1:]+":"
			} else {
				text += space
			}
			cells, rules = append(cells, text), append(rules, rule)
		}
		text := strings.Join(cells, between) + right
		if !ruled {
			text = strings.TrimRight(text, " ")
		}
		b.WriteString(text + "\n")
		if ruled && n == 0 {
			b.WriteString(left + strings.Join(rules, between) + right + "\n")
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("format: table: %w", err)
	}
	return nil
}

// HTML returns the table as an element of a page, its cells escaped.
func (t *Table) HTML() template.HTML {
	if len(t.Rows) == 0 {
		return ""
	}
	var b strings.Builder
	row := func(element string, cells []string) {
		b.WriteString("<tr>")
		for i, text := range cells {
			class := ""
			if t.Right[i] {
				class = ` class="number"`
			}
			fmt.Fprintf(&b, "<%s%s>%s</%s>", element, class, template.HTMLEscapeString(text), element)
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("<table>\n")
	row("th", t.Head)
	for _, cells := range t.Rows {
		row("td", cells)
	}
	b.WriteString("</table>")
	return template.HTML(b.String())
}
