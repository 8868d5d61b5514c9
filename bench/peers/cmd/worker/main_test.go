package main

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/micro"
)

// TestMicroTakesAPlan hands over a plan as lab micro does.
func TestMicroTakesAPlan(t *testing.T) {
	args := os.Args
	defer func() { os.Args = args }()
	for text, want := range map[string]string{
		"": "unexpected end of JSON input", `{"Item":"int"}`: "unknown item", `{"Item":"any","Buffers":["x"],"Rounds":1}`: "no buffer",
	} {
		os.Args = []string{"worker", "micro", text}
		err := run("micro")
		require.ErrorIs(t, err, micro.ErrInput)
		assert.ErrorContains(t, err, want)
	}
	plan, err := json.Marshal(micro.Plan{Match: "Footprint", Buffers: []string{"channel"}, Item: "any", Rounds: 1, Raw: true})
	require.NoError(t, err)
	os.Args = []string{"worker", "micro", string(plan)}
	assert.NoError(t, run("micro"))
	assert.ErrorContains(t, run("dance"), `unknown command "dance"`)
}
