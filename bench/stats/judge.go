package stats

import (
	"cmp"
	"math"
	"slices"
)

// A Verdict is what a row of a comparison comes to.
type Verdict string

// The verdicts. Slower means that head costs more, Faster that it costs less.
const (
	Slower       Verdict = "slower"
	Faster       Verdict = "faster"
	Equivalent   Verdict = "equivalent"   // any difference is smaller than matters
	Inconclusive Verdict = "inconclusive" // more blocks are needed to say
	New          Verdict = "new"          // only head has it
	Missing      Verdict = "missing"      // only base has it
)

// The chance of one wrong Slower, and of one wrong Faster, over all rows of a
// comparison.
const (
	Alpha  = 0.01  // where a red row is measured again before it counts
	Strict = 0.002 // where one look decides
)

// Holm adjusts the p-values of several tests for their number, in the order
// given: a test whose result is below a level rejects, at that level of any false
// rejection among all, whatever their dependence (Holm, A simple sequentially
// rejective multiple test procedure, 1979). A p of NaN is a test that was not
// run: it stays NaN and does not count.
func Holm(p []float64) []float64 {
	order := make([]int, 0, len(p))
	adjusted := slices.Clone(p)
	for i, v := range p {
		if !math.IsNaN(v) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	highest := 0.0
	for rank, i := range order {
		highest = max(highest, min(1, p[i]*float64(len(order)-rank)))
		adjusted[i] = highest
	}
	return adjusted
}

// Judge gives the verdict on one row. holmSlower and holmFaster are the p-values
// of e after Holm over all rows, either side by itself; floor is the smallest
// relative difference that matters, 0.02 for 2 % (0: any), meant on the scale of
// logarithms: ±log(1+floor); alpha is Alpha or Strict.
//
// Slower: significant at alpha, and Mean beyond the floor, wherever the interval
// begins: that there is a difference is proved, that it matters is the best
// guess. So a difference just as large as the floor is found half of the time:
// choose a floor well below what must be found. Faster is the mirror image.
// Equivalent: the 90 % interval lies within the floors, even if a difference
// smaller than them is significant. Anything else is Inconclusive.
//
// With Inconclusive comes how many blocks more are needed, at least 1 (otherwise
// 0): as many as give the 90 % interval, if SD stays, a half-width of half the
// floor, for then a difference is nearly always beyond the floor and significant,
// or within it. A row that is there already, its difference being close to the
// floor, needs half of its present width, and so does one without a floor. Too
// few for the permutation test to reach alpha after Holm are never enough. Mean
// plays no part, so that adding blocks as told does not favour a verdict. The
// total asked for is at most 10,000.
func Judge(e Estimate, holmSlower, holmFaster, floor, alpha float64) (Verdict, int) {
	limit := math.Log1p(max(floor, 0))
	switch {
	case holmSlower < alpha && e.Mean > limit:
		return Slower, 0
	case holmFaster < alpha && e.Mean < -limit:
		return Faster, 0
	case e.Low90 >= -limit && e.High90 <= limit:
		return Equivalent, 0
	}
	rows := max(ratio(holmSlower, e.PSlower), ratio(holmFaster, e.PFaster))
	total := max(e.Blocks+1, Fewest(rows, alpha), blocksFor(e, limit/2))
	return Inconclusive, total - e.Blocks
}

// ratio is what Holm multiplied a p-value by, 1 if unknown.
func ratio(adjusted, p float64) float64 {
	if r := adjusted / p; r > 1 && r < most {
		return r
	}
	return 1
}

// Fewest returns how many blocks the exact permutation test needs to be
// significant when Holm multiplies by rows and all blocks agree.
func Fewest(rows, alpha float64) int {
	return int(math.Floor(math.Log2(rows/alpha))) + 1
}

// blocksFor returns with how many blocks the 90 % interval has a half-width of
// at most target; where it has, or where target is 0, of half of what it has.
func blocksFor(e Estimate, target float64) int {
	if e.Blocks < 2 || !(e.SD > 0) {
		return 0
	}
	half := quantileT(0.95, degrees(e.Blocks)) * e.SD / math.Sqrt(float64(e.Blocks))
	if !(target > 0 && target < half) {
		target = half / 2
	}
	need := func(t float64) float64 { return math.Pow(t*e.SD/target, 2) }
	const normal = 1.6448 // t is never less, so neither is the answer
	for n := max(e.Blocks, int(min(need(normal), most))); ; n++ {
		if n >= most || float64(n) >= need(quantileT(0.95, degrees(n))) {
			return n
		}
	}
}
