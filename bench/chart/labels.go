package chart

import (
	"cmp"
	"math"
	"slices"
)

// An endLabel names a series beside the last point of its line.
type endLabel struct {
	series *Series
	lines  []string
	height float64
	want   float64 // middle, where the line ends
	top    float64
}

const lineHeight = textSize * leading

// endLabels returns the labels of the lines, wrapped but not yet placed.
func (p *Plot) endLabels() (labels []*endLabel) {
	for i := range p.Series {
		s := &p.Series[i]
		if s.Label == "" || !s.Line || len(p.shown(s)) == 0 {
			continue
		}
		lines := wrap("label", s.Label, max(150, p.Width/4.2), textSize)
		labels = append(labels, &endLabel{series: s, lines: lines, height: float64(len(lines)) * lineHeight})
	}
	return labels
}

// writeEndLabels places the labels right of the area, each as near to the end of
// its line as the others let it.
func (f *frame) writeEndLabels(labels []*endLabel) {
	for _, l := range labels {
		points := f.plot.shown(l.series)
		l.want = f.y.position(points[len(points)-1].Y)
		l.top = l.want - l.height/2
	}
	slices.SortStableFunc(labels, func(a, b *endLabel) int { return cmp.Compare(a.want, b.want) })
	spread(labels, f.area.Top-8, f.area.Bottom+14)
	for _, l := range labels {
		points := f.plot.shown(l.series)
		last := points[len(points)-1]
		x, middle := f.area.Right+20, l.top+l.height/2
		if end := f.x.position(last.X); math.Abs(middle-l.want) > 5 || end < f.area.Right-12 {
			f.line("leader "+l.series.Style.class(), end+5, l.want, x-3, middle)
		}
		for i, line := range l.lines {
			y := l.top + float64(i)*lineHeight + .8*textSize + .5
			f.text(x, y, "start", "label t-"+l.series.Style.class(), line, textSize)
		}
	}
}

// spread moves labels, sorted by where they want to be, until none overlaps the
// next and all are between top and bottom, if there is room.
func spread(labels []*endLabel, top, bottom float64) {
	const gap = 1
	for range 200 {
		moved := false
		for i, l := range labels {
			if i == 0 {
				continue
			}
			above := labels[i-1]
			if over := above.top + above.height + gap - l.top; over > .01 {
				above.top, l.top, moved = above.top-over/2, l.top+over/2, true
			}
		}
		for _, l := range labels {
			l.top = max(min(l.top, bottom-l.height), top)
		}
		if !moved {
			return
		}
	}
	edge := top
	for _, l := range labels { // no equilibrium within the bounds: from top to bottom
		l.top = max(l.top, edge)
		edge = l.top + l.height + gap
	}
	edge = bottom
	for _, l := range slices.Backward(labels) {
		l.top = min(l.top, edge-l.height)
		edge = l.top - gap
	}
}

// pointLabels names points that no line ends at, and says what is marked, as near
// to the point as there is room.
func (f *frame) pointLabels() {
	said := notes{}
	for i := range f.plot.Series {
		s := &f.plot.Series[i]
		for _, q := range f.plot.shown(s) {
			x, y := f.x.position(q.X), f.y.position(q.Y)
			if q.Mark != "" && !said.near(q.Mark, x, y) {
				f.beside(x, y, "note", s.Style, []string{q.Mark}, smallSize, 60)
			}
			if s.Label != "" && !s.Line && !s.Dots {
				lines := wrap("label", s.Label, 200, textSize)
				f.beside(x, y, "label t-"+s.Style.class(), s.Style, lines, textSize, 160)
			}
		}
	}
}

// notes are where something was said, by what.
type notes map[string][][2]float64

// near reports whether the same was said not far away, and notes that it is said
// here if not.
func (s notes) near(what string, x, y float64) bool {
	for _, at := range s[what] {
		if math.Hypot(x-at[0], y-at[1]) < 110 {
			return true
		}
	}
	s[what] = append(s[what], [2]float64{x, y})
	return false
}

// beside writes lines of text around a point, at most so far from it, and joins
// them with the point if that is far. Without room it writes nothing.
func (f *frame) beside(x, y float64, class string, style Style, lines []string, size, farthest float64) {
	width, height := 0.0, float64(len(lines))*size*leading
	for _, line := range lines {
		width = max(width, TextWidth(class, line, size))
	}
	for distance := 12.0; distance <= farthest; distance += 8 {
		for _, angle := range []float64{0, 180, 270, 90, 315, 45, 225, 135, 340, 20, 200, 160} {
			dx, dy := math.Cos(angle*math.Pi/180), math.Sin(angle*math.Pi/180)
			middleX, middleY := x+dx*(distance+width/2), y+dy*(distance+height/2)
			b := Box{middleX - width/2, middleY - height/2, middleX + width/2, middleY + height/2}
			wide := b.Left > f.area.Left+3 && b.Right < f.plot.Width-2
			high := b.Top > f.area.Top-6 && b.Bottom < f.area.Bottom-3
			if !wide || !high || !f.free(b) {
				continue
			}
			if distance > 20 {
				nearX, nearY := min(max(x, b.Left), b.Right), min(max(y, b.Top), b.Bottom)
				f.line("leader "+style.class(), x+dx*8, y+dy*8, nearX, nearY)
			}
			anchor, at := "middle", middleX
			switch {
			case dx > .5:
				anchor, at = "start", b.Left
			case dx < -.5:
				anchor, at = "end", b.Right
			}
			for i, line := range lines {
				f.text(at, b.Top+float64(i)*size*leading+.95*size, anchor, class, line, size)
			}
			return
		}
	}
}
