package worker_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/contestants"
	"informerlab/bench/worker"
	"informerlab/loadgen"
)

func prepare(t *testing.T, fault, spec string) *worker.Session {
	t.Helper()
	return prepared(t, fakes(fault)[0], spec)
}

func prepared(t *testing.T, c worker.Contestant, spec string) *worker.Session {
	t.Helper()
	w, err := loadgen.ParseWorkload(spec)
	require.NoError(t, err)
	s, err := worker.Prepare(c, w)
	require.NoError(t, err)
	return s
}

// ours returns one of the real contestants.
func ours(t *testing.T, spec string) worker.Contestant {
	t.Helper()
	c, err := worker.Find(contestants.Ours(), spec)
	require.NoError(t, err)
	return c
}

// units returns the names of a result's figures, but for details.
func units(r *worker.Result) (units []string) {
	details := map[string]bool{}
	for _, u := range worker.Units() {
		details[u.Name] = u.Detail
	}
	for _, m := range r.Metrics() {
		if !details[m.Unit] {
			units = append(units, m.Unit)
		}
	}
	return units
}

// TestRunMeasuresEachKind runs every kind of workload and looks at which figures
// come out.
func TestRunMeasuresEachKind(t *testing.T) {
	cost := []string{worker.CPUNSPerEvent, worker.BytesPerEvent, worker.AllocsPerEvent}
	latency := []string{worker.P50, worker.P90, worker.P99, worker.P999}
	worst := []string{worker.MaxLatency, worker.Pause}
	pace := []string{worker.LateP50, worker.LateP99, worker.GapErrorP99, worker.GeneratorNSEvent}
	made := []string{worker.GeneratorNSEvent}
	backlog := []string{worker.Backlog, worker.BytesPerPending, worker.BacklogBytes}
	drain := []string{worker.DrainNSPerEvent, worker.DrainNS}
	for spec, want := range map[string][]string{
		"saturate:listeners=0,events=500,churn=10": slices.Concat([]string{worker.NSPerEvent}, cost, made),
		"saturate:listeners=3,events=500": slices.Concat(
			[]string{worker.NSPerEvent, worker.NSPerEventListener}, cost, made),
		"steady:listeners=2,events=200,rate=20000": slices.Concat(cost, latency, pace),
		"stall:listeners=2,events=500,keys=10,stalled=0": slices.Concat(
			[]string{worker.OthersNSPerEvent}, cost, made, []string{worker.RetainedBytes}),
		"stall:listeners=3,events=500,keys=10,stalled=1": slices.Concat(
			[]string{worker.OthersNSPerEvent}, cost, made, backlog, drain, []string{worker.RetainedBytes}),
		"freeze:prefill=1000,rate=20000,seconds=0.02,keys=10": slices.Concat(
			cost, latency, worst, pace, []string{worker.BacklogBefore, worker.Backlog}, drain),
		"freeze:stalled=0,prefill=1000,rate=20000,seconds=0.02,keys=10": slices.Concat(cost, latency, worst, pace),
	} {
		s := prepare(t, "", spec)
		require.NoError(t, s.Warm(), spec)
		result, err := s.Run()
		require.NoError(t, err, spec)
		assert.Equal(t, want, units(result), spec)
		assert.Positive(t, result.WallNS, spec)
		assert.GreaterOrEqual(t, result.Events, 200, spec)
		if strings.HasPrefix(spec, "stall:") && strings.Contains(spec, "stalled=1") {
			assert.Equal(t, 500, result.Stall.Pending, "all events and the sentinel, but the one in hand")
		}
		if strings.HasPrefix(spec, "freeze:") {
			assert.EqualValues(t, 401, result.Latency.Count, "of the other handler, after the prefill")
			assert.Equal(t, 401, result.Events)
			assert.Equal(t, 2*(10+1000+401), result.Calls)
		}
	}
}

// TestWrongRunsAreErrors breaks the pipeline in one way each; a figure must
// never come out.
func TestWrongRunsAreErrors(t *testing.T) {
	for fault, want := range map[string]string{
		"loses":   "calls came",
		"doubles": "calls came",
		"swaps":   "checksum",
		"stale":   "cache of",
	} {
		synctest.Test(t, func(t *testing.T) { // some wait for a call that never comes
			result, err := prepare(t, fault, "saturate:listeners=2,events=100,keys=10").Run()
			require.ErrorContains(t, err, want, fault)
			require.ErrorContains(t, err, "fake: saturate:listeners=2", fault)
			assert.Nil(t, result, fault)
		})
	}
}

// TestWrongLossyRunsAreErrors breaks a pipeline that may lose events, but not
// states, and that has to say what it lost.
func TestWrongLossyRunsAreErrors(t *testing.T) {
	for fault, want := range map[string]string{
		"loses a key":            "of 1 keys the last state was not told",
		"heals backwards":        "of that key before",
		"adds twice":             "it knows object",
		"forgets to count":       "notifications came in and",
		"forgets what it healed": "calls: the handler had",
		"keeps no account":       "keeps no account",
	} {
		synctest.Test(t, func(t *testing.T) { // some never get there
			result, err := prepared(t, fakes(fault)[1], "saturate:listeners=2,events=200,keys=50,churn=30").Run()
			require.ErrorContains(t, err, want, fault)
			assert.Nil(t, result, fault)
		})
	}
	result, err := prepared(t, fakes("")[1], "saturate:listeners=2,events=200,keys=50,churn=30").Run()
	require.NoError(t, err)
	assert.EqualValues(t, 2*66, result.Losses.Overflow)
	assert.Positive(t, result.Losses.Healed)
	metrics := units(result)
	assert.Equal(t, []string{worker.Overflow, worker.Superseded, worker.Healed}, metrics[len(metrics)-3:])
}

// TestLossyContestants runs the real ones and looks at what they say they lost.
func TestLossyContestants(t *testing.T) {
	const events, keys, room, inHand = 5000, 200, 64, 128
	for _, spec := range []string{"bounded:drop-newest,cap=64", "bounded:drop-oldest,cap=64", "coalescing"} {
		result, err := prepared(t, ours(t, spec), "stall:events=5000,keys=200,churn=20").Run()
		require.NoError(t, err, spec)
		lost := result.Losses.Overflow + result.Losses.Superseded + result.Losses.Annihilated
		assert.GreaterOrEqual(t, lost, uint64(events-max(room, keys)-inHand), spec)
		assert.LessOrEqual(t, result.Stall.Pending, max(room, keys)+inHand, "%s: waiting, and in hand", spec)
		assert.Less(t, result.Stall.DrainCalls, 1000, "%s: states, not events", spec)
		assert.Equal(t, ours(t, spec).Traits.Loss, result.Losses.Loss)
		if spec != "coalescing" {
			assert.GreaterOrEqual(t, result.Losses.Healed, uint64(keys/2), "%s: most keys of the stopped handler", spec)
		}
	}
	for _, spec := range []string{"bounded:drop-oldest,cap=64", "coalescing"} {
		for _, label := range []string{"freeze:prefill=3000,seconds=0.02,keys=50", "steady:events=400,keys=50"} {
			result, err := prepared(t, ours(t, spec), label).Run()
			require.NoError(t, err, "%s %s", spec, label)
			assert.Positive(t, result.Latency.Count, "calls are matched with events by their states")
		}
	}
}

// TestBounds runs the two that are no contestants.
func TestBounds(t *testing.T) {
	null, err := prepared(t, ours(t, "null"), "saturate:listeners=3,events=500,keys=10").Run()
	require.NoError(t, err)
	assert.Zero(t, null.Calls)
	assert.EqualValues(t, 3*(10+501), null.Losses.Closed)
	steady, err := prepared(t, ours(t, "null"), "steady:events=200").Run()
	require.NoError(t, err)
	assert.Nil(t, steady.Latency, "nobody was called")
	assert.Equal(t, []string{worker.CPUNSPerEvent, worker.BytesPerEvent, worker.AllocsPerEvent,
		worker.LateP50, worker.LateP99, worker.GapErrorP99, worker.GeneratorNSEvent, worker.Closed}, units(steady))

	direct, err := prepared(t, ours(t, "direct"), "saturate:listeners=3,events=500,keys=10").Run()
	require.NoError(t, err)
	assert.Equal(t, 3*(10+501), direct.Calls)
	assert.Nil(t, direct.Losses)
}

// TestWhatDoesNotFitIsRefused names workloads that would hang, or tell nothing.
func TestWhatDoesNotFitIsRefused(t *testing.T) {
	for spec, fits := range map[string]map[string]bool{
		"direct":                {"stall": false, "stall:stalled=0": true, "freeze": false, "saturate": true},
		"bounded:block":         {"stall": false, "stall:stalled=0": true, "freeze": false, "steady": true},
		"bounded:block-timeout": {"stall": false, "freeze:stalled=0": true},
		"bounded:drop-newest":   {"stall": true, "freeze": true},
		"null":                  {"stall": false, "stall:stalled=0": false, "saturate": true, "steady": true},
	} {
		for label, fits := range fits {
			w, err := loadgen.ParseWorkload(label)
			require.NoError(t, err)
			err = worker.Fits(ours(t, spec).Traits, w)
			if fits {
				assert.NoError(t, err, "%s %s", spec, label)
				continue
			}
			require.ErrorContains(t, err, "worker: workload "+w.String()+":", "%s %s", spec, label)
			_, err = worker.Prepare(ours(t, spec), w)
			assert.ErrorContains(t, err, "buffer "+spec)
		}
	}
}

// TestStartFailureIsAnError covers a contestant that does not come up.
func TestStartFailureIsAnError(t *testing.T) {
	w, err := loadgen.ParseWorkload("saturate")
	require.NoError(t, err)
	c := fakes("")[0]
	c.New = func(context.Context, *loadgen.Load) (worker.Pipeline, error) {
		return nil, errors.New("no such luck")
	}
	s, err := worker.Prepare(c, w)
	require.NoError(t, err)
	_, err = s.Run()
	require.ErrorContains(t, err, "no such luck")
}
