package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/perf/benchfmt"

	"informerlab/bench/process"
	"informerlab/bench/worker"
	"informerlab/core/buffer"
	"informerlab/loadgen"
)

// A Folder keeps one run. One goroutine uses it.
type Folder struct {
	Path     string
	manifest Manifest
	files    *files
	lock     *Lock     // until the run has ended
	begun    time.Time // what times of slices count from
}

// The files of a folder.
const (
	rawName      = "raw.txt"
	slicesName   = "slices.csv.gz"
	latencyName  = "latency.hlog"
	timelineName = "timeline.csv.gz"
	manifestName = "run.json"
	envName      = "env.txt"
	schema       = 2
)

// How a run stands.
const (
	statusRunning     = "running"
	statusComplete    = "complete"
	statusInterrupted = "interrupted" // or killed
)

// A Manifest is the content of run.json.
type Manifest struct {
	Schema    int       `json:"schema"`
	Args      []string  `json:"args"` // of lab; of absolute paths only the last element
	Tag       string    `json:"tag,omitempty"`
	Seed      uint64    `json:"seed"`
	Arms      []ArmInfo `json:"arms"`
	Workloads []string  `json:"workloads"`
	// Described are the workloads with all their options, as files that give them
	// again; of an absolute path of a trace only the last element is kept.
	Described []string `json:"described"`
	// PlannedBlocks and PlannedRounds are those of the plan: 0 = as each workload
	// has it.
	PlannedBlocks int         `json:"planned_blocks"`
	PlannedRounds int         `json:"planned_rounds"`
	Profile       bool        `json:"profile,omitempty"`
	Duets         bool        `json:"duets,omitempty"` // in closed loops the arms of a buffer ran at the same time
	Started       time.Time   `json:"started"`
	Finished      *time.Time  `json:"finished,omitempty"`
	Status        string      `json:"status"` // running, complete, interrupted or failed
	Environment   Environment `json:"environment"`
	Blocks        []*Block    `json:"blocks"`
	Fitness       []*Fitness  `json:"fitness"`
	// Kept are the lengths of the files that grow, at the end of the last
	// workload that is measured whole. What follows was cut short.
	Kept map[string]int64 `json:"kept"`
}

// An ArmInfo tells of an arm what its rows do not.
type ArmInfo struct {
	Buffer string        `json:"buffer"`
	Side   string        `json:"side,omitempty"`
	Procs  int           `json:"procs,omitempty"`
	Spin   float64       `json:"spin,omitempty"`
	Traits buffer.Traits `json:"traits"`
}

// A Block tells how one block was measured and how busy the machine was.
type Block struct {
	Number    int      `json:"number"`
	Workloads []string `json:"workloads"` // that are measured whole, in that order
	// LoadAverage is the 1, 5 and 15 minute average at the block's begin, and
	// StealPercent the share of CPU time during it that the hypervisor gave to
	// others.
	LoadAverage  []float64 `json:"load_average,omitempty"`
	StealPercent *float64  `json:"steal_percent,omitempty"`
	begin        process.Processors
}

// Create makes the folder of a run inside parent, which it creates too if it
// has to, locks it until Execute has ended, and writes what is known before the
// first block. If it fails, it leaves nothing behind.
func Create(parent string, p *Plan, now time.Time) (folder *Folder, err error) {
	made, err := firstMissing(parent)
	if err != nil {
		return nil, err
	}
	f := &Folder{manifest: newManifest(p, now), begun: now}
	name := now.UTC().Format("20060102T150405Z") + "-" + f.manifest.Environment.ShortCommit()
	defer func() {
		if err != nil {
			err = errors.Join(err, f.files.close(), f.lock.Release())
		}
		if err != nil && made != "" {
			_ = os.RemoveAll(made) // ours alone; the first error is the one to tell
		}
	}()
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return nil, fmt.Errorf("run: results folder: %w", err)
	}
	for n := 1; ; n++ {
		f.Path = filepath.Join(parent, name)
		if n > 1 {
			f.Path += "-" + strconv.Itoa(n)
		}
		if err = os.Mkdir(f.Path, 0o777); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("run: results folder: %w", err)
	}
	if made == "" {
		made = f.Path
	}
	if f.lock, err = TakeLock(filepath.Join(f.Path, lockName)); err != nil {
		return nil, err
	}
	return f, f.begin()
}

// firstMissing returns the topmost folder of path that does not exist yet, or "".
func firstMissing(path string) (string, error) {
	missing := ""
	for dir := filepath.Clean(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		switch {
		case err == nil && !info.IsDir():
			return "", fmt.Errorf("run: results folder %s: %s is not a folder", path, dir)
		case err == nil:
			return missing, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("run: results folder: %w", err)
		}
		missing = dir
	}
}

func newManifest(p *Plan, now time.Time) Manifest {
	m := Manifest{
		Schema: schema, Tag: p.Tag, Seed: p.Seed, Started: now.UTC(), Status: statusRunning, Environment: environment(),
		Args: relative(p.Args), PlannedBlocks: p.Blocks, PlannedRounds: p.Rounds, Profile: p.Profile,
		Duets: len(p.processors()) > 0, Blocks: []*Block{}, Kept: map[string]int64{},
	}
	for _, arm := range p.Arms {
		m.Arms = append(m.Arms, ArmInfo{arm.Buffer, arm.Side, arm.Procs, arm.Spin, arm.Traits})
	}
	for _, w := range p.Workloads {
		w = withoutFolder(w)
		m.Workloads = append(m.Workloads, w.String())
		m.Described = append(m.Described, w.Describe())
	}
	return m
}

// withoutFolder shortens the absolute path of a trace.
func withoutFolder(w loadgen.Workload) loadgen.Workload {
	if filepath.IsAbs(w.Trace) {
		w.Trace = filepath.Base(w.Trace)
	}
	return w
}

// begin writes the first files.
func (f *Folder) begin() (err error) {
	if f.files, err = createFiles(f.Path); err != nil {
		return err
	}
	writer := benchfmt.NewWriter(&f.files.raw)
	for _, u := range worker.Units() {
		metadata := [][2]string{{"better", "lower"}, {"assume", "nothing"}}
		if u.Higher {
			metadata[0][1] = "higher"
		}
		if u.Detail {
			metadata = append(metadata, [2]string{DetailKey, "yes"})
		}
		for _, m := range metadata {
			key := benchfmt.UnitMetadataKey{Unit: u.Name, Key: m[0]}
			err := writer.Write(&benchfmt.UnitMetadata{UnitMetadataKey: key, OrigUnit: u.Name, Value: m[1]})
			if err != nil {
				return fmt.Errorf("run: %s: %w", rawName, err)
			}
		}
	}
	env := []byte(f.manifest.Environment.text())
	return errors.Join(f.save(envName, env), f.keep())
}

// config is the file configuration of raw results: what results must share to
// be compared. So what a buffer loses is in it, unless that is nothing. The rest
// of the environment is in run.json.
func (f *Folder) config(arm Arm) []benchfmt.Config {
	loss := string(arm.Traits.Loss)
	if arm.Traits.Loss == buffer.Lossless {
		loss = ""
	}
	env := f.manifest.Environment
	procs := env.GOMAXPROCS
	if arm.Procs > 0 {
		procs = arm.Procs
	}
	var config []benchfmt.Config
	for _, kv := range [][2]string{
		{"goos", runtime.GOOS}, {"goarch", runtime.GOARCH}, {"pkg", "informerlab/bench"},
		{"cpu", env.CPU}, {"gomaxprocs", strconv.Itoa(procs)}, {LossKey, loss},
	} {
		if kv[1] != "" {
			// A literal, as Result.SetConfig makes keys that a writer leaves out.
			config = append(config, benchfmt.Config{Key: kv[0], Value: []byte(kv[1]), File: true})
		}
	}
	return config
}

// write appends what the rounds measured that all arms finished: to raw.txt one
// line per arm with the medians. Without such rounds it does nothing.
func (f *Folder) write(w loadgen.Workload, arms []Arm, block *Block, m measured) error {
	if len(m) == 0 {
		return nil
	}
	label := withoutFolder(w).String()
	writer := benchfmt.NewWriter(&f.files.raw)
	for i, arm := range arms {
		results := m.of(i)
		line := benchfmt.Result{
			Config: f.config(arm),
			Name:   benchfmt.Name("Pipeline/" + w.BenchName() + arm.benchName()),
			Iters:  results[0].Events * len(results),
			Values: medians(results),
		}
		if err := writer.Write(&line); err != nil {
			return fmt.Errorf("run: %s: %w", rawName, err)
		}
		row := Row{label, arm.Buffer, arm.Side}
		if err := f.files.addLatency(row, f.begun, m[0].began[i], results); err != nil {
			return err
		}
		f.files.addTimeline(row, block.Number, results[0].Timeline)
	}
	for number, r := range m {
		for position, i := range r.order {
			f.files.addSlice(Slice{
				Row:   Row{label, arms[i].Buffer, arms[i].Side},
				Block: block.Number, Round: number + 1, Position: position + 1,
				At: r.began[i].Sub(f.begun),
			}, r.results[i])
		}
	}
	block.Workloads = append(block.Workloads, label)
	return f.keep()
}

// keep makes sure that all that was added is on disk, and then says so.
func (f *Folder) keep() error {
	kept, err := f.files.flush()
	if err != nil {
		return err
	}
	f.manifest.Kept = kept
	return f.saveManifest()
}

// Fitness tells how fit machine and generator were for each workload.
func (f *Folder) Fitness() []*Fitness { return f.manifest.Fitness }

func (f *Folder) beginBlock(number int) *Block {
	if number < len(f.manifest.Blocks) { // of a run that is resumed
		b := f.manifest.Blocks[number]
		b.begin = process.ReadProcessors()
		return b
	}
	b := &Block{Number: number + 1, LoadAverage: loadAverage(), begin: process.ReadProcessors(), Workloads: []string{}}
	f.manifest.Blocks = append(f.manifest.Blocks, b)
	return b
}

func (f *Folder) endBlock(b *Block) error {
	b.StealPercent = stealSince(b.begin)
	return f.saveManifest()
}

// finish writes how the run ended. It is called once.
func (f *Folder) finish(ended error) error {
	if n := len(f.manifest.Blocks); n > 0 && f.manifest.Blocks[n-1].StealPercent == nil {
		b := f.manifest.Blocks[n-1]
		b.StealPercent = stealSince(b.begin)
	}
	now := time.Now().UTC()
	f.manifest.Finished = &now
	switch {
	case ended == nil:
		f.manifest.Status = statusComplete
	case errors.Is(ended, context.Canceled):
		f.manifest.Status = statusInterrupted
	default:
		f.manifest.Status = "failed"
	}
	return errors.Join(f.files.close(), f.saveManifest(), f.lock.Release())
}

func (f *Folder) saveManifest() error {
	text, err := json.MarshalIndent(f.manifest, "", "\t")
	if err != nil {
		return fmt.Errorf("run: %s: %w", manifestName, err)
	}
	return f.save(manifestName, append(text, '\n'))
}

func (f *Folder) save(name string, content []byte) error {
	return Replace(filepath.Join(f.Path, name), content)
}

// Replace replaces a file whole, or makes it, so that a reader never finds half of
// it, and whoever is killed leaves the one or the other. Two writers of one path must
// not call it at the same time.
func Replace(path string, content []byte) error {
	if err := os.WriteFile(path+".new", content, 0o666); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}
