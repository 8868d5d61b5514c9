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
		return nil, usage{err}
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
func (l *lab) runs(flags *flag.FlagSet) action {
	out := flags.String("out", "results", "`folder` of runs")
	return func(_ context.Context) error {
		all, err := l.recordedRuns(*out)
		if err != nil {
			return err
		}
		table := format.Table{Head: []string{"RUN", "TAG", "STATUS", "BLOCKS", "ARMS", "WORKLOADS", "MACHINE"}}
		for _, r := range all {
			m := &r.Manifest
			table.Add(filepath.Base(r.Path), m.Tag, m.Status, fmt.Sprint(len(m.Blocks)), fmt.Sprint(len(m.Arms)),
				fmt.Sprint(len(m.Workloads)), m.Environment.Fingerprint())
		}
		return table.Text(l.out)
	}
}

// show tells what a run measured, where, and who did best.
func (l *lab) show(flags *flag.FlagSet) action {
	out := flags.String("out", "results", "`folder` of runs")
	return func(_ context.Context) error {
		r, err := l.openRun(*out, flags.Arg(0))
		if err != nil {
			return err
		}
		return report.Show(l.out, judge.Of(r, ""))
	}
}

// diff compares two runs.
func (l *lab) diff(flags *flag.FlagSet) action {
	out := flags.String("out", "results", "`folder` of runs")
	return func(_ context.Context) error {
		var two [2]*run.Recorded
		for i := range two {
			var err error
			if two[i], err = l.openRun(*out, flags.Arg(i)); err != nil {
				return err
			}
		}
		changes, err := judge.Diff(two[0], two[1])
		switch {
		case err != nil:
			return usage{err}
		case len(changes) == 0:
			return usagef("%s and %s have measured nothing in common", flags.Arg(0), flags.Arg(1))
		}
		return report.Changes(l.out, changes)
	}
}

// openRun opens a run that is named as runPath says.
func (l *lab) openRun(parent, name string) (*run.Recorded, error) {
	path, err := l.runPath(parent, name)
	if err != nil {
		return nil, err
	}
	r, err := run.Open(path)
	if err != nil {
		return nil, usage{err}
	}
	return r, nil
}

// runPath returns the path of a run: name is a path, or the name of a folder in parent,
// its unique beginning, or a tag. Of several runs with a tag the newest is meant.
func (l *lab) runPath(parent, name string) (string, error) {
	if _, err := os.Stat(name); err == nil || strings.ContainsRune(name, os.PathSeparator) {
		return name, nil
	}
	entries, err := os.ReadDir(parent)
	if err != nil {
		return "", usagef("run %q: %w", name, err)
	}
	var begun, tagged, known []string
	for _, e := range entries { // by name, which begins with the time
		tag, err := run.TagOf(filepath.Join(parent, e.Name()))
		if err != nil {
			continue // no run
		}
		known = append(known, e.Name())
		switch {
		case e.Name() == name:
			return filepath.Join(parent, name), nil
		case tag == name:
			tagged = append(tagged, e.Name())
		case strings.HasPrefix(e.Name(), name):
			begun = append(begun, e.Name())
		}
		if tag != "" {
			known = append(known, tag)
		}
	}
	switch {
	case len(tagged) > 1:
		newest := tagged[len(tagged)-1]
		fmt.Fprintf(l.errOut, "lab: %d runs have the tag %s: the newest is %s\n", len(tagged), name, newest)
		return filepath.Join(parent, newest), nil
	case len(tagged) == 1:
		return filepath.Join(parent, tagged[0]), nil
	case len(begun) == 1:
		return filepath.Join(parent, begun[0]), nil
	case len(begun) > 1:
		return "", usagef("%q is the beginning of %d runs: %s", name, len(begun), strings.Join(begun, ", "))
	}
	return "", usagef("found no run %q in %s%s", name, parent, suggestion(name, known, "lab runs lists them"))
}
