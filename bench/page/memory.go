package page

import (
	"fmt"
	"math"
	"slices"
	"time"

	"informerlab/bench/chart"
	"informerlab/bench/format"
	"informerlab/bench/report"
	"informerlab/bench/run"
	"informerlab/core/buffer"
)

// backlog draws what waited, for how long, and the memory, over time.
func (d *data) backlog() (figures []figure) {
	for _, l := range d.loads {
		var lines []timeline
		for _, a := range d.arms {
			for _, t := range d.Run.Timelines {
				if t.Row == a.row(l.Label) && len(t.Samples) > 1 {
					lines = append(lines, timeline{a, thin(t.Samples, d.points(len(d.Run.Timelines)))})
					break
				}
			}
		}
		most, untold := 0, ""
		for _, line := range lines {
			most = max(most, line.most())
			if line.most() < 0 {
				untold += line.arm.label + " does not tell its backlog. "
			}
		}
		if most <= 0 {
			continue // nothing ever waited
		}
		figures = append(figures, figure{
			ID: fmt.Sprintf("backlog-%d", len(figures)+1), Title: "Backlog and memory over time: " + l.Label,
			Caption: "The first process block. " + stallCaption(l) + untold +
				"Ticks below the heap are garbage collections.",
			Panels: timePanels(l, lines), Legend: true, Folded: !stalls(l),
			Measure: d.measure([]string{l.Label}, d.arms),
		})
	}
	return figures
}

// stallShare of the largest backlog is what is left when a stall has just ended: a
// bounded backlog, or one that merges, is at its largest long before.
const stallShare = .9

// stalls reports whether the workload's label says that handlers stop.
func stalls(l *report.Load) bool {
	n, has := l.Number("stalled")
	return has && n > 0
}

func stallCaption(l *report.Load) string {
	if stalls(l) {
		return "The stalled handler goes on at about the circle: the last time at which nine tenths of the largest " +
			"backlog wait. "
	}
	return "The circle is where the backlog is largest. "
}

// A timeline is one line of a figure over time.
type timeline struct {
	arm     *arm
	samples []run.Sample
}

// most is the largest backlog, or negative if that is not known.
func (t *timeline) most() int {
	most := -1
	for _, s := range t.samples {
		most = max(most, s.Pending)
	}
	return most
}

// last is the index of the last sample with at least a share of the largest
// backlog.
func (t *timeline) last(share float64) (at int) {
	most := float64(t.most())
	for i, s := range t.samples {
		if float64(s.Pending) >= share*most {
			at = i
		}
	}
	return at
}

// thin leaves at most about n samples, with the largest backlog of each stretch.
func thin(samples []run.Sample, n int) (kept []run.Sample) {
	if len(samples) <= n {
		return samples
	}
	for i := range n {
		stretch := samples[i*len(samples)/n : (i+1)*len(samples)/n]
		if i == 0 || i == n-1 {
			kept = append(kept, stretch[i*(len(stretch)-1)/(n-1)])
			continue
		}
		kept = append(kept, slices.MaxFunc(stretch, func(a, b run.Sample) int { return a.Pending - b.Pending }))
	}
	return kept
}

func timePanels(l *report.Load, lines []timeline) (panels []panel) {
	share, mark := 1.0, "peak"
	if stalls(l) {
		share, mark = stallShare, "stall ends"
	}
	x := chart.Axis{Title: "time since the release", Unit: "s"}
	for _, of := range []struct {
		title string
		axis  chart.Axis
		value func(run.Sample) float64
	}{
		{"notifications that wait", chart.Axis{Title: "backlog", Unit: "notifications"},
			func(s run.Sample) float64 { return float64(s.Pending) }},
		{"heap, live and not yet swept", chart.Axis{Title: "heap", Unit: "B", Format: format.Bytes},
			func(s run.Sample) float64 { return float64(s.Heap) }},
		{"age of the oldest", chart.Axis{Title: "age of the oldest", Unit: "s", Format: format.Nanoseconds},
			func(s run.Sample) float64 { return float64(s.Oldest) }},
		{"bytes held by the buffers", chart.Axis{Title: "held by buffers", Unit: "B", Format: format.Bytes},
			func(s run.Sample) float64 { return float64(s.Bytes) }},
	} {
		plot := chart.Plot{Name: of.title + ", " + l.Label, Width: half, Height: 360, X: x, Y: of.axis}
		heap := of.axis.Title == "heap"
		any := false
		for _, line := range lines {
			if line.most() < 0 && !heap {
				continue
			}
			s := chart.Series{Tooltip: line.arm.label, Style: line.arm.style, Line: true}
			for i, sample := range line.samples {
				p := chart.Point{X: sample.At.Seconds(), Y: of.value(sample)}
				any = any || p.Y > 0
				if line.most() > 0 && i == line.last(share) {
					p.Title = fmt.Sprintf("%s at %s: %s waiting, the oldest for %s, heap %s", s.Tooltip,
						sample.At.Round(time.Millisecond), format.Count(float64(sample.Pending)),
						format.Nanoseconds(float64(sample.Oldest)), format.Bytes(float64(sample.Heap)))
					if of.axis.Title == "backlog" {
						p.Mark = mark
					}
				}
				s.Points = append(s.Points, p)
			}
			plot.Series = append(plot.Series, s)
			if heap && line.collects() {
				plot.Lanes = append(plot.Lanes, collections(line))
				plot.Lanes[0].Label = "GC"
			}
		}
		if any { // what is not known is zero throughout
			if of.axis.Unit == "B" {
				plot.Y.Ticks, plot.Y.Max = byteTicks(&plot)
			}
			panels = append(panels, panel{Title: of.title, SVG: html(plot.SVG())})
		}
	}
	return panels
}

// byteTicks are multiples of a power of two from zero, as far as the values go.
func byteTicks(p *chart.Plot) (ticks []float64, most float64) {
	for _, s := range p.Series {
		for _, q := range s.Points {
			most = max(most, q.Y)
		}
	}
	step := math.Exp2(math.Ceil(math.Log2(most / 6)))
	for i := 0.0; i*step < most+step; i++ {
		ticks = append(ticks, i*step)
	}
	return ticks, most
}

// collects reports whether the collector ran at all.
func (t *timeline) collects() bool { return t.samples[len(t.samples)-1].GCs > t.samples[0].GCs }

// collections is a lane with a tick for each sample after which the collector had
// run once more.
func collections(line timeline) chart.Lane {
	lane := chart.Lane{Style: line.arm.style}
	for i, s := range line.samples {
		if i > 0 && s.GCs > line.samples[i-1].GCs {
			lane.At = append(lane.At, s.At.Seconds())
		}
	}
	return lane
}

// costs draws CPU time against memory, with what is lost beside the name, for
// each workload that tells both.
func (d *data) costs() []figure {
	var panels []panel
	var workloads []string
	for _, l := range d.loads {
		if !d.piles(l) {
			continue
		}
		plot := chart.Plot{
			Name: "Cost against memory, " + l.Label, Width: whole, Height: 430,
			X: chart.Axis{Title: "CPU time per event, of all cores", Unit: "s", Log: true, Format: format.Nanoseconds},
			Y: chart.Axis{
				Title: "live heap that the backlog holds", Unit: "B", Log: true, Binary: true, Format: format.Bytes,
			},
		}
		for _, a := range d.arms {
			cpu, has := d.get(a.row(l.Label), "cpu-ns/event")
			held, known := d.held(a.row(l.Label))
			if !has || !known {
				continue
			}
			label := a.label
			if d.lossy(a) {
				label += " " + string(a.info.Traits.Loss)
			}
			plot.Series = append(plot.Series, chart.Series{Label: label, Style: a.style, Points: []chart.Point{{
				X: cpu.middle, Y: held,
				Title: fmt.Sprintf("%s: %s of CPU per event, %s held",
					label, format.Nanoseconds(cpu.middle), format.Bytes(held)),
			}}})
		}
		if len(plot.Series) > 1 {
			panels = append(panels, panel{Title: l.Label, SVG: html(plot.SVG()), Wide: true})
			workloads = append(workloads, l.Label)
		}
	}
	if len(panels) == 0 {
		return nil
	}
	return []figure{{
		ID: "costs", Title: "Cost, memory, loss", Panels: panels, Measure: d.measure(workloads, d.arms),
		Caption: "Down and left is better, among filled markers: these lose nothing. Hollow ones, marked ≠, hold " +
			"less because they lose or merge, as said beside them. Medians over process blocks.",
	}}
}

// piles reports whether a load leaves a backlog behind a lossless buffer.
func (d *data) piles(l *report.Load) bool {
	return slices.ContainsFunc(d.arms, func(a *arm) bool {
		pending, has := d.get(a.row(l.Label), "pending")
		return has && pending.middle > 0 && a.info.Traits.Loss == buffer.Lossless
	})
}

// held is the live heap of the backlog in bytes, at least what a page of memory
// takes, as less is not measured.
func (d *data) held(row run.Row) (float64, bool) {
	const page = 4096
	if s, has := d.get(row, "backlog-B"); has {
		return max(s.middle, page), true
	}
	pending, has := d.get(row, "pending")
	each, known := d.get(row, "B/pending")
	return max(pending.middle*each.middle, page), has && known
}

// slices draws each workload's runs in the order of measurement, and how busy the
// machine was.
func (d *data) slices() []figure {
	var panels []panel
	for _, l := range d.loads {
		unit := d.Primary(l.Label)
		plot := chart.Plot{
			Name: "Measured runs over time, " + l.Label, Width: half, Height: 250,
			X: chart.Axis{Title: "time since the run began", Unit: "min"},
			Y: axis(unit),
		}
		plot.Y.Log = true
		for _, a := range d.arms {
			dots := chart.Series{Label: a.label, Style: a.style, Dots: true}
			for _, s := range d.Run.Slices {
				if v, has := s.Values[unit]; has && s.Row == a.row(l.Label) {
					dots.Points = append(dots.Points, chart.Point{X: s.At.Minutes(), Y: v})
				}
			}
			plot.Series = append(plot.Series, dots)
		}
		plot.Lanes = d.disturbances(l)
		if svg := plot.SVG(); svg != "" {
			panels = append(panels, panel{Title: l.Label, SVG: html(svg)})
		}
	}
	if len(panels) == 0 {
		return nil
	}
	return []figure{{
		ID: "slices", Title: "Every measured run, in order", Panels: panels, Legend: true, Folded: len(panels) > 12,
		Caption: "A drift, or a neighbour on the machine, shows here. The strips below are the darker the more of " +
			"the time was stolen by the hypervisor, used by other programs, or spent by some task waiting for a " +
			"processor.",
		Measure: report.Again(d.Run),
	}}
}

// disturbances are strips of what the machine did beside the lab, where known.
func (d *data) disturbances(l *report.Load) (lanes []chart.Lane) {
	for _, of := range []struct {
		label string
		value func(*run.Slice) float64
	}{
		{"steal", func(s *run.Slice) float64 { return s.Steal }},
		{"others", func(s *run.Slice) float64 { return s.Others }},
		{"pressure", func(s *run.Slice) float64 { return s.Pressure }},
	} {
		lane, most := chart.Lane{Label: of.label}, 0.0
		for i := range d.Run.Slices {
			s := &d.Run.Slices[i]
			if s.Workload != l.Label || of.value(s) < 0 {
				continue
			}
			at := s.At.Minutes()
			lane.Pieces = append(lane.Pieces, chart.Piece{From: at, Till: at, Value: of.value(s)})
			most = max(most, of.value(s))
		}
		if len(lane.Pieces) > 0 {
			lane.Title = of.label + ": at most " + format.Percent(most)
			lanes = append(lanes, lane)
		}
	}
	return lanes
}
