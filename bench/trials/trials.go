// Package trials is what the lab itself is put through: how often a comparison is wrong
// about programs that are the same, and how often it misses a slowdown that is there
// (Plan); whether flame graphs name what made a program slower (Mutants); and what the
// lab costs the pipelines that it measures (Overhead).
//
//	for each trial that the file does not have yet:
//	    compare.Measure: a program against itself, or against itself made slower
//	    one line of JSON: verdict, controls, time, the log ratio of each block  ──▶ file, flushed
//	file ── Summarise ──▶ how many were red, unfit, inconclusive
//	     └─ Resample ───▶ how many of a thousand gates made of these blocks would be red
//
// A trial that was cut short has no line and is measured again, so trials run
// unattended and may be killed. Another program may keep one processor busy for a
// share of the time meanwhile.
//
// Limits: gates made of recorded blocks are of the machine and the hours that the
// blocks are from.
package trials

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"informerlab/bench/compare"
	"informerlab/bench/judge"
	"informerlab/bench/stats"
)

// A Trial is one comparison whose truth is known.
type Trial struct {
	Number  int     `json:"trial"` // from 1
	Procs   int     `json:"procs"`
	Inject  float64 `json:"inject"` // percent by which head was slower; 0 = not at all
	Busy    float64 `json:"busy"`   // share of the time in which another program kept a processor busy
	Outcome string  `json:"outcome"`
	Red     int     `json:"red"`
	Open    int     `json:"open"` // rows without a verdict
	Fit     bool    `json:"fit"`
	Seconds float64 `json:"seconds"`
	Rows    []Row   `json:"rows"`
}

// A Row is one row of a trial, or a control.
type Row struct {
	Label   string    `json:"row"`
	Side    string    `json:"side"` // compared with base
	Floor   float64   `json:"floor"`
	Verdict string    `json:"verdict"`
	Blocks  []float64 `json:"blocks"` // logarithms of ratios to base
}

// A Plan is a series of equal trials.
type Plan struct {
	Path    string // of the file, made if it is not there
	Trials  int
	Compare compare.Plan
	Busy    float64 // share of the time
	Hog     []string
	Scratch string // folder for what a comparison keeps, removed afterwards
	Told    io.Writer
}

// Run measures the trials that the file does not have yet. It returns ctx's error
// if that ended first.
func Run(ctx context.Context, p *Plan) error {
	done, err := p.Done()
	if err != nil {
		return err
	}
	for n := len(done) + 1; n <= p.Trials; n++ {
		trial, err := p.trial(ctx, n)
		if err != nil {
			return err
		}
		if err := add(p.Path, trial); err != nil {
			return err
		}
		fmt.Fprintf(p.Told, "trial %d/%d: %s, %.0f s\n", n, p.Trials, trial.Outcome, trial.Seconds)
	}
	return nil
}

// Done returns the trials that the file has. It takes half a line off its end, and
// fails for trials of another kind, and for a file of something else.
func (p *Plan) Done() ([]*Trial, error) {
	text, err := os.ReadFile(p.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	done, err := Read(p.Path)
	if err != nil {
		return nil, err
	}
	for _, t := range done {
		if t.Procs != p.Compare.Procs || t.Inject != p.Compare.Inject || t.Busy != p.Busy {
			return nil, fmt.Errorf("trials: %s:%d: found procs %d, inject %g and busy %g, "+
				"expected %d, %g and %g as asked for", p.Path, t.Number,
				t.Procs, t.Inject, t.Busy, p.Compare.Procs, p.Compare.Inject, p.Busy)
		}
	}
	if err := os.Truncate(p.Path, int64(whole(text))); err != nil {
		return nil, fmt.Errorf("trials: %w", err)
	}
	return done, nil
}

// whole returns the length of all lines that have an end.
func whole(text []byte) int { return bytes.LastIndexByte(text, '\n') + 1 }

func (p *Plan) trial(ctx context.Context, n int) (*Trial, error) {
	stop, err := p.hog(ctx, n)
	if err != nil {
		return nil, err
	}
	defer stop()
	plan := p.Compare
	plan.Seed = uint64(n)
	began := time.Now()
	c, path, err := compare.Measure(ctx, &plan, p.Scratch)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	t := &Trial{
		Number: n, Procs: plan.Procs, Inject: plan.Inject, Busy: p.Busy, Outcome: c.Outcome(),
		Red:  len(c.Of(stats.Slower)),
		Open: len(c.Of(stats.Inconclusive)), Fit: c.Fit(), Seconds: time.Since(began).Seconds(),
	}
	for _, r := range c.Rows {
		t.Rows = append(t.Rows, rowOf(r))
	}
	for _, control := range c.Controls {
		t.Rows = append(t.Rows, rowOf(control.Row))
	}
	return t, os.RemoveAll(path)
}

func rowOf(r judge.Row) Row {
	return Row{
		Label: r.Workload + " " + r.Buffer + " " + r.Unit, Side: r.Side, Floor: r.Floor,
		Verdict: string(r.Verdict), Blocks: r.Logs,
	}
}

// add appends a trial to the file and makes sure that it is on disk.
func add(path string, t *Trial) error {
	line, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("trials: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return fmt.Errorf("trials: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("trials: %w", err)
	}
	return nil
}

// Read reads the trials of a file. A last line without an end was cut short, and is
// left out.
func Read(path string) (trials []*Trial, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("trials: %w", err)
	}
	if len(text) > 0 && whole(text) == 0 && text[0] != '{' {
		return nil, fmt.Errorf("trials: %s:1: found no trial, expected a line of JSON for each", path)
	}
	lines := bufio.NewScanner(bytes.NewReader(text[:whole(text)]))
	lines.Buffer(nil, 1<<20)
	for line := 1; lines.Scan(); line++ {
		var t Trial
		if err := json.Unmarshal(lines.Bytes(), &t); err != nil {
			return nil, fmt.Errorf("trials: %s:%d: %w", path, line, err)
		}
		if t.Number != line {
			return nil, fmt.Errorf("trials: %s:%d: found trial %d, expected %d", path, line, t.Number, line)
		}
		trials = append(trials, &t)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("trials: %s: %w", path, err)
	}
	return trials, nil
}

// Summarise writes what came of trials, in a few lines.
func Summarise(w io.Writer, trials []*Trial) error {
	var red, unfit, open int
	var longest float64
	for _, t := range trials {
		longest = max(longest, t.Seconds)
		switch {
		case !t.Fit:
			unfit++
		case t.Red > 0:
			red++
		case t.Open > 0:
			open++
		}
	}
	truth := "programs that are the same"
	if len(trials) > 0 && trials[0].Inject > 0 {
		truth = fmt.Sprintf("head %.3g %% slower", trials[0].Inject)
	}
	_, err := fmt.Fprintf(w, "%d comparisons, %s: %d slower, %d unfit, %d inconclusive, %d not slower; "+
		"at most %.0f s each\n", len(trials), truth, red, unfit, open, len(trials)-red-unfit-open, longest)
	return err
}

// Resample returns how many of so many gates would be red if all their rows came
// from recorded blocks of programs that are the same. Each row of a gate draws one
// trial's comparison and as many of its blocks as that has, with replacement,
// either arm as base, since nothing tells them apart; rows are judged together,
// and red ones are drawn and judged again, as a gate measures them again.
func Resample(trials []*Trial, gates, rows int, seed uint64) (red int) {
	var pool []Row
	for _, t := range trials {
		for _, r := range t.Rows {
			if r.Side == judge.Again || r.Side == judge.Head && t.Inject == 0 {
				pool = append(pool, r)
			}
		}
	}
	if len(pool) == 0 {
		return 0
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	for range gates {
		drawn := make([]Row, rows)
		for i := range drawn {
			drawn[i] = pool[rng.IntN(len(pool))]
		}
		first := reds(drawn, rng)
		if len(first) > 0 && len(reds(first, rng)) > 0 {
			red++
		}
	}
	return red
}

// reds draws the blocks of rows and returns the rows that are slower.
func reds(rows []Row, rng *rand.Rand) (red []Row) {
	drawn := make([]judge.Row, len(rows))
	for i, r := range rows {
		blocks := make([]float64, len(r.Blocks))
		for k := range blocks {
			blocks[k] = r.Blocks[rng.IntN(len(blocks))]
			if rng.IntN(2) == 0 {
				blocks[k] = -blocks[k]
			}
		}
		drawn[i] = judge.Row{Metric: judge.Metric{Floor: r.Floor}, Estimate: stats.Compare(blocks)}
	}
	judge.Judge(drawn, stats.Alpha)
	for i := range drawn {
		if drawn[i].Verdict == stats.Slower {
			red = append(red, rows[i])
		}
	}
	return slices.Clip(red)
}
