// Package compare measures two programs side by side, until it can be told whether one is
// slower than the other.
//
//	run.Execute: arms base, head, base-again, base-slowed, block by block: for CPU
//	      │      time in duets on one processor, else by turns in random order
//	      │ slices                     ▲ another block, while intervals are too wide
//	      ▼                            │
//	judge.Sides ──▶ judge.Comparison ──┘
//
// Every comparison holds controls of one buffer under each workload: a second copy of
// base, which must not differ, and, except for latency, base with a known slowdown,
// which must be found. If one goes wrong the machine was not fit, and no verdict counts.
//
// Limits: base and head run the same workloads on the same machine at the same
// time; nothing is compared with figures of another day. By chance one in
// five hundred comparisons has a slower row, whatever the number of rows; one in a
// hundred if the rules say so, as a gate's do, which measures red rows again.
package compare

import (
	"context"
	"errors"
	"math"
	"time"

	"informerlab/bench/judge"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/core/buffer"
	"informerlab/loadgen"
)

// A Buffer is a contestant that both programs have.
type Buffer struct {
	Name   string
	Traits buffer.Traits
}

// A Plan is a comparison to be measured.
type Plan struct {
	Base, Head []string // the commands that start a worker
	Workloads  []loadgen.Workload
	Buffers    []Buffer
	Controls   string // the buffer that gets them; "" = the first
	judge.Rules
	Inject float64 // percent by which Head is made slower, to try the comparison itself
	Procs  int     // GOMAXPROCS of workers; at 1 closed loops run in duets
	Rounds int
	// A comparison ends with the first block after which all intervals are
	// narrow enough for a verdict, or before the block that would not be over
	// within Budget, or with MaxBlocks.
	MaxBlocks int
	Budget    time.Duration
	Seed      uint64
	Tag       string // of the run
	Args      []string
	Progress  *run.Progress
}

// controlBlocks is after how many blocks controls are known well enough to take part
// in few. In all of them they would take up to half of the time, of which base and
// head have more need: a control has to show a difference larger than is looked for,
// or none.
var controlBlocks = stats.Fewest(1, stats.Alpha) + spareBlocks

// arms returns all arms, those of one buffer beside each other.
func (p *Plan) arms() (arms []run.Arm) {
	controls := p.Controls
	if controls == "" {
		controls = p.Buffers[0].Name
	}
	for _, b := range p.Buffers {
		arm := func(side string, command []string, spin float64, settled int) {
			arms = append(arms, run.Arm{
				Buffer: b.Name, Traits: b.Traits, Command: command, Side: side,
				Procs: p.Procs, Spin: spin, Settled: settled,
			})
		}
		arm(judge.Base, p.Base, 0, 0)
		arm(judge.Head, p.Head, p.Inject, 0)
		if b.Name == controls {
			arm(judge.Again, p.Base, 0, controlBlocks)
			arm(judge.Slowed, p.Base, p.Percent, controlBlocks)
		}
	}
	return arms
}

// Measure measures a plan into a new folder in parent and compares the sides. An
// interruption leaves a valid smaller run, whose path it returns with ctx's error.
func Measure(ctx context.Context, p *Plan, parent string) (c *judge.Comparison, path string, err error) {
	if len(p.Workloads) == 0 || len(p.Buffers) == 0 {
		return nil, "", errors.New("compare: found no workload or no buffer, expected one of each at least")
	}
	began := time.Now()
	last, longest := began, time.Duration(0) // of blocks, which differ as not all have controls
	measured := &run.Plan{
		Arms: p.arms(), Workloads: p.Workloads, Blocks: p.MaxBlocks, Rounds: p.Rounds, Seed: p.Seed,
		Duets: p.Procs == 1, Args: p.Args, Tag: p.Tag, Progress: p.Progress,
		Enough: func(_ int, slices []run.Slice) bool {
			longest, last = max(longest, time.Since(last)), time.Now()
			return p.Budget > 0 && time.Since(began)+longest > p.Budget || p.decided(slices)
		},
	}
	if p.Budget > 0 {
		p.Progress.Until(began.Add(p.Budget))
	}
	folder, err := run.Create(parent, measured, began)
	if err != nil {
		return nil, "", err
	}
	if err := run.Execute(ctx, measured, folder); err != nil {
		return nil, folder.Path, err
	}
	recorded, err := run.Open(folder.Path)
	if err != nil {
		return nil, folder.Path, err
	}
	c = judge.Sides(recorded.Slices, p.Rules)
	c.Seconds = time.Since(began).Seconds()
	return c, folder.Path, nil
}

// decided decides by the width of intervals alone, so that stopping favours no
// verdict.
func (p *Plan) decided(slices []run.Slice) bool {
	c := judge.Sides(slices, p.Rules)
	least := stats.Fewest(float64(len(c.Rows)), p.Alpha) + spareBlocks
	for _, r := range c.Rows {
		if !narrow(r, least) {
			return false
		}
	}
	for _, control := range c.Controls {
		r := control.Row
		r.Floor = max(r.Floor, p.Percent/100)
		if !narrow(r, controlBlocks) {
			return false
		}
	}
	return true
}

// spareBlocks are measured beyond the fewest with which a permutation test can
// be significant, where a single block with another sign would spoil it. TestPower
// of package stats prints what a few more are good for.
const spareBlocks = 4

// narrow reports whether a row has enough blocks and a 90 % interval that reaches
// at most half as far to either side as the floor.
func narrow(r judge.Row, least int) bool {
	return r.Estimate.Blocks >= least && (r.High90-r.Low90)/2 <= math.Log1p(r.Floor)/2
}
