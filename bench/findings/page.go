package findings

import (
	"bytes"
	"embed"
	"fmt"
	"maps"
	"slices"
	"text/template"

	"informerlab/bench/format"
)

// pages are written by hand; numbers are filled in from the data, and each conclusion is
// followed by the name of a claim.
//
//go:embed pages
var pages embed.FS

// A claim is what a page concludes. The words do not follow the data: where data of
// another machine no longer show it, the page says so behind them.
type claim func(*Data) bool

// Broken returns the names of claims of a page that its data do not show, sorted.
func (f *Finding) Broken(d *Data) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(f.claims)) {
		if !f.claims[name](d) {
			names = append(names, name)
		}
	}
	return names
}

// files returns the files of a finding's page by name.
func (d *Data) files(f *Finding) (map[string][]byte, error) {
	functions := template.FuncMap{
		"bytes": format.Bytes, "time": format.Nanoseconds, "percent": format.Percent,
		"median": func(arm, unit string) float64 { return d.figure(arm, unit).median },
		"has":    func(arm string) bool { return d.Measured[arm] != nil },
		"min":    func() string { return fmt.Sprintf("%.2f", slices.Min(d.Loads)) },
		"max":    func() string { return fmt.Sprintf("%.2f", slices.Max(d.Loads)) },
		"busy":   func() bool { return slices.Max(d.Loads) > busyAbove*float64(d.Environment.Cores) },
		"commit": d.Environment.ShortCommit,
		"claim": func(name string) (string, error) {
			holds, known := f.claims[name]
			switch {
			case !known:
				return "", fmt.Errorf("unknown claim %q", name)
			case holds(d):
				return "", nil
			}
			return " **(The data below do not show this: " + name + ".)**", nil
		},
	}
	maps.Copy(functions, f.words(d))
	name := f.Name + ".md"
	t, err := template.New(name).Funcs(functions).ParseFS(pages, "pages/"+name, "pages/origin.md")
	if err != nil {
		return nil, fmt.Errorf("findings: %w", err)
	}
	var text bytes.Buffer
	if err := t.Execute(&text, d); err != nil {
		return nil, fmt.Errorf("findings: %w", err)
	}
	return map[string][]byte{name: text.Bytes(), f.Name + ".svg": standalone(f.figure(d))}, nil
}

// busyAbove is the load average per processor that no measurement has by itself,
// as it runs one arm at a time.
const busyAbove = 1.5

// with renders a figure and its range over blocks.
func (f figure) with(unit func(float64) string) string {
	return fmt.Sprintf("%s [%s, %s]", unit(f.median), unit(f.low), unit(f.high))
}

// markdown returns a table whose columns but the first are aligned to the right.
func markdown(head []string, rows [][]string) (string, error) {
	t := format.Table{Head: head, Rows: rows, Right: map[int]bool{}}
	for i := range head[1:] {
		t.Right[i+1] = true
	}
	var text bytes.Buffer
	err := t.Markdown(&text)
	return text.String(), err
}
