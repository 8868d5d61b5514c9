package population

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func drawn(t *testing.T, s Sizes) []float64 {
	require.NoError(t, s.Check())
	rng := generator(11)
	all := make([]float64, draws)
	for i := range all {
		all[i] = float64(s.Draw(rng))
	}
	return all
}

func average(all []float64, f func(float64) float64) float64 {
	var sum float64
	for _, x := range all {
		sum += f(x)
	}
	return sum / float64(len(all))
}

// above is the probability that a normal variable is above z.
func above(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

func TestSizesAreLognormal(t *testing.T) {
	for _, s := range []Sizes{{4000, 0.25}, {20_000, 0.5}, {10_000, 1}} {
		all := drawn(t, s)
		mean := float64(s.Mean)
		// https://en.wikipedia.org/wiki/Log-normal_distribution for the moments
		v := s.Sigma * s.Sigma
		variance := mean * mean * (math.Exp(v) - 1)
		kurtosis := math.Exp(4*v) + 2*math.Exp(3*v) + 3*math.Exp(2*v) - 3
		near(t, mean, average(all, func(x float64) float64 { return x }), math.Sqrt(variance/draws), s.String())
		seen := average(all, func(x float64) float64 { return (x - mean) * (x - mean) })
		near(t, variance, seen, variance*math.Sqrt((kurtosis-1)/draws), s.String()+": variance")

		// The logarithms are normal, with easier moments. Whole bytes take a
		// little off their precision.
		logs := average(all, math.Log)
		near(t, math.Log(mean)-v/2, logs, s.Sigma/math.Sqrt(draws), s.String()+": mean of logarithms")
		spread := average(all, func(x float64) float64 { return (math.Log(x) - logs) * (math.Log(x) - logs) })
		near(t, v, spread, v*math.Sqrt(2.0/draws), s.String()+": variance of logarithms")
		for _, z := range []float64{-2, -1, 0, 1, 2, 3, 3.5} {
			bound := mean * math.Exp(s.Sigma*z-v/2)
			bound = math.Floor(bound) + 0.5 // between two sizes
			z := (math.Log(bound/mean) + v/2) / s.Sigma
			hits := 0
			for _, x := range all {
				if x > bound {
					hits++
				}
			}
			nearShare(t, above(z), hits, draws, s.String()+": tail")
		}
	}
}

func TestSizesWithoutSpread(t *testing.T) {
	rng := generator(12)
	for _, s := range []Sizes{{0, 0}, {0, 2}, {1, 0}, {777, 0}, {maxSize, 0}} {
		assert.Equal(t, s.Mean, s.Draw(rng))
	}
}

// The bounds hold, and the cap's bias is what Draw's comment says.
func TestSizesAreBounded(t *testing.T) {
	for _, s := range []Sizes{{3, 4}, {maxSize, 4}} {
		all := drawn(t, s)
		assert.GreaterOrEqual(t, slices.Min(all), 1.0)
		assert.LessOrEqual(t, slices.Max(all), float64(maxSize))
	}
	s := Sizes{Mean: 4 << 20, Sigma: 1}
	m, c := float64(s.Mean), float64(maxSize)
	ratio := math.Log(c/m) / s.Sigma
	want := m*above(-(ratio-s.Sigma/2)) + c*above(ratio+s.Sigma/2)
	all := drawn(t, s)
	got := average(all, func(x float64) float64 { return x })
	variance := average(all, func(x float64) float64 { return (x - got) * (x - got) })
	require.Less(t, want, 0.9*m, "the cap bites")
	near(t, want, got, math.Sqrt(variance/draws), "capped mean")
}

func TestSizesCheckAndString(t *testing.T) {
	assert.Equal(t, "size=4096,sigma=0.5", Sizes{4096, 0.5}.String())
	for want, s := range map[string]Sizes{
		"size=-1: expected 0 to 10485760 bytes":       {-1, 0},
		"size=10485761: expected 0 to 10485760 bytes": {maxSize + 1, 0},
		"sigma=-1: expected a number from 0 to 4":     {1, -1},
		"sigma=NaN: expected a number from 0 to 4":    {1, math.NaN()},
	} {
		assert.EqualError(t, s.Check(), "population: "+want)
	}
}
