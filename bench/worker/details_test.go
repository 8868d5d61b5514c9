package worker_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/contestants"
	"informerlab/bench/worker"
	"informerlab/core/realtime"
)

// detail returns a figure of a result.
func detail(t *testing.T, r *worker.Result, unit string) float64 {
	t.Helper()
	for _, m := range r.Metrics() {
		if m.Unit == unit {
			return m.Value
		}
	}
	require.Fail(t, "no such figure", unit)
	return 0
}

// TestSpinMakesRunsLonger injects a slowdown of a hundredfold and finds a tenth of it
// at least, in wall time and in processor time.
func TestSpinMakesRunsLonger(t *testing.T) {
	for _, procs := range []int{1, 2} {
		realtime.Attempt(t, 5, func(time.Duration) error {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			s := prepared(t, contestants.Ours()[1], "saturate:listeners=1,events=20000")
			plain, err := s.Run()
			require.NoError(t, err)
			s.Spin = 10_000
			spun, err := s.Run()
			require.NoError(t, err)
			if spun.WallNS < 10*plain.WallNS || spun.CPUNS < 10*plain.CPUNS {
				return fmt.Errorf("%d processors: %d and %d ns became %d and %d", procs,
					plain.WallNS, plain.CPUNS, spun.WallNS, spun.CPUNS)
			}
			return nil
		})
	}
}

// TestDetails looks at what the runtime and the machine tell of a run.
func TestDetails(t *testing.T) {
	s := prepared(t, contestants.Ours()[0], "saturate:listeners=2,events=20000") // hands over event by event
	r, err := s.Run()
	require.NoError(t, err)
	assert.InEpsilon(t, 1e9*float64(r.Events)/float64(r.WallNS), detail(t, r, worker.EventsPerSecond), 1e-9)
	assert.Greater(t, detail(t, r, worker.Wakeups), 0.5, "of each event, by a sample of one in eight")
	assert.Positive(t, detail(t, r, worker.SchedulerP99))
	assert.LessOrEqual(t, r.Steal, 1.0)
	assert.LessOrEqual(t, r.Pressure, 1.0)
	assert.Empty(t, r.Timeline)
	assert.Empty(t, r.Histogram, "a closed loop has no latency")
}

// TestSharedRunsHaveNoTimesByTheClock leaves of every kind of run what is its own.
func TestSharedRunsHaveNoTimesByTheClock(t *testing.T) {
	for _, label := range []string{"saturate:events=2000", "stall:events=2000", "steady:rate=1000000,events=2000"} {
		r, err := prepared(t, contestants.Ours()[0], label).Run()
		require.NoError(t, err)
		alone := r.Metrics()
		r.Share()
		var left []string
		for _, m := range r.Metrics() {
			left = append(left, m.Unit)
		}
		assert.Subset(t, left, []string{worker.CPUNSPerEvent, worker.BytesPerEvent, worker.AllocsPerEvent}, label)
		assert.Greater(t, len(alone), len(left), label)
		for _, unit := range left {
			if unit != worker.CPUNSPerEvent {
				assert.NotRegexp(t, "(^|-)ns|/s$", unit, label)
			}
		}
	}
}

// watched runs a workload until enough was seen of it, for which whoever looks has to
// get a processor in time.
func watched(t *testing.T, label string, enough func(*worker.Result) bool) (r *worker.Result) {
	t.Helper()
	s := prepared(t, contestants.Ours()[1], label)
	s.Timeline = true
	realtime.Attempt(t, 10, func(time.Duration) (err error) {
		r, err = s.Run()
		require.NoError(t, err)
		require.NotEmpty(t, r.Timeline)
		if !enough(r) {
			return fmt.Errorf("too little is seen of %s: %d samples", label, len(r.Timeline))
		}
		return nil
	})
	return r
}

// TestTimelineShowsAStall looks at how the backlog of a stopped handler grows and
// drains, and at the histogram of an open loop.
func TestTimelineShowsAStall(t *testing.T) {
	r := watched(t, "stall:events=200000,keys=100", func(r *worker.Result) bool {
		return detail(t, r, worker.BacklogMax) > 1000
	})
	last := int64(-1)
	for _, sample := range r.Timeline {
		assert.Greater(t, sample.AtNS, last)
		last = sample.AtNS
		assert.Positive(t, sample.Heap)
	}
	assert.Positive(t, detail(t, r, worker.OldestMax))

	r = watched(t, "steady:events=2000,rate=20000", func(r *worker.Result) bool {
		return len(r.Timeline) >= int(time.Duration(r.WallNS)/(10*time.Millisecond))
	})
	h, err := hdrhistogram.Decode([]byte(r.Histogram))
	require.NoError(t, err)
	assert.Equal(t, r.Latency.Count, h.TotalCount())
	assert.Equal(t, r.Latency.P99, h.ValueAtQuantile(99))
}
