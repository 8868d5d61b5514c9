package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

const (
	exactBlocks = 24 // up to which all sign patterns are counted: two lists of 2^12 sums
	draws       = 20_000
	clip        = 2 // medians of the sizes, beyond which a value counts for no more: 1.35 sd of normal ones
)

// clipped returns the values, of which none counts for more than clip times the
// median of all sizes, so that one wild block does not decide: at 1.35 standard
// deviations normal values lose 5 % of their power (Huber, Robust estimation of a
// location parameter, 1964).
func clipped(x []float64) []float64 {
	size := make([]float64, len(x))
	for i, v := range x {
		size[i] = math.Abs(v)
	}
	limit := clip * Median(size)
	kept := slices.Clone(x)
	for i := range kept {
		if limit > 0 { // else most are equal: none is wild
			kept[i] = min(max(kept[i], -limit), limit)
		}
	}
	return kept
}

// signFlip tests that the values are symmetric about zero, as they are when the
// arms do not differ: then each could as well have had the other sign. p is the
// share of the 2^n sign patterns whose sum reaches the observed one (slower), or
// goes as low (faster): exact up to exactBlocks values; beyond, of random
// patterns and the observed one, which keeps the test valid (Phipson and Smyth,
// Permutation p-values should never be zero, 2010). It is as valid of clipped
// values, as what they are clipped at depends on sizes alone.
//
// Of n values no p is less than 1/2^n: fewer than 7 never reach 1 %.
func signFlip(x []float64) (slower, faster float64) {
	size := make([]float64, len(x))
	var sum, total float64
	for i, v := range x {
		size[i] = math.Abs(v)
		sum += v
		total += size[i]
	}
	rounding := total * 1e-12 // sums that differ by less are equal
	if len(x) <= exactBlocks {
		return exact(size, sum-rounding, -sum-rounding)
	}
	return sampled(size, sum-rounding, -sum-rounding)
}

// exact returns the share of all sign patterns of size whose sum is at least
// slower, and at least faster. It meets in the middle: the sums of either half,
// sorted, hold those of the whole without listing them.
func exact(size []float64, slower, faster float64) (float64, float64) {
	low, high := patterns(size[:len(size)/2]), patterns(size[len(size)/2:])
	all := math.Ldexp(1, len(size))
	return float64(reach(low, high, slower)) / all, float64(reach(low, high, faster)) / all
}

// patterns returns the sums of size under all patterns of signs, ascending. Each
// value doubles the list: a merge of the list with less and with more.
func patterns(size []float64) []float64 {
	sums := []float64{0}
	for _, v := range size {
		n := len(sums)
		next := make([]float64, 0, 2*n)
		for less, more := 0, 0; more < n; {
			if less < n && sums[less]-v <= sums[more]+v {
				next = append(next, sums[less]-v)
				less++
			} else {
				next = append(next, sums[more]+v)
				more++
			}
		}
		sums = next
	}
	return sums
}

// reach counts the pairs, one of either ascending list, whose sum is at least
// limit.
func reach(a, b []float64, limit float64) (count int) {
	j := len(b)
	for _, v := range a {
		for j > 0 && v+b[j-1] >= limit {
			j--
		}
		count += len(b) - j
	}
	return count
}

// sampled is exact by random patterns. A byte of randomness decides on eight
// signs at once, whose sum a table holds.
func sampled(size []float64, slower, faster float64) (float64, float64) {
	tables := make([][256]float64, (len(size)+7)/8)
	for i, v := range size {
		for pattern := range tables[i/8] {
			tables[i/8][pattern] += v * float64(pattern>>(i%8)&1*2-1)
		}
	}
	rng := rand.New(rand.NewPCG(2, draws))
	reachSlower, reachFaster := 1, 1
	for range draws {
		sum, bits := 0.0, uint64(0)
		for i := range tables {
			if i%8 == 0 {
				bits = rng.Uint64()
			}
			sum += tables[i][bits&0xff]
			bits >>= 8
		}
		if sum >= slower {
			reachSlower++
		}
		if sum >= faster {
			reachFaster++
		}
	}
	return float64(reachSlower) / (draws + 1), float64(reachFaster) / (draws + 1)
}
