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

// What client-go cannot tell is not made up.
func TestStallTellsNoBacklog(t *testing.T) {
	stall := serve(t, "stall:events=3000", 1)[0].Stall
	require.NotNil(t, stall)
	assert.Equal(t, -1, stall.Told)
	assert.Equal(t, 3000, stall.Pending)
}
