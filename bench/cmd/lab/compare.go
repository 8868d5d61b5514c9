package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"informerlab/bench/compare"
	"informerlab/bench/run"
	"informerlab/bench/stats"
)

// compare measures two programs side by side.
func (l *lab) compare(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	var specs, settings specsFlag
	var buffers buffersFlag
	flags.Var(&specs, "workload", "`name[:option=value,…]` or a file.toml, repeatable")
	flags.Var(&settings, "set", "`option=value` in all workloads, repeatable")
	flags.Var(&buffers, "buffers", "`name,name`, repeatable; the first gets the controls")
	base := flags.String("base", "", "`program`, a lab of another checkout; \"\" = this one")
	head := flags.String("head", "", "`program`; \"\" = this one")
	procs := flags.Int("procs", 1, "GOMAXPROCS: 1 compares processor time, more the time by the clock and latency")
	rounds := flags.Int("rounds", 12, "measured runs per process")
	blocks := flags.Int("blocks", 60, "process blocks at most")
	budget := flags.Duration("budget", 45*time.Second, "time at most")
	percent := flags.Float64("percent", 5, "by which the control is made slower")
	inject := flags.Float64("inject", 0, "percent by which head is made slower, to try the comparison itself")
	seed := flags.Uint64("seed", 1, "of the order of measurement")
	out := flags.String("out", "results", "`folder` in which the run's own folder is made")
	quiet := flags.Bool("quiet", false, "no progress on standard error")
	if err := l.parse(flags, args, 0, ""); err != nil {
		return err
	}
	if *rounds < 1 || *blocks < 1 || *procs < 1 || *budget <= 0 {
		return usagef("compare: -rounds, -blocks, -procs and -budget: expected numbers from 1 on, and a time")
	}
	p, err := l.comparison(specs, buffers, settings)
	if err != nil {
		return usagef("compare: %w", err)
	}
	p.Rules = compare.Rules{Metrics: compare.Timing(*procs), Alpha: stats.Strict, Percent: *percent}
	p.Inject, p.Procs, p.Rounds, p.MaxBlocks, p.Budget, p.Seed = *inject, *procs, *rounds, *blocks, *budget, *seed
	for path, command := range map[*string]*[]string{base: &p.Base, head: &p.Head} {
		if *command, err = workerCommand(*path); err != nil {
			return usagef("compare: %w", err)
		}
	}
	if !*quiet {
		p.Progress = run.NewProgress(l.errOut)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, path, err := compare.Measure(ctx, p, *out)
	if path != "" {
		fmt.Fprintf(l.errOut, "lab: results in %s\n", path)
	}
	if err != nil {
		return err
	}
	if err := c.Markdown(l.out); err != nil {
		return err
	}
	return outcome(c)
}

// comparison returns a plan of this program against itself.
func (l *lab) comparison(specs specsFlag, buffers buffersFlag, settings specsFlag) (*compare.Plan, error) {
	if len(specs) == 0 {
		specs = specsFlag{defaultComparison}
	}
	if len(buffers) == 0 {
		buffers = buffersFlag{"reference"}
	}
	workloads, err := parseWorkloads(specs, settings)
	if err != nil {
		return nil, err
	}
	self, err := workerCommand("")
	if err != nil {
		return nil, err
	}
	chosen, err := arms(buffers, &peers{missing: "comparisons are of our own programs"})
	if err != nil {
		return nil, err
	}
	p := &compare.Plan{Base: self, Head: self, Workloads: workloads, Args: l.argv}
	for _, arm := range chosen {
		p.Buffers = append(p.Buffers, compare.Buffer{Name: arm.Buffer, Traits: arm.Traits})
	}
	return p, nil
}

// defaultComparison is what programs are compared by unless somebody says
// otherwise: every event goes through every stage, in slices of some 30 ms of
// the slowest buffer.
const defaultComparison = "saturate:listeners=1,events=40000"

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
func outcome(c *compare.Comparison) error {
	switch {
	case len(c.Missing) > 0:
		return fmt.Errorf("%w: rows are missing", errSlower)
	case !c.Fit():
		return fmt.Errorf("%w: the machine is not fit", errInconclusive)
	case len(c.Red()) > 0:
		return errSlower
	case len(c.Inconclusive()) > 0 || len(c.Rows) == 0:
		return fmt.Errorf("%w: inconclusive", errInconclusive)
	}
	return nil
}
