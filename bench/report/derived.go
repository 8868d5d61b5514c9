package report

import (
	"fmt"
	"math"
	"strings"

	"informerlab/bench/format"
	"informerlab/bench/judge"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
)

// outsider is the contestant from outside that ours are held against.
const outsider = "client-go"

// A deriver writes figures that combine rows of several workloads, or of several units.
type deriver struct {
	*judge.Judged
	loads []Load
	lines []string
}

// derived writes what one more listener costs, how much throughput a stalled handler
// leaves to the others, how much a growing backlog freezes them, how many times
// client-go's throughput a buffer reaches, and which latencies are bounds only.
func derived(text *strings.Builder, j *judge.Judged) {
	d := &deriver{Judged: j, loads: Loads(j.Blocks.Workloads)}
	for i := range d.loads {
		d.listenerCost(&d.loads[i])
	}
	for _, f := range []func(*Load, *Load){d.stallKept, d.stallBytes, d.frozen} {
		for i := range d.loads {
			l := &d.loads[i]
			if control := d.load(l.Without("stalled"), "stalled", "0"); control != nil && control.Label != l.Label {
				f(l, control)
			}
		}
	}
	for i := range d.loads {
		d.timesOutsider(&d.loads[i])
	}
	d.bounds()
	if len(d.lines) > 0 {
		text.WriteString("\nwhat follows from them\n  " + strings.Join(d.lines, "\n  ") + "\n")
	}
}

// load returns the one that differs from a label in an option.
func (d *deriver) load(rest, key, value string) *Load {
	for i := range d.loads {
		if l := &d.loads[i]; l.Without(key) == rest && l.Option(key) == value {
			return l
		}
	}
	return nil
}

// each adds a line with what f returns for each buffer, as far as it returns something.
func (d *deriver) each(what string, f func(buffer string) string) bool {
	var parts []string
	for _, arm := range d.Run.Manifest.Arms {
		name := arm.Buffer
		if loss := d.Loss(run.Row{Buffer: name}); loss != "" {
			name += " (" + string(loss) + ")"
		}
		if text := f(arm.Buffer); text != "" {
			parts = append(parts, name+" "+text)
		}
	}
	if len(parts) > 0 {
		d.lines = append(d.lines, what+": "+strings.Join(parts, ", "))
	}
	return len(parts) > 0
}

// beside adds to the last line what the reference has of client-go's figure.
func (d *deriver) beside(figures map[string]float64) {
	if ours, theirs := figures[judge.Reference], figures[outsider]; ours > 0 && theirs > 0 {
		d.lines[len(d.lines)-1] += fmt.Sprintf("; %s is %.2f of %s", judge.Reference, ours/theirs, outsider)
	}
}

// paired returns the median over blocks of what f makes of two figures of a block.
func paired(a, b []float64, f func(a, b float64) float64) float64 {
	var values []float64
	for i := range min(len(a), len(b)) {
		values = append(values, f(a[i], b[i]))
	}
	return stats.Median(values)
}

// listenerCost gives (time at N listeners − time at 0) / N.
func (d *deriver) listenerCost(l *Load) {
	n, _ := l.Number("listeners")
	zero := d.load(l.Without("listeners"), "listeners", "0")
	if n == 0 || zero == nil {
		return
	}
	costs := map[string]float64{}
	what := fmt.Sprintf("one listener costs, per event, (listeners=%g − listeners=0)/%g", n, n)
	if d.each(what, func(buffer string) string {
		at := d.Blocks.Values(run.Row{Workload: l.Label, Buffer: buffer}, worker.NSPerEvent)
		none := d.Blocks.Values(run.Row{Workload: zero.Label, Buffer: buffer}, worker.NSPerEvent)
		cost := paired(at, none, func(at, none float64) float64 { return (at - none) / n })
		if math.IsNaN(cost) {
			return ""
		}
		costs[buffer] = cost
		return format.Value(cost, worker.NSPerEvent)
	}) {
		d.beside(costs)
	}
}

// compare compares a buffer under two workloads, if both have the unit.
func (d *deriver) compare(buffer, unit, base, head string) (r judge.Row, known bool) {
	b, h := run.Row{Workload: base, Buffer: buffer}, run.Row{Workload: head, Buffer: buffer}
	if !d.Blocks.Has(b, unit) || !d.Blocks.Has(h, unit) {
		return r, false
	}
	return d.Blocks.Compare(b, h, judge.Metric{Unit: unit}), true
}

// stallKept gives the others' throughput beside stalled handlers as a share of
// the control's.
func (d *deriver) stallKept(l, control *Load) {
	what := "throughput the others keep beside a stalled handler, " + l.Label
	d.each(what, func(buffer string) string {
		r, known := d.compare(buffer, worker.OthersNSPerEvent, control.Label, l.Label)
		if !known {
			return ""
		}
		return fmt.Sprintf("%.0f %%", 100*math.Exp(-r.Mean))
	})
}

// stallBytes gives the bytes that each pending notification adds to what the
// pipeline keeps anyway once it has handled the same events without a stall. With
// few pending, as where some are lost, that would be noise.
func (d *deriver) stallBytes(l, control *Load) {
	bytes := map[string]float64{}
	what := "bytes per pending notification, above what the control keeps, " + l.Label
	if d.each(what, func(buffer string) string {
		row := run.Row{Workload: l.Label, Buffer: buffer}
		kept := d.Blocks.Values(run.Row{Workload: control.Label, Buffer: buffer}, worker.RetainedBytes)
		pending, each := d.Blocks.Values(row, worker.Backlog), d.Blocks.Values(row, worker.BytesPerPending)
		if d.Loss(row) != "" || len(kept) == 0 || len(each) == 0 {
			return ""
		}
		for i := range min(len(kept), len(pending)) {
			kept[i] /= pending[i]
		}
		added := paired(each, kept, func(all, kept float64) float64 { return all - kept })
		if math.IsNaN(added) {
			return ""
		}
		bytes[buffer] = added
		return format.Value(added, worker.BytesPerPending)
	}) {
		d.beside(bytes)
	}
}

// frozen gives the others' worst latencies beside stopped handlers as multiples
// of the control's.
func (d *deriver) frozen(l, control *Load) {
	for _, unit := range []string{worker.P999, worker.MaxLatency} {
		name := strings.TrimSuffix(unit, "-ns")
		what := fmt.Sprintf("the others' %s beside a stopped handler, times the control's, %s", name, l.Label)
		d.each(what, func(buffer string) string {
			r, known := d.compare(buffer, unit, control.Label, l.Label)
			switch {
			case !known:
				return ""
			case len(r.Missing) > 0:
				return "? (" + r.MissingText() + ")"
			}
			ratio, _, _ := r.Ratio()
			return format.Ratio(ratio)
		})
	}
}

// timesOutsider gives events per second as a multiple of client-go's.
func (d *deriver) timesOutsider(l *Load) {
	what := fmt.Sprintf("events per second, times %s's, %s", outsider, l.Label)
	d.each(what, func(buffer string) string {
		theirs := run.Row{Workload: l.Label, Buffer: outsider}
		ours := run.Row{Workload: l.Label, Buffer: buffer}
		unit := worker.NSPerEvent
		if buffer == outsider || !d.Blocks.Has(theirs, unit) || !d.Blocks.Has(ours, unit) {
			return ""
		}
		r := d.Blocks.Compare(ours, theirs, judge.Metric{Unit: unit})
		ratio, _, _ := r.Ratio()
		return format.Ratio(ratio)
	})
}

// bounds tells of which open loops the p99 is a bound only, because much of it is
// the generator's lateness.
func (d *deriver) bounds() {
	for _, l := range d.loads {
		for _, arm := range d.Run.Manifest.Arms {
			row := run.Row{Workload: l.Label, Buffer: arm.Buffer}
			if share := d.Late(row); share > judge.BoundShare {
				d.lines = append(d.lines, fmt.Sprintf("%s, %s: the generator was late by %.0f %% of the p99, "+
					"which is a bound only", l.Label, arm.Buffer, 100*share))
			}
		}
	}
}
