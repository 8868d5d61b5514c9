package trials

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"informerlab/bench/format"
	"informerlab/bench/process"
	"informerlab/bench/worker"
)

// module is what the names of all functions here begin with.
const module = "informerlab/"

// Mutants tests whether a slow-down is explained, not only seen: it puts known ones into
// real code and looks whether the differential flame graph names the function that has
// it.
//
//	catalogue ──▶ go build -overlay ──▶ mutant ─┐ in turn, in fresh processes:
//	working tree ──▶ go build ────────▶ base ───┴ time, then profile ──▶ flame.Top ──▶ rank of the guilty
//
// The tree is never touched: the changed file lies in a temporary folder and only
// the build sees it. All runs are checked as those of any measurement, so a mutant
// that does wrong instead of slow is an error. A mutant that costs nothing on a machine,
// as false sharing does where processors share their caches, is listed and not counted.
//
// Limits: what is tested is whether profiles explain, so the slow-downs are not
// small. The cost of each lies in one function, and in what that calls outside of
// this module: of one that pops singly, all that is done for each pop would be
// named before it.
type Mutants struct {
	Only    string  // a regular expression that names must match
	Root    string  // the module's folder
	Blocks  int     // pairs of fresh processes for each mutant
	Runs    int     // that are timed in each process
	Seconds float64 // that each process is profiled, about
}

// Run measures mutants one after the other and writes a line about each to out as
// it comes. Nothing else should run on the machine meanwhile. When ctx ends it
// kills what it started and returns an error. It fails with ErrUnexplained if too few are
// explained, and with ErrTooFew if too few are slower here to tell.
func (o *Mutants) Run(ctx context.Context, out io.Writer) (err error) {
	pattern, err := regexp.Compile(o.Only)
	if err == nil && (o.Blocks < 1 || o.Runs < 1 || o.Seconds <= 0) {
		err = errors.New("expected positive numbers of blocks, runs and seconds")
	}
	if err != nil {
		return fmt.Errorf("mutants: %w: %w", ErrInput, err)
	}
	folder, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return fmt.Errorf("mutants: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if o.Root, err = filepath.Abs(o.Root); err != nil { // as the names of an overlay are
		return fmt.Errorf("mutants: %w", err)
	}
	base, err := buildMutant(ctx, o.Root, folder, nil)
	if err != nil {
		return err
	}
	var t tally
	fmt.Fprintf(out, mutantLine, "mutant", "profile", "cpu", "wall", "rank", "growth", "time", "guilty: what it does")
	for _, m := range AllMutants() {
		if !pattern.MatchString(m.Name) {
			continue
		}
		f, err := explain(ctx, base, folder, &m, o)
		if err != nil {
			return err
		}
		t.count(f)
		f.write(out)
	}
	fmt.Fprintf(out, "%d of %d are slower here, and %d of those have a guilty function among the first %d\n",
		t.Slower, t.All, t.Explained, places)
	return t.err()
}

// What trials can come to.
var (
	ErrInput       = errors.New("input that cannot be used")
	ErrUnexplained = errors.New("too few mutants are explained")
	ErrTooFew      = errors.New("too few mutants are slower on this machine to tell")
)

// A tally counts mutants.
type tally struct{ All, Slower, Explained int }

func (t *tally) count(f *explanation) {
	t.All++
	if f.Slower() {
		t.Slower++
		if f.Explained() {
			t.Explained++
		}
	}
}

// err demands that of twelve that are slower eleven are explained. One that was
// asked for alone must be.
func (t tally) err() error {
	switch {
	case 12*t.Explained < 11*t.Slower:
		return ErrUnexplained
	case 4*t.Slower < 3*t.All || t.All == 0:
		return ErrTooFew
	}
	return nil
}

// Apply returns the changed source, or an error if the mutant does not fit it.
func (m *Mutant) Apply(source string) (string, error) {
	for _, e := range m.Edits {
		if n := strings.Count(source, e.Old); n != 1 {
			return "", fmt.Errorf("mutants: %s: %s: found %q %d times, expected once", m.Name, m.File, e.Old, n)
		}
		source = strings.Replace(source, e.Old, e.New, 1)
	}
	return source, nil
}

// buildMutant builds lab with the mutant, or without one if it is nil, into a
// file of folder. root is the module's folder.
func buildMutant(ctx context.Context, root, folder string, m *Mutant) (path string, err error) {
	path = filepath.Join(folder, "base")
	args := []string{"build", "-trimpath"}
	if m != nil {
		path = filepath.Join(folder, m.Name)
		overlay, err := m.Overlay(root, folder)
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", overlay)
	}
	command := exec.Command("go", append(args, "-o", path, "./bench/cmd/lab")...)
	command.Dir = root
	if output, err := process.Combined(ctx, command); err != nil {
		return "", fmt.Errorf("mutants: build %s: %w: %s", filepath.Base(path), err, bytes.TrimSpace(output))
	}
	return path, nil
}

// Overlay writes the changed file into folder, and beside it the file for go build
// -overlay, whose path it returns. root is the module's folder.
func (m *Mutant) Overlay(root, folder string) (path string, err error) {
	file := filepath.Join(root, m.File)
	source, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("mutants: %s: %w", m.Name, err)
	}
	changed, err := m.Apply(string(source))
	if err != nil {
		return "", err
	}
	instead, path := filepath.Join(folder, m.Name+".go"), filepath.Join(folder, m.Name+".json")
	text, err := json.Marshal(map[string]map[string]string{"Replace": {file: instead}})
	if err != nil {
		return "", fmt.Errorf("mutants: %s: %w", m.Name, err)
	}
	err = errors.Join(os.WriteFile(instead, []byte(changed), 0o666), os.WriteFile(path, text, 0o666))
	if err != nil {
		return "", fmt.Errorf("mutants: %s: %w", m.Name, err)
	}
	return path, nil
}

// measureMutant lets a fresh process of a program time some runs of a mutant's workload
// and then profile it for about so many seconds.
func measureMutant(ctx context.Context, path string, m *Mutant, prefix string, o *Mutants) ([]*worker.Result, error) {
	requests := []worker.Request{
		{Op: worker.OpPrepare, Contestant: m.Buffer, Workload: m.Workload}, {Op: worker.OpWarm},
	}
	for range o.Runs {
		requests = append(requests, worker.Request{Op: worker.OpRun})
	}
	requests = append(requests, worker.Request{Op: worker.OpProfile, Profiles: prefix, Seconds: o.Seconds})
	name := filepath.Base(path)
	responses, err := worker.Program{Command: []string{path, "worker"}}.Exchange(ctx, requests...)
	if err != nil {
		return nil, fmt.Errorf("mutants: %s: worker: %w", name, err)
	}
	var results []*worker.Result
	for i, response := range responses {
		if response.Error != "" {
			return nil, fmt.Errorf("mutants: %s: %s: %s", name, requests[i].Op, response.Error)
		}
		if response.Result != nil {
			results = append(results, response.Result)
		}
	}
	return results, nil
}

const mutantLine = "%-20s %-7s %6s %6s  %-4s %11s %5s  %s\n"

// write prints the line of a mutant and, if it is not explained, what is named
// instead. Figures of growth are means for one run.
func (f *explanation) write(out io.Writer) {
	rank, growth := "-", "-"
	if f.Rank > 0 {
		rank, growth = fmt.Sprint(f.Rank), f.amount(f.Rank-1)
	}
	if !f.Slower() {
		rank = "="
	}
	fmt.Fprintf(out, mutantLine, f.Name, f.Kind, format.Ratio(f.CPU), format.Ratio(f.Wall), rank, growth,
		fmt.Sprintf("%.0f s", f.Took.Seconds()), strings.Join(f.Guilty, ", ")+": "+f.What)
	if f.Slower() && !f.Explained() {
		for i, grown := range f.Top[:min(places, len(f.Top))] {
			fmt.Fprintf(out, mutantLine, "", "", "", "", fmt.Sprint(i+1), f.amount(i), "", "not "+grown.Function)
		}
	}
}

// amount returns how much a function of the list has grown.
func (f *explanation) amount(place int) string {
	unit := "ms" // profiles have nanoseconds, or bytes
	if f.Kind == "heap" {
		unit = "MB"
	}
	return fmt.Sprintf("%+.3g %s", float64(f.Top[place].Growth())/1e6, unit)
}
