// Package stats tells a true difference from noise, given runs of two arms
// side by side in several blocks of fresh processes.
//
//	rounds of a block          one number a block      over blocks               over rows
//	base 1.00 1.31 0.98 ┐
//	head 1.02 1.35 1.00 ┴─ LogRatio ──▶ +0.020 ┐
//	                                    +0.017 ├─ Compare ──▶ Estimate ┬─ Holm ─┬─▶ Judge ──▶ slower, faster,
//	                                    +0.025 ┘   (interval, p, MDE)  └────────┘             equivalent, inconclusive
//
// The unit of analysis is the block. Rounds of one process share its memory
// layout, its goroutines' placement and its hour of the day, so more of them
// describe that process better, not the program; blocks are independent, and
// everything after LogRatio counts blocks only. Within a block, a round runs
// both arms within a moment or at the same time, so what slows the machine for
// longer cancels in the ratio, and the median over rounds ignores the few that
// were disturbed.
//
// Limits: a block whose two arms differ by luck of their processes is noise
// that only more blocks reduce. The tests and the interval take that noise to be
// symmetric about its centre: exchanging the arms of a null comparison mirrors
// the log ratio, so there it is. An interval about a true difference with skewed
// noise misses it more often than it says, the more so with few blocks. Repeated
// looks at growing data need their own correction, unless what stops them is the
// width of the interval alone.
//
// All functions are pure and may be called concurrently. Randomness has a fixed
// seed: equal input gives equal output.
package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	moremath "github.com/aclements/go-moremath/stats"
)

const (
	// fromNothing is the factor that stands for a change from or to zero. It
	// makes the first allocation of a path that had none a change beyond every
	// floor, and yet finite.
	fromNothing = 1e6
	resamples   = 1000
	// trimmed is the share of blocks at either end that the mean leaves out: now and
	// then something else runs during one, and it is far from all others.
	trimmed = 0.1
	// most is the largest number of degrees of freedom, and of blocks, that is
	// told apart from more.
	most = 10_000
)

// LogRatio is the difference of two arms in one block: the median over rounds of
// the natural logarithm of head/base. base[i] and head[i] are of the same round,
// NaN where it was not measured. Left out are what one of them lacks at its end
// and rounds in which a value is negative, infinite or NaN. Two zeros do not
// differ (0), and a change from or to zero counts as a factor of a million. Without
// a round left it is NaN, which Compare leaves out.
func LogRatio(base, head []float64) float64 {
	ratios := make([]float64, 0, len(base))
	limit := math.Log(fromNothing)
	for i := range min(len(base), len(head)) {
		b, h := base[i], head[i]
		if !(b >= 0 && h >= 0) || math.IsInf(b, 1) || math.IsInf(h, 1) {
			continue
		}
		ratio := 0.0
		if b != h {
			ratio = min(max(math.Log(h)-math.Log(b), -limit), limit)
		}
		ratios = append(ratios, ratio)
	}
	return Median(ratios)
}

// Median returns the middle of the values, or the mean of the two in the middle. It
// leaves out those that are NaN, and is NaN of nothing.
func Median(values []float64) float64 {
	x := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	if len(x) == 0 {
		return math.NaN()
	}
	slices.Sort(x)
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// An Estimate says how much head differs from base, in natural logarithms of
// head/base (0.02 is 2 % slower, for a cost), over blocks of processes. What too
// few blocks cannot tell is infinite, or NaN for the mean of none.
type Estimate struct {
	Blocks            int     // that were used
	Mean, SD          float64 // trimmed mean over blocks; SD is its standard error times √Blocks
	Low, High         float64 // 95 % interval of the mean by Student's t
	Low90, High90     float64 // 90 %: inside the floors is what two one-sided tests at 5 % call equivalent
	BootLow, BootHigh float64 // 95 % by the studentised bootstrap, a check of Low and High that assumes no normality
	PSlower, PFaster  float64 // one-sided sign-flip permutation tests of no difference against Mean > 0, Mean < 0
	MDE               float64 // found with about 90 % power at one-sided 1 %, as the only row and without a floor
}

// Compare estimates the difference from the log ratios of blocks, each one block
// and independent of the others. It leaves out those that are NaN or infinite.
//
// The block is the only level, as in Kalibera and Jones, Quantifying performance
// changes with effect size confidence intervals (2012). The mean is trimmed by a
// tenth of the blocks at either end, with the interval of Tukey and McLaughlin,
// Less vulnerable confidence and significance procedures for location (1963): a t
// interval of the winsorized variance. The bootstrap is that of Efron and
// Tibshirani, An Introduction to the Bootstrap (1993), chapter 12.
func Compare(logRatios []float64) Estimate {
	x := slices.DeleteFunc(slices.Clone(logRatios), func(v float64) bool {
		return math.IsNaN(v) || math.IsInf(v, 0)
	})
	e := estimate(x, tails(len(x)))
	if len(x) > 1 {
		low, high := studentised(x, tails(len(x)), e.Mean, e.SD)
		se := e.SD / math.Sqrt(float64(len(x)))
		e.BootLow, e.BootHigh = e.Mean-high*se, e.Mean-low*se
	}
	return e
}

// Interval returns the interval of the mean at a level such as 0.95, by Student's t;
// of fewer than two blocks it is infinite. A wider level serves several rows at once.
func (e Estimate) Interval(level float64) (low, high float64) {
	if e.Blocks < 2 {
		return math.Inf(-1), math.Inf(1)
	}
	half := e.SD / math.Sqrt(float64(e.Blocks)) * quantileT(1-(1-level)/2, degrees(e.Blocks))
	return e.Mean - half, e.Mean + half
}

// tails returns how many of n blocks are trimmed at either end.
func tails(n int) int { return int(trimmed * float64(n)) }

// degrees returns the degrees of freedom of the mean of n blocks.
func degrees(n int) int { return n - 2*tails(n) - 1 }

// estimate is Compare of finite values without the bootstrap, on which no verdict
// depends and which takes most of the time, with so many values trimmed at either
// end.
func estimate(x []float64, tails int) Estimate {
	inf := math.Inf(1)
	e := Estimate{
		Blocks: len(x), Mean: math.NaN(), SD: inf, MDE: inf,
		Low: -inf, High: inf, Low90: -inf, High90: inf, BootLow: -inf, BootHigh: inf,
	}
	e.PSlower, e.PFaster = signFlip(clipped(x))
	if len(x) == 1 {
		e.Mean = x[0]
	}
	if len(x) < 2 {
		return e
	}
	e.Mean, e.SD = location(slices.Sorted(slices.Values(x)), tails)
	df, se := len(x)-2*tails-1, e.SD/math.Sqrt(float64(len(x)))
	e.Low, e.High = e.Mean-se*quantileT(0.975, df), e.Mean+se*quantileT(0.975, df)
	e.Low90, e.High90 = e.Mean-se*quantileT(0.95, df), e.Mean+se*quantileT(0.95, df)
	e.MDE = se * (quantileT(0.99, df) + quantileT(0.90, df))
	return e
}

// location returns the trimmed mean of at least two ascending values, and its
// standard error times the root of their number. Values that do not differ have
// none, whatever a sum rounds to.
func location(x []float64, tails int) (mean, sd float64) {
	low, high := x[tails], x[len(x)-tails-1]
	if low == high {
		return low, 0
	}
	kept := x[tails : len(x)-tails]
	all := 0.0 // the winsorized mean
	for _, v := range kept {
		mean += v / float64(len(kept))
		all += v / float64(len(x))
	}
	all += float64(tails) * (low + high) / float64(len(x))
	squares := float64(tails) * ((low-all)*(low-all) + (high-all)*(high-all))
	for _, v := range kept {
		squares += (v - all) * (v - all)
	}
	h := float64(len(kept))
	return mean, math.Sqrt(squares / (h * (h - 1)) * float64(len(x)))
}

// quantiles keeps what quantileT has found: every row of a comparison, and every
// resampled comparison, asks for the same few, and each is found by bisection.
var quantiles sync.Map // of point to float64

type point struct {
	p  float64
	df int
}

// quantileT returns the value that Student's t with df degrees of freedom stays
// below with probability p.
func quantileT(p float64, df int) float64 {
	at := point{p, min(df, most)}
	if q, found := quantiles.Load(at); found {
		return q.(float64)
	}
	q := moremath.InvCDF(moremath.TDist{V: float64(at.df)})(p)
	quantiles.Store(at, q)
	return q
}

// studentised returns the 2.5 % and 97.5 % quantiles of (mean of a resample -
// mean) in standard errors of that resample. They are infinite while so few
// blocks are there that a resample often repeats one of them throughout.
func studentised(x []float64, tails int, mean, sd float64) (low, high float64) {
	if sd == 0 {
		return 0, 0
	}
	rng := rand.New(rand.NewPCG(1, resamples))
	t, resample := make([]float64, resamples), make([]float64, len(x))
	for i := range t {
		for k := range resample {
			resample[k] = x[rng.IntN(len(x))]
		}
		slices.Sort(resample)
		m, s := location(resample, tails)
		if m != mean {
			t[i] = (m - mean) / (s / math.Sqrt(float64(len(x))))
		}
	}
	slices.Sort(t)
	const tail = resamples / 40
	return (t[tail-1] + t[tail]) / 2, (t[resamples-tail-1] + t[resamples-tail]) / 2
}
