package run_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/run"
	"informerlab/bench/worker"
	"informerlab/loadgen"
)

// Half as many rounds as are planned may be measured again because the machine
// was disturbed; then they count all the same.
func TestDisturbedRoundsAreMeasuredAgain(t *testing.T) {
	p := plan(t, "disturbed", "fast")
	calls := 0
	p.Each = func(loadgen.Workload, run.Arm, *worker.Result) { calls++ }
	folder := create(t, p)
	require.NoError(t, run.Execute(t.Context(), p, folder))
	require.Len(t, folder.Fitness(), 2)
	for _, f := range folder.Fitness() {
		assert.Equal(t, 9, f.Rounds)
		assert.Equal(t, 4, f.Discarded)
		assert.Equal(t, 9, f.Disturbed)
		assert.Zero(t, f.Late)
		assert.Equal(t, "0000000000000007", f.Store)
		assert.Equal(t, "9 rounds, 4 more discarded because other programs used the machine, 9 kept though they did",
			f.String())
	}
	assert.Equal(t, 2*9*2, calls, "for each result that counts")
	assert.Equal(t, folder.Fitness()[0].Discarded, manifest(t, folder).Fitness[0].Discarded)
	assert.Contains(t, manifest(t, folder).Described[0], "listeners = 2")
}

// A run whose generator was late has bounds of latency, and is counted.
func TestLateRunsAreCounted(t *testing.T) {
	p := plan(t, "late", "fast")
	folder := create(t, p)
	require.NoError(t, run.Execute(t.Context(), p, folder))
	f := folder.Fitness()[0]
	assert.Equal(t, 3, f.Late, "the first of each process")
	assert.Zero(t, f.Discarded)
	assert.Equal(t, "3 runs with bounds of latency because the generator was late", f.String())
	raw := read(t, folder, "raw.txt")
	assert.Contains(t, raw, "2e+07 p99-ns 0", "as measured")
	assert.Contains(t, raw, "2e+07 p99-lower-ns", "the median of 11, 20 and 20 ms")
	assert.Contains(t, raw, " 0.333333 late", "the share of rounds")
	recorded, err := run.Open(folder.Path)
	require.NoError(t, err)
	for _, s := range recorded.Slices {
		upper, measured := s.Values[worker.P99]
		lower, late := s.Values[worker.LowerOf(worker.P99)]
		assert.Equal(t, s.Buffer == "late", measured)
		if !measured {
			continue
		}
		assert.EqualValues(t, 20e6, upper)
		assert.Equal(t, s.Round == 1, late)
		assert.Equal(t, map[bool]float64{true: 11e6}[late], lower)
	}
}

func TestQuietRunsTellNothing(t *testing.T) {
	p := plan(t, "fast")
	folder := create(t, p)
	require.NoError(t, run.Execute(t.Context(), p, folder))
	assert.Empty(t, folder.Fitness()[0].String())
}

// Contestants whose caches end differently cannot both be right.
func TestCachesHaveToEndAlike(t *testing.T) {
	p := plan(t, "fast", "strange")
	err := run.Execute(t.Context(), p, create(t, p))
	assert.ErrorContains(t, err, "the caches of ")
	assert.ErrorContains(t, err, "others with ")
}
