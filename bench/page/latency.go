package page

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/HdrHistogram/hdrhistogram-go"

	"informerlab/bench/chart"
	"informerlab/bench/format"
	"informerlab/bench/report"
)

// The sizes of drawings: two beside each other, or one.
const (
	half, whole = 520.0, 1060.0
)

// points is how many a line may have if there are so many lines: fewer than suit
// it best where a page would get too large.
func (d *data) points(lines int) int { return max(16, min(120, 2800/lines)) }

// percentiles draws a panel of latency over percentile for each open loop.
func (d *data) percentiles() []figure {
	var panels []panel
	var workloads []string
	for _, l := range d.loads {
		plot := chart.Plot{
			Name: "Latency by percentile, " + l.Label, Width: half, Height: 400,
			X: chart.Axis{
				Title: "percentile of notifications", Unit: "%", Log: true,
				Ticks: []float64{2, 10, 100, 1000, 10_000}, Format: percentile,
			},
			Y: chart.Axis{Title: "latency from the intended time", Unit: "s", Log: true, Format: format.Nanoseconds},
		}
		for _, latency := range d.Run.Latencies {
			a := d.arm(latency.Buffer, latency.Side)
			if latency.Workload != l.Label || a == nil || latency.Histogram.TotalCount() < 100 {
				continue
			}
			plot.Series = append(plot.Series, chart.Series{
				Label: a.label, Style: a.style, Line: true,
				Points: curve(a.label, latency.Histogram, d.points(len(d.Run.Latencies))),
			})
		}
		if svg := plot.SVG(); svg != "" {
			panels, workloads = append(panels, panel{Title: l.Label, SVG: html(svg)}), append(workloads, l.Label)
		}
	}
	if len(panels) == 0 {
		return nil
	}
	return []figure{{
		ID: "percentiles", Title: "Latency, percentile by percentile", Panels: panels,
		Caption: "From the time at which an event was meant to happen until the handler is called, so a stall counts " +
			"for every event behind it. All process blocks and rounds together; each line ends where fewer than ten " +
			"notifications are left." + d.lateness(workloads),
		Measure: d.measure(workloads, d.arms), Folded: len(panels) > 12,
	}}
}

// percentile tells 1/(1-q) as q.
func percentile(v float64) string {
	return fmt.Sprintf("%.4g %%", 100-100/v)
}

// curve returns points of a histogram over 1/(1-q), evenly on a logarithmic axis,
// with tooltips at the percentiles that the axis names.
func curve(label string, h *hdrhistogram.Histogram, n int) (points []chart.Point) {
	const first, last = .30103, 4.0 // 50 % and 99.99 %
	end := min(last, math.Log10(float64(h.TotalCount())/10))
	named := []float64{2, 10, 100, 1000, 10_000}
	var xs []float64
	for i := range n {
		xs = append(xs, math.Pow(10, first+(end-first)*float64(i)/float64(n-1)))
	}
	for _, x := range append(xs, named...) {
		if math.Log10(x) > end+1e-9 {
			continue
		}
		p := chart.Point{X: x, Y: float64(h.ValueAtQuantile(100 - 100/x))}
		if slices.Contains(named, x) {
			p.Title = fmt.Sprintf("%s: %s within %s", label, percentile(x), format.Nanoseconds(p.Y))
		}
		points = append(points, p)
	}
	slices.SortStableFunc(points, func(a, b chart.Point) int {
		switch {
		case a.X < b.X:
			return -1
		case a.X > b.X:
			return 1
		}
		return 0
	})
	return points
}

// lateness says how late the generator itself was.
func (d *data) lateness(workloads []string) string {
	worst := 0.0
	for _, w := range workloads {
		for _, a := range d.arms {
			if s, has := d.get(a.row(w), "generator-late-p99-ns"); has {
				worst = max(worst, s.middle)
			}
		}
	}
	if worst == 0 {
		return ""
	}
	return " The generator's own lateness, which is in it, was at most " + format.Nanoseconds(worst) + " at p99."
}

// kneeAt is how many times its least the median latency is from the knee on. It is
// the median, as the p99 grows as much where a collection or a wake-up falls into
// the hundredth.
const kneeAt = 10

// load draws latency over the offered load, for workloads that were run at
// several.
func (d *data) load() (figures []figure) {
	for _, by := range []struct {
		key  string
		axis chart.Axis
	}{
		{"utilization", chart.Axis{Title: "offered load", Unit: "% of what the handler can take"}},
		{"rate", chart.Axis{Title: "offered load", Unit: "events/s", Log: true}},
	} {
		for _, group := range d.varying(by.key) {
			if f := d.loadFigure(group, by.key, by.axis); f != nil {
				f.ID = fmt.Sprintf("load-%d", len(figures)+1)
				figures = append(figures, *f)
			}
		}
	}
	return figures
}

// varying groups the workloads that differ in nothing but a number, ascending.
func (d *data) varying(key string) (groups [][]*report.Load) {
	at := map[string]int{}
	for _, l := range d.loads {
		if _, has := l.Number(key); !has {
			continue
		}
		rest := l.Without(key)
		if key == "listeners" { // of which many get fewer events, so that a run does not take longer
			rest = l.Without(key, "events")
		}
		i, known := at[rest]
		if !known {
			i = len(groups)
			at[rest] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], l)
	}
	for _, group := range groups {
		slices.SortStableFunc(group, func(a, b *report.Load) int {
			x, _ := a.Number(key)
			y, _ := b.Number(key)
			return int(math.Copysign(1, x-y))
		})
	}
	return slices.DeleteFunc(groups, func(g []*report.Load) bool { return len(g) < 2 })
}

func (d *data) loadFigure(group []*report.Load, key string, x chart.Axis) *figure {
	var panels []panel
	top, bottom := 0.0, math.Inf(1)
	names := []string{"p50-ns", "p99-ns"}
	for _, l := range group {
		for _, a := range d.arms {
			for _, name := range names {
				if s, has := d.get(a.row(l.Label), name); has && s.middle > 0 {
					top, bottom = max(top, s.high), min(bottom, max(s.low, 1))
				}
			}
		}
	}
	for _, name := range names {
		y := axis(name)
		y.Log, y.Min, y.Max = true, bottom, top
		plot := chart.Plot{Name: y.Title + " over load", Width: half, Height: 400, X: x, Y: y}
		for _, l := range group {
			if x, _ := l.Number(key); len(group) <= 8 {
				plot.X.Ticks = append(plot.X.Ticks, x)
			}
		}
		for _, a := range d.arms {
			plot.Series = append(plot.Series, d.overLoad(a, group, key, name))
		}
		if svg := plot.SVG(); svg != "" {
			panels = append(panels, panel{Title: strings.TrimSuffix(name, "-ns"), SVG: html(svg)})
		}
	}
	if len(panels) == 0 {
		return nil
	}
	return &figure{
		Title: "Latency against load: " + group[0].Without(key), Panels: panels,
		Measure: d.measure(labels(group), d.arms),
		Caption: fmt.Sprintf("Medians over process blocks, with their range. The knee, circled, is the load from "+
			"which on the median is more than %d times its least: what is offered is more than what is taken.",
			kneeAt) + d.lateness(labels(group)),
	}
}

// overLoad is the line of one arm over the loads of a group.
func (d *data) overLoad(a *arm, group []*report.Load, key, name string) chart.Series {
	line := chart.Series{Label: a.label, Style: a.style, Line: true}
	for _, l := range group {
		x, _ := l.Number(key)
		s, has := d.get(a.row(l.Label), name)
		if !has {
			continue
		}
		p := chart.Point{X: x, Y: s.middle, Low: s.low, High: s.high}
		p.Title = fmt.Sprintf("%s at %s=%s: %s %s", a.label, key, format.Count(x), strings.TrimSuffix(name, "-ns"),
			format.Nanoseconds(s.middle))
		line.Points = append(line.Points, p)
	}
	if i := kneeOf(line.Points); name == "p50-ns" && i < len(line.Points) {
		line.Points[i].Mark = "knee " + knee(key, line.Points[i].X)
	}
	return line
}

// kneeOf returns the first of the points from which on all are high, or their number.
func kneeOf(points []chart.Point) int {
	least, first := math.Inf(1), len(points)
	for _, p := range points {
		least = min(least, p.Y)
	}
	for first > 0 && points[first-1].Y > kneeAt*least {
		first--
	}
	return first
}

// knee tells a load.
func knee(key string, x float64) string {
	if key == "utilization" {
		return format.Count(x) + " %"
	}
	return format.Count(x) + "/s"
}

func labels(group []*report.Load) (all []string) {
	for _, l := range group {
		all = append(all, l.Label)
	}
	return all
}

// listeners draws throughput over the number of handlers.
func (d *data) listeners() (figures []figure) {
	for _, group := range d.varying("listeners") {
		plot := chart.Plot{
			Name: "Throughput over handlers", Width: whole, Height: 460,
			X: chart.Axis{Title: "listeners", Unit: "handlers", Log: true, Binary: true},
			Y: chart.Axis{Title: "throughput", Unit: "events/s", Log: true},
		}
		for _, a := range d.arms {
			line := chart.Series{Label: a.label, Style: a.style, Line: true}
			for _, l := range group {
				x, _ := l.Number("listeners")
				s, has := d.get(a.row(l.Label), "ns/event")
				if !has || x == 0 {
					continue
				}
				line.Points = append(line.Points, chart.Point{
					X: x, Y: 1e9 / s.middle, Low: 1e9 / s.high, High: 1e9 / s.low,
					Title: fmt.Sprintf("%s, %s: %s events/s, %s per event", a.label, format.Plural(int(x), "handler"),
						format.Count(1e9/s.middle), format.Nanoseconds(s.middle)),
				})
			}
			plot.Series = append(plot.Series, line)
		}
		if svg := plot.SVG(); svg != "" {
			figures = append(figures, figure{
				ID:    fmt.Sprintf("listeners-%d", len(figures)+1),
				Title: "Throughput against listeners: " + group[0].Name,
				Caption: "Events per second until every handler has had its call, medians over process blocks with " +
					"their range. A line that stays level pays nothing for one more listener.",
				Panels: []panel{{SVG: html(svg), Wide: true}}, Measure: d.measure(labels(group), d.arms),
			})
		}
	}
	return figures
}
