package clientgo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/bench/worker"
)

func TestMain(m *testing.M) {
	SurvivePanics()
	goleak.VerifyTestMain(m)
}

// serve runs one workload through the worker protocol and returns its result. A
// result means that every handler had every call in order and that the cache is
// right: the worker checks that.
func serve(t *testing.T, workload string, runs int) []*worker.Result {
	var requests strings.Builder
	fmt.Fprintf(&requests, "{\"op\":%q,\"contestant\":\"client-go\",\"workload\":%q}\n",
		worker.OpPrepare, workload)
	for range runs {
		fmt.Fprintf(&requests, "{\"op\":%q}\n", worker.OpRun)
	}
	var out bytes.Buffer
	require.NoError(t, worker.Serve(strings.NewReader(requests.String()), &out, Contestants()))
	var results []*worker.Result
	for answers := json.NewDecoder(&out); answers.More(); {
		var response worker.Response
		require.NoError(t, answers.Decode(&response))
		require.Empty(t, response.Error, workload)
		if response.Result != nil {
			results = append(results, response.Result)
		}
	}
	require.Len(t, results, runs)
	return results
}

// client-go passes the checks of every kind of workload, run after run.
func TestWorkloads(t *testing.T) {
	for _, workload := range []string{
		"saturate:listeners=0,events=5000",
		"saturate:listeners=8,events=5000",
		"saturate:listeners=1,events=5000,churn=40",
		"saturate:listeners=1,events=5000,keys=1",
		"steady:rate=20000,events=2000",
		"stall:events=5000",
		"freeze:prefill=5000,rate=20000,seconds=0.1",
		"freeze:prefill=5000,rate=20000,seconds=0.1,stalled=0",
		"replay:speed=max",
		"replay:speed=max,objects=fresh,trace=../../../loadgen/testdata/small.ndjson",
		"saturate:events=5000,objects=fresh,size=1000,churn=20",
		"freeze:prefill=3000,rate=20000,seconds=0.1,objects=fresh",
		"burst:keys=200,seconds=0.2",
		"poisson:seconds=0.1",
		"overload:seconds=0.1",
		"hotkey:seconds=0,events=2000",
		"slow:seconds=0.1",
		"reconcile:seconds=0.1",
		"grow:seconds=0.1",
		"stall:events=2000,stall=20ms",
		"latejoin:keys=200,visitors=50,seconds=0.2",
		"visitors:visitors=200,stay=20ms,seconds=0.3",
		"pods:seconds=0.1,objects=fresh",
		"cluster:objects=fresh",
	} {
		t.Run(workload, func(t *testing.T) {
			t.Parallel()
			for _, result := range serve(t, workload, 2) {
				assert.Positive(t, result.WallNS)
				assert.Positive(t, result.Allocs, "client-go allocates for every event")
			}
		})
	}
}

// Where the version expires client-go waits, lists again, tells what is gone and
// what the list holds, also what is as before, and goes on.
func TestRelists(t *testing.T) {
	const relist = "relist:keys=100,relists=1,seconds=0,events=2000,"
	for _, options := range []string{
		"rate=20000", "rate=0", "rate=20000,gap=0", "rate=0,gap=0,objects=fresh", "rate=20000,churn=30,workers=2",
		"rate=20000,objects=fresh,size=100", "rate=20000,listeners=2,stalled=1",
		"rate=2000,visitors=50", "rate=2000,visitors=50,stay=20ms", "rate=2000,resync=1s",
	} {
		t.Run(options, func(t *testing.T) {
			t.Parallel() // nearly all of it is the pause before the second list
			result := serve(t, relist+options, 1)[0]
			assert.Greater(t, time.Duration(result.WallNS), 800*time.Millisecond, "client-go's shortest pause")
		})
	}
}

// An informer that has no period of its own resyncs for its handlers, also for
// one that comes late: every second, so more than once if the machine is busy.
func TestResync(t *testing.T) {
	begun := time.Now()
	result := serve(t, "resync:keys=100,rate=1000,seconds=1.5,visitors=4", 1)[0]
	seconds := int(time.Since(begun) / time.Second)
	again := result.Calls - 100 - 1501 // beside the list and the events
	assert.GreaterOrEqual(t, again, 100, "the list again after a second")
	assert.LessOrEqual(t, again, 101*seconds, "one at the very end holds the sentinel, too")
	assert.EqualValues(t, 1501, result.Latency.Count, "what is told again has no latency")
}

// After a panic client-go pauses the handler for a second, and no call is lost
// but the rest of that one.
func TestPanicsAreSurvived(t *testing.T) {
	result := serve(t, "panic:listeners=2,panics=1,seconds=0,events=150", 1)[0]
	assert.Greater(t, time.Duration(result.WallNS), time.Second)
	assert.Equal(t, 2*(1000+151), result.Calls)
}

// Of what client-go does not tell, only what follows from its promise to lose
// nothing is reported.
func TestStallBacklog(t *testing.T) {
	stall := serve(t, "stall:events=3000", 1)[0].Stall
	require.NotNil(t, stall)
	assert.Equal(t, 3000, stall.Pending, "all events and the sentinel, but the one in hand")
}

// The seam is kept while a backlog is there already, too.
func TestFreezeFillsBeforehand(t *testing.T) {
	result := serve(t, "freeze:prefill=3000,rate=10000,seconds=0.1", 1)[0]
	assert.Equal(t, 2999, result.Stall.Before)
	assert.Equal(t, 4000, result.Stall.Pending)
	assert.Equal(t, 4000, result.Stall.DrainCalls)
	assert.EqualValues(t, 1001, result.Latency.Count, "of the other handler, after the prefill")
}
