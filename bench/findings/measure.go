package findings

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"informerlab/bench/process"
	"informerlab/bench/run"
	"informerlab/bench/worker"
	"informerlab/loadgen"
)

// The files of a finding are named after it.
const (
	dataSuffix    = ".json"
	partialSuffix = ".partial.json" // of a measurement that has not ended
	lockSuffix    = ".lock"         // after that of the partial file, while somebody measures
)

// ErrInput marks errors about what an interrupted measurement left and this one
// cannot use. Nothing has been measured or written then.
var ErrInput = errors.New("input")

type inputError struct{ error }

func (inputError) Is(target error) bool { return target == ErrInput }
func (e inputError) Unwrap() error      { return e.error }

// Measure measures a finding, or the blocks that an interrupted measurement of the
// same program lacks, and writes its data and its page. If ctx ends first, what
// was measured is kept and Measure returns ctx's error. Of several processes that
// measure the same finding in one folder the first does, the others fail.
func (f *Finding) Measure(ctx context.Context, o Options) (err error) {
	partial := filepath.Join(o.Folder, f.Name+partialSuffix)
	if err := os.MkdirAll(o.Folder, 0o777); err != nil {
		return fmt.Errorf("findings: %w", err)
	}
	lock, err := run.TakeLock(partial + lockSuffix)
	if err != nil {
		return inputError{fmt.Errorf("findings: %s: %w", partial, err)}
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	d, err := f.begin(partial, o)
	if err != nil {
		return err
	}
	for len(d.Loads) < d.Blocks {
		began := time.Now()
		load := run.LoadAverage()
		measured, err := f.block(ctx, o, len(d.Loads))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		d.add(load, measured)
		if err := d.save(partial); err != nil {
			return err
		}
		took := time.Since(began).Seconds()
		o.Tell(fmt.Sprintf("%s: block %d of %d took %.0f s", f.Name, len(d.Loads), d.Blocks, took))
	}
	if err := os.Rename(partial, filepath.Join(o.Folder, f.Name+dataSuffix)); err != nil {
		return fmt.Errorf("findings: %w", err)
	}
	return f.Render(o.Folder, o.Tell)
}

// begin returns the data of the blocks that there are already.
func (f *Finding) begin(partial string, o Options) (*Data, error) {
	fresh := &Data{
		Schema: schema, Finding: f.Name, Environment: run.Here(), Seed: o.Seed, Blocks: f.blocks,
		Measured: map[string]map[string][]float64{},
	}
	if o.Blocks > 0 {
		fresh.Blocks = o.Blocks
	}
	text, err := os.ReadFile(partial)
	switch {
	case err == nil:
		begun, err := parse(partial, text)
		if err != nil {
			return nil, inputError{err}
		}
		if begun.Environment != fresh.Environment || begun.Seed != fresh.Seed || begun.Blocks != fresh.Blocks {
			return nil, inputError{fmt.Errorf("findings: %s: found blocks of another program, machine or plan, "+
				"expected those of this one: remove it to begin anew", partial)}
		}
		o.Tell(fmt.Sprintf("%s: going on after block %d of %d", f.Name, len(begun.Loads), begun.Blocks))
		return begun, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("findings: %w", err)
	}
	if f.facts != nil {
		if fresh.Facts, err = f.facts(); err != nil {
			return nil, err
		}
	}
	return fresh, nil
}

// block measures every arm once, in an order that follows from seed and block.
func (f *Finding) block(ctx context.Context, o Options, number int) (map[string]map[string]float64, error) {
	rng := rand.New(rand.NewPCG(o.Seed, uint64(number)))
	measured := map[string]map[string]float64{}
	for _, i := range rng.Perm(len(f.probes)) {
		arm := f.probes[i].name
		figures, err := o.probe(ctx, f.Name, arm)
		if err != nil {
			return nil, fmt.Errorf("findings: %s: %s: %w", f.Name, arm, err)
		}
		measured[arm] = figures
	}
	for _, i := range rng.Perm(len(f.pipelines)) {
		if err := f.pipe(ctx, o, f.pipelines[i], rng.Uint64(), measured); err != nil {
			return nil, err
		}
	}
	return measured, nil
}

// probe measures an arm in a process of its own.
func (o *Options) probe(ctx context.Context, finding, arm string) (figures map[string]float64, err error) {
	argv := append(append([]string{}, o.Probe...), finding, arm)
	out, err := process.Output(ctx, exec.Command(argv[0], argv[1:]...))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(out, &figures); err != nil {
		return nil, fmt.Errorf("found %.60q, expected figures as JSON: %w", out, err)
	}
	return figures, nil
}

// pipe measures the buffers of a pipeline by their workers.
func (f *Finding) pipe(
	ctx context.Context, o Options, p pipeline, seed uint64, measured map[string]map[string]float64,
) error {
	w, err := loadgen.ParseWorkload(p.workload)
	if err != nil {
		return err
	}
	arms, err := o.Arms(p.buffers)
	if err != nil {
		return err
	}
	parent, err := os.MkdirTemp("", "finding-")
	if err != nil {
		return fmt.Errorf("findings: %w", err)
	}
	defer os.RemoveAll(parent)
	plan := &run.Plan{
		Arms: arms, Workloads: []loadgen.Workload{w}, Blocks: 1, Rounds: 1, Seed: seed,
		Each: func(_ loadgen.Workload, arm run.Arm, r *worker.Result) {
			measured[p.arm(arm.Buffer)] = f.figures(r)
		},
	}
	folder, err := run.Create(parent, plan, time.Now())
	if err != nil {
		return err
	}
	return run.Execute(ctx, plan, folder)
}

// Render makes the page again from the data in a folder, and tells which of its claims
// they do not show.
func (f *Finding) Render(folder string, tell func(line string)) error {
	path := filepath.Join(folder, f.Name+dataSuffix)
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("findings: %w", err)
	}
	files, broken, err := f.Files(path, text)
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := replace(filepath.Join(folder, name), content); err != nil {
			return err
		}
	}
	for _, claim := range broken {
		tell(fmt.Sprintf("%s: the data do not show this: %s", f.Name, claim))
	}
	return nil
}

// Files returns the files of the page, by name, that follow from the text of a data
// file, and the claims that the data do not show. path is for messages. The same text
// gives the same bytes.
func (f *Finding) Files(path string, text []byte) (files map[string][]byte, broken []string, err error) {
	d, err := parse(path, text)
	if err != nil {
		return nil, nil, err
	}
	if d.Finding != f.Name {
		return nil, nil, fmt.Errorf("findings: %s: found data of %q, expected of %q", path, d.Finding, f.Name)
	}
	if err := d.complete(f, path); err != nil {
		return nil, nil, err
	}
	files, err = d.files(f)
	return files, f.Broken(d), err
}
