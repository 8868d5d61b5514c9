package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"

	"informerlab/bench/micro"
	"informerlab/bench/run"
	"informerlab/bench/trials"
)

// micro measures the catalogue alone, or lets the peers' worker measure it beside queues
// from elsewhere.
func (l *lab) micro(ctx context.Context, args []string) error {
	flags := newFlags("micro")
	var p micro.Plan
	p.Define(flags)
	peersProgram := flags.String("peers", peersPath, "`program` that has outside queues")
	if err := l.parse(flags, args, 0); err != nil {
		return err
	}
	_, missing := os.Stat(*peersProgram)
	switch {
	case missing != nil && *peersProgram != peersPath:
		return usagef("micro: -peers: %w", missing)
	case missing != nil:
		fmt.Fprintln(l.errOut, "lab: without outside queues (not built: make peers)")
		return p.Run(ctx, l.out, nil)
	}
	arguments := []string{"micro"}
	flags.VisitAll(func(f *flag.Flag) {
		switch {
		case f.Name == "peers":
		case f.Name == "buffers":
			for _, spec := range p.Buffers {
				arguments = append(arguments, "-buffers="+spec)
			}
		default:
			arguments = append(arguments, "-"+f.Name+"="+f.Value.String())
		}
	})
	outside := peers{path: *peersProgram}
	command := exec.CommandContext(ctx, outside.command()[0], arguments...)
	command.Stdout, command.Stderr = l.out, l.errOut
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	err := command.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit) && exit.ExitCode() == exitUsage:
		return usagef("micro: %w", err)
	case err != nil:
		return fmt.Errorf("micro: %w", err)
	}
	return nil
}

// overhead measures what the lab costs.
func (l *lab) overhead(ctx context.Context, args []string) error {
	flags := newFlags("overhead")
	o := trials.Overhead{Args: l.argv, Progress: run.NewProgress(l.errOut)}
	flags.Var((*specsFlag)(&o.Workloads), "workload", "`label` of a workload, repeatable; none = "+
		strings.Join(trials.OverheadWorkloads, " "))
	flags.Var((*specsFlag)(&o.Buffers), "buffer", "`name` of a buffer with its options, repeatable; none = "+
		strings.Join(trials.OverheadBuffers, " "))
	flags.IntVar(&o.Blocks, "blocks", 10, "`number` of fresh processes of each arm")
	flags.IntVar(&o.Rounds, "rounds", 25, "`number` of runs of each of them")
	flags.Uint64Var(&o.Seed, "seed", 1, "of the orders")
	flags.StringVar(&o.Folder, "out", "results/overhead", "`folder` for the folder of the run")
	if err := l.parse(flags, args, 0); err != nil {
		return err
	}
	return o.Run(ctx, l.out)
}

// mutants tests whether flame graphs explain.
func (l *lab) mutants(ctx context.Context, args []string) error {
	flags := newFlags("mutants")
	var o trials.Mutants
	flags.StringVar(&o.Only, "run", "", "`regexp` that names of mutants must match; \"\" = all")
	flags.StringVar(&o.Root, "root", ".", "the module's `folder`")
	flags.IntVar(&o.Blocks, "blocks", 5, "pairs of fresh processes for each mutant")
	flags.IntVar(&o.Runs, "runs", 2, "timed runs in each process")
	flags.Float64Var(&o.Seconds, "seconds", 0.4, "how long each process is profiled, about")
	if err := l.parse(flags, args, 0); err != nil {
		return err
	}
	err := o.Run(ctx, l.out)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// moduleVersion is that of this program, as the build tells it.
func moduleVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// clientGoVersion is that of the client-go which a program was built with.
func clientGoVersion(path string) string {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return "not built: make peers"
	}
	for _, dep := range info.Deps {
		if dep.Path == "k8s.io/client-go" {
			return dep.Version
		}
	}
	return "unknown"
}
