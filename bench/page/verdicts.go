package page

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"informerlab/bench/chart"
	"informerlab/bench/format"
)

// foldAbove is how many rows a forest may have before it is shown on demand only.
const foldAbove = 45

// tone says how a verdict looks.
func (v *Verdict) tone() chart.Tone {
	switch {
	case v.Missing != "": // whatever else is said of it
		return chart.Open
	case v.Unlike:
		return chart.Unlike
	case v.Verdict == "faster":
		return chart.Good
	case v.Verdict == "slower":
		return chart.Bad
	case v.Verdict == "equivalent":
		return chart.Even
	}
	return chart.Open
}

// words are what a verdict says, beside its ratio.
func (v *Verdict) words() string {
	switch {
	case v.Missing != "":
		return "undecided: " + v.Missing
	case v.Unlike:
		return "≠ unlike work"
	case v.tone() == chart.Open && v.Needs > 0:
		return fmt.Sprintf("inconclusive +%d", v.Needs)
	case strings.HasPrefix(v.Unit, "B/") && v.tone() == chart.Good:
		return "less"
	case strings.HasPrefix(v.Unit, "B/") && v.tone() == chart.Bad:
		return "more"
	}
	return cmp.Or(v.Verdict, "inconclusive")
}

// shortly tells what is missing in the room for the figures.
func (v *Verdict) shortly() string {
	const room = 40 // characters
	first, _, _ := strings.Cut(v.Missing, "; ")
	first = strings.TrimPrefix(first, v.Buffer+": ")
	if text := []rune(first); len(text) > room {
		first = string(text[:room-1]) + "…"
	}
	return first
}

// tooltips reports whether there are so few verdicts that a page has room for what
// it says elsewhere as well.
func (d *data) tooltips() bool { return len(d.in.Verdicts) <= 400 }

// title is all there is to say of a verdict.
func (v *Verdict) title() string {
	s := fmt.Sprintf("%s %s, %s, %s", v.Buffer, v.figures(), v.words(), count(v.Blocks, "block"))
	if v.Floor > 0 {
		s += ", floor " + format.Percent(v.Floor)
	}
	if v.Visible > 0 && !math.IsInf(v.Visible, 0) {
		s += ", detectable effect " + format.Percent(v.Visible)
	}
	return s
}

// forests draws one forest per metric, the controls first.
func (d *data) forests() (figures []figure) {
	var names []string
	for _, v := range d.in.Verdicts {
		if !slices.Contains(names, v.Unit) {
			names = append(names, v.Unit)
		}
	}
	rank := func(name string) int {
		if i := slices.IndexFunc(units, func(u unit) bool { return u.name == name }); i >= 0 {
			return i
		}
		return len(units)
	}
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	for i, name := range names {
		f := d.forest(name)
		f.ID = fmt.Sprintf("ratios-%d", i+1)
		if i == 0 {
			f.Caption += " The grey band is the floor: changes within it do not matter. “Sees” is the smallest " +
				"change that would have been found, as ticks around 1; +6 after a verdict says that 6 more process " +
				"blocks may decide it."
		}
		figures = append(figures, f)
	}
	return figures
}

func (d *data) forest(name string) figure {
	u := unitOf(name)
	axis := chart.Axis{Title: u.meaning, Unit: "ratio to the base"}
	forest := chart.Forest{Name: "Ratios of " + u.meaning, Axis: axis}
	var workloads, bases []string
	rows, groups := 0, map[string]int{}
	for _, control := range []bool{true, false} {
		for _, v := range d.in.Verdicts {
			if v.Unit != name || (v.Control != "") != control {
				continue
			}
			title := v.Workload
			if control {
				title = "control · " + v.Workload
			}
			at, known := groups[title]
			if !known {
				at = len(forest.Groups)
				groups[title] = at
				forest.Groups = append(forest.Groups, chart.ForestGroup{Title: title})
			}
			forest.Groups[at].Rows = append(forest.Groups[at].Rows, d.forestRow(&v))
			rows++
			if !slices.Contains(workloads, v.Workload) {
				workloads = append(workloads, v.Workload)
			}
			if !slices.Contains(bases, v.Base) {
				bases = append(bases, v.Base)
			}
		}
	}
	caption := "Against " + strings.Join(bases, " and ") + ", with 95 % intervals over process blocks; left is less."
	return figure{
		Title: capital(u.meaning) + ", compared", Caption: caption, Folded: rows > foldAbove,
		Panels: []panel{{SVG: html(forest.SVG()), Wide: true}}, Measure: d.measure(workloads, d.arms),
	}
}

func (d *data) forestRow(v *Verdict) chart.ForestRow {
	row := chart.ForestRow{
		Label: v.Buffer, Estimate: v.Ratio, Low: v.Low, High: v.High, Floor: v.Floor, Visible: v.Visible,
		Figures: v.figures(), Verdict: v.words(), Tone: v.tone(),
	}
	if v.Missing != "" { // the blocks that are left are not drawn
		row.Estimate, row.Low, row.High, row.Visible = math.NaN(), math.NaN(), math.NaN(), 0
		row.Figures, row.Verdict = v.shortly(), "undecided"
	}
	if d.tooltips() || v.Missing != "" {
		row.Title = v.title()
	}
	if a := d.arm(v.Buffer, v.Side); a != nil {
		row.Style = a.style
		row.Label = a.label()
	}
	if v.Control != "" {
		row.Label = v.Control
		row.Style = chart.Style{Neutral: true}
	}
	return row
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// of reports whether a verdict is on an arm.
func (v *Verdict) of(a *arm) bool {
	return v.Control == "" && v.Buffer == a.info.Buffer && v.Side == a.info.Side
}

// heat draws the verdict of each buffer under each workload, by the metric that
// the workload is judged by.
func (d *data) heat() []figure {
	h := chart.Heat{Name: "Every buffer under every workload", Corner: "workload ╲ buffer"}
	var arms []*arm
	for _, a := range d.arms {
		if slices.ContainsFunc(d.in.Verdicts, func(v Verdict) bool { return v.of(a) }) {
			arms = append(arms, a)
			h.Columns = append(h.Columns, a.label())
		}
	}
	var workloads []string
	for _, l := range d.loads {
		cells, some := make([]chart.HeatCell, len(arms)), false
		name := d.primary(l.label)
		for i, a := range arms {
			for _, v := range d.in.Verdicts {
				if v.of(a) && v.Workload == l.label && v.Unit == name {
					cells[i], some = d.heatCell(&v), true
				}
			}
		}
		if some {
			h.Rows, h.Cells, workloads = append(h.Rows, l.label), append(h.Cells, cells), append(workloads, l.label)
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

func (d *data) heatCell(v *Verdict) chart.HeatCell {
	text := format.Ratio(v.Ratio)
	if v.Low > 1/1.25 && v.High < 1.25 {
		text = format.Change(v.Ratio)
	}
	if v.Missing != "" {
		text = "–"
	}
	word := v.Verdict
	switch v.tone() {
	case chart.Unlike:
		word = "unlike"
	case chart.Open:
		word = "undecided"
	}
	cell := chart.HeatCell{Ratio: v.Ratio, Tone: v.tone(), Text: text, Verdict: word}
	if d.tooltips() || v.Missing != "" {
		cell.Title = v.title()
	}
	return cell
}
