package compare

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"informerlab/bench/judge"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
)

// TestDecided goes on until rows and controls are known well enough, whatever they
// show.
func TestDecided(t *testing.T) {
	p := &Plan{Rules: judge.Rules{
		Metrics: []judge.Metric{{Unit: worker.CPUNSPerEvent, Floor: 0.01}}, Alpha: stats.Strict, Percent: 5,
	}}
	measured := func(blocks, controls int, noise, slowedNoise float64) (all []run.Slice) {
		rng := rand.New(rand.NewPCG(1, 1))
		for block := 1; block <= blocks; block++ {
			add := func(side string, value, noise float64) {
				all = append(all, run.Slice{
					Row:   run.Row{Workload: "w", Buffer: "ring", Side: side},
					Block: block, Round: 1,
					Values: map[string]float64{worker.CPUNSPerEvent: value * (1 + noise*rng.NormFloat64())},
				})
			}
			add(judge.Base, 100, noise)
			add(judge.Head, 103, noise)
			if block <= controls {
				add(judge.Again, 100, noise)
				add(judge.Slowed, 105, slowedNoise)
			}
		}
		return all
	}
	const quiet, loud = 0.003, 0.3
	assert.True(t, p.decided(measured(20, 20, quiet, quiet)))
	assert.True(t, p.decided(measured(20, controlBlocks, quiet, quiet)))
	assert.False(t, p.decided(measured(20, controlBlocks-1, quiet, quiet)), "controls of too few blocks")
	assert.False(t, p.decided(measured(20, 20, quiet, loud)), "a control that cannot tell yet")
	assert.False(t, p.decided(measured(20, 20, loud, quiet)), "a row that cannot tell yet")
	assert.False(t, p.decided(measured(12, 12, quiet, quiet)), "rows of too few blocks")
}
