package mutants

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Main is the command: it measures the mutants that the arguments name and prints
// a table, and returns the exit status: 0 if enough of them are explained, 1 if
// not or if one could not be measured, 2 for a wrong command line, 3 if too few are
// slower here to tell, 130 if ctx ended.
func Main(ctx context.Context, args []string, out, stderr io.Writer) int {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.SetOutput(stderr)
	o := options{}
	only := flags.String("run", "", "measure only mutants whose names match this regular expression")
	flags.StringVar(&o.Root, "root", ".", "the module's folder")
	flags.IntVar(&o.Blocks, "blocks", 5, "pairs of fresh processes for each mutant")
	flags.IntVar(&o.Runs, "runs", 2, "timed runs in each process")
	flags.Float64Var(&o.Seconds, "seconds", 0.4, "how long each process is profiled, about")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	pattern, err := regexp.Compile(*only)
	if err == nil && (flags.NArg() > 0 || o.Blocks < 1 || o.Runs < 1 || o.Seconds <= 0) {
		err = errors.New("expected no arguments, and positive numbers")
	}
	var chosen []Mutant
	for _, m := range All() {
		if err == nil && pattern.MatchString(m.Name) {
			chosen = append(chosen, m)
		}
	}
	var t tally
	status := 2
	if err == nil {
		status = 1
		t, err = run(ctx, chosen, o, out)
	}
	switch {
	case ctx.Err() != nil:
		return 130
	case err != nil:
		fmt.Fprintln(stderr, "mutants:", strings.TrimPrefix(err.Error(), "mutants: "))
		return status
	}
	fmt.Fprintf(out, "%d of %d are slower here, and %d of those have a guilty function among the first %d\n",
		t.Slower, t.All, t.Explained, places)
	return t.status()
}

// A tally counts mutants.
type tally struct{ All, Slower, Explained int }

// status demands that of twelve that are slower eleven are explained. One that was
// asked for alone must be.
func (t tally) status() int {
	switch {
	case 12*t.Explained < 11*t.Slower:
		return 1
	case 4*t.Slower < 3*t.All || t.All == 0:
		return 3
	}
	return 0
}

// run measures mutants one after the other and writes a line about each to out as
// it comes. Nothing else should run on the machine meanwhile. When ctx ends it
// kills what it started and returns an error.
func run(ctx context.Context, all []Mutant, o options, out io.Writer) (t tally, err error) {
	folder, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return t, fmt.Errorf("mutants: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if o.Root, err = filepath.Abs(o.Root); err != nil {
		return t, fmt.Errorf("mutants: %w", err)
	}
	base, err := build(ctx, o.Root, folder, nil)
	if err != nil {
		return t, err
	}
	fmt.Fprintf(out, line, "mutant", "profile", "cpu", "wall", "rank", "growth", "time", "guilty: what it does")
	for i := range all {
		f, err := explain(ctx, base, folder, &all[i], o)
		if err != nil {
			return t, err
		}
		t.All++
		if f.Slower() {
			t.Slower++
			if f.Explained() {
				t.Explained++
			}
		}
		f.write(out)
	}
	return t, nil
}

const line = "%-20s %-7s %6s %6s  %-4s %11s %5s  %s\n"

// write prints the line of a mutant and, if it is not explained, what is named
// instead. Figures of growth are means for one run.
func (f *finding) write(out io.Writer) {
	rank, growth := "-", "-"
	if f.Rank > 0 {
		rank, growth = fmt.Sprint(f.Rank), f.amount(f.Rank-1)
	}
	if !f.Slower() {
		rank = "="
	}
	fmt.Fprintf(out, line, f.Name, f.Kind, fmt.Sprintf("%.2fx", f.CPU), fmt.Sprintf("%.2fx", f.Wall), rank, growth,
		fmt.Sprintf("%.0f s", f.Took.Seconds()), strings.Join(f.Guilty, ", ")+": "+f.What)
	if f.Slower() && !f.Explained() {
		for i, grown := range f.Top[:min(places, len(f.Top))] {
			fmt.Fprintf(out, line, "", "", "", "", fmt.Sprint(i+1), f.amount(i), "", "not "+grown.Function)
		}
	}
}

// amount returns how much a function of the list has grown.
func (f *finding) amount(place int) string {
	unit := "ms" // profiles have nanoseconds, or bytes
	if f.Kind == "heap" {
		unit = "MB"
	}
	return fmt.Sprintf("%+.3g %s", float64(f.Top[place].Growth())/1e6, unit)
}
