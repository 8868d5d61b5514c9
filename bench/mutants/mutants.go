// Package mutants tests whether a slow-down is explained, not only seen: it puts
// known ones into real code and looks whether the differential flame graph names
// the function that has it.
//
//	catalogue ──▶ go build -overlay ──▶ mutant ─┐ by turns, in fresh processes:
//	working tree ──▶ go build ────────▶ base ───┴ time, then profile ──▶ flame.Top ──▶ rank of the guilty
//
// The tree is never touched: the changed file lies in a temporary folder and only
// the build sees it. All runs are checked as those of any measurement, so a mutant
// that does wrong instead of slow is an error.
//
// A mutant that costs nothing on a machine, as false sharing does where processors
// share their caches, is listed and not counted.
//
// Limits: what is tested is whether profiles explain, so the slow-downs are not
// small. The cost of each lies in one function, and in what that calls outside of
// this module: of one that pops singly, all that is done for each pop would be
// named before it.
package mutants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"informerlab/bench/process"
	"informerlab/bench/worker"
)

// module is what the names of all functions here begin with.
const module = "informerlab/"

// program is what is built: it serves measurements.
const program = "./bench/cmd/mutants"

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

// build builds the program with the mutant, or without one if it is nil, into a
// file of folder. root is the module's folder.
func build(ctx context.Context, root, folder string, m *Mutant) (path string, err error) {
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
	command := exec.Command("go", append(args, "-o", path, program)...)
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

// measure lets a fresh process of a program time some runs of a mutant's workload
// and then profile it for about so many seconds.
func measure(ctx context.Context, path string, m *Mutant, prefix string, o options) ([]*worker.Result, error) {
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
