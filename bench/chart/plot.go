package chart

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// A Plot shows series over two axes.
type Plot struct {
	Name          string // what it shows, in a sentence
	Width, Height float64
	X, Y          Axis
	Series        []Series
	Lanes         []Lane
}

// A Series is points with markers. Joined by a line, only those points have one
// that have a Title.
type Series struct {
	Label   string // at the end of the line or beside the point; "" = none
	Tooltip string // of the line, unless the label says it
	Style   Style
	Points  []Point
	Line    bool
	Dots    bool // small markers in one element: for many points, which then have no tooltips
}

// A Point is a value, with an interval if Low is less than High.
type Point struct {
	X, Y, Low, High float64
	Title           string // tooltip
	Mark            string // said beside the point, which is ringed
}

// A Lane is a strip below the x axis of a plot, with ticks or shaded pieces.
type Lane struct {
	Label  string
	Style  Style     // of ticks; its marker stands before them
	At     []float64 // ticks
	Pieces []Piece
	Title  string // tooltip of the pieces
}

// A Piece is a stretch of a lane, the darker the nearer Value is to 1.
type Piece struct{ From, Till, Value float64 }

const laneHeight = 17.0

// A frame is the area of a plot between its axes.
type frame struct {
	*canvas
	plot *Plot
	area Box
	x, y *scale
}

// SVG returns the figure. A plot without a point that can be shown is "".
func (p *Plot) SVG() string {
	f := &frame{canvas: &canvas{}, plot: p}
	xs, ys := p.values()
	if len(xs) == 0 {
		return ""
	}
	labels := p.endLabels()
	height := f.fit(labels, ys)
	f.x = newScale(&p.X, xs, f.area.Left, f.area.Right, max(2, int((f.area.Right-f.area.Left)/85)))
	f.x.tighten(xs)
	f.open(p.Width, height, p.Name)
	f.axes()
	f.lanes()
	for i := range p.Series {
		f.lines(&p.Series[i])
	}
	for i := range p.Series {
		f.points(&p.Series[i])
	}
	f.writeEndLabels(labels)
	f.pointLabels()
	f.add("</svg>")
	return f.String()
}

// fit finds the area that labels, ticks and lanes leave, the vertical scale, and
// the height of the figure, which may have to be more than wanted.
func (f *frame) fit(labels []*endLabel, ys []float64) (height float64) {
	p, left, right, tall := f.plot, 30.0, 22.0, 0.0
	for _, l := range labels {
		tall += l.height + 3
		for _, line := range l.lines {
			right = max(right, TextWidth("label", line, textSize)+24)
		}
	}
	lanes := float64(len(p.Lanes)) * laneHeight
	height = max(p.Height, tall+104) + lanes + below(lanes)
	f.area = Box{0, 34, p.Width - right, height - 62 - lanes - below(lanes)}
	f.y = newScale(&p.Y, ys, f.area.Bottom, f.area.Top, max(4, int((f.area.Bottom-f.area.Top)/38)))
	for _, lane := range p.Lanes {
		left = max(left, TextWidth("", lane.Label, smallSize)+26)
	}
	for _, v := range f.y.ticks {
		left = max(left, TextWidth("", p.Y.format(v), textSize)+12)
	}
	f.area.Left = left
	return height
}

// below is the space that lanes have around them.
func below(lanes float64) float64 { return min(lanes, 6) }

// shown returns the points that both axes have a place for.
func (p *Plot) shown(s *Series) []Point {
	x, y := &scale{log: p.X.Log}, &scale{log: p.Y.Log}
	return slices.DeleteFunc(slices.Clone(s.Points), func(q Point) bool { return !x.holds(q.X) || !y.holds(q.Y) })
}

func (p *Plot) values() (xs, ys []float64) {
	for i := range p.Series {
		for _, q := range p.shown(&p.Series[i]) {
			xs, ys = append(xs, q.X), append(ys, q.Y)
			switch {
			case q.Low < q.High:
				ys = append(ys, q.Low, q.High)
			case !p.Series[i].Line && !p.Series[i].Dots && p.Y.Log: // room for its name
				ys = append(ys, q.Y*.6, q.Y*1.6)
			}
			if !p.Series[i].Line && !p.Series[i].Dots && p.X.Log {
				xs = append(xs, q.X*.9, q.X*1.1)
			}
		}
	}
	return xs, ys
}

// axes writes the grid, the ticks and the titles of both axes.
func (f *frame) axes() {
	a := f.area
	lanes := float64(len(f.plot.Lanes)) * laneHeight
	f.add(`<g class="axis">`)
	for _, v := range f.y.ticks {
		y := f.y.position(v)
		f.line("grid", a.Left, y, a.Right, y)
		f.text(a.Left-8, y+.35*textSize, "end", "tick", f.plot.Y.format(v), textSize)
	}
	f.title(2, 15, "start", f.plot.Y.label())
	f.add(`</g><g class="axis">`)
	f.line("base", a.Left, a.Bottom, a.Right, a.Bottom)
	edge := math.Inf(-1)
	for _, v := range f.x.ticks {
		x, label := f.x.position(v), f.plot.X.format(v)
		f.line("base", x, a.Bottom, x, a.Bottom+5)
		b := TextBox(x, a.Bottom+lanes+below(lanes)+21, "middle", "", label, textSize)
		if b.Left > edge+6 && b.Right < f.plot.Width {
			f.line("grid", x, a.Top, x, a.Bottom)
			f.text(x, a.Bottom+lanes+below(lanes)+21, "middle", "tick", label, textSize)
			edge = b.Right
		}
	}
	half := TextWidth("at", f.plot.X.label(), textSize) / 2
	middle := max(min((a.Left+a.Right)/2, f.plot.Width-half-2), half+2)
	f.title(middle, a.Bottom+lanes+below(lanes)+46, "middle", f.plot.X.label())
	f.add("</g>")
}

// title writes the title of an axis, smaller if it is long.
func (f *frame) title(x, y float64, anchor, s string) {
	size := textSize
	if w := TextWidth("at", s, size); w > f.plot.Width-4 {
		size *= (f.plot.Width - 4) / w
	}
	f.text(x, y, anchor, "at", s, size)
}

func (f *frame) lanes() {
	for i, lane := range f.plot.Lanes {
		top := f.area.Bottom + 9 + float64(i)*laneHeight
		if lane.Label != "" {
			f.text(f.area.Left-20, top+.75*laneHeight, "end", "tick", lane.Label, smallSize)
		}
		if len(lane.Pieces) == 0 {
			f.marker(lane.Style, f.area.Left-10, top+laneHeight/2, 4.5, "")
		}
		var d strings.Builder
		for _, at := range lane.At {
			d.WriteString("M" + n(f.x.position(at)) + " " + n(top+3) + "v" + n(laneHeight-6))
		}
		if len(lane.At) > 0 {
			f.add(`<path class="rug `, lane.Style.class(), `" d="`, d.String(), `"/>`)
		}
		f.pieces(lane, top+laneHeight/2)
	}
}

// pieces writes a path for each of six shades. Pieces of one shade that touch are
// one.
func (f *frame) pieces(lane Lane, middle float64) {
	var shades [6]strings.Builder
	last, edge := -1, 0.0
	for _, p := range lane.Pieces {
		shade := int(math.Ceil(min(max(p.Value, 0), 1) * 5))
		from := f.x.position(p.From)
		till := max(f.x.position(p.Till), from+1.5)
		if shade == last && from <= edge+.5 {
			from = edge
			till = max(till, from)
		} else {
			shades[shade].WriteString("M" + n(from) + " " + n(middle))
		}
		if d := n(till); !strings.HasSuffix(shades[shade].String(), "H"+d) {
			shades[shade].WriteString("H" + d)
		}
		last, edge = shade, till
	}
	for i := range shades {
		if shades[i].Len() > 0 {
			f.add(`<path class="piece p`, n(float64(i)), `" d="`, shades[i].String(), `"`)
			f.close("path", lane.Title)
		}
	}
}

// lines writes the line of a series and the intervals of its points.
func (f *frame) lines(s *Series) {
	var d, whiskers strings.Builder
	var lastX, lastY float64
	for i, q := range f.plot.shown(s) {
		x, y := tenths(f.x.position(q.X)), tenths(f.y.position(q.Y))
		switch {
		case s.Dots:
			d.WriteString(s.Style.marker(x, y, 3.5))
		case i == 0:
			d.WriteString("M" + n(x) + " " + n(y) + "l")
		default: // relative, which is shorter
			d.WriteString(pair(x-lastX, y-lastY))
		}
		lastX, lastY = x, y
		if q.Low < q.High && f.y.holds(q.Low) {
			whiskers.WriteString("M" + n(x) + " " + n(f.y.position(q.Low)) + "V" + n(f.y.position(q.High)))
		}
	}
	class := "l " + s.Style.class()
	switch {
	case s.Dots && s.Style.Lossy:
		class = "m dot hollow " + s.Style.class()
	case s.Dots:
		class = "m dot " + s.Style.class()
	}
	if whiskers.Len() > 0 {
		f.add(`<path class="w `, s.Style.class(), `" d="`, whiskers.String(), `"/>`)
	}
	if !s.Line && !s.Dots {
		return
	}
	f.add(`<path class="`, class, `" d="`, d.String(), `"`)
	if dash := s.Style.dash(); dash != "" && !s.Dots {
		f.add(` stroke-dasharray="`, dash, `"`)
	}
	f.close("path", cmp.Or(s.Tooltip, s.Label))
}

func (f *frame) points(s *Series) {
	if s.Dots {
		return
	}
	for _, q := range f.plot.shown(s) {
		if s.Line && q.Title == "" {
			continue
		}
		x, y := f.x.position(q.X), f.y.position(q.Y)
		if q.Mark != "" {
			f.line("drop "+s.Style.class(), x, y+10, x, f.area.Bottom)
			f.add(`<circle class="ring `, s.Style.class(), `" cx="`, n(x), `" cy="`, n(y), `" r="10"/>`)
		}
		f.marker(s.Style, x, y, map[bool]float64{true: 4.5, false: 6.5}[s.Line], q.Title)
	}
}
