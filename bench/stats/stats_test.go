package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

var (
	nan = math.NaN()
	inf = math.Inf(1)
)

func TestLogRatio(t *testing.T) {
	for name, test := range map[string]struct {
		base, head []float64
		want       float64
	}{
		"one round":            {[]float64{100}, []float64{102}, math.Log(1.02)},
		"odd":                  {[]float64{1, 1, 1}, []float64{9, 1.1, 1.2}, math.Log(1.2)},
		"even":                 {[]float64{1, 1, 1, 1}, []float64{8, 2, 4, 1}, math.Log(8) / 2},
		"paired, not pooled":   {[]float64{1, 10, 100}, []float64{2, 20, 200}, math.Log(2)},
		"head lacks a round":   {[]float64{1, 1, 7}, []float64{3, 3}, math.Log(3)},
		"base lacks rounds":    {[]float64{1}, []float64{3, 7, 7}, math.Log(3)},
		"both nothing":         {[]float64{0, 0, 0}, []float64{0, 0, 5}, 0},
		"from nothing":         {[]float64{0, 0, 0}, []float64{1, 2, 3}, math.Log(1e6)},
		"to nothing":           {[]float64{1, 2, 3}, []float64{0, 0, 0}, -math.Log(1e6)},
		"beyond a million":     {[]float64{1e-300}, []float64{1e300}, math.Log(1e6)},
		"smallest and largest": {[]float64{math.MaxFloat64}, []float64{5e-324}, -math.Log(1e6)},
		"bad values":           {[]float64{nan, inf, -1, 1, 1, 1}, []float64{1, 1, 1, nan, -1, 2}, math.Log(2)},
		"infinite both":        {[]float64{inf, 1}, []float64{inf, 2}, math.Log(2)},
		"nothing":              {nil, nil, nan},
		"one arm":              {[]float64{1}, nil, nan},
		"only bad":             {[]float64{nan}, []float64{1}, nan},
	} {
		got := LogRatio(test.base, test.head)
		if math.IsNaN(test.want) {
			assert.True(t, math.IsNaN(got), "%s: %v", name, got)
			continue
		}
		assert.InDelta(t, test.want, got, 1e-12, name)
		assert.InDelta(t, -test.want, LogRatio(test.head, test.base), 1e-12, name)
	}
}

// What slows both arms of a round by the same factor changes nothing.
func TestLogRatioIgnoresSharedDrift(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for range 100 {
		base, head := make([]float64, 15), make([]float64, 15)
		for i := range base {
			base[i], head[i] = 1+rng.Float64(), 1+rng.Float64()
		}
		want, before := LogRatio(base, head), slices.Clone(base)
		assert.Equal(t, want, LogRatio(base, head))
		assert.Equal(t, before, base, "the arguments stay as they are")
		for i := range base {
			drift := math.Exp(3 * rng.NormFloat64())
			base[i], head[i] = base[i]*drift, head[i]*drift
		}
		assert.InDelta(t, want, LogRatio(base, head), 1e-12)
	}
}

// Student's own example (The probable error of a mean, 1908): additional hours
// of sleep by one drug over another. As R's t.test prints it: t = 4.0621, df = 9,
// 95 % interval 0.7001142 to 2.4598858.
func TestCompareStudent(t *testing.T) {
	x := []float64{1.2, 2.4, 1.3, 1.3, 0, 1.0, 1.8, 0.8, 4.6, 1.4}
	e := estimate(x, 0)
	assert.Equal(t, 10, e.Blocks)
	assert.InDelta(t, 1.58, e.Mean, 1e-12)
	assert.InDelta(t, 4.0621, e.Mean/e.SD*math.Sqrt(10), 5e-5)
	assert.InDelta(t, 0.7001142, e.Low, 5e-8)
	assert.InDelta(t, 2.4598858, e.High, 5e-8)
	assert.InDelta(t, 1.58-1.833113*e.SD/math.Sqrt(10), e.Low90, 1e-6)
	assert.InDelta(t, 1.58+1.833113*e.SD/math.Sqrt(10), e.High90, 1e-6)
	assert.InDelta(t, (2.821438+1.383029)*e.SD/math.Sqrt(10), e.MDE, 1e-6)
	assert.Equal(t, 2./1024, e.PSlower, "no pattern but that of the zero reaches as far")
	assert.Equal(t, 1., e.PFaster)

	// Without the least and the longest sleep, those beside them counted twice.
	trimmed := Compare(x)
	winsorized := []float64{0.8, 0.8, 1.0, 1.2, 1.3, 1.3, 1.4, 1.8, 2.4, 2.4}
	m := mean(winsorized)
	squares := 0.0
	for _, v := range winsorized {
		squares += (v - m) * (v - m)
	}
	se := math.Sqrt(squares / (8 * 7))
	assert.InDelta(t, (0.8+1.0+1.2+1.3+1.3+1.4+1.8+2.4)/8, trimmed.Mean, 1e-12)
	assert.InDelta(t, trimmed.Mean+2.364624*se, trimmed.High, 1e-6, "of seven degrees")
	assert.Equal(t, e.PSlower, trimmed.PSlower)
	assert.InDelta(t, trimmed.Low, trimmed.BootLow, 0.2)
	assert.InDelta(t, trimmed.High, trimmed.BootHigh, 0.4)
}

func TestMedian(t *testing.T) {
	x := []float64{3, nan, 1, 2}
	assert.Equal(t, 2.0, Median(x))
	assert.Equal(t, 3.0, x[0], "left as it was")
	assert.Equal(t, 2.5, Median([]float64{4, 1, 2, 3}))
	assert.True(t, math.IsNaN(Median([]float64{nan})))
	assert.True(t, math.IsNaN(Median(nil)))
}

// The median of the sizes is 3.
func TestClipped(t *testing.T) {
	assert.Equal(t, []float64{1, -2, 3, 6, -6}, clipped([]float64{1, -2, 3, 7, -100}))
	assert.Equal(t, []float64{0, 0, 0, -5}, clipped([]float64{0, 0, 0, -5}))
	assert.Empty(t, clipped(nil))
}

// One wild block of 20 takes a mean along, but neither the trimmed one nor the
// test.
func TestWildBlocks(t *testing.T) {
	x := sample(3, 20, 0.02, 0.005)
	calm := Compare(x)
	x[7] = -0.9
	wild := Compare(x)
	assert.InDelta(t, calm.Mean, wild.Mean, 0.002)
	assert.Less(t, wild.High-wild.Low, 1.5*(calm.High-calm.Low))
	assert.Less(t, wild.PSlower, 0.01)
	assert.Less(t, mean(x), 0.0)
}

// Darwin's fifteen pairs of maize, with which Fisher introduced the test (The
// Design of Experiments, 1935, section 21): 863 of 32,768 patterns have a sum of
// at least 314 eighths of an inch, and the t of the pairs is 2.148.
func TestCompareDarwin(t *testing.T) {
	x := []float64{49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48}
	e := estimate(x, 0)
	slower, _ := signFlip(x)
	assert.Equal(t, 863./32768, slower)
	assert.Less(t, e.PSlower, slower, "the two pairs that went far the other way count for less")
	assert.InDelta(t, 2.148, e.Mean/e.SD*math.Sqrt(15), 5e-4)
}

func TestCompareOfLittle(t *testing.T) {
	e := Compare(nil)
	assert.True(t, math.IsNaN(e.Mean))
	e.Mean = 0
	unknown := Estimate{
		SD: inf, Low: -inf, High: inf, Low90: -inf, High90: inf, BootLow: -inf, BootHigh: inf,
		PSlower: 1, PFaster: 1, MDE: inf,
	}
	assert.Equal(t, unknown, e)

	unknown.Blocks, unknown.Mean, unknown.PSlower = 1, 0.02, 0.5
	assert.Equal(t, unknown, Compare([]float64{nan, 0.02, inf, -inf}))

	e = Compare([]float64{0.01, 0.03})
	assert.InDelta(t, 0.02-12.7062*0.01, e.Low, 1e-6)
	assert.Equal(t, []float64{-inf, inf}, []float64{e.BootLow, e.BootHigh}, "half of the resamples repeat one block")
	assert.Equal(t, 0.25, e.PSlower)
}

func TestCompareOfEqualBlocks(t *testing.T) {
	e := Compare(make([]float64, 8))
	assert.Equal(t, Estimate{Blocks: 8, PSlower: 1, PFaster: 1}, e)
	v := math.Log(1.1) // a sum of many of these is no exact multiple
	for _, n := range []int{2, 7, 24} {
		e = Compare(slices.Repeat([]float64{v}, n))
		want := Estimate{n, v, 0, v, v, v, v, v, v, math.Ldexp(1, -n), 1, 0}
		assert.Equal(t, want, e)
	}
}

// Compare does not depend on the order of blocks but by the draw of resamples,
// mirrors with the arms, and scales with the values.
func TestCompareSymmetries(t *testing.T) {
	for _, n := range []int{3, 9, 24, 25, 41, 100} {
		x := sample(uint64(n), n, 0.01, 0.03)
		e, mirrored := Compare(x), Compare(scaled(x, -1))
		assert.Equal(t, e, Compare(x), "the seed is fixed")
		assert.InDelta(t, e.Low, -mirrored.High, 1e-12)
		assert.InDelta(t, e.Low90, -mirrored.High90, 1e-12)
		assert.InDelta(t, e.PSlower, mirrored.PFaster, 1e-12)
		assert.InDelta(t, e.PFaster, mirrored.PSlower, 1e-12)
		larger := Compare(scaled(x, 1000))
		assert.InDelta(t, e.PSlower, larger.PSlower, 1e-12)
		assert.InDelta(t, 1000*e.MDE, larger.MDE, 1e-9)
		slices.Sort(x)
		assert.InDelta(t, e.High, Compare(x).High, 1e-12)
		assert.InDelta(t, e.PSlower, Compare(x).PSlower, 0.02)
	}
}

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
	// With 1 and 2 degrees of freedom there are formulas.
	assert.InDelta(t, math.Tan(math.Pi*0.475), quantileT(0.975, 1), 1e-10)
	assert.InDelta(t, 0.95/math.Sqrt(2*0.975*0.025), quantileT(0.975, 2), 1e-12)
	for _, df := range []int{most, most + 1, math.MaxInt} {
		assert.InDelta(t, 1.9599640, quantileT(0.975, df), 0.0003, df)
	}
}

// Of four blocks there are 256 resamples: the quantiles are among their t values,
// near the ranks that they should have.
func TestStudentisedIsOfResamples(t *testing.T) {
	x := []float64{0.01, 0.02, 0.04, 0.08}
	mean, sd := location(x, 0)
	var all []float64
	for i := range 256 {
		resample := []float64{x[i&3], x[i>>2&3], x[i>>4&3], x[i>>6]}
		slices.Sort(resample)
		m, s := location(resample, 0)
		value := 0.0
		if m != mean {
			value = (m - mean) / (s / 2)
		}
		all = append(all, value)
	}
	slices.Sort(all)
	share := func(v float64) (below, upTo float64) {
		for _, other := range all {
			if other < v-1e-9 {
				below += 1. / 256
			}
			if other < v+1e-9 {
				upTo += 1. / 256
			}
		}
		return below, upTo
	}
	low, high := studentised(x, 0, mean, sd)
	for want, v := range map[float64]float64{0.025: low, 0.975: high} {
		below, upTo := share(v)
		assert.Less(t, below, upTo, "%v is none of them", v)
		assert.True(t, below < want+0.02 && upTo > want-0.02, "%v: %v to %v", v, below, upTo)
	}
}

// bruteForce is signFlip by looking at every pattern, nothing else.
func bruteForce(x []float64) (slower, faster float64) {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	for pattern := range 1 << len(x) {
		flipped := 0.0
		for i, v := range x {
			flipped += v * float64(pattern>>i&1*2-1)
		}
		if flipped >= sum-1e-9 {
			slower++
		}
		if flipped <= sum+1e-9 {
			faster++
		}
	}
	return math.Ldexp(slower, -len(x)), math.Ldexp(faster, -len(x))
}

func TestSignFlipIsExact(t *testing.T) {
	for n := range 15 {
		for seed := range uint64(10) {
			x := sample(seed, n, 0.01, 0.03)
			if seed%2 == 0 { // many ties
				for i := range x {
					x[i] = math.Round(100*x[i]) / 10
				}
			}
			slower, faster := signFlip(x)
			wantSlower, wantFaster := bruteForce(x)
			assert.Equal(t, wantSlower, slower, "%v", x)
			assert.Equal(t, wantFaster, faster, "%v", x)
		}
	}
}

// Random patterns agree with all of them within their own error.
func TestSampledPatternsAgree(t *testing.T) {
	for seed := range uint64(20) {
		x := sample(seed, 20, 0.01, 0.03)
		size, sum := make([]float64, len(x)), 0.0
		for i, v := range x {
			size[i] = math.Abs(v)
			sum += v
		}
		slower, faster := exact(size, sum-1e-12, -sum-1e-12)
		gotSlower, gotFaster := sampled(size, sum-1e-12, -sum-1e-12)
		room := func(p float64) float64 { return 4*math.Sqrt(p*(1-p)/draws) + 1./draws }
		assert.InDelta(t, slower, gotSlower, room(slower))
		assert.InDelta(t, faster, gotFaster, room(faster))
	}
	slower, faster := signFlip(slices.Repeat([]float64{0.1}, 70)) // more than a word of randomness
	assert.Equal(t, 1./(draws+1), slower)
	assert.Equal(t, 1., faster)
}

func FuzzCompare(f *testing.F) {
	f.Add(uint64(1), 8, 0.02, 0.03, 0.01)
	f.Add(uint64(2), 40, 0.0, 1e-200, 0.0)
	f.Add(uint64(3), 2, -13.8, 13.8, -5.0)
	f.Add(uint64(4), 3, math.NaN(), 1.0, math.NaN())
	f.Fuzz(func(t *testing.T, seed uint64, n int, mean, sd, floor float64) {
		x := sample(seed, min(max(n, 0), 60), mean, sd)
		for i := range x {
			x[i] = min(max(x[i], -1500), 1500) // the widest ratio that two numbers have
		}
		e := Compare(x)
		for _, v := range []float64{e.SD, e.Low, e.High, e.Low90, e.High90, e.BootLow, e.BootHigh, e.MDE} {
			assert.False(t, math.IsNaN(v), "%+v", e)
		}
		assert.Equal(t, e.Blocks == 0, math.IsNaN(e.Mean))
		if e.Blocks > 0 {
			assert.IsNonDecreasing(t, []float64{e.Low, e.Low90, e.Mean, e.High90, e.High}, "%+v", e)
		}
		assert.True(t, e.PSlower > 0 && e.PSlower <= 1 && e.PFaster > 0 && e.PFaster <= 1, "%+v", e)
		p := Holm([]float64{e.PSlower, e.PFaster, seedP(seed)})
		verdict, more := Judge(e, p[0], p[1], floor, Alpha)
		assert.Equal(t, verdict == Inconclusive, more > 0)
		assert.LessOrEqual(t, more, most)
	})
}

func seedP(seed uint64) float64 { return float64(seed%101) / 100 }

func sample(seed uint64, n int, mean, sd float64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 0))
	x := make([]float64, n)
	for i := range x {
		x[i] = mean + sd*rng.NormFloat64()
	}
	return x
}

func scaled(x []float64, factor float64) []float64 {
	y := slices.Clone(x)
	for i := range y {
		y[i] *= factor
	}
	return y
}

func BenchmarkCompare(b *testing.B) {
	for _, blocks := range []int{8, 12, 24, 40} {
		x := sample(1, blocks, 0.02, 0.03)
		b.Run(fmt.Sprintf("blocks=%d", blocks), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Compare(x)
			}
		})
	}
}

func BenchmarkLogRatio(b *testing.B) {
	base, head := scaled(sample(1, 30, 0, 1), 0.01), sample(2, 30, 5, 0.1)
	for i := range base {
		base[i] += 5
	}
	b.ReportAllocs()
	for b.Loop() {
		LogRatio(base, head)
	}
}
