package judge_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/judge"
	"informerlab/bench/report"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
	"informerlab/core/buffer"
)

const load = "saturate:listeners=1"

// slices returns runs of a machine that drifts: factor tells how much longer a
// side takes, by its name.
func slices(blocks int, unit string, factor map[string]float64) (all []run.Slice) {
	rng := rand.New(rand.NewPCG(1, 2))
	for block := 1; block <= blocks; block++ {
		for round := 1; round <= 9; round++ {
			drift := math.Exp(0.1*math.Sin(float64(block)) + 0.2*rng.NormFloat64())
			for side, f := range factor {
				noise := math.Exp(0.01 * rng.NormFloat64())
				all = append(all, run.Slice{
					Row: run.Row{Workload: load, Buffer: "ring", Side: side}, Block: block, Round: round,
					Values: map[string]float64{unit: 100 * drift * noise * f},
				})
			}
		}
	}
	return all
}

var rules = judge.Rules{Metrics: judge.Timing(1), Alpha: stats.Strict, Percent: 3}

func TestSides(t *testing.T) {
	for name, c := range map[string]struct {
		head, again, slowed float64
		verdict             stats.Verdict
		fit                 bool
		outcome             string
	}{
		"the same":          {1, 1, 1.03, stats.Equivalent, true, "not slower"},
		"slower":            {1.02, 1, 1.03, stats.Slower, true, "slower: 1 of 1"},
		"faster":            {0.95, 1, 1.03, stats.Faster, true, "not slower"},
		"a control differs": {1.02, 1.02, 1.03, stats.Slower, false, "unfit"},
		"a control missed":  {1, 1, 1, stats.Equivalent, false, "unfit"},
	} {
		all := slices(16, worker.CPUNSPerEvent, map[string]float64{
			judge.Base: 1, judge.Head: c.head, judge.Again: c.again, judge.Slowed: c.slowed,
		})
		got := judge.Sides(all, rules)
		require.Len(t, got.Rows, 1, name)
		require.Len(t, got.Controls, 2, name)
		r := got.Rows[0]
		assert.Equal(t, c.verdict, r.Verdict, name)
		assert.InDelta(t, math.Log(c.head), r.Mean, 0.005, name)
		assert.Equal(t, 16, r.Estimate.Blocks)
		assert.Equal(t, c.fit, got.Fit(), name)
		assert.Contains(t, got.Outcome(), c.outcome, name)
		var text strings.Builder
		require.NoError(t, report.Comparison(&text, got))
		assert.Contains(t, text.String(), got.Outcome())
		assert.Contains(t, text.String(), "| "+load+" | ring   | cpu-ns/event | ")
		assert.Equal(t, !c.fit, strings.Contains(text.String(), "not as expected"), name)
	}
}

// TestLatencyHasNoSlowedControl as nothing is delayed by what follows it.
func TestLatencyHasNoSlowedControl(t *testing.T) {
	all := slices(16, worker.P99, map[string]float64{
		judge.Base: 1, judge.Head: 1, judge.Again: 1, judge.Slowed: 1,
	})
	got := judge.Sides(all, judge.Rules{Metrics: judge.Timing(2), Alpha: stats.Strict, Percent: 3})
	require.Len(t, got.Controls, 1)
	assert.Equal(t, judge.Again, got.Controls[0].Row.Side)
	assert.True(t, got.Fit())
}

// TestFewBlocksAreInconclusive looks at a comparison that cannot know yet.
func TestFewBlocksAreInconclusive(t *testing.T) {
	all := slices(3, worker.CPUNSPerEvent, map[string]float64{judge.Base: 1, judge.Head: 1.05})
	got := judge.Sides(all, rules)
	require.Len(t, got.Of(stats.Inconclusive), 1)
	assert.GreaterOrEqual(t, got.Rows[0].Needs, 6, "nine are the fewest that can prove anything at 0.002")
	assert.False(t, got.Fit(), "without controls")
}

// TestMissingRows has a base with figures that head lacks.
func TestMissingRows(t *testing.T) {
	all := slices(12, worker.CPUNSPerEvent, map[string]float64{judge.Base: 1})
	got := judge.Sides(all, rules)
	require.Len(t, got.Of(stats.Missing), 1)
	assert.Equal(t, run.Row{Workload: load, Buffer: "ring", Side: judge.Head}, got.Rows[0].Row)
	assert.Contains(t, got.Outcome(), "missing: 1 row that base has")
	none := judge.Sides(slices(12, worker.CPUNSPerEvent, map[string]float64{judge.Head: 1}), rules)
	assert.Empty(t, none.Rows, "head may have what base has not")
	assert.Equal(t, "nothing was compared", none.Outcome())
}

// TestMoreEventsPerSecondAreBetter turns a figure of which more is better around.
func TestMoreEventsPerSecondAreBetter(t *testing.T) {
	r := judge.Rules{Metrics: []judge.Metric{{Unit: worker.EventsPerSecond, Floor: 0.01}}, Alpha: stats.Strict}
	all := slices(16, worker.EventsPerSecond, map[string]float64{judge.Base: 1, judge.Head: 0.9})
	assert.Equal(t, stats.Slower, judge.Sides(all, r).Rows[0].Verdict)
}

// TestBuffersAndWinners ranks the buffers of one run.
func TestBuffersAndWinners(t *testing.T) {
	recorded := &run.Recorded{}
	arm := func(name string, traits buffer.Traits, factor float64) {
		recorded.Manifest.Arms = append(recorded.Manifest.Arms, run.ArmInfo{Buffer: name, Traits: traits})
		for _, s := range slices(8, worker.NSPerEvent, map[string]float64{"": factor}) {
			s.Buffer = name
			recorded.Slices = append(recorded.Slices, s)
		}
	}
	fifo := buffer.Traits{Order: buffer.FIFO, Loss: buffer.Lossless, Bound: buffer.Unbounded}
	arm("reference", fifo, 5)
	arm("ring", fifo, 1)
	arm("chunked", fifo, 1.001)
	arm("null", buffer.Traits{Loss: buffer.DropsEvery, Bound: buffer.Nothing}, 0.1)
	arm("direct", buffer.Traits{Order: buffer.FIFO, Loss: buffer.Lossless, Bound: buffer.Nothing}, 0.1)

	recorded.Manifest.Workloads = []string{load}
	judged := judge.Of(recorded, "")
	winners := judged.Winners
	require.Len(t, winners, 1)
	assert.Equal(t, "tie: ring, chunked", winners[0].String())
	assert.Equal(t, "reference", winners[0].Next.Buffer)
	var text strings.Builder
	require.NoError(t, report.Winners(&text, judged))
	assert.Regexp(t, `tie: ring, chunked +next is reference, 5.\d+× \[`, text.String())

	rows := judge.Buffers(judged.Blocks, "reference", judge.Rules{
		Metrics: []judge.Metric{{Unit: worker.NSPerEvent, Floor: 0.015}}, Alpha: stats.Alpha,
	})
	require.Len(t, rows, 4)
	for _, r := range rows {
		assert.Equal(t, stats.Faster, r.Verdict, r.Buffer)
	}
}
