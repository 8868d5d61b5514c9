// Package charttest finds what is wrong with a page of figures, without a browser.
//
//	page ── Faults ──▶ texts that overlap or are cut off, axes without a unit, references to elsewhere
//
// Limits: widths of texts are the estimates of package chart, so it finds what is
// laid out wrongly, not what a strange font does; it knows the elements that
// package chart writes, and pages that are well-formed XML.
package charttest

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"informerlab/bench/chart"
)

// An element is one of a page, with the text directly inside it.
type element struct {
	name     string
	attrs    map[string]string
	text     string
	children []*element
}

// A label is a text of a figure and where it is.
type label struct {
	text string
	box  chart.Box
}

// Faults returns what is wrong with a page, a line each. A page that is not
// well-formed is one fault.
func Faults(page []byte) []string {
	root, err := parse(page)
	if err != nil {
		return []string{err.Error()}
	}
	return faults(root)
}

func faults(e *element) (found []string) {
	for name, value := range e.attrs {
		if (name == "src" || name == "href") && strings.Contains(value, "//") {
			found = append(found, fmt.Sprintf("%s refers to %s", e.name, value))
		}
	}
	if e.name == "script" {
		found = append(found, "there is a script")
	}
	if e.name == "style" && elsewhere.MatchString(e.text) {
		found = append(found, "style refers to "+elsewhere.FindString(e.text))
	}
	if e.name == "svg" {
		found = append(found, figureFaults(e)...)
	}
	for _, child := range e.children {
		found = append(found, faults(child)...)
	}
	return found
}

var (
	elsewhere = regexp.MustCompile(`@import|url\(|//`)
	unit      = regexp.MustCompile(`^.+ \([^()]+\)$`)
)

// figureFaults checks the texts and axes of one figure.
func figureFaults(svg *element) (found []string) {
	name := svg.attrs["aria-label"]
	labels, err := labelsOf(svg, svg.attrs["font-size"], nil)
	if err != nil {
		return []string{name + ": " + err.Error()}
	}
	width, _ := strconv.ParseFloat(svg.attrs["width"], 64)
	height, _ := strconv.ParseFloat(svg.attrs["height"], 64)
	for i, l := range labels {
		if l.box.Left < -1 || l.box.Top < -1 || l.box.Right > width+1 || l.box.Bottom > height+1 {
			found = append(found, fmt.Sprintf("%s: %q is cut off", name, l.text))
		}
		for _, other := range labels[:i] {
			if l.box.Overlaps(other.box) {
				found = append(found, fmt.Sprintf("%s: %q lies on %q", name, l.text, other.text))
			}
		}
	}
	return append(found, axisFaults(svg, name)...)
}

// axisFaults finds axes that have no title with a unit.
func axisFaults(e *element, name string) (found []string) {
	if e.name == "g" && e.attrs["class"] == "axis" {
		title := ""
		for _, child := range e.children {
			if child.attrs["class"] == "at" {
				title = child.text
			}
		}
		if !unit.MatchString(title) {
			found = append(found, fmt.Sprintf("%s: axis %q has no unit", name, title))
		}
	}
	for _, child := range e.children {
		found = append(found, axisFaults(child, name)...)
	}
	return found
}

// labelsOf adds the texts in an element, which are of this size unless they say
// another.
func labelsOf(e *element, size string, labels []label) ([]label, error) {
	if e.name == "text" {
		var at [3]float64
		for i, attr := range []string{e.attrs["x"], e.attrs["y"], cmp.Or(e.attrs["font-size"], size)} {
			v, err := strconv.ParseFloat(attr, 64)
			if err != nil {
				return nil, fmt.Errorf("text %q: %w", e.text, err)
			}
			at[i] = v
		}
		box := chart.TextBox(at[0], at[1], e.attrs["text-anchor"], e.attrs["class"], e.text, at[2])
		labels = append(labels, label{e.text, box})
	}
	for _, child := range e.children {
		var err error
		if labels, err = labelsOf(child, size, labels); err != nil {
			return nil, err
		}
	}
	return labels, nil
}

// parse reads well-formed XML with HTML's names.
func parse(page []byte) (*element, error) {
	decoder := xml.NewDecoder(bytes.NewReader(page))
	root := &element{}
	open := []*element{root}
	for {
		token, err := decoder.Token()
		top := open[len(open)-1]
		switch {
		case errors.Is(err, io.EOF):
			return root, nil
		case err != nil:
			return nil, fmt.Errorf("charttest: %w", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			child := &element{name: token.Name.Local, attrs: map[string]string{}}
			for _, attr := range token.Attr {
				child.attrs[attr.Name.Local] = attr.Value
			}
			top.children = append(top.children, child)
			open = append(open, child)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			top.text += string(token)
		}
	}
}
