package chart_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/chart"
	"informerlab/bench/chart/charttest"
	"informerlab/bench/format"
)

func faults(svg ...string) []string {
	return charttest.Faults([]byte("<body>" + strings.Join(svg, "") + "</body>"))
}

// line is a series from (1, low) to (n, high).
func line(i, n int, low, high float64) chart.Series {
	style := chart.Style{Index: i, Lossy: i%5 == 4}
	s := chart.Series{Label: fmt.Sprintf("a-buffer:with-options,cap=%d", i), Style: style, Line: true}
	for x := 1; x <= n; x++ {
		y := low * math.Pow(high/low, float64(x-1)/float64(max(n-1, 1)))
		p := chart.Point{X: float64(x), Y: y, Low: y * .9, High: y * 1.2, Title: "value"}
		if x == 3 {
			p.Mark = "knee"
		}
		s.Points = append(s.Points, p)
	}
	return s
}

// TestLabelsNeverOverlap draws many series that end at the same point.
func TestLabelsNeverOverlap(t *testing.T) {
	for _, width := range []float64{420, 520, 1060} {
		for _, n := range []int{1, 2, 8, 20} {
			for _, log := range []bool{false, true} {
				for _, high := range []float64{1.01, 2, 1e3, 1e9} {
					p := chart.Plot{
						Name: fmt.Sprint(width, n, log, high), Width: width, Height: 300,
						X: chart.Axis{Title: "load", Unit: "%"},
						Y: chart.Axis{Title: "latency", Unit: "s", Log: log, Format: format.Nanoseconds},
					}
					scatter := p
					for i := range n {
						p.Series = append(p.Series, line(i, 6, 1, high))
						dot := line(i, 1, 1+float64(i%3)/10, high)
						dot.Line = false
						scatter.Series = append(scatter.Series, dot)
					}
					pieces := []chart.Piece{{From: 1, Till: 2, Value: .5}, {From: 2, Till: 3, Value: .5}}
					p.Lanes = []chart.Lane{{Label: "GC", At: []float64{1, 2}}, {Label: "steal", Pieces: pieces}}
					svg := p.SVG()
					assert.Empty(t, faults(svg, scatter.SVG()))
					for i := range n {
						assert.Contains(t, svg, fmt.Sprintf("cap=%d</text>", i))
					}
				}
			}
		}
	}
}

// TestTicks reads the labels of the axes.
func TestTicks(t *testing.T) {
	for _, c := range []struct {
		axis      chart.Axis
		low, high float64
		want      string
	}{
		{chart.Axis{Log: true}, 100, 1e6, "100 1 k 10 k 100 k 1 M"},
		{chart.Axis{Log: true}, 90, 1100, "50 100 200 500 1 k 2 k"},
		{chart.Axis{Log: true}, 480, 530, "480 500 520 540 560"},
		{chart.Axis{Log: true, Binary: true}, 1, 64, "1 2 4 8 16 32 64"},
		{chart.Axis{Log: true, Binary: true, Format: format.Bytes}, 4096, 1 << 30,
			"4 KiB 32 KiB 256 KiB 2 MiB 16 MiB 128 MiB 1 GiB"},
		{chart.Axis{}, 3, 97, "0 20 40 60 80 100"},
		{chart.Axis{}, 0, 0, "0 0.2 0.4 0.6 0.8 1"},
		{chart.Axis{Ticks: []float64{1, 10, 100}}, 1, 50, "1 10"},
	} {
		p := chart.Plot{Width: 800, Height: 360, X: chart.Axis{Title: "x", Unit: "s"}, Y: c.axis}
		p.Series = []chart.Series{{Line: true, Points: []chart.Point{{X: 1, Y: c.low}, {X: 2, Y: c.high}}}}
		var got []string
		vertical, _, _ := strings.Cut(p.SVG(), `</g>`)
		for _, part := range strings.Split(vertical, `class="tick">`)[1:] {
			label, _, _ := strings.Cut(part, "<")
			got = append(got, label)
		}
		assert.Equal(t, c.want, strings.Join(got, " "))
	}
}

// TestNothingToShow expects no empty frame, and no value that has no place.
func TestNothingToShow(t *testing.T) {
	axis := chart.Axis{Title: "x", Unit: "s", Log: true}
	p := chart.Plot{Width: 500, Height: 300, X: axis, Y: axis}
	assert.Empty(t, p.SVG())
	p.Series = []chart.Series{{Label: "none", Line: true, Points: []chart.Point{
		{X: 1}, {X: -1, Y: 1}, {X: 1, Y: math.NaN()}, {X: 1, Y: math.Inf(1)},
	}}}
	assert.Empty(t, p.SVG())
	assert.Empty(t, (&chart.Forest{Groups: []chart.ForestGroup{{Title: "none"}}}).SVG())
	assert.Empty(t, (&chart.Heat{Rows: []string{"row"}}).SVG())
}

// TestLossyIsDotted tells apart by more than the colour.
func TestLossyIsDotted(t *testing.T) {
	seen := map[string]bool{}
	for i := range 16 {
		for _, lossy := range []bool{false, true} {
			svg := chart.Style{Index: i, Lossy: lossy}.Swatch()
			assert.Equal(t, lossy, strings.Contains(svg, `dasharray="2 5"`) && strings.Contains(svg, "hollow"))
			assert.False(t, seen[svg], "style %d looks like another", i)
			seen[svg] = true
		}
	}
	assert.Contains(t, chart.Style{Neutral: true}.Swatch(), `"l sn"`)
}

func forest(rows ...chart.ForestRow) string {
	f := chart.Forest{Name: "ratios", Axis: chart.Axis{Title: "time", Unit: "ratio"}}
	f.Groups = []chart.ForestGroup{{Title: "workload", Rows: rows}}
	return f.SVG()
}

func TestForest(t *testing.T) {
	near := forest(
		chart.ForestRow{
			Label: "ring", Estimate: 1.02, Low: 1.01, High: 1.03, Floor: .01, Visible: .02, Verdict: "slower",
			Tone: chart.Bad, Title: "all of it",
		},
		chart.ForestRow{Label: "chunked", Estimate: .97, Low: .96, High: .98, Floor: .01, Tone: chart.Good},
	)
	assert.Contains(t, near, ">−2 %<", "ticks in percent")
	assert.Contains(t, near, "<title>all of it</title>")
	assert.Contains(t, near, "±2 %")
	assert.Equal(t, 1, strings.Count(near, `class="floor"`), "one band for rows with the same floor")
	far := forest(
		chart.ForestRow{Label: "ring", Estimate: .02, Low: .01, High: .03, Visible: 4, Tone: chart.Good},
		chart.ForestRow{Label: "one block", Estimate: 1.2, High: math.Inf(1), Visible: math.Inf(1), Tone: chart.Open},
		chart.ForestRow{Label: "none", Estimate: math.NaN(), Low: 0, High: math.Inf(1), Tone: chart.Open},
		chart.ForestRow{
			Label: "a-name:that-is-too-long-for-its-column,cap=1024", Estimate: 1e6, Low: 1e5, High: 1e7, Visible: 1e4,
			Tone: chart.Unlike,
		},
	)
	assert.Contains(t, far, ">0.1×<", "ticks as factors")
	assert.Contains(t, far, ">5.00×<", "what could have been seen")
	assert.Contains(t, far, ">nothing<")
	assert.Contains(t, far, ">…cap=1024<")
	assert.Empty(t, faults(near, far))
	assert.NotContains(t, far, "NaN")
	assert.NotContains(t, far, "Inf")
}

func TestHeat(t *testing.T) {
	h := chart.Heat{Name: "map", Corner: "workload ╲ buffer", Rows: []string{"saturate:listeners=64", "stall"}}
	row := make([]chart.HeatCell, 0, 25)
	for i := range 25 {
		h.Columns = append(h.Columns, fmt.Sprintf("bounded:drop-oldest,cap=%d", i))
		row = append(row, chart.HeatCell{
			Ratio: math.Exp2(float64(i - 12)), Text: format.Ratio(math.Exp2(float64(i - 12))), Verdict: "verdict",
			Tone: map[bool]chart.Tone{true: chart.Good, false: chart.Bad}[i < 12],
		})
	}
	h.Cells = [][]chart.HeatCell{row, make([]chart.HeatCell, 25)}
	svg := h.SVG()
	assert.Empty(t, faults(svg))
	for class, want := range map[string]int{"f3": 9, "f2": 2, "f1": 1, "b1": 2, "b2": 2, "b3": 9, "none": 25} {
		legend := map[bool]int{true: 0, false: 1}[class == "none"]
		assert.Equal(t, want+legend, strings.Count(svg, `"cell `+class+`"`), class)
	}
	require.Contains(t, svg, "▼ 0.50×")
	assert.Contains(t, svg, `class="wide"`, "25 columns are legible only if the page scrolls")
}
