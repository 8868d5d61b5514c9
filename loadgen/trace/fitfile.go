package trace

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// WriteTOML writes the twin as the file of a workload, at so many times the
// recorded pace. Remarks compare what it draws with what was recorded, both at
// the recorded pace. Command is what has it printed.
func (f *Fitted) WriteTOML(w io.Writer, speed float64, command string) error {
	var s strings.Builder
	line := func(name string, value any, remark string) {
		setting := fmt.Sprintf("%s = %v", name, value)
		if text, is := value.(string); is {
			setting = fmt.Sprintf("%s = %q", name, text)
		}
		if remark != "" {
			setting = fmt.Sprintf("%-18s # %s", setting, remark)
		}
		s.WriteString(setting + "\n")
	}
	share := func(name string, percent float64, of string) {
		if percent > 0 {
			line(name, percent, "% of events "+of)
		}
	}
	recorded, drawn, p := f.Recorded, f.Drawn, f.Population

	comment := fmt.Sprintf("By %s, from %.1f s of %s; remarks at its own pace.", command, f.Span.Seconds(), f.Trace)
	s.WriteString("# " + strings.Map(printable, comment) + "\n")
	line("summary", fmt.Sprintf("open loop: %s of a recorded cluster, drawn by its figures", f.Resource), "")
	line("keys", p.Keys, "")
	drawnIn, recordedIn := drawn.Coalescible, recorded.Coalescible
	line("pick", p.Pick, fmt.Sprintf(
		"same key within 1 s: %.0f%%, recorded %.0f%%; within 10 s: %.0f%%, recorded %.0f%%",
		100*drawnIn[2], 100*recordedIn[2], 100*drawnIn[3], 100*recordedIn[3]))
	remark := fmt.Sprintf("the busiest tenth of keys has %.0f%%, recorded %.0f%%",
		100*drawn.Lives.Top10, 100*recorded.Lives.Top10)
	if p.Skew > 0 {
		line("skew", p.Skew, remark)
	}
	share("churn", p.Churn, "delete a key or add one again")
	share("grow", p.Grow, "add a new key")
	share("shrink", p.Shrink, "delete a key for good")
	line("size", f.Sizes.Mean, "")
	line("sigma", f.Sizes.Sigma, fmt.Sprintf("99%% have at most %d bytes, recorded %d",
		drawn.Sizes.P99, recorded.Sizes.P99))
	kind := "poisson"
	if f.Peak > 1 {
		kind = "bursts"
	}
	line("arrival", kind, fmt.Sprintf("99%% of 100 ms have at most %d, recorded %d; all at most %d, recorded %d",
		drawn.PerWindow.P99, recorded.PerWindow.P99, drawn.PerWindow.Max, recorded.PerWindow.Max))
	line("rate", round(f.Rate*speed), "")
	if f.Peak > 1 {
		line("peak", f.Peak, "")
		line("period", time.Duration(round(float64(f.Period)/speed)).String(), "")
	}
	line("seconds", round(stretch.Seconds()/speed), "")
	_, err := io.WriteString(w, s.String())
	return err
}

// printable keeps a name from ending a comment.
func printable(r rune) rune {
	if unicode.IsControl(r) {
		return unicode.ReplacementChar
	}
	return r
}
