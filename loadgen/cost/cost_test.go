package cost

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	draws = 1_000_000
	// A correct program strays this many standard errors from theory once in
	// some 15,000 figures; the seeds are fixed and were not picked.
	tolerance = 4
)

// near checks the mean of a million draws of something with the given variance.
func near(t *testing.T, want, got, variance float64, what string) {
	t.Helper()
	standardError := math.Sqrt(variance / draws)
	assert.InDelta(t, want, got, tolerance*standardError, "%s: standard error %g", what, standardError)
}

// drawn returns a million costs as multiples of the mean.
func drawn(t *testing.T, law string) []float64 {
	c := Cost{Mean: 10 * time.Millisecond, Law: law, Work: "sleep"}
	require.NoError(t, c.Check())
	s := c.Begin(1)
	all := make([]float64, draws)
	for i := range all {
		all[i] = float64(s.Next()) / float64(c.Mean)
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

func identity(x float64) float64 { return x }

// nearTail compares the share of draws above x with the law's tail.
func nearTail(t *testing.T, all []float64, tail func(float64) float64, x float64) {
	t.Helper()
	share := average(all, func(y float64) float64 {
		if y > x {
			return 1
		}
		return 0
	})
	near(t, tail(x), share, tail(x)*(1-tail(x)), "tail")
}

// fits makes the test of Kolmogorov and Smirnov: the largest distance between
// the empirical distribution and theory, times the root of the number of draws,
// is above 1.95 once in 1000 correct programs.
func fits(t *testing.T, all []float64, tail func(float64) float64) {
	t.Helper()
	slices.Sort(all)
	var distance float64
	for i, x := range all {
		below := 1 - tail(x)
		distance = max(distance, below-float64(i)/draws, float64(i+1)/draws-below)
	}
	assert.Less(t, distance*math.Sqrt(draws), 1.95)
}

func TestFixed(t *testing.T) {
	for _, x := range drawn(t, "fixed") {
		if x != 1 {
			require.Equal(t, 1.0, x)
		}
	}
}

func TestExponential(t *testing.T) {
	all := drawn(t, "exponential")
	near(t, 1, average(all, identity), 1, "mean")
	// the fourth central moment is 9
	near(t, 1, average(all, func(x float64) float64 { return (x - 1) * (x - 1) }), 9-1, "variance")
	tail := func(x float64) float64 { return math.Exp(-x) }
	for _, x := range []float64{0.1, 1, 3, 7, 10} {
		nearTail(t, all, tail, x)
	}
	fits(t, all, tail)
}

func TestPareto(t *testing.T) {
	all := drawn(t, "pareto")
	const a = 2.2
	smallest := (a - 1) / a
	near(t, 1, average(all, identity), 1/(a*(a-2)), "mean")
	// Logarithms, from the smallest on, are exponential with mean 1/a. They
	// have all moments.
	logs := func(x float64) float64 { return math.Log(x / smallest) }
	near(t, 1/a, average(all, logs), 1/(a*a), "mean of logarithms")
	squares := average(all, func(x float64) float64 { return (logs(x) - 1/a) * (logs(x) - 1/a) })
	near(t, 1/(a*a), squares, (9-1)/(a*a*a*a), "variance of logarithms")
	// The variance exists, but not that of a sample's variance: its error has
	// no standard. That of costs cut down to 100 means has.
	const limit = 100
	tail := func(x float64) float64 { return math.Pow(smallest/x, a) }
	moment := func(k float64) float64 { // of cut costs: the integral below the limit, then what is above
		below := a * math.Pow(smallest, a) * (math.Pow(limit, k-a) - math.Pow(smallest, k-a)) / (k - a)
		return below + math.Pow(limit, k)*tail(limit)
	}
	t.Logf("of the second moment, %.2f comes from costs below %d means", moment(2)/(1+1/(a*(a-2))), limit)
	second := average(all, func(x float64) float64 { return min(x, limit) * min(x, limit) })
	near(t, moment(2), second, moment(4)-moment(2)*moment(2), "second moment")
	for _, x := range []float64{0.6, 1, 3, 10, 30, 100} {
		nearTail(t, all, tail, x)
	}
	fits(t, all, tail)
}

// The same seed gives the same costs in every build. Run this with another
// GOAMD64 as well.
func TestSameSeedSameCosts(t *testing.T) {
	for want, law := range map[uint64]string{
		0x1fc60a3d8d8f30e5: "fixed", 0xa57ea2fcf876712b: "exponential", 0x6de2e7a0e3e07043: "pareto",
	} {
		s, sum := Cost{Mean: time.Millisecond, Law: law, Work: "sleep"}.Begin(2), fnv.New64a()
		for range 100_000 {
			_ = binary.Write(sum, binary.LittleEndian, s.Next())
		}
		assert.Equal(t, want, sum.Sum64(), law)
	}
}

// Costs are rounded, not cut, to nanoseconds. The sum of P(X ≥ k+½) over all
// whole k from 0 is the mean of a rounded X.
func TestSmallCostsKeepTheirMean(t *testing.T) {
	const mean = 3
	s := Cost{Mean: mean, Law: "exponential", Work: "sleep"}.Begin(9)
	var total time.Duration
	for range draws {
		total += s.Next()
	}
	want := math.Exp(-0.5/mean) / (1 - math.Exp(-1.0/mean))
	near(t, want, float64(total)/draws, mean*mean, "mean")
}

func TestLargestCostFits(t *testing.T) {
	// 1 less an even draw is at least 2^-53
	assert.Less(t, float64(MaxMean)*math.Pow(math.Ldexp(1, -53), -1/shape), float64(math.MaxInt64))
}

func TestSleepIsExactInSimulatedTime(t *testing.T) {
	for _, law := range Laws() {
		synctest.Test(t, func(t *testing.T) {
			s := Cost{Mean: 50 * time.Microsecond, Law: law, Work: "sleep"}.Begin(3)
			for range 10_000 {
				before := time.Now()
				d := s.Spend()
				require.Equal(t, d, time.Since(before))
			}
		})
	}
}

// However late sleeps are, what has been slept is never less than what was
// drawn, and more only by the lateness of one sleep.
func TestOversleepingIsCredited(t *testing.T) {
	const late = 1100 * time.Microsecond
	for _, law := range Laws() {
		synctest.Test(t, func(t *testing.T) {
			s := Cost{Mean: 50 * time.Microsecond, Law: law, Work: "sleep"}.Begin(4)
			sleeps := 0
			s.sleep = func(d time.Duration) {
				sleeps++
				time.Sleep(d + late*time.Duration(sleeps%3)/2)
			}
			begun, total := time.Now(), time.Duration(0)
			for range 10_000 {
				total += s.Spend()
				over := time.Since(begun) - total
				require.GreaterOrEqual(t, over, time.Duration(0))
				require.LessOrEqual(t, over, late)
			}
			require.Less(t, sleeps, 5000, "most calls are paid for")
		})
	}
}

func TestRealSleepIsNeverShort(t *testing.T) {
	s := Cost{Mean: 20 * time.Microsecond, Law: "exponential", Work: "sleep"}.Begin(5)
	begun, total := time.Now(), time.Duration(0)
	for range 1000 {
		total += s.Spend()
		require.GreaterOrEqual(t, time.Since(begun), total)
	}
	t.Logf("drawn %v, took %v", total, time.Since(begun))
}

func TestNoCost(t *testing.T) {
	for _, work := range Works() {
		s := Cost{Law: "pareto", Work: work}.Begin(6)
		s.sleep = func(time.Duration) { t.Error("slept") }
		assert.Zero(t, s.Next())
		assert.Zero(t, s.Spend())
		assert.Equal(t, uint64(1), s.state, "nothing spun")
	}
}

func TestCheckAndString(t *testing.T) {
	c := Cost{Mean: 1500 * time.Microsecond, Law: "pareto", Work: "spin"}
	assert.NoError(t, c.Check())
	assert.Equal(t, "cost=1.5ms,costs=pareto,work=spin", c.String())
	for want, c := range map[string]Cost{
		"cost=-1ns: expected 0s to 1m0s":                           {-1, "fixed", "sleep"},
		"cost=1m0.000000001s: expected 0s to 1m0s":                 {time.Minute + 1, "fixed", "sleep"},
		`costs="": expected fixed, exponential or pareto`:          {0, "", "sleep"},
		`costs="lognormal": expected fixed, exponential or pareto`: {1, "lognormal", "spin"},
		`work="rest": expected sleep or spin`:                      {1, "pareto", "rest"},
	} {
		assert.EqualError(t, c.Check(), "cost: "+want)
		assert.Panics(t, func() { c.Begin(0) })
	}
}

// BenchmarkSpend prints how much time costs take that are spent one after the
// other, as a multiple of what was drawn.
func BenchmarkSpend(b *testing.B) {
	for _, work := range Works() {
		for _, mean := range []time.Duration{time.Microsecond, 20 * time.Microsecond, time.Millisecond} {
			c := Cost{Mean: mean, Law: "exponential", Work: work}
			b.Run(c.String(), func(b *testing.B) {
				s := c.Begin(7)
				var total time.Duration
				for b.Loop() {
					total += s.Spend()
				}
				b.ReportMetric(float64(b.Elapsed())/float64(total), "spent/drawn")
			})
		}
	}
}

func BenchmarkNext(b *testing.B) {
	for _, law := range Laws() {
		b.Run(law, func(b *testing.B) {
			s := Cost{Mean: time.Millisecond, Law: law, Work: "sleep"}.Begin(8)
			b.ReportAllocs()
			for b.Loop() {
				s.Next()
			}
		})
	}
}
