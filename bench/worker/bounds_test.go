package worker_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/contestants"
	"informerlab/bench/worker"
)

// valuesOf returns the metrics of a result by unit.
func valuesOf(r *worker.Result) map[string]float64 {
	values := map[string]float64{}
	for _, m := range r.Metrics() {
		values[m.Unit] = m.Value
	}
	return values
}

// TestLowerBounds looks which metrics a late generator adds, and that it takes none.
func TestLowerBounds(t *testing.T) {
	r := &worker.Result{
		Latency:  &worker.Quantiles{P50: 1, P90: 2, P99: 30e6, P999: 40e6, Max: 50e6},
		Lower:    &worker.Quantiles{P50: 1, P90: 2, P99: 10e6, P999: 11e6, Max: 12e6},
		Lateness: &worker.Quantiles{P99: 20e6, Max: 20e6}, Stall: &worker.Stalled{},
		WallNS: 1e9, SpanNS: 1e9, CPUNS: 1e9, Processors: 2,
	}
	bounds := map[string]float64{
		worker.P50: 1, worker.P90: 2, worker.P99: 10e6, worker.P999: 11e6, worker.MaxLatency: 12e6,
	}
	late := valuesOf(r)
	for unit, lower := range bounds {
		assert.Equal(t, lower, late[worker.LowerOf(unit)], unit)
		assert.GreaterOrEqual(t, late[unit], lower, unit)
	}
	assert.EqualValues(t, 1, late[worker.LateRuns])
	assert.Zero(t, late[worker.SaturatedRuns])

	r.CPUNS = 1.9e9
	saturated := valuesOf(r)
	assert.EqualValues(t, 1, saturated[worker.LateRuns])
	assert.EqualValues(t, 1, saturated[worker.SaturatedRuns])
	r.CPUNS, r.Lower = 1e9, nil
	exact := valuesOf(r)
	assert.Contains(t, exact, worker.LateRuns)
	assert.Zero(t, exact[worker.LateRuns])
	for unit := range bounds {
		assert.NotContains(t, saturated, worker.LowerOf(unit), "its lateness is its own")
		assert.NotContains(t, exact, worker.LowerOf(unit))
		assert.Equal(t, late[unit], exact[unit])
	}
	r.Lower = r.Latency
	r.Share()
	for unit := range valuesOf(r) {
		assert.NotContains(t, []string{worker.P99, worker.P99Lower, worker.LateRuns, worker.SaturatedRuns}, unit)
	}
	assert.Empty(t, worker.LowerOf(worker.NSPerEvent))
}

func TestSaturated(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *worker.Result)
		want   bool
	}{
		"timely":                {func(*worker.Result) {}, false},
		"all processors":        {func(r *worker.Result) { r.CPUNS = 1.8e9 }, true},
		"nearly all":            {func(r *worker.Result) { r.CPUNS = 1.79e9 }, false},
		"of more processors":    {func(r *worker.Result) { r.CPUNS, r.Processors = 1.8e9, 4 }, false},
		"with others":           {func(r *worker.Result) { r.CPUNS, r.OthersCPU = 1.8e9, 0.1 }, false},
		"others are not known":  {func(r *worker.Result) { r.CPUNS, r.OthersCPU = 1.8e9, -1 }, false},
		"a closed loop":         {func(r *worker.Result) { r.CPUNS, r.Lateness = 2e9, nil }, false},
		"no latency":            {func(r *worker.Result) { r.CPUNS, r.Latency = 2e9, nil }, false},
		"a backlog at the end":  {func(r *worker.Result) { r.WallNS = 1.12e9 }, true},
		"of others' processors": {func(r *worker.Result) { r.WallNS, r.OthersCPU = 1.12e9, 0.2 }, false},
		"a generator late then": {func(r *worker.Result) { r.WallNS, r.Lateness.Max = 1.12e9, 20e6 }, false},
	} {
		r := &worker.Result{
			Latency: &worker.Quantiles{P99: 1e6}, Lateness: &worker.Quantiles{Max: 1e6},
			WallNS: 1e9, SpanNS: 1e9, CPUNS: 1e9, Processors: 2, OthersCPU: 0.05,
		}
		c.change(r)
		assert.Equal(t, c.want, r.Saturated(), name)
	}
}

// TestGrowingBacklogSaturates plays more and less than a handler can take in
// simulated time, in which no program uses the processor.
func TestGrowingBacklogSaturates(t *testing.T) {
	for utilization, want := range map[int]bool{50: false, 95: false, 150: true} {
		synctest.Test(t, func(t *testing.T) {
			label := fmt.Sprintf("poisson:utilization=%d,cost=1ms,work=sleep,seconds=0,events=2000", utilization)
			c, err := worker.Find(contestants.Ours(), "ring")
			require.NoError(t, err)
			r, err := prepared(t, c, label).Run()
			require.NoError(t, err)
			r.OthersCPU, r.CPUNS = 0, 0
			t.Logf("%d %%: %v of %v", utilization, time.Duration(r.WallNS), time.Duration(r.SpanNS))
			assert.Equal(t, want, r.Saturated(), "%d %%", utilization)
			assert.Nil(t, r.Lower, "a simulated generator is never late")
			assert.Positive(t, r.Processors)
		})
	}
}
