package findings

import (
	"fmt"
	"strings"

	"informerlab/bench/chart"
	"informerlab/bench/format"
	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/variants"
)

// standalone makes a figure a file of its own: with its namespace, the colours for
// light and dark, and a background, as a page that shows it has neither.
func standalone(svg string) []byte {
	svg = strings.Replace(svg, "<svg ", `<svg xmlns="http://www.w3.org/2000/svg" `, 1)
	const own = ":root { color-scheme: light dark } svg { background: var(--paper) }"
	return []byte(strings.Replace(svg, ">", ">\n<style>\n"+chart.CSS+own+"\n</style>", 1) + "\n")
}

// The size of figures, as wide as a page of text.
const figureWidth, figureHeight = 860, 420

// ringFigure shows what a listener of the busiest resource holds after each behaviour
// by the initial size of its ring.
func ringFigure(d *Data) string {
	resource := byEvents(d)[0]
	p := chart.Plot{
		Name:  fmt.Sprintf("What a listener of %s holds after each behaviour, by the initial size", resource),
		Width: figureWidth, Height: figureHeight,
		X: chart.Axis{Title: "initial size", Unit: "slots", Log: true, Binary: true, Format: whole},
		Y: chart.Axis{
			Title: "slots of one listener of " + resource + " afterwards", Unit: "bytes", Log: true, Binary: true,
			Format: format.Bytes,
		},
	}
	series := func(label string, style chart.Style, backlog int) {
		s := chart.Series{Label: label, Style: style, Line: true}
		for _, initial := range initials {
			if initial > 0 {
				_, slots := grown(initial, backlog)
				bytes := float64(slots * slotBytes)
				s.Points = append(s.Points, chart.Point{
					X: float64(initial), Y: bytes,
					Title: fmt.Sprintf("%s, from %s slots on: %s", label, whole(float64(initial)), format.Bytes(bytes)),
				})
			}
		}
		p.Series = append(p.Series, s)
	}
	series("at rest", chart.Style{Neutral: true}, 0)
	for i, b := range behaviours {
		series(b.name, chart.Style{Index: i}, int(d.Facts[factRow(resource, 1)][b.name]))
	}
	return p.SVG()
}

// keptFigure shows what buffers keep by how much waited.
func keptFigure(d *Data) string {
	p := chart.Plot{
		Name:  "What buffers keep once they are drained, by how many notifications waited",
		Width: figureWidth, Height: figureHeight,
		X: chart.Axis{Title: "waited at once", Unit: "notifications", Log: true},
		Y: chart.Axis{Title: "kept once drained", Unit: "bytes", Log: true, Binary: true, Format: format.Bytes},
	}
	for i, name := range burstBuffers {
		s := chart.Series{Label: name, Style: styleOf(i, name), Line: true}
		for _, pending := range pendings {
			f := d.figure(keptArm(name, pending), keptBytes)
			s.Points = append(s.Points, chart.Point{
				X: float64(pending), Y: f.median, Low: f.low, High: f.high,
				Title: fmt.Sprintf("%s after %s: %s", name, whole(float64(pending)), f.with(format.Bytes)),
			})
		}
		p.Series = append(p.Series, s)
	}
	return p.SVG()
}

// neighboursFigure shows how late neighbours hear behind each buffer in each case.
func neighboursFigure(d *Data) string {
	p := chart.Plot{
		Name:  "How late the neighbours hear, by what one handler does and by buffer",
		Width: figureWidth, Height: figureHeight,
		X: chart.Axis{Title: "what one of four handlers does", Unit: "case", Format: func(v float64) string {
			return misbehaviours[int(v)].name
		}},
		Y: chart.Axis{Title: "the others' latency, p99", Unit: "time", Log: true, Format: format.Nanoseconds},
	}
	for i := range misbehaviours {
		p.X.Ticks = append(p.X.Ticks, float64(i))
	}
	for i, name := range allBuffers {
		s := chart.Series{Label: name, Style: styleOf(i, name), Line: true}
		for at, c := range misbehaviours {
			if d.Measured[c.arm(name)] == nil {
				continue
			}
			f := d.figure(c.arm(name), neighboursP99)
			s.Points = append(s.Points, chart.Point{
				X: float64(at), Y: f.median, Low: f.low, High: f.high,
				Title: fmt.Sprintf("%s, %s: %s", name, c.name, f.with(format.Nanoseconds)),
			})
		}
		p.Series = append(p.Series, s)
	}
	return p.SVG()
}

// styleOf returns the style of the series with that number: client-go's buffer is the
// one to compare with.
func styleOf(number int, name string) chart.Style {
	v, err := variants.Find[event.Notification](name) // client-go itself is none of them, and loses nothing
	return chart.Style{
		Index: number, Neutral: number == 0, Lossy: err == nil && v.Traits.Loss != buffer.Lossless,
	}
}
