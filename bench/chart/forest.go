package chart

import (
	"math"
	"strings"

	"informerlab/bench/format"
)

// A Forest shows ratios with their intervals, a row each, around the line of 1.
type Forest struct {
	Name   string
	Axis   Axis // of the ratios; always logarithmic
	Groups []ForestGroup
}

// A ForestGroup is rows under a title.
type ForestGroup struct {
	Title string
	Rows  []ForestRow
}

// A ForestRow is one ratio.
type ForestRow struct {
	Label               string
	Style               Style
	Estimate, Low, High float64 // an estimate of NaN is not drawn, an infinite interval goes to the edge
	Floor               float64 // ratios from 1/(1+Floor) to 1+Floor do not matter; 0 = all do
	Visible             float64 // the smallest effect that could have been seen, as Floor; 0 = unknown
	Figures, Verdict    string  // columns
	Tone                Tone
	Title               string // tooltip
}

// A Tone is what a verdict says, as colour.
type Tone string

// The tones. Good and bad are told apart by the colour-blind too, and by the
// text that every figure has beside them.
const (
	Good   Tone = "good"
	Bad    Tone = "bad"
	Even   Tone = "even"
	Open   Tone = "open"   // nothing is decided
	Unlike Tone = "unlike" // not to be ranked
)

const (
	forestWidth  = 1060.0
	forestRow    = 25.0
	forestLeft   = 250.0
	forestRight  = 612.0
	figuresLeft  = 636.0
	visibleRight = 898.0
	verdictLeft  = 918.0
	forestWidest = 200.0 // ratios beyond this, or beneath its inverse, are at the edge
)

// SVG returns the figure, or "" if it has no rows.
func (f *Forest) SVG() string {
	var values []float64
	height, rows := 92.0, 0
	for _, g := range f.Groups {
		height += float64(len(g.Rows)) * forestRow
		if g.Title != "" {
			height += forestRow + 4
		}
		rows += len(g.Rows)
		for _, r := range g.Rows {
			for _, v := range []float64{r.Low, r.High, r.Estimate, 1 + r.Floor, 1 / (1 + r.Floor)} {
				if v > 0 && !math.IsInf(v, 0) {
					values = append(values, min(max(v, 1/forestWidest), forestWidest))
				}
			}
		}
	}
	if rows == 0 {
		return ""
	}
	axis := f.Axis
	axis.Log = true
	c, s := &canvas{}, ratioScale(&axis, values)
	c.open(forestWidth, height, f.Name)
	c.text(8, 17, "start", "at", "buffer", smallSize)
	c.text(figuresLeft, 17, "start", "at", "ratio [95 % interval]", smallSize)
	c.text(visibleRight, 17, "end", "at", "detectable", smallSize)
	c.text(verdictLeft, 17, "start", "at", "verdict", smallSize)
	c.add(`<g class="axis">`)
	for _, v := range s.ticks {
		c.line("grid", s.position(v), 26, s.position(v), height-54)
		c.text(s.position(v), height-35, "middle", "tick", axis.format(v), textSize)
	}
	c.text((forestLeft+forestRight)/2, height-10, "middle", "at", axis.label(), textSize)
	c.add("</g>")
	c.line("one", s.position(1), 26, s.position(1), height-54)
	y := 30.0
	for _, g := range f.Groups {
		if g.Title != "" {
			c.text(8, y+19, "start", "group", g.Title, textSize)
			y += forestRow + 4
		}
		g.floors(c, s, y)
		for i := range g.Rows {
			g.Rows[i].write(c, s, y)
			y += forestRow
		}
	}
	c.add("</svg>")
	return c.String()
}

// ratioScale has ticks of even steps where ratios are all near 1.
func ratioScale(axis *Axis, values []float64) *scale {
	values = append(values, 1)
	near := newScale(&Axis{Log: true}, values, 0, 1, 5)
	widest := 1.02
	for _, v := range values {
		widest = max(widest, v, 1/v)
	}
	if widest > 1.6 {
		if axis.Format == nil {
			axis.Format = func(v float64) string { return format.Short(v, "") + "×" }
		}
		return newScale(&Axis{Log: true, Min: near.low, Max: near.high}, values, forestLeft, forestRight, 7)
	}
	axis.Format = format.Change
	step := .005
	for _, wider := range []float64{.01, .02, .05, .1, .2, .3} {
		if (widest-1)/step > 4 {
			step = wider
		}
	}
	var ticks []float64
	for i := -4.0; i <= 4; i++ {
		if v := 1 + i*step; v >= 1/widest-step && v <= widest+step {
			ticks = append(ticks, v)
		}
	}
	return newScale(&Axis{Log: true, Ticks: ticks}, values, forestLeft, forestRight, 7)
}

// floors draws the floors of all rows, the first of which begins at y, and the
// smallest effects that they could have seen.
func (g *ForestGroup) floors(c *canvas, s *scale, y float64) {
	var seen strings.Builder
	for i := 0; i < len(g.Rows); {
		r, from := &g.Rows[i], y+float64(i)*forestRow
		for ; i < len(g.Rows) && g.Rows[i].Floor == r.Floor; i++ {
			visible := 1 + g.Rows[i].Visible
			for _, v := range []float64{1 / visible, visible} {
				if g.Rows[i].detects() && v > s.low && v < s.high {
					seen.WriteString("M" + n(s.position(v)) + " " + n(y+(float64(i)+.5)*forestRow-5) + "v10")
				}
			}
		}
		if r.Floor > 0 {
			low, high := max(1/(1+r.Floor), s.low), min(1+r.Floor, s.high)
			c.rect("floor", Box{s.position(low), from + 1, s.position(high), y + float64(i)*forestRow - 1}, "")
		}
	}
	if seen.Len() > 0 {
		c.add(`<path class="seen" d="`, seen.String(), `"/>`)
	}
}

// visible writes the smallest effect that could have been seen: as a change if it
// is less than a factor of 2.
func visible(v float64) string {
	switch {
	case v > forestWidest:
		return "nothing"
	case v >= 1:
		return format.Ratio(1 + v)
	}
	return "±" + format.Percent(math.Round(1000*v)/1000)
}

// detects reports whether the detectable effect of the row is known.
func (r *ForestRow) detects() bool { return r.Visible > 0 && !math.IsInf(r.Visible, 0) }

// write draws a row whose top is at y.
func (r *ForestRow) write(c *canvas, s *scale, y float64) {
	middle := y + forestRow/2
	at := func(v float64) float64 { return s.position(min(max(v, s.low), s.high)) }
	label := r.Label
	for TextWidth("", label, textSize) > forestLeft-30 && strings.ContainsAny(label, ":,") {
		label = "…" + label[strings.IndexAny(label, ":,")+1:]
	}
	c.marker(r.Style, 16, middle, 5, map[bool]string{true: r.Label}[r.Label != label])
	c.text(30, middle+.36*textSize, "start", "", label, textSize)
	if !math.IsNaN(r.Estimate) {
		r.interval(c, s, at, middle)
	}
	c.text(figuresLeft, middle+.36*smallSize, "start", "figure", r.Figures, smallSize)
	if r.detects() {
		c.text(visibleRight, middle+.36*smallSize, "end", "figure", visible(r.Visible), smallSize)
	}
	c.text(verdictLeft, middle+.36*smallSize, "start", "v-"+string(r.Tone), r.Verdict, smallSize)
}

// interval draws the estimate and its interval.
func (r *ForestRow) interval(c *canvas, s *scale, at func(float64) float64, middle float64) {
	d := "M" + n(at(r.Low)) + " " + n(middle) + "H" + n(at(r.High))
	for _, v := range []float64{r.Low, r.High} {
		if v >= s.low && v <= s.high {
			d += "M" + n(at(v)) + " " + n(middle-4) + "v8"
		}
	}
	c.add(`<path class="ci `, string(r.Tone), `" d="`, d, `"/>`)
	c.add(`<path class="est `, string(r.Tone), `" d="`, estimates[r.Tone](at(r.Estimate), middle, 5.5), `"`)
	c.close("path", r.Title)
}

// estimates are the markers of tones: they point where the ratio went.
var estimates = map[Tone]shape{
	Good: left, Bad: right, Even: square, Open: round, Unlike: diamond,
}

// toneOf returns how far a ratio is from 1: 1 up to a factor of 2, 2 up to 8, 3
// beyond; negative below 1.
func toneOf(ratio float64) int {
	l := math.Log2(ratio)
	switch a := math.Abs(l); {
	case math.IsNaN(l):
		return 0
	case a > 3:
		return int(math.Copysign(3, l))
	case a > 1:
		return int(math.Copysign(2, l))
	default:
		return int(math.Copysign(1, l))
	}
}
