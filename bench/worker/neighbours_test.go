package worker_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNeighbours tells the latencies of handlers that do nothing from those of slow
// and of stopped ones, by their numbers.
func TestNeighbours(t *testing.T) {
	for spec, handlers := range map[string]int64{
		"slow:listeners=4,slow=1,cost=1us,rate=20000,seconds=0.01":      3,
		"steady:listeners=4,stalled=1,stall=5ms,rate=20000,seconds=.01": 3,
		"freeze:listeners=4,prefill=100,rate=20000,seconds=0.01":        3,
		"slow:listeners=2,slow=2,cost=1us,rate=20000,seconds=0.01":      0,
		"steady:listeners=4,rate=20000,seconds=0.01":                    0,
		"stall:listeners=3,events=500,keys=10":                          0,
	} {
		result, err := prepare(t, "", spec).Run()
		require.NoError(t, err, spec)
		if handlers == 0 {
			assert.Nil(t, result.Neighbours, spec)
			continue
		}
		require.NotNil(t, result.Neighbours, spec)
		assert.Equal(t, handlers*201, result.Neighbours.Count, "events and the sentinel: %s", spec)
		assert.LessOrEqual(t, result.Neighbours.Max, result.Latency.Max, spec)
	}
}
