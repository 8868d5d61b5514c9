package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"

	"informerlab/bench/format"
	"informerlab/bench/micro"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
)

// The sides, and the workloads that their cost follows from.
const (
	ours   = "reference"
	theirs = "client-go"

	idle  = "saturate:listeners=0"
	busy  = "saturate:listeners=8"
	stall = "stall"
)

// busyListeners is what busy says.
const busyListeners = 8

// The bounds within which the cost counts as faithful.
const lowest, highest = 0.8, 1.25

// A cost asks whether `reference` costs what the real client-go costs: what one more
// listener takes, and what one pending notification weighs.
//
//	for each block, in fresh processes:      client-go │ reference
//	    saturate, 0 and 8 listeners  ─▶  (time at 8 − time at 0) / 8
//	    stall, 1 million events      ─▶  bytes per pending notification
//
// The bytes are those in use by heap profiles of the full backlog, less what the
// queue before the controller holds: client-go's keeps an array of up to a million
// deltas after it has drained, 20 to 30 MB that no notification is part of.
//
// Both sides are served by this program, and run in random order. Each block gives one
// ratio, of the medians of its rounds; the table shows what package stats makes of them.
// It fails if a mean ratio lies outside 0.8 to 1.25.
//
// Limits: wall time on a machine that does other things at the same time is
// worth little; the intervals show it.
type cost struct {
	blocks, rounds int
	seed           uint64
	rng            *rand.Rand

	listener []figure // ns per event and listener
	pending  []figure // bytes per pending notification
}

func (m *cost) define(flags *flag.FlagSet) {
	flags.IntVar(&m.blocks, "blocks", 5, "`number` of blocks, each of fresh processes")
	flags.IntVar(&m.rounds, "rounds", 3, "`number` of runs per block, workload and side")
	flags.Uint64Var(&m.seed, "seed", 1, "of the order of runs")
}

func (m *cost) run(ctx context.Context, out io.Writer) error {
	if m.blocks < 1 || m.rounds < 1 {
		return fmt.Errorf("cost: %w: expected at least one block and one round", micro.ErrInput)
	}
	m.rng = rand.New(rand.NewPCG(m.seed, 0))
	for block := range m.blocks {
		fmt.Fprintf(os.Stderr, "cost: block %d/%d\n", block+1, m.blocks)
		if err := m.block(ctx); err != nil {
			return fmt.Errorf("cost: %w", err)
		}
	}
	return m.report(out)
}

// A figure is what one block measured on both sides.
type figure struct{ ours, theirs float64 }

// block measures both sides, in fresh processes.
func (m *cost) block(ctx context.Context) error {
	none, err := m.measure(ctx, idle)
	if err != nil {
		return err
	}
	some, err := m.measure(ctx, busy)
	if err != nil {
		return err
	}
	m.listener = append(m.listener,
		figure{(some.ours - none.ours) / busyListeners, (some.theirs - none.theirs) / busyListeners})
	var pending figure
	if pending.ours, err = bytesPerPending(ctx, ours); err != nil {
		return err
	}
	pending.theirs, err = bytesPerPending(ctx, theirs)
	m.pending = append(m.pending, pending)
	return err
}

// measure returns the median wall time per event over the rounds of a workload.
func (m *cost) measure(ctx context.Context, workload string) (f figure, err error) {
	sides := [2]string{ours, theirs}
	var clients []*worker.Client
	defer func() { worker.StopAll(clients) }()
	for _, side := range sides {
		c, err := prepared(ctx, side, workload)
		if err != nil {
			return f, err
		}
		clients = append(clients, c)
		if _, err = c.Do(ctx, worker.Request{Op: worker.OpWarm}); err != nil {
			return f, err
		}
	}
	var values [2][]float64
	for range m.rounds {
		for _, i := range m.rng.Perm(len(sides)) {
			response, err := clients[i].Do(ctx, worker.Request{Op: worker.OpRun})
			if err != nil {
				return f, err
			}
			if response.Result == nil || response.Result.Events == 0 {
				return f, errors.New("run: answered without a result")
			}
			values[i] = append(values[i], float64(response.Result.WallNS)/float64(response.Result.Events))
		}
	}
	return figure{stats.Median(values[0]), stats.Median(values[1])}, nil
}

// prepared starts this program as a worker, with additions to its environment, and
// prepares it for one side and workload.
func prepared(ctx context.Context, side, workload string, environment ...string) (*worker.Client, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c, err := worker.Program{Command: []string{self, "both"}, Env: environment}.Start()
	if err != nil {
		return nil, err
	}
	request := worker.Request{Op: worker.OpPrepare, Contestant: side, Workload: workload}
	if _, err = c.Do(ctx, request); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// report prints the table. It fails if a mean ratio is out of bounds.
func (m *cost) report(w io.Writer) (failed error) {
	table := format.Table{Head: []string{"", ours, theirs, "ratio [95 % interval over blocks]"}}
	for _, row := range []struct {
		name, unit string
		figures    []figure
	}{
		{"one more listener", "ns/event", m.listener},
		{"one pending notification", "B", m.pending},
	} {
		var a, b, logs []float64
		for _, f := range row.figures {
			a, b = append(a, f.ours), append(b, f.theirs)
			logs = append(logs, math.Log(f.ours/f.theirs))
		}
		e := stats.Compare(logs)
		ratio := math.Exp(e.Mean)
		table.Add(row.name, format.Value(stats.Median(a), row.unit), format.Value(stats.Median(b), row.unit),
			format.Interval(ratio, math.Exp(e.Low), math.Exp(e.High)))
		if !(ratio >= lowest && ratio <= highest) {
			failed = errors.Join(failed, fmt.Errorf("%s: ratio %.2f: expected %g to %g", row.name, ratio, lowest, highest))
		}
	}
	return errors.Join(table.Text(w), failed)
}
