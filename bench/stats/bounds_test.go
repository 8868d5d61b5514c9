package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestBoundsOfExactValuesAreTheLogRatio(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var base, head []float64
		for range 1 + rng.IntN(5) {
			base, head = append(base, rng.Float64()), append(head, rng.Float64())
		}
		want := LogRatio(base, head)
		assert.Equal(t, Bounds{want, want}, BoundsOf(base, base, head, head))
	}
	b := BoundsOf([]float64{1}, []float64{2}, []float64{4}, []float64{6})
	assert.InDelta(t, math.Log(2), b.Low, 1e-12, "4/2")
	assert.InDelta(t, math.Log(6), b.High, 1e-12, "6/1")
	assert.InDelta(t, -math.Log(1e6), BoundsOf([]float64{1}, []float64{2}, []float64{0}, []float64{1}).Low, 1e-12,
		"a lower bound of nothing says nothing")
	none := BoundsOf(nil, nil, nil, nil)
	assert.True(t, math.IsNaN(none.Low) && math.IsNaN(none.High))
}

// wide returns blocks around the centre that are known to within the width.
func wide(n int, centre, width float64) (blocks []Bounds) {
	rng := rand.New(rand.NewPCG(3, uint64(n)))
	for range n {
		x := centre + 0.01*rng.NormFloat64()
		blocks = append(blocks, Bounds{x - width, x + width})
	}
	return blocks
}

func verdict(blocks []Bounds) Verdict {
	e := CompareBounds(blocks)
	v, _ := Judge(e, e.PSlower, e.PFaster, 0.05, Strict)
	return v
}

func TestCompareBounds(t *testing.T) {
	var x []float64
	exact := wide(12, 0.1, 0)
	for _, b := range exact {
		x = append(x, b.Low)
	}
	assert.Equal(t, Compare(x), CompareBounds(exact))
	assert.Equal(t, Compare(x), CompareBounds(append(exact, Bounds{nan, nan}, Bounds{-inf, inf}, Bounds{0, inf})))
	assert.Zero(t, CompareBounds(nil).Blocks)

	for want, blocks := range map[Verdict][]Bounds{
		Slower:       wide(12, 1, 0.5),
		Faster:       wide(12, -1, 0.5),
		Equivalent:   wide(12, 0, 0.01),
		Inconclusive: wide(12, 0, 0.5), // all blocks hold 0, and say nothing
	} {
		assert.Equal(t, want, verdict(blocks))
	}
	assert.Equal(t, Inconclusive, verdict(wide(12, 0.5, 0.5)), "0 is within the noise of the nearer bounds")

	e := CompareBounds(wide(12, 1, 0.5))
	assert.InDelta(t, 0.5, e.Mean, 0.02)
	assert.InDelta(t, 0.5, e.Low, 0.03)
	assert.InDelta(t, 1.5, e.High, 0.03)
	assert.Zero(t, CompareBounds(wide(12, 0, 0.5)).Mean)
}

// TestBoundsOfOneArmDoNotFavourTheOther has two equal arms with noise, of which one
// is known only to be at most what was measured. Whichever it is, neither wins more
// often than by chance.
func TestBoundsOfOneArmDoNotFavourTheOther(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const n = 400
	slower, faster := 0, 0
	for range n {
		var blocks []Bounds
		for range 20 {
			x := 0.1 * rng.NormFloat64()
			blocks = append(blocks, Bounds{x - rng.ExpFloat64(), x})
		}
		switch e := CompareBounds(blocks); {
		case e.PSlower < Alpha:
			slower++
		case e.PFaster < Alpha:
			faster++
		}
	}
	assert.Zero(t, slower)
	assert.Less(t, float64(faster)/n, Alpha+chance(Alpha, n))
}
