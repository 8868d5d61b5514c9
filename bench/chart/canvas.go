package chart

import (
	"html"
	"slices"
	"strings"
	"unicode/utf8"
)

// The sizes of text in pixels, and the height of a line of it.
const (
	textSize  = 15.0
	smallSize = 13.0
	leading   = 1.25
)

// A canvas collects the elements of a figure and remembers where texts and
// markers are.
type canvas struct {
	strings.Builder
	taken []Box
}

// A Box is a rectangle of a figure, in pixels; y grows downwards.
type Box struct{ Left, Top, Right, Bottom float64 }

// Overlaps reports whether two boxes have a point inside both.
func (b Box) Overlaps(o Box) bool {
	return b.Left < o.Right && o.Left < b.Right && b.Top < o.Bottom && o.Top < b.Bottom
}

// TextBox returns where a text of a CSS class is, whose anchor is start, middle or
// end and whose baseline is at y.
func TextBox(x, y float64, anchor, class, s string, size float64) Box {
	w := TextWidth(class, s, size)
	switch anchor {
	case "middle":
		x -= w / 2
	case "end":
		x -= w
	}
	return Box{x, y - .78*size, x + w, y + .22*size}
}

// bold are the classes of text that is.
var bold = []string{"at", "label", "note", "group", "v-good", "v-bad"}

// TextWidth estimates the width of a text of a CSS class in pixels, after DejaVu
// Sans, which is wider than most fonts that a reader may have instead.
func TextWidth(class, s string, size float64) (width float64) {
	if first, _, _ := strings.Cut(class, " "); slices.Contains(bold, first) {
		size *= 1.1
	}
	for _, r := range s {
		switch {
		case strings.ContainsRune("ijl|.,:;'! ", r):
			width += .34
		case strings.ContainsRune("frt()[]/-", r):
			width += .43
		case strings.ContainsRune("mwMW%@…", r):
			width += .97
		case r >= 'A' && r <= 'Z' || r >= utf8.RuneSelf:
			width += .72
		default:
			width += .63
		}
	}
	return width * size
}

// add writes elements.
func (c *canvas) add(parts ...string) {
	for _, part := range parts {
		c.WriteString(part)
	}
}

// text writes one line of text and takes its place.
func (c *canvas) text(x, y float64, anchor, class, s string, size float64) {
	c.taken = append(c.taken, TextBox(x, y, anchor, class, s, size))
	c.add(`<text x="`, n(x), `" y="`, n(y), `"`)
	if anchor != "start" {
		c.add(` text-anchor="`, anchor, `"`)
	}
	if class != "" {
		c.add(` class="`, class, `"`)
	}
	if size != textSize {
		c.add(` font-size="`, n(size), `"`)
	}
	c.add(">", html.EscapeString(s), "</text>")
}

// line writes a straight line.
func (c *canvas) line(class string, x1, y1, x2, y2 float64) {
	c.add(`<path class="`, class, `" d="M`, n(x1), " ", n(y1), "L", n(x2), " ", n(y2), `"/>`)
}

// rect writes a rectangle, with a tooltip unless that is "".
func (c *canvas) rect(class string, b Box, title string) {
	c.add(`<rect class="`, class, `" x="`, n(b.Left), `" y="`, n(b.Top), `" width="`, n(b.Right-b.Left),
		`" height="`, n(b.Bottom-b.Top), `"`)
	c.close("rect", title)
}

// marker writes a marker and takes its place.
func (c *canvas) marker(s Style, x, y, r float64, title string) {
	c.taken = append(c.taken, Box{x - r, y - r, x + r, y + r})
	class := "m " + s.class()
	if s.Lossy {
		class += " hollow"
	}
	c.add(`<path class="`, class, `" d="`, s.marker(x, y, r), `"`)
	c.close("path", title)
}

// close ends the start tag of an element and the element, with a tooltip unless
// that is "".
func (c *canvas) close(element, title string) {
	if title == "" {
		c.add("/>")
		return
	}
	c.add("><title>", html.EscapeString(title), "</title></", element, ">")
}

// free reports whether nothing is in a box yet.
func (c *canvas) free(b Box) bool {
	for _, t := range c.taken {
		if t.Overlaps(b) {
			return false
		}
	}
	return true
}

// widest is the width beyond which a figure is not made smaller to fit a page: it
// could not be read.
const widest = 1100.0

// open begins a figure. What it shows is read aloud to those who cannot see it.
func (c *canvas) open(width, height float64, name string) {
	c.add("<svg")
	if width > widest {
		c.add(` class="wide"`)
	}
	c.add(` viewBox="0 0 `, n(width), " ", n(height), `" width="`, n(width), `" height="`, n(height),
		`" font-size="`, n(textSize), `" role="img" aria-label="`, html.EscapeString(name), `">`)
}

// wrap breaks a label of a class into lines, after punctuation, so that they fit a
// width if they can.
func wrap(class, label string, width, size float64) (lines []string) {
	line := ""
	for len(label) > 0 {
		end := strings.IndexAny(label, ":, ") + 1
		if end == 0 {
			end = len(label)
		}
		if line != "" && TextWidth(class, strings.TrimSpace(line+label[:end]), size) > width {
			lines = append(lines, strings.TrimSpace(line))
			line = ""
		}
		line += label[:end]
		label = label[end:]
	}
	return append(lines, strings.TrimSpace(line))
}
