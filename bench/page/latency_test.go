package page

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"informerlab/bench/chart"
)

// TestKneeStays wants a median that is high from the knee on, not once.
func TestKneeStays(t *testing.T) {
	for name, c := range map[string]struct {
		medians []float64
		want    int
	}{
		"none":          {[]float64{40, 140, 300, 80}, 4},
		"a bump before": {[]float64{40, 720, 200, 100, 250e6}, 4},
		"early":         {[]float64{50, 500, 170, 800, 140e6, 560e6}, 3},
		"no loads":      {nil, 0},
		"one load":      {[]float64{7}, 1},
	} {
		var points []chart.Point
		for i, y := range c.medians {
			points = append(points, chart.Point{X: float64(i), Y: y})
		}
		assert.Equal(t, c.want, kneeOf(points), name)
	}
}
