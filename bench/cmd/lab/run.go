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
	"informerlab/loadgen"
)

// readable reads the traces that workloads name, so that a bad line is told
// before anything is measured.
func readable(workloads []loadgen.Workload) error {
	for _, w := range workloads {
		if w.Trace == "" {
			continue
		}
		if _, err := w.Loads(); err != nil {
			return usage{err}
		}
	}
	return nil
}

func (l *lab) run(ctx context.Context, args []string) error {
	plan, out, missing, err := l.plan(ctx, args)
	if err != nil {
		return err
	}
	folder, err := l.execute(ctx, plan, created(plan, out))
	if folder != "" && missing != "" {
		fmt.Fprintf(l.errOut, "lab: without client-go (%s)\n", missing)
	}
	return l.conclude(folder, err)
}

// resume measures what is missing of a run that was cut short.
func (l *lab) resume(ctx context.Context, args []string) error {
	flags := newFlags("resume")
	peersProgram := flags.String("peers", peersPath, "`program` that serves outside contestants")
	quiet := flags.Bool("quiet", false, "no progress on standard error")
	out := flags.String("out", "results", "`folder` of runs")
	if err := l.parse(flags, args, 1); err != nil {
		return err
	}
	recorded, err := l.openRun("resume", *out, flags.Arg(0))
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
			return usagef("resume: %s compares programs: measure it again with lab compare", flags.Arg(0))
		}
		buffers = append(buffers, arm.Buffer)
	}
	if p.Arms, err = arms(buffers, findPeers(ctx, *peersProgram)); err != nil {
		return usagef("resume: %w", err)
	}
	if !*quiet {
		p.Progress = run.NewProgress(l.errOut)
	}
	folder, err := l.execute(ctx, p, func() (*run.Folder, error) { return run.Resume(recorded.Path, p) })
	return l.conclude(folder, err)
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

// plan reads the command line of run: what to measure, the parent of the results
// folder, and why outside contestants that would belong to it are missing. It
// writes nothing, and starts only the peers' worker to ask for its list.
func (l *lab) plan(ctx context.Context, args []string) (p *run.Plan, parent, missing string, err error) {
	flags := newFlags("run")
	var specs, settings specsFlag
	var buffers buffersFlag
	flags.Var(&specs, "workload", "`name[:option=value,…]` or a file.toml, repeatable; none = the default set")
	flags.Var(&settings, "set", "`option=value` in all workloads that are named, repeatable")
	flags.Var(&buffers, "buffers", "`name,name`, repeatable, one with options alone; none = the default set")
	out := flags.String("out", "results", "`folder` in which the run's own folder is made")
	blocks := flags.Int("blocks", 0, "process blocks per workload; 0 = as the workload has it")
	rounds := flags.Int("rounds", 0, "measured runs per process; 0 = as the workload has it")
	seed := flags.Uint64("seed", 1, "of the order of measurement (that of events is an option of workloads)")
	profile := flags.Bool("profile", false, "then write CPU and heap profiles, from processes of their own")
	peersProgram := flags.String("peers", peersPath, "`program` that serves outside contestants")
	name := tagFlag(flags)
	suiteName := flags.String("suite", run.Suites[0].Name, "`name` of what is measured where no workload is named")
	quiet := flags.Bool("quiet", false, "no progress on standard error")
	if err := l.parse(flags, args, 0); err != nil {
		return nil, "", "", err
	}
	for name, n := range map[string]int{"blocks": *blocks, "rounds": *rounds} {
		if n < 0 || n > 10_000 {
			return nil, "", "", usagef("run: -%s=%d: expected a whole number from 1 to 10000", name, n)
		}
	}
	if *out == "" {
		return nil, "", "", usagef("run: -out is empty: expected a folder")
	}
	workloads, err := parseWorkloads(specs, settings)
	if err != nil {
		return nil, "", "", usagef("run: %w", err)
	}
	suite, err := run.SuiteOf(*suiteName)
	if err != nil {
		return nil, "", "", usagef("run: -suite: %w", err)
	}
	if len(workloads) == 0 {
		workloads = suite.Workloads()
	}
	if err := readable(workloads); err != nil {
		return nil, "", "", err
	}
	outside, err := neededPeers(ctx, "run", *peersProgram)
	if err != nil {
		return nil, "", "", err
	}
	specs = specsFlag(buffers)
	if len(buffers) == 0 {
		specs = available(suite.Buffers, outside)
	}
	chosen, err := arms(specs, outside)
	if err != nil {
		return nil, "", "", usagef("run: %w", err)
	}
	if err := fitting(chosen, workloads); err != nil {
		return nil, "", "", usagef("run: %w", err)
	}
	if len(buffers) == 0 {
		missing = outside.missing
	}
	p = &run.Plan{
		Arms: chosen, Workloads: workloads, Blocks: *blocks, Rounds: *rounds, Seed: *seed, Profile: *profile,
		Args: l.argv, Tag: string(*name),
	}
	if !*quiet {
		p.Progress = run.NewProgress(l.errOut)
	}
	return p, *out, missing, nil
}

// A tag is a name for a run beside that of its folder.
type tag string

func (t *tag) String() string { return string(*t) }

func (t *tag) Set(value string) error {
	*t = tag(value)
	return run.CheckTag(value)
}

// tagFlag defines the flag that tags a run.
func tagFlag(flags *flag.FlagSet) *tag {
	t := new(tag)
	flags.Var(t, "tag", "`name` for the run, beside that of its folder: letters, digits, . _ -")
	return t
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
		return nil, usagef("report: %w", err)
	}
	recorded, err := run.ReadRaw(raw, path)
	if err := errors.Join(err, raw.Close()); err != nil {
		return nil, usage{err}
	}
	return recorded, nil
}

func (l *lab) report(_ context.Context, args []string) error {
	flags := newFlags("report")
	out := flags.String("out", "results", "`folder` of runs")
	base := flags.String("base", "", "`buffer` that others are compared with; \"\" = reference")
	html := flags.Bool("html", false, "make the pages of each run again instead, and print where they are")
	if err := l.parse(flags, args, len(args)); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return usagef("report: expected a run, or several that measured the same: lab runs lists them")
	}
	var folders []string
	for _, name := range flags.Args() {
		folder, err := l.runPath("report", *out, name)
		if err != nil {
			return err
		}
		folders = append(folders, folder)
	}
	if *html {
		return l.reportPages(folders)
	}
	var all *run.Recorded
	for _, folder := range folders {
		recorded, err := readRun(folder)
		switch {
		case err != nil:
			return err
		case len(recorded.Slices) == 0:
			return usagef("report: %s: no results", folder)
		case all == nil:
			all = recorded
		default:
			all = run.Merge(all, recorded)
		}
	}
	var table strings.Builder // the whole, or nothing and an error
	if err := report.Tables(&table, judge.Of(all, *base), *base); err != nil {
		return usage{err}
	}
	_, err := io.WriteString(l.out, table.String())
	return err
}

// reportPages makes the pages of runs again.
func (l *lab) reportPages(folders []string) error {
	for _, folder := range folders {
		path, err := savePages(folder)
		if err != nil {
			return usage{err}
		}
		fmt.Fprintln(l.out, path)
	}
	return nil
}

func (l *lab) flame(_ context.Context, args []string) error {
	flags := newFlags("flame")
	out := flags.String("out", "results", "`folder` of runs; none named = its newest with profiles")
	if err := l.parse(flags, args, 1); err != nil {
		return err
	}
	folder := flags.Arg(0)
	if folder != "" {
		path, err := l.runPath("flame", *out, folder)
		if err != nil {
			return err
		}
		folder = path
	} else {
		// Names begin with the time, so the last one is the newest.
		found, err := filepath.Glob(filepath.Join(*out, "*", "profiles", "*.pb.gz"))
		if err != nil {
			return usagef("flame: %w", err)
		}
		for _, path := range found {
			folder = max(folder, filepath.Dir(filepath.Dir(path)))
		}
		if folder == "" {
			return usagef("flame: no run with profiles in %s: make one with lab run -profile", *out)
		}
	}
	index, err := flame.Write(filepath.Join(folder, "profiles"), filepath.Join(folder, "flame"))
	if err != nil {
		return usage{err}
	}
	_, err = fmt.Fprintln(l.out, index)
	return err
}
