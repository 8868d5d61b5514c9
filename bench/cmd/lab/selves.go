package main

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"

	"informerlab/bench/micro"
	"informerlab/bench/process"
	"informerlab/bench/run"
	"informerlab/bench/trials"
)

// micro measures the catalogue alone, or lets the peers' worker measure it beside queues
// from elsewhere.
func (l *lab) micro(flags *flag.FlagSet) action {
	var p micro.Plan
	flags.StringVar(&p.Match, "measure", "", "`regexp` that names of measurements must match: "+
		strings.Join(micro.Names(), ", "))
	buffersFlag(flags, &p.Buffers, "all")
	flags.StringVar(&p.Item, "item", "any", "`type` of items: any (16 bytes) or notification (48)")
	flags.IntVar(&p.Rounds, "rounds", 9, "`number` of runs of each contestant")
	flags.StringVar(&p.Base, "base", "reference", "`name` of the contestant to compare with")
	flags.BoolVar(&p.Raw, "raw", false, "print every run in the Go benchmark format instead of tables")
	flags.Uint64Var(&p.Seed, "seed", 1, "`number` that decides the orders of the rounds")
	peersProgram := flags.String("peers", peersPath, "`program` that has outside queues")
	return func(ctx context.Context) error {
		if _, err := os.Stat(*peersProgram); err != nil && *peersProgram != peersPath {
			return usagef("-peers: %w", err)
		} else if err != nil {
			if err = p.Run(ctx, l.out, nil); err == nil {
				l.tell("without outside queues (not built: make peers)")
			}
			return err
		}
		plan, err := json.Marshal(p)
		if err != nil {
			return err
		}
		var told strings.Builder
		outside := peers{path: *peersProgram}
		command := exec.Command(outside.command()[0], "micro", string(plan))
		command.Stdout, command.Stderr = l.out, &told
		err = process.Run(ctx, command)
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
			return err
		} else if exit.ExitCode() == exitUsage {
			return usage{errors.New(strings.TrimPrefix(strings.TrimSpace(told.String()), "worker: micro: "))}
		}
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(told.String()))
	}
}

// overhead measures what the lab costs.
func (l *lab) overhead(flags *flag.FlagSet) action {
	o := trials.Overhead{Args: l.argv, Progress: run.NewProgress(l.errOut)}
	listFlag(flags, &o.Workloads, "workload", "`label` of a workload, repeatable; none = "+
		strings.Join(trials.OverheadWorkloads, " "))
	listFlag(flags, &o.Buffers, "buffer", "`name` of a buffer with its options, repeatable; none = "+
		strings.Join(trials.OverheadBuffers, " "))
	flags.IntVar(&o.Blocks, "blocks", 10, "`number` of fresh processes of each arm")
	flags.IntVar(&o.Rounds, "rounds", 25, "`number` of runs of each of them")
	flags.Uint64Var(&o.Seed, "seed", 1, "of the orders")
	flags.StringVar(&o.Folder, "out", "results/overhead", "`folder` for the folder of the run")
	return func(ctx context.Context) error {
		return o.Run(ctx, l.out)
	}
}

// mutants tests whether flame graphs explain.
func (l *lab) mutants(flags *flag.FlagSet) action {
	var o trials.Mutants
	flags.StringVar(&o.Only, "run", "", "`regexp` that names of mutants must match; \"\" = all")
	flags.StringVar(&o.Root, "root", ".", "the module's `folder`")
	flags.IntVar(&o.Blocks, "blocks", 5, "pairs of fresh processes for each mutant")
	flags.IntVar(&o.Runs, "runs", 2, "timed runs in each process")
	flags.Float64Var(&o.Seconds, "seconds", 0.4, "how long each process is profiled, about")
	return func(ctx context.Context) error {
		err := o.Run(ctx, l.out)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
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
