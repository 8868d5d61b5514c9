package page

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"informerlab/bench/chart"
	"informerlab/bench/format"
	"informerlab/bench/judge"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
)

// foldAbove is how many rows a forest may have before it is shown on demand only.
const foldAbove = 45

// toneOf says how a verdict looks.
func toneOf(r *judge.Row) chart.Tone {
	switch {
	case len(r.Missing) > 0: // whatever else is said of it
		return chart.Open
	case r.Unlike:
		return chart.Unlike
	case r.Verdict == stats.Faster:
		return chart.Good
	case r.Verdict == stats.Slower:
		return chart.Bad
	case r.Verdict == stats.Equivalent:
		return chart.Even
	}
	return chart.Open
}

// shortly tells what is missing in the room for the figures.
func shortly(r *judge.Row) string {
	const room = 40 // characters
	first, _, _ := strings.Cut(r.MissingText(), "; ")
	first = strings.TrimPrefix(first, r.Buffer+": ")
	if text := []rune(first); len(text) > room {
		first = string(text[:room-1]) + "…"
	}
	return first
}

// tooltips reports whether there are so few verdicts that a page has room for what
// it says elsewhere as well.
func (d *data) tooltips() bool { return len(d.Rows)+len(d.Controls) <= 400 }

// title is all there is to say of a verdict.
func title(r *judge.Row) string {
	s := fmt.Sprintf("%s %s, %s, %s", r.Buffer, r.Figures(), r.Words(), format.Plural(r.Estimate.Blocks, "block"))
	if r.Floor > 0 {
		s += ", floor " + r.FloorText()
	}
	if detectable := r.DetectableText(); detectable != "" {
		s += ", detectable " + detectable
	}
	return s
}

// forests draws one forest per metric, the controls first.
func (d *data) forests() (figures []figure) {
	var names []string
	for i := range d.Rows {
		if name := d.Rows[i].Unit; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	rank := func(name string) int {
		return slices.IndexFunc(worker.Units(), func(u worker.Unit) bool { return u.Name == name })
	}
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	for i, name := range names {
		f := d.forest(name)
		f.ID = fmt.Sprintf("ratios-%d", i+1)
		if i == 0 {
			f.Caption += " The grey band is the floor: changes within it do not matter. “Detectable” is the smallest " +
				"change that would have been found, as ticks around 1; +6 after a verdict says that 6 more process " +
				"blocks may decide it."
		}
		figures = append(figures, f)
	}
	return figures
}

func (d *data) forest(name string) figure {
	u := worker.UnitOf(name)
	forest := chart.Forest{
		Name: "Ratios of " + u.Meaning, Axis: chart.Axis{Title: u.Meaning, Unit: "ratio to the base"},
	}
	var workloads, bases []string
	rows, groups := 0, map[string]int{}
	add := func(title string, r *judge.Row, row chart.ForestRow) {
		at, known := groups[title]
		if !known {
			at = len(forest.Groups)
			groups[title] = at
			forest.Groups = append(forest.Groups, chart.ForestGroup{Title: title})
		}
		forest.Groups[at].Rows = append(forest.Groups[at].Rows, row)
		rows++
		if !slices.Contains(workloads, r.Workload) {
			workloads = append(workloads, r.Workload)
		}
		if !slices.Contains(bases, r.Against) {
			bases = append(bases, r.Against)
		}
	}
	for i := range d.Controls {
		if c := &d.Controls[i]; c.Unit == name {
			row := d.forestRow(&c.Row)
			row.Label, row.Style = c.Known(), chart.Style{Neutral: true}
			add("control · "+c.Workload, &c.Row, row)
		}
	}
	for i := range d.Rows {
		if r := &d.Rows[i]; r.Unit == name && r.Compared() {
			add(r.Workload, r, d.forestRow(r))
		}
	}
	caption := "Against " + strings.Join(bases, " and ") + ", with 95 % intervals over process blocks; left is less."
	return figure{
		Title: capital(u.Meaning) + ", compared", Caption: caption, Folded: rows > foldAbove,
		Panels: []panel{{SVG: html(forest.SVG()), Wide: true}}, Measure: d.measure(workloads, d.arms),
	}
}

func (d *data) forestRow(r *judge.Row) chart.ForestRow {
	row := chart.ForestRow{
		Label: r.Buffer, Floor: r.Floor, Figures: r.Figures(), Verdict: r.Words(), Tone: toneOf(r),
	}
	row.Estimate, row.Low, row.High = r.Ratio()
	if row.Visible = math.Expm1(r.MDE); len(r.Missing) > 0 { // the blocks that are left are not drawn
		row.Estimate, row.Low, row.High, row.Visible = math.NaN(), math.NaN(), math.NaN(), 0
		row.Figures, row.Verdict = shortly(r), "undecided"
	}
	if d.tooltips() || len(r.Missing) > 0 {
		row.Title = title(r)
	}
	if a := d.arm(r.Buffer, r.Side); a != nil {
		row.Style, row.Label = a.style, a.label
	}
	return row
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// on returns the verdict on an arm under a workload by a metric, or nil.
func (d *data) on(a *arm, workload, unit string) *judge.Row {
	for i := range d.Rows {
		if r := &d.Rows[i]; r.Row == a.row(workload) && r.Unit == unit && r.Compared() {
			return r
		}
	}
	return nil
}

// heat draws the verdict of each buffer under each workload, by the metric that
// the workload is judged by.
func (d *data) heat() []figure {
	h := chart.Heat{Name: "Every buffer under every workload", Corner: "workload ╲ buffer"}
	var arms []*arm
	for _, a := range d.arms {
		if slices.ContainsFunc(d.Rows, func(r judge.Row) bool { return r.Row == a.row(r.Workload) }) {
			arms = append(arms, a)
			h.Columns = append(h.Columns, a.label)
		}
	}
	var workloads []string
	for _, l := range d.loads {
		cells, some := make([]chart.HeatCell, len(arms)), false
		for i, a := range arms {
			if r := d.on(a, l.Label, d.Primary(l.Label)); r != nil {
				cells[i], some = d.heatCell(r), true
			}
		}
		if some {
			h.Rows, h.Cells, workloads = append(h.Rows, l.Label), append(h.Cells, cells), append(workloads, l.Label)
		}
	}
	svg := h.SVG()
	if svg == "" {
		return nil
	}
	return []figure{{
		ID: "map", Title: "Every buffer under every workload", Panels: []panel{{SVG: html(svg), Wide: true}},
		Caption: "Ratio to the base by the figure that the workload is about (time per event, or p99 latency of " +
			"an open loop); ▼ is less, which is better. Where nothing is decided, or the work is unlike, there is no " +
			"colour.",
		Measure: d.measure(workloads, d.arms),
	}}
}

func (d *data) heatCell(r *judge.Row) chart.HeatCell {
	ratio, low, high := r.Ratio()
	text, word := format.Ratio(ratio), string(r.Verdict)
	if low > 1/1.25 && high < 1.25 {
		text = format.Change(ratio)
	}
	if len(r.Missing) > 0 {
		text = format.None
	}
	switch toneOf(r) {
	case chart.Unlike:
		word = "unlike"
	case chart.Open:
		word = "undecided"
	}
	cell := chart.HeatCell{Ratio: ratio, Tone: toneOf(r), Text: text, Verdict: word}
	if d.tooltips() || len(r.Missing) > 0 {
		cell.Title = title(r)
	}
	return cell
}
