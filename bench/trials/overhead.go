package trials

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"informerlab/bench/contestants"
	"informerlab/bench/format"
	"informerlab/bench/judge"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
	"informerlab/loadgen"
)

// The sides of an arm.
const (
	on  = "on"
	off = "off"
)

// An Overhead measures what the lab itself costs: the same pipeline with the lab on and
// with it off, in blocks of fresh processes: in closed loops at the same time on one
// processor, in open ones in turn.
//
//	            ┌ on:  check each call, measure latencies, sample the backlog
//	pipeline ─▶ │                                                             ─▶ cpu-ns/event of either
//	            └ off: count the calls, to know the end                          ─▶ ratio and its interval
//
// The pipeline is everything from the watch events to the call of a handler,
// and an end has to be noticed in any case, so a handler that counts is the least
// there can be; all that the lab's handler does beyond that, and all that runs
// beside it, is the lab's. It is one and the same for all buffers, so that it
// can make one look slower but never another one look faster, and it weighs the
// more the less a buffer costs: a row for each tells how much.
//
// Limits: what both arms do is not in the difference. That is the generator,
// whose cost an open loop tells by itself, and what is read once before and once
// after the timed window. The handlers of outside contestants have no such arm.
type Overhead struct {
	Workloads []string // labels; none = OverheadWorkloads
	Buffers   []string // none = OverheadBuffers
	Blocks    int      // fresh processes of each arm, at least 2
	Rounds    int      // runs of each of them
	Seed      uint64   // of the orders
	Folder    string   // in which the run's own folder is made
	Args      []string // of the command, for the run's manifest
	Progress  *run.Progress
}

// The defaults: closed loops with few and with many calls per event, an open one
// as it is in a cluster, and one that is due faster than any pipeline can run.
// Runs are long enough for the kernel to change many times between the two.
var (
	OverheadWorkloads = []string{
		"saturate:listeners=1,events=40000", "saturate:listeners=8,events=20000",
		"steady:events=2000", "steady:rate=10000000,events=40000",
	}
	OverheadBuffers = []string{"reference", "ring"}
)

// Run measures, and writes a table to out. Errors of what was asked for are ErrInput, and
// nothing has been measured then.
func (o *Overhead) Run(ctx context.Context, out io.Writer) error {
	p, err := o.plan()
	if err != nil {
		return fmt.Errorf("overhead: %w: %w", ErrInput, err)
	}
	folder, err := run.Create(o.Folder, p, time.Now())
	if err != nil {
		return err
	}
	if err := run.Execute(ctx, p, folder); err != nil {
		return err
	}
	recorded, err := run.Open(folder.Path)
	if err != nil {
		return err
	}
	return writeOverhead(out, overheadRows(p, recorded.Slices))
}

// plan returns what to measure: each buffer with the lab on and off.
func (o *Overhead) plan() (*run.Plan, error) {
	if o.Blocks < 2 || o.Rounds < 1 {
		return nil, fmt.Errorf("%d blocks of %d rounds: expected at least 2 of 1", o.Blocks, o.Rounds)
	}
	workloads, buffers := o.Workloads, o.Buffers
	if len(workloads) == 0 {
		workloads = OverheadWorkloads
	}
	if len(buffers) == 0 {
		buffers = OverheadBuffers
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &run.Plan{
		Blocks: o.Blocks, Rounds: o.Rounds, Seed: o.Seed, Timelines: true, Duets: true, Args: o.Args,
		Progress: o.Progress,
	}
	for _, label := range workloads {
		w, err := loadgen.ParseWorkload(label)
		if err != nil {
			return nil, err
		}
		if w.Stalls() || w.Workers > 0 || w.Visitors > 0 || w.Panics > 0 || w.Cost > 0 || w.Resync > 0 {
			return nil, fmt.Errorf("workload %s: expected one whose handlers return at once", w)
		}
		p.Workloads = append(p.Workloads, w)
	}
	for _, name := range buffers {
		contestant, err := worker.Find(contestants.Ours(), name)
		if err != nil {
			return nil, err
		}
		for _, side := range []string{on, off} {
			p.Arms = append(p.Arms, run.Arm{
				Buffer: name, Traits: contestant.Traits, Command: []string{program, "worker"},
				Side: side, Procs: 1, Bare: side == off,
			})
		}
	}
	return p, nil
}

// An overheadRow says what the lab costs one buffer in one workload.
type overheadRow struct {
	judge.Row         // lab on against lab off
	perCall   float64 // nanoseconds of the lab: median over blocks; NaN without calls
}

// overheadLimit is what the lab may cost of the pipeline.
const overheadLimit = 0.01

func overheadRows(p *run.Plan, measured []run.Slice) (all []overheadRow) {
	blocks := judge.BlocksOf(measured)
	for _, w := range p.Workloads {
		for _, arm := range p.Arms {
			if arm.Side != on {
				continue
			}
			with := run.Row{Workload: w.String(), Buffer: arm.Buffer, Side: on}
			without := run.Row{Workload: w.String(), Buffer: arm.Buffer, Side: off}
			m := judge.Metric{Unit: worker.CPUNSPerEvent, Floor: overheadLimit}
			r := overheadRow{Row: blocks.Compare(without, with, m)}
			var perCall []float64
			ons, offs := blocks.Values(with, r.Unit), blocks.Values(without, r.Unit)
			for i := range min(len(ons), len(offs), w.Listeners*len(ons)) {
				perCall = append(perCall, (ons[i]-offs[i])/float64(w.Listeners))
			}
			r.perCall = stats.Median(perCall)
			all = append(all, r)
		}
	}
	return all
}

func (r *overheadRow) verdict() string {
	switch bound := math.Log1p(overheadLimit); {
	case r.High < bound:
		return "under 1 %"
	case r.Low > bound:
		return "over 1 %"
	}
	return "1 % is within the interval"
}

func writeOverhead(out io.Writer, all []overheadRow) error {
	t := format.Table{Head: []string{
		"workload", "buffer", "off cpu-ns/event", "on", "lab [95 % interval]", "lab ns/call", "",
	}}
	for _, r := range all {
		t.Add(r.Workload, r.Buffer, format.Value(r.Base, r.Unit), format.Value(r.Head, r.Unit), r.Figures(),
			format.Value(r.perCall, "ns"), r.verdict())
	}
	return t.Text(out)
}
