// Command cost asks whether `reference` costs what the real client-go costs:
// what one more listener takes, and what one pending notification weighs.
//
//	cost [-blocks 5] [-rounds 3] [-seed 1]
//
//	for each block, in fresh processes:      client-go │ reference
//	    saturate, 0 and 8 listeners  ─▶  (time at 8 − time at 0) / 8
//	    stall, 1 million events      ─▶  bytes per pending notification
//
// The bytes are those in use by heap profiles of the full backlog, less what the
// queue before the controller holds: client-go's keeps an array of up to a million
// deltas after it has drained, 20 to 30 MB that no notification is part of.
//
// Both sides are served by this one binary (cost worker), speak the protocol of
// package worker, and take turns in random order. Each block gives one ratio,
// the median of its rounds on one side over that of the other; the table shows
// the median of the blocks and their range. The exit code is 1 if a median lies
// outside 0.8 to 1.25.
//
// Limits: wall time on a machine that does other things at the same time is
// worth little; the ranges show it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"

	"informerlab/bench/contestants"
	"informerlab/bench/peers/clientgo"
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

func main() {
	if len(os.Args) == 2 && os.Args[1] == "worker" {
		all := append(clientgo.Contestants(), contestants.Ours()...)
		if err := worker.Main(os.Stdin, os.Stdout, all); err != nil {
			fmt.Fprintln(os.Stderr, "cost: worker:", err)
			os.Exit(1)
		}
		return
	}
	blocks := flag.Int("blocks", 5, "number of blocks, each of fresh processes")
	rounds := flag.Int("rounds", 3, "number of runs per block, workload and side")
	seed := flag.Uint64("seed", 1, "seed of the order of runs")
	flag.Parse()
	if *blocks < 1 || *rounds < 1 || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "cost: expected at least one block and one round, and no arguments")
		os.Exit(2)
	}
	m := &measurement{rounds: *rounds, rng: rand.New(rand.NewPCG(*seed, 0))}
	for block := range *blocks {
		fmt.Fprintf(os.Stderr, "cost: block %d/%d\n", block+1, *blocks)
		if err := m.block(); err != nil {
			fmt.Fprintln(os.Stderr, "cost:", err)
			os.Exit(1)
		}
	}
	if err := m.report(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "cost:", err)
		os.Exit(1)
	}
}

// A figure is what one block measured on both sides.
type figure struct{ ours, theirs float64 }

func (f figure) ratio() float64 { return f.ours / f.theirs }

// A measurement collects the figures of all blocks.
type measurement struct {
	rounds int
	rng    *rand.Rand

	listener []figure // ns per event and listener
	pending  []figure // bytes per pending notification
}

// block measures both sides, in fresh processes.
func (m *measurement) block() error {
	wall := map[string]figure{}
	for _, workload := range []string{idle, busy} {
		f, err := m.measure(workload)
		if err != nil {
			return err
		}
		wall[workload] = f
	}
	m.listener = append(m.listener, figure{
		ours:   (wall[busy].ours - wall[idle].ours) / busyListeners,
		theirs: (wall[busy].theirs - wall[idle].theirs) / busyListeners,
	})
	var pending figure
	var err error
	if pending.ours, err = bytesPerPending(ours); err != nil {
		return err
	}
	if pending.theirs, err = bytesPerPending(theirs); err != nil {
		return err
	}
	m.pending = append(m.pending, pending)
	return nil
}

// measure returns the median wall time per event over the rounds of a workload.
func (m *measurement) measure(workload string) (f figure, err error) {
	sides := [2]string{ours, theirs}
	var processes []*process
	defer func() { worker.StopAll(processes) }()
	for i, side := range sides {
		p, err := start(side, workload)
		if err != nil {
			return f, err
		}
		processes = append(processes, p)
		if _, err = processes[i].ask(worker.Request{Op: worker.OpWarm}); err != nil {
			return f, err
		}
	}
	var values [2][]float64
	for range m.rounds {
		for _, i := range m.rng.Perm(len(sides)) {
			value, err := processes[i].run()
			if err != nil {
				return f, err
			}
			values[i] = append(values[i], value)
		}
	}
	return figure{median(values[0]), median(values[1])}, nil
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	middle := len(values) / 2
	if len(values)%2 == 0 {
		return (values[middle-1] + values[middle]) / 2
	}
	return values[middle]
}

// report prints the table. It fails if a median is out of bounds.
func (m *measurement) report(w io.Writer) error {
	var err error
	fmt.Fprintf(w, "%-34s %10s %10s   ratio [range over %d blocks]\n", "", ours, theirs, len(m.listener))
	for _, row := range []struct {
		name    string
		figures []figure
	}{
		{"one more listener, ns/event", m.listener},
		{"one pending notification, bytes", m.pending},
	} {
		var a, b, ratios []float64
		for _, f := range row.figures {
			a, b, ratios = append(a, f.ours), append(b, f.theirs), append(ratios, f.ratio())
		}
		ratio := median(ratios)
		fmt.Fprintf(w, "%-34s %10.1f %10.1f   %.2f [%.2f..%.2f]\n", row.name, median(a), median(b), ratio,
			slices.Min(ratios), slices.Max(ratios))
		if !(ratio >= lowest && ratio <= highest) {
			err = errors.Join(err, fmt.Errorf("%s: ratio %.2f: expected %g to %g", row.name, ratio, lowest, highest))
		}
	}
	return err
}
