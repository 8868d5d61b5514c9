package clientgo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/bench/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
	} {
		t.Run(workload, func(t *testing.T) {
			for _, result := range serve(t, workload, 2) {
				assert.Positive(t, result.WallNS)
				assert.Positive(t, result.Allocs, "client-go allocates for every event")
			}
		})
	}
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
