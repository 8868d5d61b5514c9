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

// ranks returns how many lives there are, and the mean logarithm of the rank of a
// record, where the busiest life has rank 1.
func (t tally) ranks() (lives int64, meanLog float64) {
	lives, records := t.totals()
	var sum float64
	rank := int64(0)
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(t))) {
		times := t[n]
		sum += float64(n) * (lgamma(rank+times+1) - lgamma(rank+1))
		rank += times
	}
	return lives, sum / float64(max(1, records))
}

// fitZipf returns the exponent of the Zipf law over so many ranks under which
// ranks with this mean logarithm are most likely: Clauset, Shalizi and Newman,
// "Power-law distributions in empirical data", SIAM Review 51 (2009), for a law
// of ranks instead of sizes.
func fitZipf(ranks int64, meanLog float64) float64 {
	if ranks < 2 {
		return 0
	}
	loss := func(s float64) float64 { return float64(s*meanLog) + math.Log(harmonic(ranks, s)) }
	// The loss, the negative logarithm of the likelihood per draw, is convex in s, so
	// ever thirds of the range find its minimum.
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
