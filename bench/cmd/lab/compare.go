package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"informerlab/bench/compare"
	"informerlab/bench/judge"
	"informerlab/bench/report"
	"informerlab/bench/run"
	"informerlab/bench/stats"
)

// compare measures two programs side by side.
func (l *lab) compare(flags *flag.FlagSet) action {
	of := comparing{budget: 45 * time.Second}
	of.define(flags)
	base := flags.String("base", "", "`program`, a lab of another checkout; \"\" = this one, with -inject")
	tag := ""
	tagFlag(flags, &tag)
	head := flags.String("head", "", "`program`; \"\" = this one")
	seed := flags.Uint64("seed", 1, "of the order of measurement")
	out := flags.String("out", "results", "`folder` in which the run's own folder is made")
	quiet := flags.Bool("quiet", false, "no progress on standard error")
	return func(ctx context.Context) error {
		p, err := l.comparison(&of)
		if err != nil {
			return usage{err}
		}
		if *base == "" && of.inject == 0 {
			l.usage(flags, l.errOut)
			return usagef("expected -base PROGRAM")
		}
		p.Seed, p.Tag = *seed, tag
		for path, command := range map[*string]*[]string{base: &p.Base, head: &p.Head} {
			if *command, err = workerCommand(*path); err != nil {
				return usage{err}
			}
		}
		if !*quiet {
			p.Progress = run.NewProgress(l.errOut)
		}
		c, path, err := compare.Measure(ctx, p, *out)
		if path != "" {
			fmt.Fprintf(l.errOut, "lab: results in %s\n", path)
		}
		if err != nil {
			return err
		}
		if err := errors.Join(l.tellPages(path), report.Comparison(l.out, c)); err != nil {
			return err
		}
		return outcome(c)
	}
}

// A comparing is what flags say of a comparison, of lab compare and lab trials.
type comparing struct {
	specs, settings []string
	buffers         []string
	procs, rounds   int
	blocks          int
	budget          time.Duration
	percent, inject float64
}

func (c *comparing) define(flags *flag.FlagSet) {
	listFlag(flags, &c.specs, "workload", "`name[:option=value,…]` or a file.toml, repeatable")
	listFlag(flags, &c.settings, "set", "`option=value` in all workloads, repeatable")
	buffersFlag(flags, &c.buffers, "reference; the first gets the controls")
	flags.IntVar(&c.procs, "procs", 1, "GOMAXPROCS: 1 compares processor time, more the time by the clock and latency")
	flags.IntVar(&c.rounds, "rounds", 0, "measured runs per process (0 = 8 at one processor, 60 at more)")
	flags.IntVar(&c.blocks, "blocks", 60, "process blocks at most")
	flags.DurationVar(&c.budget, "budget", c.budget, "time at most")
	flags.Float64Var(&c.percent, "percent", 5, "by which the control is made slower")
	flags.Float64Var(&c.inject, "inject", 0, "percent by which head is made slower, to try the comparison itself")
}

// What programs are compared by unless somebody says otherwise: every event goes
// through every stage. At one processor a run is long enough for the kernel to
// change many times between the arms of a duet; at more, where arms take turns, the
// shorter the turns the better.
const (
	sharedComparison, sharedRounds = "saturate:listeners=1,events=40000", 8
	turnsComparison, turnsRounds   = "saturate:listeners=1,events=8000", 60
)

// comparison returns a plan of this program against itself.
func (l *lab) comparison(c *comparing) (*compare.Plan, error) {
	workload, rounds := turnsComparison, turnsRounds
	if c.procs == 1 {
		workload, rounds = sharedComparison, sharedRounds
	}
	if len(c.specs) == 0 {
		c.specs = []string{workload}
	}
	if len(c.buffers) == 0 {
		c.buffers = []string{"reference"}
	}
	if c.rounds == 0 {
		c.rounds = rounds
	}
	if c.rounds < 1 || c.blocks < 1 || c.procs < 1 || c.budget <= 0 || !(c.percent >= 0) || !(c.inject >= 0) {
		return nil, errors.New("-rounds, -blocks, -procs, -budget: expected more than 0; -percent, -inject: at least 0")
	}
	workloads, err := parseWorkloads(c.specs, c.settings)
	if err != nil {
		return nil, err
	}
	self, err := workerCommand("")
	if err != nil {
		return nil, err
	}
	chosen, err := arms(c.buffers, &peers{missing: "comparisons are of our own programs"})
	if err != nil {
		return nil, err
	}
	p := &compare.Plan{
		Base: self, Head: self, Workloads: workloads, Args: l.argv,
		Rules:  judge.Rules{Metrics: judge.Timing(c.procs), Alpha: stats.Strict, Percent: c.percent},
		Inject: c.inject, Procs: c.procs, Rounds: c.rounds, MaxBlocks: c.blocks, Budget: c.budget,
	}
	for _, arm := range chosen {
		p.Buffers = append(p.Buffers, compare.Buffer{Name: arm.Buffer, Traits: arm.Traits})
	}
	return p, nil
}

// workerCommand returns the command that serves as a worker.
func workerCommand(path string) ([]string, error) {
	if path == "" {
		self, err := os.Executable()
		return []string{self, "worker"}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a program", path)
	}
	return []string{path, "worker"}, nil
}

// The outcomes of a comparison that are no success.
var (
	errSlower       = errors.New("head is slower than base")
	errInconclusive = errors.New("no verdict")
)

// outcome returns the error that stands for the exit status.
func outcome(c *judge.Comparison) error {
	switch {
	case len(c.Of(stats.Missing)) > 0:
		return fmt.Errorf("%w: rows are missing", errSlower)
	case !c.Fit():
		return fmt.Errorf("%w: the machine is not fit", errInconclusive)
	case len(c.Of(stats.Slower)) > 0:
		return errSlower
	case len(c.Of(stats.Inconclusive)) > 0 || len(c.Rows) == 0:
		return fmt.Errorf("%w: inconclusive", errInconclusive)
	}
	return nil
}
