// Package chart draws figures as inline SVG: lines and points over two axes, a
// forest of ratios, a map of coloured cells. A figure is text for a page that
// has the rules of CSS, which hold all colours, so that one figure serves light
// and dark.
//
//	Plot, Forest, Heat ── SVG ──▶ <svg> … </svg> ──▶ a page with CSS
//
// The same figure gives the same bytes. Labels never lie on one another: they
// are moved, wrapped or, where a point has a tooltip that says the same, left
// out. No series is told by its colour alone: each has its marker as well, and
// those that Style calls lossy are dotted and hollow. The colours are after
// Okabe and Ito, Color Universal Design, 2008.
//
// Limits: the width of a text is estimated from its characters, generously, as
// fonts differ between readers. Values that a logarithm does not have are left
// out. There are eight colours; later series repeat them with other markers.
package chart

import (
	_ "embed" // for CSS
	"math"
	"strconv"
)

// CSS are the rules that figures need, with two values for each colour.
//
//go:embed chart.css
var CSS string

// A Style is how a series looks in every figure of a page.
type Style struct {
	Index   int  // of its colour and marker
	Neutral bool // what others are compared with: in the colour of text
	Lossy   bool // does other work than those that are not: dotted and hollow
}

const colours = 8

// class returns the CSS class of the colour.
func (s Style) class() string {
	if s.Neutral {
		return "sn"
	}
	return "s" + strconv.Itoa(s.Index%colours)
}

// dash returns the pattern of lines, "" if they are whole.
func (s Style) dash() string {
	switch {
	case s.Lossy:
		return "2 5"
	case s.Index/colours%3 == 1:
		return "10 4"
	case s.Index/colours%3 == 2:
		return "10 3 3 3"
	}
	return ""
}

// marker returns path data of the style's marker around a point, with about the
// given radius.
func (s Style) marker(x, y, r float64) string {
	if s.Neutral {
		return round(x, y, r)
	}
	return markers[s.Index%colours+s.Index/colours%2](x, y, r)
}

// Swatch returns the style's line and marker, 26 by 16 pixels, for legends in text:
// the content of an svg element.
func (s Style) Swatch() string {
	c := &canvas{}
	c.add(`<path class="l `, s.class(), `" d="M1 8H25"`)
	if dash := s.dash(); dash != "" {
		c.add(` stroke-dasharray="`, dash, `"`)
	}
	c.add("/>")
	c.marker(s, 13, 8, 5, "")
	return c.String()
}

// A shape returns path data of a marker around a point.
type shape func(x, y, r float64) string

// corners is a shape with corners at multiples of the radius. It is relative to the
// point, which is shorter.
func corners(xy ...float64) shape {
	return func(x, y, r float64) string {
		d := "M" + n(x) + " " + n(y) + "m" + n(r*xy[0]) + " " + n(r*xy[1]) + "l"
		for i := 2; i < len(xy); i += 2 {
			d += pair(r*(xy[i]-xy[i-2]), r*(xy[i+1]-xy[i-1]))
		}
		return d + "z"
	}
}

// pair writes two numbers of several, in as few characters as keep them apart.
func pair(x, y float64) string {
	first, second := n(x), n(y)
	if first[0] != '-' {
		first = " " + first
	}
	if second[0] != '-' {
		second = " " + second
	}
	return first + second
}

func round(x, y, r float64) string {
	half := "a" + n(r) + " " + n(r) + " 0 1 0 "
	return "M" + n(x-r) + " " + n(y) + half + n(2*r) + " 0" + half + n(-2*r) + " 0z"
}

// The shapes of markers.
var (
	square  = corners(-.88, -.88, .88, -.88, .88, .88, -.88, .88)
	up      = corners(0, -1.2, 1.15, .85, -1.15, .85)
	down    = corners(0, 1.2, 1.15, -.85, -1.15, -.85)
	left    = corners(-1.2, 0, .85, -1.15, .85, 1.15)
	right   = corners(1.2, 0, -.85, -1.15, -.85, 1.15)
	diamond = corners(0, -1.25, 1.25, 0, 0, 1.25, -1.25, 0)
	plus    = corners(-.4, -1.15, .4, -1.15, .4, -.4, 1.15, -.4, 1.15, .4, .4, .4, .4, 1.15, -.4, 1.15, -.4, .4,
		-1.15, .4, -1.15, -.4, -.4, -.4)
	hexagon = corners(-1.1, -.6, 0, -1.2, 1.1, -.6, 1.1, .6, 0, 1.2, -1.1, .6)
)

// markers are the shapes by index. The second eight styles have the next one.
var markers = []shape{square, up, diamond, down, left, plus, right, hexagon, square}

// n writes a coordinate.
func n(v float64) string { return strconv.FormatFloat(tenths(v), 'f', -1, 64) }

// tenths rounds to a tenth of a pixel.
func tenths(v float64) float64 { return math.Round(v*10)/10 + 0 } // + 0, as there is a -0
