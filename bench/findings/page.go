package findings

import (
	"bytes"
	"embed"
	"fmt"
	"math"
	"slices"
	"strings"
	"text/template"
	"time"
)

// pages are templates: the words of each page that are the same whatever was
// measured.
//
//go:embed pages
var pages embed.FS

// files returns the files of a finding's page by name.
func (d *Data) files(f *Finding) (map[string][]byte, error) {
	fill := f.page(d)
	fill["origin"] = d.origin()
	fill["again"] = fmt.Sprintf("`make findings ARGS=%s` measures this again. `.build/lab finding -render %s` "+
		"makes this\npage from [%s%s](%s%s), which holds every block.",
		f.Name, f.Name, f.Name, dataSuffix, f.Name, dataSuffix)
	name := f.Name + ".md"
	t, err := template.New(name).Option("missingkey=error").ParseFS(pages, "pages/"+name)
	if err != nil {
		return nil, fmt.Errorf("findings: %w", err)
	}
	var text bytes.Buffer
	if err := t.Execute(&text, fill); err != nil {
		return nil, fmt.Errorf("findings: %w", err)
	}
	return map[string][]byte{name: text.Bytes(), f.Name + ".svg": standalone(f.figure(d))}, nil
}

// busyAbove is the load average per processor that no measurement has by itself,
// as it runs one arm at a time.
const busyAbove = 1.5

// origin tells where the figures come from.
func (d *Data) origin() string {
	e := d.Environment
	changed := ""
	if e.Dirty {
		changed = " with changes"
	}
	intervals := "95 % intervals"
	if len(d.Loads) < leastBlocks {
		intervals = "the range of all"
	}
	s := fmt.Sprintf("Figures are medians over %d process blocks with %s", len(d.Loads), intervals)
	s = fmt.Sprintf("%s; a block measures each arm in a fresh process, all in random order.\n"+
		"Measured at %s%s with %s on %d × %s; load average %s to %s when blocks began.", s,
		e.ShortCommit(), changed, e.Go, e.Cores, e.CPU,
		short(slices.Min(d.Loads)), short(slices.Max(d.Loads)))
	if slices.Max(d.Loads) > busyAbove*float64(e.Cores) {
		s += "\nOther programs kept the processors busy meanwhile: times are rough."
	}
	return s
}

// markdown returns a table whose columns but the first are aligned to the right.
func markdown(table [][]string) string {
	var b strings.Builder
	for i, row := range table {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(&b, "|---|%s\n", strings.Repeat("---:|", len(row)-1))
		}
	}
	return b.String()
}

// short renders three digits, and all of whole numbers below a million.
func short(v float64) string {
	switch a := math.Abs(v); {
	case v < 0:
		return "−" + short(a)
	case a >= 100:
		return group(math.Round(v))
	case a >= 10:
		return trim(fmt.Sprintf("%.1f", v))
	case a >= 1 || a == 0:
		return trim(fmt.Sprintf("%.2f", v))
	case a >= 0.01:
		return trim(fmt.Sprintf("%.3f", v))
	}
	return fmt.Sprintf("%.1g", v)
}

func trim(s string) string { return strings.TrimRight(strings.TrimRight(s, "0"), ".") }

// group renders a whole number, not below 0, in groups of three digits.
func group(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}

// bytesOf renders an amount of memory.
func bytesOf(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1<<30:
		return short(v/(1<<30)) + " GiB"
	case a >= 1<<20:
		return short(v/(1<<20)) + " MiB"
	case a >= 1<<10:
		return short(v/(1<<10)) + " KiB"
	}
	return short(math.Round(v)) + " B"
}

// nanoseconds renders a time.
func nanoseconds(v float64) string {
	switch a := math.Abs(v); {
	case a >= float64(time.Second):
		return short(v/1e9) + " s"
	case a >= float64(time.Millisecond):
		return short(v/1e6) + " ms"
	case a >= float64(time.Microsecond):
		return short(v/1e3) + " µs"
	}
	return short(v) + " ns"
}

// percent renders a share, not below 0.
func percent(v float64) string {
	const least = 1e-5
	if v > 0 && v < least {
		return "< " + short(100*least) + " %"
	}
	return short(100*v) + " %"
}

// with renders a figure and its interval.
func (f figure) with(unit func(float64) string) string {
	return fmt.Sprintf("%s [%s, %s]", unit(f.median), unit(f.low), unit(f.high))
}

// words joins names as a sentence does.
func words(names []string) string {
	switch len(names) {
	case 0:
		return "none"
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// code renders names as code.
func code(names ...string) (quoted []string) {
	for _, name := range names {
		quoted = append(quoted, "`"+name+"`")
	}
	return quoted
}
