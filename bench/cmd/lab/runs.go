package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"informerlab/bench/compare"
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
	table := tabwriter.NewWriter(l.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "RUN\tSTATUS\tBLOCKS\tARMS\tWORKLOADS\tMACHINE")
	for _, r := range all {
		m := &r.Manifest
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%s\n", filepath.Base(r.Path), m.Status, len(m.Blocks), len(m.Arms),
			len(m.Workloads), m.Environment.Fingerprint())
	}
	return table.Flush()
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
	m := &r.Manifest
	fmt.Fprintf(l.out, "%s: %s, %d blocks, %d slices\n", filepath.Base(r.Path), m.Status, len(m.Blocks), len(r.Slices))
	fmt.Fprintf(l.out, "lab %s\n", strings.Join(m.Args, " "))
	changes := ""
	if m.Environment.Dirty {
		changes = " (with changes)"
	}
	fmt.Fprintf(l.out, "commit %s%s on %s\n\n", m.Environment.ShortCommit(), changes, m.Environment.Fingerprint())
	table := tabwriter.NewWriter(l.out, 0, 0, 2, ' ', 0)
	for _, arm := range m.Arms {
		fmt.Fprintf(table, "%s\t%s\n", run.Arm{Buffer: arm.Buffer, Side: arm.Side}, arm.Traits)
	}
	for _, f := range m.Fitness {
		if text := f.String(); text != "" {
			fmt.Fprintf(table, "%s\t%s\n", f.Workload, text)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return compare.WriteWinners(l.out, compare.Winners(r))
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
	changes, err := compare.Diff(two[0], two[1])
	switch {
	case err != nil:
		return usage{err}
	case len(changes) == 0:
		return usagef("diff: %s and %s have measured nothing in common", flags.Arg(0), flags.Arg(1))
	}
	return compare.WriteChanges(l.out, changes)
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
