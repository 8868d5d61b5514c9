package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Percentage points of Student's t as printed in textbooks: Fisher and Yates,
// Statistical Tables, table III.
func TestQuantileT(t *testing.T) {
	for df, want := range map[int][4]float64{ // 0.90, 0.95, 0.975, 0.99
		1:   {3.078, 6.314, 12.706, 31.821},
		2:   {1.886, 2.920, 4.303, 6.965},
		5:   {1.476, 2.015, 2.571, 3.365},
		7:   {1.415, 1.895, 2.365, 2.998},
		11:  {1.363, 1.796, 2.201, 2.718},
		30:  {1.310, 1.697, 2.042, 2.457},
		39:  {1.304, 1.685, 2.023, 2.426},
		120: {1.289, 1.658, 1.980, 2.358},
	} {
		for i, p := range []float64{0.90, 0.95, 0.975, 0.99} {
			assert.InDelta(t, want[i], quantileT(p, df), 0.0005, "df %d, p %v", df, p)
		}
	}
	for _, df := range []int{most, most + 1, math.MaxInt} {
		assert.InDelta(t, 1.9599640, quantileT(0.975, df), 0.0003, df)
	}
}

func sample(seed uint64, n int, mean, sd float64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 0))
	x := make([]float64, n)
	for i := range x {
		x[i] = mean + sd*rng.NormFloat64()
	}
	return x
}

func BenchmarkCompare(b *testing.B) {
	for _, bench := range []struct {
		name   string
		blocks int
	}{{"blocks=8", 8}, {"blocks=12", 12}, {"blocks=28", 28}, {"blocks=40", 40}} {
		x := sample(1, bench.blocks, 0.02, 0.03)
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				Compare(x)
			}
		})
	}
}

func BenchmarkQuantileT(b *testing.B) {
	for b.Loop() {
		quantileT(0.975, 11)
	}
}
