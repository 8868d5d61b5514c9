package judge_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/judge"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
)

// bounded is a contestant whose p99, in ms, is known between two values in each block.
type bounded struct {
	name      string
	low, high []float64
}

func judged(all ...bounded) *judge.Judged {
	var contestants []contestant
	for _, b := range all {
		contestants = append(contestants, contestant{b.name, 1, len(b.high)})
	}
	r := recordedOf(len(all[0].high), contestants...)
	for i := range r.Slices {
		s := &r.Slices[i]
		for _, b := range all {
			if b.name == s.Buffer {
				noise := 1 + float64((s.Block*7+len(b.name))%5)/200
				s.Values[worker.P99] = b.high[s.Block-1] * 1e6 * noise
				if low := b.low[s.Block-1] * 1e6 * noise; low < s.Values[worker.P99] {
					s.Values[worker.LowerOf(worker.P99)] = low
				}
			}
		}
	}
	return judge.Of(r, "")
}

func repeated(v float64, n int) (all []float64) {
	for range n {
		all = append(all, v)
	}
	return all
}

// TestBoundsDecide ranks contestants by the nearer bounds.
func TestBoundsDecide(t *testing.T) {
	exact := bounded{"reference", repeated(10, 6), repeated(10, 6)}
	for name, c := range map[string]struct {
		low, high float64
		verdict   stats.Verdict
		winner    string
	}{
		"above":       {50, 100, stats.Slower, "reference"},
		"below":       {1, 2, stats.Faster, "ring"},
		"around":      {5, 100, stats.Inconclusive, "tie: reference, ring"},
		"within":      {9.9, 10.1, stats.Equivalent, "tie: "},
		"just beyond": {11.5, 100, stats.Slower, "reference"},
	} {
		j := judged(exact, bounded{"ring", repeated(c.low, 6), repeated(c.high, 6)})
		rows := j.Rows
		require.Len(t, rows, 2, name) // and CPU time
		for _, r := range rows {
			if r.Unit == worker.P99 {
				assert.Equal(t, c.verdict, r.Verdict, name)
				assert.True(t, r.Bounded, name)
			} else {
				assert.False(t, r.Bounded)
			}
		}
		assert.Contains(t, j.Winners[0].String(), c.winner, name)
		low, high := j.Blocks.Bounds(run.Row{Workload: openLoad, Buffer: "ring"}, worker.P99)
		assert.InDelta(t, c.low*1e6, low, c.low*2e4, name)
		assert.InDelta(t, c.high*1e6, high, c.high*2e4, name)
	}
}

// TestFarBehindIsNoTie has a contestant that is 2.4 s in one block of two: an interval of
// two blocks leaves out nothing, and yet it does not tie.
func TestFarBehindIsNoTie(t *testing.T) {
	j := judged(bounded{"ring", []float64{3, 30}, []float64{3, 30}},
		bounded{"chunked", []float64{4, 31}, []float64{4, 31}},
		bounded{"client-go", []float64{20, 2400}, []float64{30, 2400}})
	w := j.Winners[0]
	assert.Equal(t, "undecided: ring, chunked", w.String())
	assert.False(t, w.Won("ring"))
	require.Len(t, w.Undecided, 1)
	assert.Contains(t, w.Note(), "too few blocks to rank client-go")
}

// TestSaturatedIsSaid notes that a lag is the pipeline's own.
func TestSaturatedIsSaid(t *testing.T) {
	j := judged(bounded{"reference", repeated(10, 6), repeated(10, 6)}, bounded{"ring", repeated(1, 6), repeated(1, 6)})
	for i := range j.Run.Slices {
		if s := &j.Run.Slices[i]; s.Buffer == "reference" && s.Block <= 2 {
			s.Values[worker.SaturatedRuns] = 1
		}
	}
	for _, r := range judge.Of(j.Run, "").Rows {
		if r.Unit == worker.P99 {
			assert.Equal(t, "faster: reference saturated the machine in 2 of 6 blocks", r.Words())
		} else {
			assert.Empty(t, r.Note)
		}
	}
}
