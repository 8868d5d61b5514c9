package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A world makes experiments whose truth is known. What a slice takes is, in
// logarithms, the sum of a drift that both arms share and that goes on between
// them, an effect of the block, an effect of the arm's process in this block, and
// the slice's own noise; the arms take turns at random within a round.
type world struct {
	name           string
	blocks, rounds int
	process        func(*rand.Rand) float64 // effect of one process; a block's sd is sqrt(2) of its sd
	noise          func(*rand.Rand) float64 // of one slice
}

const (
	driftPerSlice = 0.01 // sd of a random walk
	blockEffect   = 0.05
)

func normal(sd float64) func(*rand.Rand) float64 {
	return func(rng *rand.Rand) float64 { return sd * rng.NormFloat64() }
}

// studentT draws from Student's t with df degrees of freedom, times scale.
func studentT(df int, scale float64) func(*rand.Rand) float64 {
	return func(rng *rand.Rand) float64 {
		var squares float64
		for range df {
			v := rng.NormFloat64()
			squares += v * v
		}
		return scale * rng.NormFloat64() / math.Sqrt(squares/float64(df))
	}
}

// disturbed is lognormal noise of which one slice in 20 takes 2 to 10 times as
// long: another program had the processor.
func disturbed(sd float64) func(*rand.Rand) float64 {
	return func(rng *rand.Rand) float64 {
		noise := sd * rng.NormFloat64()
		if rng.IntN(20) == 0 {
			noise += math.Log(2 + 8*rng.Float64())
		}
		return noise
	}
}

// lucky is the effect of processes of which one in five got a layout that is
// slower by up to 5 %: skewed, and the same for both arms.
func lucky(rng *rand.Rand) float64 {
	effect := 0.003 * rng.NormFloat64()
	if rng.IntN(5) == 0 {
		effect += 0.05 * rng.Float64()
	}
	return effect
}

var worlds = []world{
	{"6 blocks, disturbed slices", 6, 15, normal(0.02), disturbed(0.06)},
	{"8 blocks, t3 slices", 8, 30, normal(0.007), studentT(3, 0.06)},
	{"12 blocks, disturbed slices, t5 processes", 12, 20, studentT(5, 0.015), disturbed(0.06)},
	{"12 blocks, t3 slices, skewed processes", 12, 15, lucky, studentT(3, 0.06)},
	{"40 blocks, disturbed slices", 40, 15, normal(0.02), disturbed(0.06)},
}

// experiment returns the slices of base and head by block and round. Head takes
// difference more, in logarithms.
func (w world) experiment(rng *rand.Rand, difference float64) (arms [2][][]float64) {
	for range w.blocks {
		drift := blockEffect * rng.NormFloat64()
		process := [2]float64{w.process(rng), w.process(rng) + difference}
		var rounds [2][]float64
		for range w.rounds {
			first := rng.IntN(2)
			for _, arm := range [2]int{first, 1 - first} {
				drift += driftPerSlice * rng.NormFloat64()
				rounds[arm] = append(rounds[arm], math.Exp(drift+process[arm]+w.noise(rng)))
			}
		}
		arms[0], arms[1] = append(arms[0], rounds[0]), append(arms[1], rounds[1])
	}
	return arms
}

// logRatios is the way of this package from slices to one number a block.
func logRatios(arms [2][][]float64) (x []float64) {
	for i := range arms[0] {
		x = append(x, LogRatio(arms[0][i], arms[1][i]))
	}
	return x
}

// oneProcessor and twoProcessors are as noisy as a shared machine with two
// processors was seen to be: the log ratios of blocks have an sd of 1.0 % for
// processor time at GOMAXPROCS=1, and of 3.2 % for wall time at 2.
var (
	oneProcessor  = world{"one processor", 8, 30, normal(0.004), disturbed(0.023)}
	twoProcessors = world{"two processors", 40, 15, normal(0.0145), disturbed(0.05)}
)

// An estimator is a way from slices to an estimate.
type estimator func(arms [2][][]float64) Estimate

func ours(arms [2][][]float64) Estimate { return estimated(logRatios(arms)) }

// perBlock is an estimator that compares one number of either arm per block.
func perBlock(of func(rounds []float64) float64) estimator {
	return func(arms [2][][]float64) Estimate {
		var x []float64
		for i := range arms[0] {
			x = append(x, math.Log(of(arms[1][i])/of(arms[0][i])))
		}
		return estimated(x)
	}
}

// experiments is how many of them a test makes. Fewer, as with -short under the
// race detector, leave it more room for chance.
func experiments(full int) int {
	if testing.Short() {
		return full / 50
	}
	return full
}

// chance is how far the share of n experiments may be from p, by chance alone:
// 4 standard errors.
func chance(p float64, n int) float64 { return 4 * math.Sqrt(p*(1-p)/float64(n)) }

// coverage returns the share of experiments whose interval holds the truth, a
// difference of 2 % in half of them, and the p-values of the other half.
func (w world) coverage(n int, estimate estimator) (share float64, p []float64) {
	rng := rand.New(rand.NewPCG(1, uint64(w.blocks)))
	for i := range n {
		truth := float64(i%2) * math.Log(1.02)
		e := estimate(w.experiment(rng, truth))
		if e.Low <= truth && truth <= e.High {
			share += 1 / float64(n)
		}
		if truth == 0 {
			p = append(p, e.PSlower)
		}
	}
	return share, p
}

// power returns the share of experiments with a true difference of 2 % that are
// judged Slower as the only row, and the mean SD and MDE.
func (w world) power(n int, floor, alpha float64, estimate estimator) (found, sd, mde float64) {
	rng := rand.New(rand.NewPCG(uint64(w.blocks), uint64(w.rounds)))
	for range n {
		e := estimate(w.experiment(rng, math.Log(1.02)))
		if verdict, _ := Judge(e, e.PSlower, e.PFaster, floor, alpha); verdict == Slower {
			found += 1 / float64(n)
		}
		sd += e.SD / float64(n)
		mde += e.MDE / float64(n)
	}
	return found, sd, mde
}

// The 95 % intervals cover the truth in 94 to 96 % of experiments, and p-values
// are spread evenly: a share of p of them is at most p, for every p.
func TestCoverage(t *testing.T) {
	for _, w := range worlds {
		n := experiments(10_000)
		share, p := w.coverage(n, ours)
		rejected, farthest := 0, 0.0
		slices.Sort(p)
		for i, v := range p {
			if v < Alpha {
				rejected++
			}
			if i+1 == len(p) || p[i+1] > v { // the last of equal ones
				farthest = max(farthest, math.Abs(float64(i+1)/float64(len(p))-v))
			}
		}
		at1 := float64(rejected) / float64(len(p))
		t.Logf("%-42s n %5d: covers %.4f, rejects at 1 %%: %.4f, p farthest from even %.4f",
			w.name, n, share, at1, farthest)
		room := 0.01
		if testing.Short() {
			room += chance(0.95, n)
		}
		assert.InDelta(t, 0.95, share, room, w.name)
		assert.Less(t, at1, 0.01+chance(0.01, len(p)), w.name)
		assert.Less(t, farthest, 2.23/math.Sqrt(float64(len(p))), w.name) // Kolmogorov's limit at 0.01 %
	}
}

// The bootstrap covers as often as t, give or take 1.5 %.
func TestBootstrapAgrees(t *testing.T) {
	for _, w := range worlds {
		rng := rand.New(rand.NewPCG(6, uint64(w.blocks)))
		n := experiments(1500)
		var covered, boot int
		for range n {
			e := Compare(logRatios(w.experiment(rng, 0)))
			if e.Low <= 0 && 0 <= e.High {
				covered++
			}
			if e.BootLow <= 0 && 0 <= e.BootHigh {
				boot++
			}
		}
		t.Logf("%-42s n %5d: t covers %.4f, the bootstrap %.4f", w.name, n,
			float64(covered)/float64(n), float64(boot)/float64(n))
		assert.InDelta(t, covered, boot, 0.015*float64(n)+2, w.name)
	}
}

// nullGate returns the estimates of a gate whose rows do not differ.
func (w world) nullGate(rng *rand.Rand, rows int) []Estimate {
	gate := make([]Estimate, rows)
	for i := range gate {
		gate[i] = ours(w.experiment(rng, 0))
	}
	return gate
}

// reds counts the rows of a gate that are judged Slower, and Faster.
func reds(gate []Estimate, floor float64, holm func([]float64) []float64) (slower, faster int) {
	var pSlower, pFaster []float64
	for _, e := range gate {
		pSlower, pFaster = append(pSlower, e.PSlower), append(pFaster, e.PFaster)
	}
	pSlower, pFaster = holm(pSlower), holm(pFaster)
	for i, e := range gate {
		switch verdict, _ := Judge(e, pSlower[i], pFaster[i], floor, Alpha); verdict {
		case Slower:
			slower++
		case Faster:
			faster++
		}
	}
	return slower, faster
}

// A gate of ten rows without any difference is red in at most 1 of 100 cases,
// without floor and confirmation, and as seldom green without cause. With a floor
// or a second run of its red rows hardly ever; without Holm often.
func TestFamilyWiseError(t *testing.T) {
	const rows = 10
	w := worlds[2]
	rng := rand.New(rand.NewPCG(3, rows))
	gates := experiments(2000)
	var slower, faster, floored, confirmed, careless int
	for range gates {
		gate := w.nullGate(rng, rows)
		s, f := reds(gate, 0, Holm)
		slower += min(s, 1)
		faster += min(f, 1)
		if s > 0 {
			again, _ := reds(w.nullGate(rng, s), 0, Holm)
			confirmed += min(again, 1)
		}
		s, _ = reds(gate, 0.05, Holm)
		floored += min(s, 1)
		s, _ = reds(gate, 0, slices.Clone[[]float64])
		careless += min(s, 1)
	}
	t.Logf("of %d gates: %d slower, %d faster; %d with a floor of 5 %%, %d after confirmation, %d without Holm",
		gates, slower, faster, floored, confirmed, careless)
	limit := 0.01
	if testing.Short() {
		limit += chance(0.01, gates)
	}
	assert.LessOrEqual(t, float64(slower), limit*float64(gates))
	assert.LessOrEqual(t, float64(faster), limit*float64(gates))
	assert.LessOrEqual(t, float64(floored), limit*float64(gates)/2)
	assert.Zero(t, confirmed)
	if !testing.Short() {
		assert.Greater(t, float64(careless), 0.05*float64(gates))
	}
}

func TestPower(t *testing.T) {
	n := experiments(600)
	for _, w := range []world{oneProcessor, twoProcessors} {
		for _, floor := range []float64{0, 0.01, 0.02} {
			found, sd, mde := w.power(n, floor, Alpha, ours)
			t.Logf("%s, %d blocks, sd %.4f, MDE %.4f, floor %v: a true 2 %% is found in %.3f",
				w.name, w.blocks, sd, mde, floor, found)
			if floor < 0.02 {
				assert.Greater(t, found, 0.9-chance(0.9, n))
			} else { // half of the estimates are below a floor that is the truth
				assert.Less(t, found, 0.5+chance(0.5, n))
			}
		}
	}
	w := oneProcessor
	for _, w.blocks = range []int{10, 12, 16} {
		found, _, _ := w.power(n, 0.01, Alpha, ours)
		strictly, _, _ := w.power(n, 0.01, Strict, ours)
		t.Logf("%s, %d blocks, floor 0.01: a true 2 %% is found in %.3f, strictly in %.3f",
			w.name, w.blocks, found, strictly)
		assert.Greater(t, found, 0.95-chance(0.95, n))
		if w.blocks >= 12 {
			assert.Greater(t, strictly, 0.95-chance(0.95, n))
		}
	}
}

// The difference that MDE names is found as often as it says.
func TestMDE(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 0))
	const blocks = 12
	mde := (quantileT(0.90, blocks-1) + quantileT(0.99, blocks-1)) / math.Sqrt(blocks) // for an sd of 1
	found, n := 0, experiments(3000)
	for range n {
		x := make([]float64, blocks)
		for i := range x {
			x[i] = mde + rng.NormFloat64()
		}
		if e := estimated(x); e.PSlower < Alpha {
			found++
		}
	}
	share := float64(found) / float64(n)
	t.Logf("found %.3f", share)
	assert.InDelta(t, 0.90, share, 0.02+chance(0.9, n))
}

// What other ways from slices to a verdict are caught by, so that the tests above
// are no mere ornament.
func TestOtherEstimatorsFail(t *testing.T) {
	n := experiments(600)
	unpaired := func(arms [2][][]float64) Estimate {
		for _, rounds := range arms[1] {
			slices.Reverse(rounds)
		}
		return ours(arms)
	}
	for name, estimate := range map[string]estimator{
		"ratio of means":           perBlock(mean),
		"ratio of minima":          perBlock(slices.Min),
		"rounds of different time": unpaired,
	} {
		found, _, _ := oneProcessor.power(n, 0, Alpha, estimate)
		t.Logf("%s: a true 2 %% is found in %.3f", name, found)
		assert.Less(t, found, 0.7+chance(0.7, n), name)
	}
	w := world{"", 6, 30, normal(0.02), normal(0.04)}
	share, _ := w.coverage(n, func(arms [2][][]float64) Estimate {
		var x []float64
		for i := range arms[0] {
			for j := range arms[0][i] {
				x = append(x, math.Log(arms[1][i][j]/arms[0][i][j]))
			}
		}
		return estimated(x)
	})
	t.Logf("slices as samples: covers %.4f", share)
	assert.Less(t, share, 0.8+chance(0.8, n))
}

// Other quantiles would be caught by the coverage of few blocks.
func TestOtherWidthsFail(t *testing.T) {
	w := worlds[0]
	of := quantileT(0.975, w.blocks-1)
	widths := map[string]float64{
		"normal, not t":       1.96 / of,
		"n, not n-1, in SD":   math.Sqrt(5. / 6),
		"one-sided":           quantileT(0.95, 5) / of,
		"n degrees, not n-1":  quantileT(0.975, 6) / of,
		"too careful by 10 %": 1.1,
	}
	n := experiments(10_000)
	covered := map[string]int{}
	rng := rand.New(rand.NewPCG(uint64(w.blocks), uint64(w.rounds)))
	for range n {
		e := ours(w.experiment(rng, 0))
		for name, factor := range widths {
			if math.Abs(e.Mean) <= factor*(e.High-e.Mean) {
				covered[name]++
			}
		}
	}
	for name := range widths {
		share := float64(covered[name]) / float64(n)
		t.Logf("%s: covers %.4f", name, share)
		if !testing.Short() {
			assert.True(t, share < 0.94 || share > 0.96, name)
		}
	}
}

func mean(x []float64) (m float64) {
	for _, v := range x {
		m += v / float64(len(x))
	}
	return m
}

// estimated is Compare without the bootstrap.
func estimated(x []float64) Estimate { return estimate(x, tails(len(x))) }

// A limit, shown: where only head has processes of bad luck, the effects of
// blocks are skewed about their mean, and intervals of few blocks miss it too
// often.
func TestSkewedBlocksAreCoveredLess(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 0))
	n := experiments(2000)
	for _, blocks := range []int{6, 12} {
		covered := 0
		for range n {
			x := make([]float64, blocks)
			for i := range x {
				x[i] = 0.01 * rng.ExpFloat64()
			}
			if e := estimated(x); e.Low <= 0.01 && 0.01 <= e.High {
				covered++
			}
		}
		share := float64(covered) / float64(n)
		t.Logf("%d blocks with exponential effects: covers %.4f", blocks, share)
		assert.InDelta(t, 0.89, share, 0.03+chance(0.9, n)/2)
	}
}
