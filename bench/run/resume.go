package run

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"informerlab/loadgen"
)

// ErrComplete says that nothing is left of a run to be measured.
var ErrComplete = errors.New("the run is complete")

// Workloads returns the workloads of a recorded run.
func (r *Recorded) Workloads() ([]loadgen.Workload, error) {
	var all []loadgen.Workload
	for i, described := range r.Manifest.Described {
		var w loadgen.Workload
		if err := w.UnmarshalText([]byte(described)); err != nil {
			return nil, fmt.Errorf("run: %s: %s: %w", r.Path, r.Manifest.Workloads[i], err)
		}
		all = append(all, w)
	}
	return all, nil
}

// Resume opens the folder of a run that was killed, interrupted or failed, so that
// Execute measures what is missing: in the order in which the run itself would
// have measured it. p has to be the run's plan. It fails, and changes nothing, if
// the machine or the program is another one, as their figures do not mix, and with a
// HeldError if a process is still measuring the run.
func Resume(path string, p *Plan) (folder *Folder, err error) {
	if _, err := resumable(path); err != nil { // before the lock makes a file
		return nil, err
	}
	lock, err := TakeLock(filepath.Join(path, lockName))
	if err != nil {
		return nil, fmt.Errorf("run: resume %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Release())
		}
	}()
	r, err := resumable(path) // whoever wrote it may have gone on until now
	if err != nil {
		return nil, err
	}
	m := &r.Manifest
	f := &Folder{Path: path, manifest: *m, lock: lock, begun: m.Started}
	f.manifest.Status, f.manifest.Finished = statusRunning, nil
	if f.manifest.Kept == nil {
		f.manifest.Kept = map[string]int64{}
	}
	for _, fitness := range f.manifest.Fitness {
		for _, w := range p.Workloads {
			if fitness.Workload == w.String() {
				fitness.planned = p.blocks(w) * p.rounds(w)
			}
		}
	}
	if f.files, err = reopenFiles(path, r); err != nil {
		return nil, err
	}
	return f, f.saveManifest()
}

// resumable opens a run of which something is missing, of this machine and program.
func resumable(path string) (*Recorded, error) {
	r, err := Open(path)
	if err != nil {
		return nil, err
	}
	if r.Manifest.Status == statusComplete {
		return nil, fmt.Errorf("run: resume %s: %w", path, ErrComplete)
	}
	if differing := r.Manifest.Environment.differences(environment()); len(differing) > 0 {
		return nil, fmt.Errorf("run: resume %s: %s: expected the same machine and program",
			path, strings.Join(differing, "; "))
	}
	if r.columns != nil && !slices.Equal(r.columns, columns()) {
		return nil, fmt.Errorf("run: resume %s: %s has other columns: expected the same program", path, slicesName)
	}
	return r, nil
}

// differences tells what of two environments is not alike and matters to figures.
func (e *Environment) differences(now Environment) (differing []string) {
	for _, field := range [][3]string{
		{"commit", e.Commit, now.Commit}, {"go", e.Go, now.Go}, {"system", e.System, now.System},
		{"cpu", e.CPU, now.CPU}, {"kernel", e.Kernel, now.Kernel},
		{"cores", fmt.Sprint(e.Cores), fmt.Sprint(now.Cores)},
		{"GOMAXPROCS", fmt.Sprint(e.GOMAXPROCS), fmt.Sprint(now.GOMAXPROCS)},
		{"GOGC", e.GOGC, now.GOGC}, {"GODEBUG", e.GODEBUG, now.GODEBUG},
	} {
		if field[1] != field[2] {
			differing = append(differing, fmt.Sprintf("%s was %q and is %q", field[0], field[1], field[2]))
		}
	}
	return differing
}

// Fingerprint returns what two runs must share for their times to be of one
// machine: the processor, how many of it, the system, and Go's version.
func (e *Environment) Fingerprint() string {
	return fmt.Sprintf("%s × %d, %s %s, %s", e.CPU, e.Cores, e.System, e.Kernel, e.Go)
}
