package stats

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHolm(t *testing.T) {
	for _, test := range []struct{ p, want []float64 }{
		{nil, nil},
		{[]float64{0.03}, []float64{0.03}},
		// By hand: 0.005*4, 0.01*3, 0.03*2, 0.04*1; the last is not below the one before.
		{[]float64{0.01, 0.04, 0.03, 0.005}, []float64{0.03, 0.06, 0.06, 0.02}},
		{[]float64{0.2, 0.2, 0.2}, []float64{0.6, 0.6, 0.6}},
		{[]float64{0.5, 0.9, 0.001}, []float64{1, 1, 0.003}},
		{[]float64{0, 1}, []float64{0, 1}},
	} {
		got := Holm(test.p)
		require.Len(t, got, len(test.want))
		for i := range got {
			assert.InDelta(t, test.want[i], got[i], 1e-15, "%v", test.p)
		}
	}
	p := []float64{0.02, nan, 0.01}
	got := Holm(p)
	assert.InDelta(t, 0.02, got[0], 1e-15)
	assert.True(t, math.IsNaN(got[1]))
	assert.InDelta(t, 0.02, got[2], 1e-15)
	assert.Equal(t, 0.02, p[0], "the argument stays as it is")
}

func TestJudge(t *testing.T) {
	const floor = 0.02
	limit := math.Log1p(floor)
	above, below := math.Nextafter(limit, 1), math.Nextafter(0.01, 0)
	estimate := func(low90, mean, high90 float64) Estimate {
		e := Estimate{Blocks: 12, Mean: mean, Low90: low90, High90: high90, PSlower: 0.5, PFaster: 0.5}
		e.SD = (high90 - low90) / 2 / quantileT(0.95, 11) * math.Sqrt(12)
		return e
	}
	for name, test := range map[string]struct {
		estimate       Estimate
		slower, faster float64 // p-values
		floor          float64
		want           Verdict
	}{
		"far beyond":                         {estimate(0.04, 0.05, 0.06), 0.0001, 1, floor, Slower},
		"far beneath":                        {estimate(-0.06, -0.05, -0.04), 1, 0.0001, floor, Faster},
		"interval reaches below the floor":   {estimate(0.005, 0.025, 0.045), 0.001, 1, floor, Slower},
		"interval reaches above the floor":   {estimate(-0.045, -0.025, -0.005), 1, 0.001, floor, Faster},
		"p at the level":                     {estimate(0.04, 0.05, 0.06), 0.01, 1, floor, Inconclusive},
		"p just below the level":             {estimate(0.04, 0.05, 0.06), below, 1, floor, Slower},
		"p of faster at the level":           {estimate(-0.06, -0.05, -0.04), 1, 0.01, floor, Inconclusive},
		"mean at the floor":                  {estimate(0.01, limit, 0.03), 0.001, 1, floor, Inconclusive},
		"mean just beyond the floor":         {estimate(0.01, above, 0.03), 0.001, 1, floor, Slower},
		"mean at the lower floor":            {estimate(-0.03, -limit, -0.01), 1, 0.001, floor, Inconclusive},
		"mean just beneath the lower floor":  {estimate(-0.03, -above, -0.01), 1, 0.001, floor, Faster},
		"floors are symmetric in logarithms": {estimate(-0.0199, 0, 0.0199), 1, 1, floor, Inconclusive},
		"interval up to the floors":          {estimate(-limit, 0, limit), 0.5, 0.5, floor, Equivalent},
		"interval just beyond the floor":     {estimate(-limit, 0, above), 0.5, 0.5, floor, Inconclusive},
		"interval just beneath the floor":    {estimate(-above, 0, limit), 0.5, 0.5, floor, Inconclusive},
		"significant, but within the floors": {estimate(0.005, 0.01, 0.015), 0.0001, 1, floor, Equivalent},
		"significant, and without a floor":   {estimate(0.005, 0.01, 0.015), 0.0001, 1, 0, Slower},
		"wide":                               {estimate(-0.1, 0, 0.1), 0.5, 0.5, floor, Inconclusive},
		"no difference at all, no floor":     {estimate(0, 0, 0), 1, 1, 0, Equivalent},
		"a negative floor is none":           {estimate(0, 0, 0), 1, 1, -7, Equivalent},
		"the wrong side is significant":      {estimate(0.04, 0.05, 0.06), 1, 0.001, floor, Inconclusive},
		"p unknown":                          {estimate(0.04, 0.05, 0.06), nan, nan, floor, Inconclusive},
		"nothing known":                      {Compare(nil), nan, nan, floor, Inconclusive},
		"floor unknown":                      {estimate(0.04, 0.05, 0.06), 0.001, 1, nan, Inconclusive},
	} {
		got, more := Judge(test.estimate, test.slower, test.faster, test.floor, Alpha)
		assert.Equal(t, test.want, got, name)
		assert.Equal(t, got == Inconclusive, more > 0, "%s: %d", name, more)
	}
}

func TestBlocksStillNeeded(t *testing.T) {
	needed := func(x []float64, rows, floor float64) int {
		e := Compare(x)
		verdict, more := Judge(e, min(1, e.PSlower*rows), min(1, e.PFaster*rows), floor, Alpha)
		require.Equal(t, Inconclusive, verdict)
		return more
	}
	// 2^-7 is the first below 1 %, and 10 * 2^-10.
	assert.Equal(t, 7, needed(nil, 1, 0.02))
	assert.Equal(t, 6, needed([]float64{0.1}, 1, 0.02))
	assert.Equal(t, 1, needed([]float64{1, 1, 1, 1, 1, 1}, 1, 0.02))
	assert.Equal(t, 4, needed([]float64{1, 1, 1, 1, 1, 1}, 10, 0.02))

	x := sample(1, 10, 0, 0.05)
	more := needed(x, 1, 0.02)
	half := func(n int) float64 { return quantileT(0.95, degrees(n)) * Compare(x).SD / math.Sqrt(float64(n)) }
	assert.LessOrEqual(t, half(10+more), math.Log1p(0.02)/2)
	assert.Greater(t, half(10+more-1), math.Log1p(0.02)/2)
	assert.Equal(t, more, needed(scaled(x, -1), 1, 0.02), "whichever side it leans to")

	wide := needed(x, 1, 0)
	assert.LessOrEqual(t, half(10+wide), half(10)/2, "without a floor, half the width")
	assert.Greater(t, half(10+wide-1), half(10)/2)

	e := Compare(x) // narrow enough, but its difference is as large as the floor
	e.Mean, e.Low90, e.High90 = 0.09, 0.09-half(10), 0.09+half(10)
	_, more = Judge(e, 1, 1, 0.1, Alpha)
	assert.Equal(t, wide, more)

	small := sample(3, 3, 0, 0.01) // where one degree of freedom more is half a block
	for factor := 1.0; factor < 3; factor += 0.01 {
		x := scaled(small, factor)
		e := Compare(x)
		total := blocksFor(e, 0.01)
		half := func(n int) float64 { return quantileT(0.95, degrees(n)) * e.SD / math.Sqrt(float64(n)) }
		require.True(t, half(total) <= 0.01 && half(total-1) > 0.01, "factor %v: %d", factor, total)
	}

	_, more = Judge(Estimate{Blocks: 6, High90: 1, PSlower: 1, PFaster: 1}, 1, 1, 0, Strict)
	assert.Equal(t, 3, more, "2^-9 is the first below 0.2 %")
	_, more = Judge(Estimate{Blocks: 6, PSlower: 1, PFaster: 0.005}, 1, 0.05, 0, Alpha)
	assert.Equal(t, 0, more, "it is equivalent")
	_, more = Judge(Estimate{Blocks: 6, High90: 1, PSlower: 1, PFaster: 0.005}, 1, 0.05, 0, Alpha)
	assert.Equal(t, 4, more, "either side says how many rows there are")
	_, more = Judge(Estimate{Blocks: 6, High90: 1, PSlower: 1}, 1, 0.05, 0, Alpha)
	assert.Equal(t, 1, more, "a p-value of 0 does not")

	assert.Equal(t, most-10, needed(scaled(x, 1e6), 1, 0.02))
	assert.Equal(t, 1, needed(sample(1, most, 0, 1e6), 1, 0.02))
}
