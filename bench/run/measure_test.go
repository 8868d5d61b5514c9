package run_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/run"
	"informerlab/loadgen"
)

// TestMeasureOf expects what files say, or what suits the length of a run.
func TestMeasureOf(t *testing.T) {
	for label, want := range map[string]struct {
		blocks, rounds int
		least, most    float64 // seconds
	}{
		"saturate":              {6, 2, 0.2, 0.3},
		"saturate:listeners=8":  {6, 2, 0.3, 0.4},
		"saturate:listeners=64": {6, 1, 1, 2},
		"stall":                 {6, 1, 0.5, 2},
		"steady":                {6, 1, 3, 3},
		"freeze":                {5, 1, 21, 30},
		"replay:speed=100":      {2, 1, 10, 11},
		"replay:speed=max":      {6, 1, 1, 1},
		"poisson":               {6, 1, 3, 3},
		"cluster":               {6, 1, 1, 5},
	} {
		w, err := loadgen.ParseWorkload(label)
		require.NoError(t, err)
		m := run.MeasureOf(w)
		assert.Equal(t, want.blocks, m.Blocks, label)
		assert.Equal(t, want.rounds, m.Rounds, label)
		assert.GreaterOrEqual(t, m.Seconds, want.least, label)
		assert.LessOrEqual(t, m.Seconds, want.most, label)
	}
}
