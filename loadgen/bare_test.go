package loadgen

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBareRecorderOnlyCounts(t *testing.T) {
	load := mixed(t, 1)
	calls, _ := naiveCalls(load)
	r := NewRecorder(load.Expect(), RecorderOptions{Bare: true, Latency: true, Level: true, Stall: true, Panics: 1})
	h := r.Handler()
	for i := range calls {
		assert.Equal(t, i >= len(load.Lists[0].Objects), isClosed(r.Listed()), "call %d", i)
		calls[0](h) // any will do
	}
	assert.True(t, isClosed(r.Done()))
	require.NoError(t, r.Check())
	assert.Equal(t, len(calls), r.Calls())
	assert.Nil(t, r.Latency())
	calls[0](h)
	assert.ErrorContains(t, r.Check(), "calls came: expected")
	full := NewRecorder(load.Expect(), RecorderOptions{})
	assert.Same(t, full, full.Handler())
}
