// Package overhead measures what the lab itself costs: the same pipeline with the
// lab on and with it off, in blocks of fresh processes: in closed loops at the same
// time on one processor, in open ones by turns.
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
// whose cost a run by turns tells by itself, and what is read once before and once
// after the timed window. The handlers of outside contestants have no such arm.
package overhead

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
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

// A command is what the flags ask for.
type command struct {
	args      []string
	workloads list
	buffers   list
	blocks    int
	rounds    int
	seed      uint64
	out       string
}

// list collects the values of a flag that may be given several times.
type list []string

func (l *list) String() string { return strings.Join(*l, " ") }

func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

// The defaults: closed loops with few and with many calls per event, an open one
// as it is in a cluster, and one that is due faster than any pipeline can run.
// Runs are long enough for the kernel to change many times between the two.
var (
	defaultWorkloads = list{
		"saturate:listeners=1,events=40000", "saturate:listeners=8,events=20000",
		"steady:events=2000", "steady:rate=10000000,events=40000",
	}
	defaultBuffers = list{"reference", "ring"}
)

// Main is the command overhead: it measures what args ask for, prints a table to
// out and progress to errOut, and returns the exit status: 0, 1 if a run failed,
// 2 for a wrong command line, or 130 if it was interrupted. Called with "worker"
// it serves measurements on in and out.
func Main(args []string, in io.Reader, out io.Writer, errOut *os.File) int {
	if slices.Equal(args, []string{"worker"}) {
		return status(worker.Main(in, out, contestants.Ours()), errOut)
	}
	c, err := parse(args, out)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	var plan *run.Plan
	if err == nil {
		plan, err = c.plan()
	}
	if err != nil {
		fmt.Fprintf(errOut, "overhead: %v\n", err)
		return 2
	}
	plan.Progress = run.NewProgress(errOut)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return status(c.measure(ctx, plan, out), errOut)
}

func status(err error, errOut io.Writer) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		return 130
	}
	fmt.Fprintln(errOut, err)
	return 1
}

func parse(args []string, out io.Writer) (*command, error) {
	c := &command{args: args}
	flags := flag.NewFlagSet("overhead", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Var(&c.workloads, "workload", "`label` of a workload, again for more (default "+defaultWorkloads.String()+")")
	flags.Var(&c.buffers, "buffer", "`name` of a buffer with its options, again for more (default "+
		defaultBuffers.String()+")")
	flags.IntVar(&c.blocks, "blocks", 10, "`number` of fresh processes of each arm")
	flags.IntVar(&c.rounds, "rounds", 25, "`number` of runs of each of them")
	flags.Uint64Var(&c.seed, "seed", 1, "`number` that decides the orders")
	flags.StringVar(&c.out, "out", "results/overhead", "`folder` for the folder of the run")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(out, "usage: overhead [flags]")
		flags.SetOutput(out)
		flags.PrintDefaults()
		return nil, err
	case err != nil:
		return nil, err
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case c.blocks < 2 || c.rounds < 1:
		return nil, fmt.Errorf("%d blocks of %d rounds: expected at least 2 of 1", c.blocks, c.rounds)
	}
	if len(c.workloads) == 0 {
		c.workloads = defaultWorkloads
	}
	if len(c.buffers) == 0 {
		c.buffers = defaultBuffers
	}
	return c, nil
}

// plan returns what to measure: each buffer with the lab on and off.
func (c *command) plan() (*run.Plan, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &run.Plan{
		Blocks: c.blocks, Rounds: c.rounds, Seed: c.seed, Timelines: true, Duets: true,
		Args: append([]string{"overhead"}, c.args...),
	}
	for _, label := range c.workloads {
		w, err := loadgen.ParseWorkload(label)
		if err != nil {
			return nil, err
		}
		if w.Stalls() || w.Workers > 0 || w.Visitors > 0 || w.Panics > 0 || w.Cost > 0 || w.Resync > 0 {
			return nil, fmt.Errorf("workload %s: expected one whose handlers return at once", w)
		}
		p.Workloads = append(p.Workloads, w)
	}
	for _, name := range c.buffers {
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

func (c *command) measure(ctx context.Context, p *run.Plan, out io.Writer) error {
	folder, err := run.Create(c.out, p, time.Now())
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
	return write(out, rows(p, recorded.Slices))
}

// A row says what the lab costs one buffer in one workload.
type row struct {
	judge.Row         // lab on against lab off
	perCall   float64 // nanoseconds of the lab: median over blocks; NaN without calls
}

// limit is what the lab may cost of the pipeline.
const limit = 0.01

func rows(p *run.Plan, measured []run.Slice) (all []row) {
	blocks := judge.BlocksOf(measured)
	for _, w := range p.Workloads {
		for _, arm := range p.Arms {
			if arm.Side != on {
				continue
			}
			with := run.Row{Workload: w.String(), Buffer: arm.Buffer, Side: on}
			without := run.Row{Workload: w.String(), Buffer: arm.Buffer, Side: off}
			r := row{Row: blocks.Compare(without, with, judge.Metric{Unit: worker.CPUNSPerEvent, Floor: limit})}
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

func (r *row) verdict() string {
	switch bound := math.Log1p(limit); {
	case r.High < bound:
		return "under 1 %"
	case r.Low > bound:
		return "over 1 %"
	}
	return "1 % is within the interval"
}

func write(out io.Writer, all []row) error {
	t := format.Table{Head: []string{
		"workload", "buffer", "off cpu-ns/event", "on", "lab [95 % interval]", "lab ns/call", "",
	}}
	for _, r := range all {
		t.Add(r.Workload, r.Buffer, format.Value(r.Base, r.Unit), format.Value(r.Head, r.Unit), r.Figures(),
			format.Value(r.perCall, "ns"), r.verdict())
	}
	return t.Text(out)
}
