package population

import (
	"fmt"
	"testing"
)

func BenchmarkNext(b *testing.B) {
	for _, p := range []Population{
		{Pick: "uniform"},
		{Pick: "uniform", Churn: 5, Grow: 1, Shrink: 1},
		{Pick: "hot", Skew: 90, Hot: 10},
		{Pick: "zipf", Skew: 0.5},
		{Pick: "zipf", Skew: 1},
		{Pick: "zipf", Skew: 1.2},
	} {
		for _, p.Keys = range []int{100, 10_000, 1_000_000} {
			b.Run(p.String(), func(b *testing.B) {
				life := p.Begin(generator(1))
				life.Next()
				b.ReportAllocs()
				for b.Loop() {
					life.Next()
				}
			})
		}
	}
}

func BenchmarkDraw(b *testing.B) {
	for _, sigma := range []float64{0, 1} {
		b.Run(fmt.Sprintf("sigma=%v", sigma), func(b *testing.B) {
			rng, sizes := generator(1), Sizes{Mean: 4096, Sigma: sigma}
			b.ReportAllocs()
			for b.Loop() {
				sizes.Draw(rng)
			}
		})
	}
}
