package bench_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/stats"
	"informerlab/loadgen"
)

// A stalledQueue is a pipeline of one server whose generator stalls.
type stalledQueue struct {
	service time.Duration // on average; exponential
	between int           // events between two stalls; 0 = none
	rng     *rand.Rand
}

// gap is the time between events, meanStall that of exponential stalls.
const (
	gap       = 2 * time.Millisecond
	meanStall = 10 * time.Millisecond
)

// measure plays a load to a recorder in simulated time. It returns the percentiles of its
// latencies and of their lower bounds.
func (q *stalledQueue) measure(load *loadgen.Load, expect *loadgen.Expect) (lower, upper []float64) {
	r := loadgen.NewRecorder(expect, loadgen.RecorderOptions{Latency: true})
	held := map[string]*loadgen.Object{}
	for _, o := range load.Lists[0].Objects {
		r.OnAdd(o, true)
		held[o.GetName()] = o
	}
	lag := loadgen.NewStream(load, nil).Pace().Lag
	r.Follow(lag)
	start := time.Now()
	r.Release(start)
	var ends []time.Duration // of events that have been handed out, by number
	called := 0
	callUntil := func(t time.Duration) {
		for ; called < len(ends) && ends[called] <= t; called++ {
			time.Sleep(ends[called] - time.Since(start))
			o := load.Event(called).Object
			if before := held[o.GetName()]; before != nil {
				r.OnUpdate(before, o)
			} else {
				r.OnAdd(o, false)
			}
			held[o.GetName()] = o
		}
	}
	var stalled, free time.Duration
	for i := range load.Len() {
		due := load.Event(i).Due
		if q.between > 0 && q.rng.IntN(q.between) == 0 {
			stalled = due + time.Duration(q.rng.ExpFloat64()*float64(meanStall))
		}
		sent := max(due, stalled)
		callUntil(sent)
		lag.Late(sent-due, sent)
		free = max(free, sent) + time.Duration(q.rng.ExpFloat64()*float64(q.service))
		ends = append(ends, free)
	}
	callUntil(math.MaxInt64)
	latency := r.Latency()
	bound := lag.Lower(latency)
	if bound == nil {
		bound = latency
	}
	for _, percent := range []float64{50, 90, 99} {
		lower = append(lower, float64(bound.ValueAtQuantile(percent)))
		upper = append(upper, float64(latency.ValueAtQuantile(percent)))
	}
	return lower, upper
}

// A lateCase is a comparison whose truth is known.
type lateCase struct {
	factor     float64 // of head's service over base's
	base, head float64 // shares of blocks in which the generator stalls
}

// compare returns the verdicts on three percentiles from twelve blocks, by their
// bounds and as if what was measured were exact.
func (c lateCase) compare(
	load *loadgen.Load, expect *loadgen.Expect, rng *rand.Rand,
) (bounded, naive []stats.Verdict) {
	var blocks, upper [3][]stats.Bounds
	for range 12 {
		arm := func(factor, stalls float64) ([]float64, []float64) {
			q := &stalledQueue{rng: rng, service: time.Duration(factor * float64(gap) / 4)}
			if rng.Float64() < stalls {
				q.between = 50
			}
			return q.measure(load, expect)
		}
		machine := math.Exp(0.05 * rng.NormFloat64()) // how slow it is in this block
		baseLow, baseHigh := arm(machine, c.base)
		headLow, headHigh := arm(machine*c.factor*math.Exp(0.03*rng.NormFloat64()), c.head)
		for i := range blocks {
			base, head := baseHigh[i:i+1], headHigh[i:i+1]
			blocks[i] = append(blocks[i], stats.BoundsOf(baseLow[i:i+1], base, headLow[i:i+1], head))
			upper[i] = append(upper[i], stats.BoundsOf(base, base, head, head))
		}
	}
	return judged(blocks[:]), judged(upper[:])
}

// judged returns the verdicts on rows of blocks.
func judged(rows [][]stats.Bounds) (verdicts []stats.Verdict) {
	var estimates []stats.Estimate
	var slower, faster []float64
	for _, blocks := range rows {
		e := stats.CompareBounds(blocks)
		estimates = append(estimates, e)
		slower, faster = append(slower, e.PSlower), append(faster, e.PFaster)
	}
	slower, faster = stats.Holm(slower), stats.Holm(faster)
	for i, e := range estimates {
		verdict, _ := stats.Judge(e, slower[i], faster[i], 0.02, stats.Strict)
		verdicts = append(verdicts, verdict)
	}
	return verdicts
}

// wrong reports whether a verdict contradicts the truth.
func (c lateCase) wrong(v stats.Verdict) bool {
	if c.factor == 1 {
		return v == stats.Slower || v == stats.Faster
	}
	return v == stats.Faster || v == stats.Equivalent
}

// TestLateGeneratorsGiveNoWrongVerdict compares pipelines that are equal, or of which
// one takes 1.5 or 3 times as long, by the real recorder and the judge's statistics,
// while the generators of some or all blocks, and of one side or both, stall for
// 10 ms now and then. At most 1 % of verdicts are wrong, though more than that would
// be if what was measured were taken for exact; and few of the true differences
// stay unknown where few blocks are late.
func TestLateGeneratorsGiveNoWrongVerdict(t *testing.T) {
	load := onlyLoad(t, parse(t, "steady:listeners=1,rate=500,events=200,keys=10"))
	expect := load.Expect()
	rng := rand.New(rand.NewPCG(7, 8))
	rows, wrong, naively, found, large := 0, 0, 0, 0, 0
	synctest.Test(t, func(t *testing.T) {
		for _, factor := range []float64{1, 1.5, 3} {
			for _, late := range [][2]float64{{0.1, 0.1}, {0, 0.5}, {0.5, 0}, {1, 0}, {0, 1}, {1, 1}} {
				c := lateCase{factor, late[0], late[1]}
				for range 8 {
					bounded, naive := c.compare(load, expect, rng)
					for i, v := range bounded {
						rows++
						if c.wrong(v) {
							wrong++
						}
						if c.wrong(naive[i]) {
							naively++
						}
						if factor == 3 && late[0]+late[1] < 0.5 {
							large++
							if v == stats.Slower {
								found++
							}
						}
					}
				}
			}
		}
	})
	t.Logf("%d verdicts: %d wrong; %d if latencies were taken for exact; %d of %d large differences found",
		rows, wrong, naively, found, large)
	require.Positive(t, large)
	assert.LessOrEqual(t, wrong, rows/100)
	assert.Greater(t, naively, rows/100, "the simulation tells the two apart")
	assert.Greater(t, found, large*8/10)
}
