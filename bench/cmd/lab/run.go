package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"informerlab/bench/flame"
	"informerlab/bench/judge"
	"informerlab/bench/report"
	"informerlab/bench/run"
)

// run measures buffers. Until the plan is complete it writes nothing, and starts only the
// peers' worker to ask for its list.
func (l *lab) run(flags *flag.FlagSet) action {
	p := &run.Plan{Args: l.argv}
	var specs, settings, buffers []string
	listFlag(flags, &specs, "workload", "`name[:option=value,…]` or a file.toml, repeatable; none = the default set")
	listFlag(flags, &settings, "set", "`option=value` in all workloads that are named, repeatable")
	buffersFlag(flags, &buffers, "the default set")
	out := flags.String("out", "results", "`folder` in which the run's own folder is made")
	flags.IntVar(&p.Blocks, "blocks", 0, "process blocks per workload; 0 = as the workload has it")
	flags.IntVar(&p.Rounds, "rounds", 0, "measured runs per process; 0 = as the workload has it")
	flags.Uint64Var(&p.Seed, "seed", 1, "of the order of measurement (that of events is an option of workloads)")
	flags.BoolVar(&p.Profile, "profile", false, "then write CPU and heap profiles, from processes of their own")
	peersProgram := flags.String("peers", peersPath, "`program` that serves outside contestants")
	tagFlag(flags, &p.Tag)
	suiteName := flags.String("suite", run.Suites[0].Name, "`name` of what is measured where no workload is named")
	quiet := flags.Bool("quiet", false, "no progress on standard error")
	return func(ctx context.Context) (err error) {
		for name, n := range map[string]int{"blocks": p.Blocks, "rounds": p.Rounds} {
			if n < 0 || n > 10_000 {
				return usagef("-%s=%d: expected a whole number from 1 to 10000", name, n)
			}
		}
		if *out == "" {
			return usagef("-out is empty: expected a folder")
		}
		suite, err := run.SuiteOf(*suiteName)
		if err != nil {
			return usagef("-suite: %w", err)
		}
		if p.Workloads, err = parseWorkloads(specs, settings); err != nil {
			return usage{err}
		}
		if len(p.Workloads) == 0 {
			p.Workloads = suite.Workloads()
		}
		outside, err := neededPeers(ctx, *peersProgram)
		if err != nil {
			return err
		}
		missing := ""
		if len(buffers) == 0 {
			buffers, missing = available(suite.Buffers, outside), outside.missing
		}
		if p.Arms, err = arms(buffers, outside); err != nil {
			return usage{err}
		}
		if err := fitting(p.Arms, p.Workloads); err != nil {
			return usage{err}
		}
		if !*quiet {
			p.Progress = run.NewProgress(l.errOut)
		}
		folder, err := l.execute(ctx, p, created(p, *out))
		if folder != "" && missing != "" {
			fmt.Fprintf(l.errOut, "lab: without client-go (%s)\n", missing)
		}
		return l.conclude(folder, err)
	}
}

// resume measures what is missing of a run that was cut short.
func (l *lab) resume(flags *flag.FlagSet) action {
	peersProgram := flags.String("peers", peersPath, "`program` that serves outside contestants")
	quiet := flags.Bool("quiet", false, "no progress on standard error")
	out := flags.String("out", "results", "`folder` of runs")
	return func(ctx context.Context) error {
		recorded, err := l.openRun(*out, flags.Arg(0))
		if err != nil {
			return err
		}
		m := &recorded.Manifest
		p := &run.Plan{Blocks: m.PlannedBlocks, Rounds: m.PlannedRounds, Seed: m.Seed, Profile: m.Profile, Args: m.Args}
		if p.Workloads, err = recorded.Workloads(); err != nil {
			return usage{err}
		}
		var buffers []string
		for _, arm := range m.Arms {
			if arm.Side != "" {
				return usagef("%s compares programs: measure it again with lab compare", flags.Arg(0))
			}
			buffers = append(buffers, arm.Buffer)
		}
		if p.Arms, err = arms(buffers, findPeers(ctx, *peersProgram)); err != nil {
			return usage{err}
		}
		if !*quiet {
			p.Progress = run.NewProgress(l.errOut)
		}
		folder, err := l.execute(ctx, p, func() (*run.Folder, error) { return run.Resume(recorded.Path, p) })
		return l.conclude(folder, err)
	}
}

// conclude prints the table of a run, also of one that ended with an error. With
// no folder nothing was measured.
func (l *lab) conclude(folder string, ended error) error {
	if folder == "" {
		return ended
	}
	recorded, err := run.Open(folder)
	if err == nil {
		j := judge.Of(recorded, "")
		err = errors.Join(report.Tables(l.out, j, ""), report.Winners(l.out, j))
	}
	if err == nil && len(recorded.Slices) > 0 {
		err = l.tellPages(folder)
	}
	return cmp.Or(ended, err)
}

// created returns what makes the folder of a plan inside parent.
func created(p *run.Plan, parent string) func() (*run.Folder, error) {
	return func() (*run.Folder, error) { return run.Create(parent, p, time.Now()) }
}

// execute runs a plan into the folder that open makes or finds. It tells where
// that is, and what is to be known before latencies are believed. Without a
// folder nothing was measured.
func (l *lab) execute(ctx context.Context, p *run.Plan, open func() (*run.Folder, error)) (path string, err error) {
	folder, err := open()
	if err != nil {
		return "", usage{err}
	}
	err = run.Execute(ctx, p, folder)
	for _, f := range folder.Fitness() {
		if s := f.String(); s != "" {
			fmt.Fprintf(l.errOut, "lab: %s: %s\n", f.Workload, s)
		}
	}
	fmt.Fprintf(l.errOut, "lab: results in %s\n", folder.Path)
	return folder.Path, err
}

// tagFlag defines the flag that tags a run.
func tagFlag(flags *flag.FlagSet, tag *string) {
	flags.Func("tag", "`name` for the run, beside that of its folder: letters, digits, . _ -", func(name string) error {
		*tag = name
		return run.CheckTag(name)
	})
}

// rawName is the file that a folder without a run has its results in.
const rawName = "raw.txt"

// readRun reads a run, or raw text of whatever origin.
func readRun(path string) (*run.Recorded, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		recorded, err := run.Open(path)
		switch {
		case err == nil:
			return recorded, nil
		case !errors.Is(err, run.ErrNoRun):
			return nil, usage{err}
		}
		path = filepath.Join(path, rawName)
	}
	raw, err := os.Open(path)
	if err != nil {
		return nil, usage{err}
	}
	recorded, err := run.ReadRaw(raw, path)
	if err := errors.Join(err, raw.Close()); err != nil {
		return nil, usage{err}
	}
	return recorded, nil
}

func (l *lab) report(flags *flag.FlagSet) action {
	out := flags.String("out", "results", "`folder` of runs")
	base := flags.String("base", "", "`buffer` that others are compared with; \"\" = reference")
	html := flags.Bool("html", false, "make the pages of each run again instead, and print where they are")
	return func(_ context.Context) error {
		var all *run.Recorded
		for _, name := range flags.Args() {
			folder, err := l.runPath(*out, name)
			if err != nil {
				return err
			}
			if *html {
				path, err := savePages(folder)
				if err != nil {
					return usage{err}
				}
				fmt.Fprintln(l.out, path)
				continue
			}
			recorded, err := readRun(folder)
			switch {
			case err != nil:
				return err
			case len(recorded.Slices) == 0:
				return usagef("%s: no results", folder)
			case all == nil:
				all = recorded
			default:
				all = run.Merge(all, recorded)
			}
		}
		if *html {
			return nil
		}
		var table strings.Builder // the whole, or nothing and an error
		if err := report.Tables(&table, judge.Of(all, *base), *base); err != nil {
			return usage{err}
		}
		_, err := io.WriteString(l.out, table.String())
		return err
	}
}

func (l *lab) flame(flags *flag.FlagSet) action {
	out := flags.String("out", "results", "`folder` of runs; none named = its newest with profiles")
	return func(_ context.Context) error {
		// Names begin with the time, so the last one is the newest.
		found, err := filepath.Glob(filepath.Join(*out, "*", "profiles", "*.pb.gz"))
		folder := ""
		for _, path := range found {
			folder = max(folder, filepath.Dir(filepath.Dir(path)))
		}
		if flags.NArg() > 0 {
			folder, err = l.runPath(*out, flags.Arg(0))
		}
		switch {
		case err != nil:
			return usage{err}
		case folder == "":
			return usagef("no run with profiles in %s: make one with lab run -profile", *out)
		}
		index, err := flame.Write(filepath.Join(folder, "profiles"), filepath.Join(folder, "flame"))
		if err != nil {
			return usage{err}
		}
		_, err = fmt.Fprintln(l.out, index)
		return err
	}
}
