package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/perf/benchfmt"

	"informerlab/bench/report"
	"informerlab/bench/worker"
	"informerlab/core/buffer"
	"informerlab/loadgen"
)

// A Folder keeps one run. One goroutine uses it.
type Folder struct {
	Path     string
	manifest Manifest
	raw      *os.File
	writer   *benchfmt.Writer
}

// The files of a folder.
const (
	rawName      = "raw.txt"
	tableName    = "table.txt"
	manifestName = "run.json"
	envName      = "env.txt"
)

// A Manifest is the content of run.json.
type Manifest struct {
	Schema    int      `json:"schema"`
	Args      []string `json:"args"` // of lab; of absolute paths only the last element
	Seed      uint64   `json:"seed"`
	Buffers   []string `json:"buffers"`
	Workloads []string `json:"workloads"`
	// Described are the workloads with all their options, as files that give them
	// again; of an absolute path of a trace only the last element is kept.
	Described   []string    `json:"described"`
	Started     time.Time   `json:"started"`
	Finished    *time.Time  `json:"finished,omitempty"`
	Status      string      `json:"status"` // running, complete, interrupted or failed
	Environment Environment `json:"environment"`
	Blocks      []*Block    `json:"blocks"`
	Fitness     []*Fitness  `json:"fitness"`
}

// A Block tells how one block was measured and how busy the machine was.
type Block struct {
	Number int     `json:"number"`
	Orders []Order `json:"orders"`
	// LoadAverage is the 1, 5 and 15 minute average at the block's begin, and
	// StealPercent the share of CPU time during it that the hypervisor gave to
	// others.
	LoadAverage  []float64 `json:"load_average,omitempty"`
	StealPercent *float64  `json:"steal_percent,omitempty"`
	begin        worker.Processors
}

// An Order is the order of the arms in one round.
type Order struct {
	Workload string   `json:"workload"`
	Buffers  []string `json:"buffers"`
}

func (b *Block) ordered(w loadgen.Workload, arms []Arm, order []int) {
	o := Order{Workload: w.String()}
	for _, arm := range order {
		o.Buffers = append(o.Buffers, arms[arm].Buffer)
	}
	b.Orders = append(b.Orders, o)
}

// Create makes the folder of a run inside parent, which it creates too if it
// has to, and writes what is known before the first block. If it fails, it
// leaves nothing behind.
func Create(parent string, p *Plan, now time.Time) (folder *Folder, err error) {
	made, err := firstMissing(parent)
	if err != nil {
		return nil, err
	}
	f := &Folder{manifest: newManifest(p, now)}
	name := now.UTC().Format("20060102T150405Z") + "-" + f.manifest.Environment.ShortCommit()
	defer func() {
		if err != nil && f.raw != nil {
			err = errors.Join(err, f.raw.Close())
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
		Schema: 1, Seed: p.Seed, Started: now.UTC(), Status: "running", Environment: environment(),
		Args: relative(p.Args), Blocks: []*Block{},
	}
	for _, arm := range p.Arms {
		m.Buffers = append(m.Buffers, arm.Buffer)
	}
	for _, w := range p.Workloads {
		if filepath.IsAbs(w.Trace) {
			w.Trace = filepath.Base(w.Trace)
		}
		m.Workloads = append(m.Workloads, w.String())
		m.Described = append(m.Described, w.Describe())
	}
	return m
}

// begin writes the first files.
func (f *Folder) begin() (err error) {
	if f.raw, err = os.Create(filepath.Join(f.Path, rawName)); err != nil {
		return fmt.Errorf("run: results folder: %w", err)
	}
	f.writer = benchfmt.NewWriter(f.raw)
	for _, u := range worker.Units() {
		metadata := [][2]string{{"better", "lower"}, {"assume", "nothing"}}
		if u.Exact {
			metadata[1][1] = "exact"
		}
		for _, m := range metadata {
			key := benchfmt.UnitMetadataKey{Unit: u.Name, Key: m[0]}
			err := f.writer.Write(&benchfmt.UnitMetadata{UnitMetadataKey: key, OrigUnit: u.Name, Value: m[1]})
			if err != nil {
				return fmt.Errorf("run: %s: %w", rawName, err)
			}
		}
	}
	env := []byte(f.manifest.Environment.text())
	return errors.Join(f.save(envName, env), f.saveManifest())
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
	var config []benchfmt.Config
	for _, kv := range [][2]string{
		{"goos", runtime.GOOS}, {"goarch", runtime.GOARCH}, {"pkg", "informerlab/bench"},
		{"cpu", env.CPU}, {"gomaxprocs", strconv.Itoa(env.GOMAXPROCS)}, {report.LossKey, loss},
	} {
		if kv[1] != "" {
			// A literal, as Result.SetConfig makes keys that a writer leaves out.
			config = append(config, benchfmt.Config{Key: kv[0], Value: []byte(kv[1]), File: true})
		}
	}
	return config
}

// write appends one line per arm, the medians over the rounds that all arms
// finished, and makes sure they are on disk. Without such rounds it does nothing.
func (f *Folder) write(w loadgen.Workload, arms []Arm, m *measured) error {
	if m.rounds == 0 {
		return nil
	}
	for i, arm := range arms {
		result := benchfmt.Result{
			Config: f.config(arm),
			Name:   benchfmt.Name("Pipeline/" + w.BenchName() + "/buffer=" + arm.Buffer),
			Iters:  m.results[i][0].Events * m.rounds,
			Values: medians(m.results[i][:m.rounds]),
		}
		if err := f.writer.Write(&result); err != nil {
			return fmt.Errorf("run: %s: %w", rawName, err)
		}
	}
	if err := f.raw.Sync(); err != nil {
		return fmt.Errorf("run: %s: %w", rawName, err)
	}
	return nil
}

// Fitness tells how fit machine and generator were for each workload.
func (f *Folder) Fitness() []*Fitness { return f.manifest.Fitness }

func (f *Folder) beginBlock(number int) *Block {
	b := &Block{Number: number + 1, LoadAverage: loadAverage(), begin: worker.ReadProcessors()}
	f.manifest.Blocks = append(f.manifest.Blocks, b)
	return b
}

func (f *Folder) endBlock(b *Block) error {
	b.StealPercent = stealSince(b.begin)
	return f.saveManifest()
}

// finish writes the table and how the run ended. It is called once.
func (f *Folder) finish(ended error) error {
	if n := len(f.manifest.Blocks); n > 0 && f.manifest.Blocks[n-1].StealPercent == nil {
		b := f.manifest.Blocks[n-1]
		b.StealPercent = stealSince(b.begin)
	}
	now := time.Now().UTC()
	f.manifest.Finished = &now
	switch {
	case ended == nil:
		f.manifest.Status = "complete"
	case errors.Is(ended, context.Canceled):
		f.manifest.Status = "interrupted"
	default:
		f.manifest.Status = "failed"
	}
	return errors.Join(f.raw.Close(), f.saveManifest(), f.saveTable())
}

func (f *Folder) saveTable() error {
	table, err := os.Create(filepath.Join(f.Path, tableName))
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	raw, err := os.Open(filepath.Join(f.Path, rawName))
	if err != nil {
		return errors.Join(fmt.Errorf("run: %w", err), table.Close())
	}
	results, err := report.Read(raw, rawName)
	if err == nil {
		err = results.Write(table, "")
	}
	return errors.Join(err, raw.Close(), table.Close())
}

func (f *Folder) saveManifest() error {
	text, err := json.MarshalIndent(f.manifest, "", "\t")
	if err != nil {
		return fmt.Errorf("run: %s: %w", manifestName, err)
	}
	return f.save(manifestName, append(text, '\n'))
}

// save replaces a file whole, so that a reader never finds half of it.
func (f *Folder) save(name string, content []byte) error {
	path := filepath.Join(f.Path, name)
	if err := os.WriteFile(path+".new", content, 0o666); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

// Measured are the results of one workload in one block, by arm and round.
type measured struct {
	results [][]*worker.Result
	rounds  int // that all arms finished
}

func newMeasured(arms int) *measured { return &measured{results: make([][]*worker.Result, arms)} }

func (m *measured) add(arm int, r *worker.Result) {
	m.results[arm] = append(m.results[arm], r)
}

// endRound makes the round count that each arm has added to.
func (m *measured) endRound() { m.rounds++ }

// medians returns the median over rounds of each metric, in the order of units,
// and of spoiled runs the share. A metric may be missing in some rounds.
func medians(rounds []*worker.Result) []benchfmt.Value {
	byUnit := map[string][]float64{}
	for _, result := range rounds {
		for _, metric := range result.Metrics() {
			byUnit[metric.Unit] = append(byUnit[metric.Unit], metric.Value)
		}
	}
	var values []benchfmt.Value
	for _, unit := range worker.Units() {
		all := byUnit[unit.Name]
		if len(all) == 0 {
			continue
		}
		slices.Sort(all)
		middle := all[len(all)/2]
		if len(all)%2 == 0 {
			middle = (middle + all[len(all)/2-1]) / 2
		}
		if unit.Name == worker.SpoiledRuns {
			middle = sum(all) / float64(len(all)) // a share
		}
		// Thousandths of a nanosecond or byte are below what is measured.
		values = append(values, benchfmt.Value{Value: math.Round(middle*1000) / 1000, Unit: unit.Name})
	}
	return values
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}
