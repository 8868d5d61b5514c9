package trace

import (
	"maps"
	"math"
	"slices"
)

// A tally says how many lives of keys had how many records. There are far fewer
// different numbers of records than lives, so it stays small.
type tally map[int64]int64

func (t tally) add(records int64) { t[records]++ }

// totals returns the number of lives and of records.
func (t tally) totals() (lives, records int64) {
	for n, times := range t {
		lives, records = lives+times, records+n*times
	}
	return lives, records
}

func (t tally) lives() Lives {
	count, records := t.totals()
	if count == 0 {
		return Lives{}
	}
	l := Lives{Count: count, Mean: float64(records) / float64(count), Top1: t.top(100), Top10: t.top(10)}
	// The Gini coefficient is that of the Lorenz curve as a polygon: of values
	// x in rising order, sum of (2i-n-1)*x / (n * sum of x). It is summed up in
	// whole numbers.
	var below, weighted int64
	for _, n := range slices.Sorted(maps.Keys(t)) {
		times := t[n]
		// Ranks i from below+1 to below+times: the sum of 2i-count-1.
		weighted += n * times * (2*below + times - count)
		below += times
		if l.P99 == 0 && below*100 >= count*99 {
			l.P99 = n
		}
		l.Max = n
	}
	if records > 0 {
		l.Gini = float64(weighted) / (float64(count) * float64(records))
	}
	return l
}

// top returns the share of records that the busiest one in so many lives have,
// rounded up to a whole life.
func (t tally) top(oneIn int64) float64 {
	lives, records := t.totals()
	left := (lives + oneIn - 1) / oneIn
	var sum int64
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(t))) {
		taken := min(left, t[n])
		sum, left = sum+n*taken, left-taken
	}
	return float64(sum) / float64(max(1, records))
}

// skew returns the exponent of the Zipf law over as many ranks as there are
// lives under which the records are most likely, the busiest life having rank
// 1: Clauset, Shalizi and Newman, "Power-law distributions in empirical data",
// SIAM Review 51 (2009), section 3, for a law of ranks instead of sizes. Ranks
// by what was seen make it too large where lives have only a few records each.
func (t tally) skew() float64 {
	lives, records := t.totals()
	if records == 0 || lives < 2 {
		return 0
	}
	// The mean logarithm of the rank of a record.
	var sum float64
	rank := int64(0)
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(t))) {
		times := t[n]
		sum += float64(n) * (lgamma(rank+times+1) - lgamma(rank+1))
		rank += times
	}
	mean := sum / float64(records)
	loss := func(s float64) float64 { return s*mean + math.Log(harmonic(lives, s)) }
	// loss is convex in s, so ever thirds of the range find its minimum.
	low, high := 0.0, maxSkew
	for high-low > 1e-6 {
		a, b := low+(high-low)/3, high-(high-low)/3
		if loss(a) <= loss(b) {
			high = b
		} else {
			low = a
		}
	}
	return (low + high) / 2
}

const maxSkew = 5.0

// zipfTop returns the share of the first of so many ranks under a Zipf law.
func zipfTop(first, ranks int64, s float64) float64 { return harmonic(first, s) / harmonic(ranks, s) }

func lgamma(n int64) float64 {
	v, _ := math.Lgamma(float64(n))
	return v
}

// harmonic returns the sum of k^-s for k from 1 to n, beyond the first thousand
// terms by the formula of Euler and Maclaurin.
func harmonic(n int64, s float64) float64 {
	const exact = 1000
	sum := 0.0
	for k := int64(1); k <= min(n, exact); k++ {
		sum += math.Pow(float64(k), -s)
	}
	if n <= exact {
		return sum
	}
	a, b := float64(exact), float64(n)
	integral := math.Log(b / a)
	if s != 1 {
		integral = (math.Pow(b, 1-s) - math.Pow(a, 1-s)) / (1 - s)
	}
	fa, fb := math.Pow(a, -s), math.Pow(b, -s)
	return sum + integral + (fb-fa)/2 + s/12*(fa/a-fb/b)
}
