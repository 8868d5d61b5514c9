package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"informerlab/bench/format"
	"informerlab/bench/judge"
	"informerlab/bench/report"
	"informerlab/bench/run"
)

// recordedRuns opens all runs of a folder, the oldest first. What cannot be read
// is told on standard error and left out; folders without a run are no runs.
func (l *lab) recordedRuns(parent string) (all []*run.Recorded, err error) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return nil, usagef("%w", err)
	}
	for _, e := range entries { // by name, which begins with the time
		if !e.IsDir() {
			continue
		}
		r, err := run.Open(filepath.Join(parent, e.Name()))
		switch {
		case errors.Is(err, run.ErrNoRun):
		case err != nil:
			fmt.Fprintf(l.errOut, "lab: left out: %v\n", err)
		default:
			all = append(all, r)
		}
	}
	return all, nil
}

// runs lists what there is.
func (l *lab) runs(_ context.Context, args []string) error {
	flags := flag.NewFlagSet("runs", flag.ContinueOnError)
	out := flags.String("out", "results", "`folder` of runs")
	if err := l.parse(flags, args, 0, ""); err != nil {
		return err
	}
	all, err := l.recordedRuns(*out)
	if err != nil {
		return err
	}
	table := format.Table{Head: []string{"RUN", "STATUS", "BLOCKS", "ARMS", "WORKLOADS", "MACHINE"}}
	for _, r := range all {
		m := &r.Manifest
		table.Add(filepath.Base(r.Path), m.Status, fmt.Sprint(len(m.Blocks)), fmt.Sprint(len(m.Arms)),
			fmt.Sprint(len(m.Workloads)), m.Environment.Fingerprint())
	}
	return table.Text(l.out)
}

// show tells what a run measured, where, and who did best.
func (l *lab) show(_ context.Context, args []string) error {
	flags := flag.NewFlagSet("show", flag.ContinueOnError)
	out := flags.String("out", "results", "`folder` of runs")
	if err := l.parse(flags, args, 1, "RUN"); err != nil {
		return err
	}
	r, err := openRun("show", *out, flags.Arg(0))
	if err != nil {
		return err
	}
	return report.Show(l.out, judge.Of(r, ""))
}

// diff compares two runs.
func (l *lab) diff(_ context.Context, args []string) error {
	flags := flag.NewFlagSet("diff", flag.ContinueOnError)
	out := flags.String("out", "results", "`folder` of runs")
	if err := l.parse(flags, args, 2, "RUN RUN"); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return usagef("diff: found %d runs, expected two: before and after", flags.NArg())
	}
	var two [2]*run.Recorded
	for i := range two {
		var err error
		if two[i], err = openRun("diff", *out, flags.Arg(i)); err != nil {
			return err
		}
	}
	changes, err := judge.Diff(two[0], two[1])
	switch {
	case err != nil:
		return usage{err}
	case len(changes) == 0:
		return usagef("diff: %s and %s have measured nothing in common", flags.Arg(0), flags.Arg(1))
	}
	return report.Changes(l.out, changes)
}

// openRun opens a run by its path, or by its name in a folder of runs.
func openRun(command, parent, name string) (*run.Recorded, error) {
	if name == "" {
		return nil, usagef("%s: expected a run: lab runs lists them", command)
	}
	path := name
	if _, err := os.Stat(path); err != nil && !strings.ContainsRune(name, os.PathSeparator) {
		path = filepath.Join(parent, name)
	}
	r, err := run.Open(path)
	if err != nil {
		return nil, usage{err}
	}
	return r, nil
}
