package trials

import (
	"bytes"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/run"
	"informerlab/bench/worker"
	"informerlab/loadgen"
)

func TestOverheadMeasuresBothSides(t *testing.T) {
	parent := t.TempDir()
	o := Overhead{
		Workloads: []string{"saturate:listeners=2,events=300,keys=20", "steady:events=300,rate=20000,keys=20"},
		Buffers:   []string{"ring"}, Blocks: 2, Rounds: 2, Folder: parent,
	}
	var out bytes.Buffer
	require.NoError(t, o.Run(t.Context(), &out))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 3, out.String())
	assert.Contains(t, lines[0], "lab ns/call")
	assert.Contains(t, lines[1], "saturate:listeners=2")
	assert.Contains(t, lines[2], "ring")
	folders, err := os.ReadDir(parent)
	require.NoError(t, err)
	recorded, err := run.Open(parent + "/" + folders[0].Name())
	require.NoError(t, err)
	require.Len(t, recorded.Slices, 2*2*2*2)
	for _, s := range recorded.Slices {
		_, latency := s.Values[worker.P99]
		_, lateness := s.Values[worker.LateP99]
		assert.Equal(t, lateness && s.Side == on, latency, "%v", s)
		assert.Positive(t, s.Values[worker.CPUNSPerEvent])
	}
	for _, timeline := range recorded.Timelines {
		assert.Equal(t, on, timeline.Side)
	}
	assert.NotEmpty(t, recorded.Timelines)
}

func TestOverheadRefuses(t *testing.T) {
	for expected, o := range map[string]Overhead{
		"1 blocks of 25 rounds: expected at least 2 of 1": {Blocks: 1, Rounds: 25},
		`unknown workload "nothing"`:                      {Blocks: 2, Rounds: 1, Workloads: []string{"nothing"}},
		"stall:stalled=1: expected one whose handlers":    {Blocks: 2, Rounds: 1, Workloads: []string{"stall"}},
		"expected one whose handlers return at once":      {Blocks: 2, Rounds: 1, Workloads: []string{"hotkey"}},
		`unknown buffer "nothing"`:                        {Blocks: 2, Rounds: 1, Buffers: []string{"nothing"}},
	} {
		o.Folder = t.TempDir()
		var out bytes.Buffer
		err := o.Run(t.Context(), &out)
		require.ErrorIs(t, err, ErrInput)
		assert.ErrorContains(t, err, expected)
		assert.Empty(t, out.String())
	}
}

// Slices with known costs give the rows that follow from them.
func TestRows(t *testing.T) {
	w, err := loadgen.ParseWorkload("saturate:listeners=8")
	require.NoError(t, err)
	slice := func(block, round int, side string, ns float64) run.Slice {
		return run.Slice{
			Row: run.Row{Workload: w.String(), Buffer: "ring", Side: side}, Block: block, Round: round,
			Values: map[string]float64{worker.CPUNSPerEvent: ns},
		}
	}
	rowOf := func(lab float64) overheadRow {
		var measured []run.Slice
		for block := 1; block <= 10; block++ {
			for round := range 3 {
				cost := 1000 + 100*float64(block) + 10*float64(round)
				measured = append(measured, slice(block, round+1, off, cost),
					slice(block, round+1, on, cost*lab*(1+0.0001*float64(block%3))))
			}
		}
		all := overheadRows(&run.Plan{Workloads: []loadgen.Workload{w}, Arms: []run.Arm{
			{Buffer: "ring", Side: on}, {Buffer: "ring", Side: off},
		}}, measured)
		require.Len(t, all, 1)
		return all[0]
	}
	r := rowOf(1.05)
	assert.InDelta(t, math.Log(1.0501), r.Mean, 1e-4)
	assert.InDelta(t, 1560, r.Base, 1e-9)
	assert.InDelta(t, 1560*1.05, r.Head, 1)
	assert.InDelta(t, 1560*0.05/8, r.perCall, 0.1)
	assert.Equal(t, "over 1 %", r.verdict())
	r = rowOf(1.005)
	assert.Equal(t, "under 1 %", r.verdict())
	r = rowOf(1.00985)
	assert.Equal(t, "1 % is within the interval", r.verdict())
	var out bytes.Buffer
	require.NoError(t, writeOverhead(&out, []overheadRow{r}))
	assert.Contains(t, out.String(), "+1 %")
}
