// Package run drives worker processes through a measurement and keeps what they
// measure.
//
//	for each block:                      fresh processes, the unit of analysis
//	    for each workload, in random order:
//	        all arms: start, prepare, warm up
//	        for each round: all arms, in random order, one at a time (or in duets)
//	        one raw line per arm: the medians over its rounds  ──▶ raw.txt, flushed
//
// Fresh processes vary more among each other than the rounds of one process do,
// and machines drift, so blocks are repeated and arms are interleaved: what
// slows the machine for a minute slows all arms of that minute. A run may be
// interrupted at any time; what the finished rounds measured stays valid.
//
// What was measured is never changed afterwards:
//
//	raw.txt          Go benchmark text, a line per block and arm; a table is made from it at any time
//	slices.csv.gz    each run of each arm: all figures, its place in the order, steal and pressure
//	latency.hlog     latency histograms of open loops, an HdrHistogram log
//	timeline.csv.gz  backlog and heap over time, of the first round of each block
//	run.json         command, seed, machine, load of the machine per block
//	env.txt          the same environment, to read
//	run.lock         the process that measures, while it does: nobody else writes then
//	profiles/        CPU, heap, mutex and block profiles, if asked for
//	table.txt, report.html, summary.md, flame/   made from these by lab, at any time
//
// Files that grow do so once per block and workload, and run.json tells how far
// they are whole: what a killed run left beyond that is not read, and is cut off
// when the run is resumed.
//
// Limits: one machine, one run at a time. An arm that fails a check ends the run
// with an error and is not tried again.
package run

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"informerlab/bench/flame"
	"informerlab/bench/worker"
	"informerlab/core/buffer"
	"informerlab/loadgen"
)

// An Arm is one contestant and the program that serves it.
type Arm struct {
	Buffer  string // the contestant with its options, a label of results
	Traits  buffer.Traits
	Command []string // starts a worker that has it
	// Side tells programs apart that have the same buffer, and is a label of
	// results too; "" where there is but one.
	Side  string
	Procs int     // GOMAXPROCS of the worker; 0 = this process's
	Spin  float64 // percent by which each run is made longer: see worker.Request
	Bare  bool    // runs are not watched, to show what watching costs: see worker.Session
	// Settled is the number of blocks after which the arm takes part in every fourth
	// only, as by then it is known well enough; 0 = in all. It is blocks rather than
	// rounds, as a process that has run less often is faster.
	Settled int
}

// String returns the arm's label.
func (a Arm) String() string { return strings.TrimSuffix(a.Buffer+"@"+a.Side, "@") }

// benchName is the part of the name of a result that tells arms apart.
func (a Arm) benchName() string {
	if a.Side == "" {
		return "/buffer=" + a.Buffer
	}
	return "/buffer=" + a.Buffer + "/side=" + a.Side
}

// A Plan is what to measure.
type Plan struct {
	Arms      []Arm
	Workloads []loadgen.Workload
	Blocks    int    // 0 = what each workload has by default
	Rounds    int    // 0 = what each workload has by default
	Seed      uint64 // of the order
	Duets     bool   // in closed loops run the arms of a buffer at the same time on one processor
	Profile   bool   // profile each arm in a process of its own afterwards
	Timelines bool   // have one taken in every round, not only in the first of a block
	Args      []string
	Tag       string // a name for the run; see CheckTag
	Progress  *Progress
	// Each, if not nil, is called with each result that counts, by the goroutine
	// that executes the plan.
	Each func(w loadgen.Workload, arm Arm, r *worker.Result)
	// Enough, if not nil, is asked after each block, with what the folder then
	// holds, whether to leave out the others. So that the answer does not favour
	// a result, it must look at widths of intervals and at the time only.
	Enough func(blocks int, slices []Slice) bool
}

func (p *Plan) blocks(w loadgen.Workload) int {
	if p.Blocks > 0 {
		return p.Blocks
	}
	return MeasureOf(w).Blocks
}

func (p *Plan) rounds(w loadgen.Workload) int {
	if p.Rounds > 0 {
		return p.Rounds
	}
	return MeasureOf(w).Rounds
}

// A driver is one execution of a plan.
type driver struct {
	*Plan
	folder *Folder
}

// Execute measures what the plan says and writes it into the folder block by
// block. It returns ctx's error if that ended first; the folder then holds what
// was measured until then. Execute waits for all processes it started.
func Execute(ctx context.Context, p *Plan, folder *Folder) error {
	d := &driver{Plan: p, folder: folder}
	d.Progress.plan(d.units())
	err := d.measure(ctx)
	if err == nil && p.Profile {
		err = d.profile(ctx)
	}
	if ctx.Err() != nil {
		// Whatever failed, failed because its process was killed.
		err = ctx.Err()
	}
	d.Progress.end()
	return errors.Join(err, folder.finish(err))
}

// units returns all steps of the run for the estimate of the time left.
func (d *driver) units() []unit {
	var units []unit
	for _, w := range d.Workloads {
		seconds := (1 + MeasureOf(w).Seconds*float64(1+d.rounds(w))) * float64(len(d.Arms))
		for range d.blocks(w) {
			units = append(units, unit{w.BenchName(), seconds})
		}
		if d.Profile {
			units = append(units, unit{profileUnit(w), (1 + 2*MeasureOf(w).Seconds) * float64(len(d.Arms))})
		}
	}
	return units
}

func profileUnit(w loadgen.Workload) string { return "profile " + w.BenchName() }

func (d *driver) measure(ctx context.Context) error {
	most := 0
	for _, w := range d.Workloads {
		most = max(most, d.blocks(w))
	}
	for number := range most {
		block := d.folder.beginBlock(number)
		rng := rand.New(rand.NewPCG(d.Seed, uint64(number)))
		for _, i := range rng.Perm(len(d.Workloads)) {
			w, order := d.Workloads[i], rand.New(rand.NewPCG(rng.Uint64(), uint64(i)))
			if number >= d.blocks(w) || slices.Contains(block.Workloads, withoutFolder(w).String()) {
				continue
			}
			d.Progress.begin(fmt.Sprintf("block %d/%d  %s", number+1, d.blocks(w), w.String()))
			if err := d.workload(ctx, w, block, order); err != nil {
				return err
			}
			d.Progress.done(w.BenchName())
		}
		if err := d.folder.endBlock(block); err != nil {
			return err
		}
		if d.Enough != nil && d.Enough(number+1, d.folder.files.slices) {
			break
		}
	}
	return nil
}

// workload measures the arms of a block under one workload in fresh processes.
func (d *driver) workload(ctx context.Context, w loadgen.Workload, block *Block, rng *rand.Rand) error {
	arms := d.armsOf(block)
	processes, err := d.start(ctx, arms, rng.Perm(len(arms)), w, d.processor(w, rng))
	defer func() { worker.StopAll(processes) }()
	if err != nil {
		return err
	}
	var measured measured
	fitness := d.folder.fitness(w, d.blocks(w)*d.rounds(w))
	fitness.inBlock = 0
	for len(measured) < d.rounds(w) {
		d.Progress.show(fmt.Sprintf("round %d/%d", len(measured)+1, d.rounds(w)))
		round, err := d.round(ctx, processes, rng.Perm(len(arms)), d.Timelines || len(measured) == 0, fitness)
		if err != nil {
			// The rounds that all arms finished are a fair sample; keep them.
			return errors.Join(err, d.folder.write(w, arms, block, measured))
		}
		if fitness.discards(round.results, d.rounds(w)) {
			continue
		}
		fitness.counts(round.results)
		measured = append(measured, round)
		for arm, result := range round.results {
			if d.Each != nil {
				d.Each(w, arms[arm], result)
			}
		}
	}
	return d.folder.write(w, arms, block, measured)
}

// armsOf returns the arms that take part in a block.
func (d *driver) armsOf(block *Block) (arms []Arm) {
	for _, arm := range d.Arms {
		if after := block.Number - arm.Settled; arm.Settled == 0 || after <= 0 || after%4 == 0 {
			arms = append(arms, arm)
		}
	}
	return arms
}

// round runs every process once in the given order, one at a time, or those of a
// buffer at the same time.
func (d *driver) round(
	ctx context.Context, processes []*contestant, order []int, timeline bool, fitness *Fitness,
) (*round, error) {
	groups := grouped(processes, order)
	r := &round{
		order: slices.Concat(groups...),
		began: make([]time.Time, len(processes)), results: make([]*worker.Result, len(processes)),
	}
	for _, together := range groups {
		d.Progress.show(processes[together[0]].arm.Buffer)
		if err := r.run(ctx, processes, together, timeline); err != nil {
			return nil, err
		}
	}
	for i, p := range processes {
		result := r.results[i]
		if p.pinned() {
			result.Share()
		}
		if err := fitness.same(p.arm, result); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// start starts the workers of arms in the given order, as the first one may find
// another machine than the last, and prepares them side by side, as nothing is
// timed yet; then each warms up alone. It returns the processes that it started,
// by arm, also with an error.
func (d *driver) start(
	ctx context.Context, arms []Arm, order []int, w loadgen.Workload, cpu int,
) ([]*contestant, error) {
	processes := make([]*contestant, len(arms))
	started := func() []*contestant {
		return slices.DeleteFunc(processes, func(p *contestant) bool { return p == nil })
	}
	for _, arm := range order {
		p, err := startContestant(arms[arm], cpu)
		if err != nil {
			return started(), err
		}
		processes[arm] = p
	}
	d.Progress.show("prepare")
	failed := make(chan error, len(processes))
	for _, p := range processes {
		go func() { failed <- p.prepare(ctx, w) }()
	}
	var err error
	for range processes {
		err = errors.Join(err, <-failed)
	}
	for _, arm := range order {
		if err == nil {
			d.Progress.show("warm up  " + arms[arm].String())
			err = processes[arm].warm(ctx)
		}
	}
	return processes, err
}

// profileSeconds is how long each arm is profiled: some 200 samples of one busy
// core and 100 per second more for each further one.
const profileSeconds = 2

// profile runs each arm once more under the profilers.
func (d *driver) profile(ctx context.Context) error {
	folder := filepath.Join(d.folder.Path, "profiles")
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	for _, w := range d.Workloads {
		d.Progress.begin("profile  " + w.String())
		for _, arm := range d.Arms {
			if err := d.profileArm(ctx, arm, w, folder); err != nil {
				return err
			}
		}
		d.Progress.done(profileUnit(w))
	}
	return nil
}

func (d *driver) profileArm(ctx context.Context, arm Arm, w loadgen.Workload, folder string) error {
	processes, err := d.start(ctx, []Arm{arm}, []int{0}, w, anyProcessor)
	defer func() { worker.StopAll(processes) }()
	if err != nil {
		return err
	}
	d.Progress.show("profile  " + arm.Buffer)
	prefix := filepath.Join(folder, flame.Prefix(w.BenchName(), arm.Buffer, arm.Side))
	return processes[0].profile(ctx, prefix, profileSeconds*time.Second)
}
