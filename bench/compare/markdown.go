package compare

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"strings"

	"golang.org/x/perf/benchunit"

	"informerlab/bench/stats"
)

// Markdown writes the comparison as tables for a pull request or a terminal: what
// was found, of each row how sure that is, and whether the machine was fit.
func (c *Comparison) Markdown(w io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "**%s** (%d rows, up to %d process blocks, %.0f s)\n\n",
		c.Outcome(), len(c.Rows), c.Blocks, c.Seconds)
	if len(c.Rows) > 0 {
		text.WriteString("| workload | buffer | metric | base | head | change | 95 % interval " +
			"| floor | could see | verdict |\n|---|---|---|---|---|---|---|---|---|---|\n")
	}
	for _, r := range c.Rows {
		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n",
			r.Workload, r.Buffer, r.Unit, scaled(r.Base, r.Unit), scaled(r.Head, r.Unit), percent(r.Mean),
			interval(r), floor(r.Floor), percent(r.MDE), verdict(r))
	}
	for _, missing := range c.Missing {
		fmt.Fprintf(&text, "| %s | | | | missing | | | | | **missing** |\n", missing)
	}
	if len(c.Controls) > 0 {
		text.WriteString("\n| control | row | change | 95 % interval | outcome |\n|---|---|---|---|---|\n")
	}
	for _, control := range c.Controls {
		what := "base against itself: no difference"
		if control.Side == Slowed {
			what = fmt.Sprintf("base made %.3g %% slower: found", control.Percent)
		}
		outcome := "as expected"
		if !control.Passed {
			outcome = "**not as expected**: " + cmp.Or(control.MissingText(), string(control.Verdict))
		}
		fmt.Fprintf(&text, "| %s | %s %s %s | %s | %s | %s |\n",
			what, control.Workload, control.Buffer, control.Unit, percent(control.Mean), interval(control.Row), outcome)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// Outcome sums up in a few words.
func (c *Comparison) Outcome() string {
	red, open := len(c.Red()), len(c.Inconclusive())
	switch {
	case len(c.Missing) > 0:
		return fmt.Sprintf("missing: %d rows that base has", len(c.Missing))
	case len(c.Rows) == 0:
		return "nothing was compared"
	case !c.Fit():
		return "unfit: a control did not come out as it had to, so no verdict counts"
	case red > 0:
		return fmt.Sprintf("slower: %d of %d", red, len(c.Rows))
	case open > 0:
		return fmt.Sprintf("inconclusive: %d of %d, none slower", open, len(c.Rows))
	}
	return "not slower"
}

func verdict(r Row) string {
	switch r.Verdict {
	case stats.Slower:
		return fmt.Sprintf("**slower** (p=%.2g)", r.PSlower)
	case stats.Faster:
		return fmt.Sprintf("faster (p=%.2g)", r.PFaster)
	case stats.Inconclusive:
		if missing := r.MissingText(); missing != "" {
			return "inconclusive: " + missing
		}
		return fmt.Sprintf("inconclusive: needs %d more blocks", r.Needs)
	}
	return string(r.Verdict)
}

// percent formats a logarithm of a ratio.
func percent(log float64) string {
	if math.IsNaN(log) {
		return "?"
	}
	return fmt.Sprintf("%+.2f %%", 100*math.Expm1(log))
}

func interval(r Row) string {
	return fmt.Sprintf("%s … %s", percent(r.Low), percent(r.High))
}

func floor(f float64) string { return fmt.Sprintf("%.3g %%", 100*f) }

// scaled formats a figure with the prefix that suits it.
func scaled(v float64, unit string) string {
	if math.IsNaN(v) {
		return "-"
	}
	if strings.HasSuffix(unit, "-ns") || strings.Contains(unit, "ns/") {
		return benchunit.Scale(v/1e9, benchunit.Decimal) + "s"
	}
	return benchunit.Scale(v, benchunit.ClassOf(unit))
}
