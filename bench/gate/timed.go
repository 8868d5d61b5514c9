package gate

import (
	"context"
	"slices"
	"time"

	"informerlab/bench/compare"
	"informerlab/bench/judge"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
	"informerlab/loadgen"
)

// A Timed compares subjects of one workload by time: base and head, in blocks of
// fresh processes, with controls of the first subject.
type Timed func(ctx context.Context, t Timing, s Sides, subjects []Subject) (Outcome, error)

// A Timing is how a layer compares by time.
type Timing struct {
	Procs     int // GOMAXPROCS of the workers
	Metrics   []judge.Metric
	Percent   float64 // by which the control is slower that must be found
	Rounds    int     // measured runs per process
	MaxBlocks int
	Budget    time.Duration // which it keeps to
}

// timedRows are buffers under one workload: few, as the budget is for all of them.
// Runs at one processor are long enough for the kernel to change many times between
// the arms of a duet; by turns, the shorter the better. The first buffer gets the
// controls.
type timedRows struct {
	workload string
	buffers  []string
	rounds   int // measured runs per process
	budget   time.Duration
}

// CPU is the layer of CPU time at one core, the least noisy of times: in duets it
// hardly depends on what else the machine does.
func CPU(measure Timed, quick bool) Layer {
	return timed("CPU time at one core", measure, quick, Timing{
		Procs: 1, Metrics: []judge.Metric{{Unit: worker.CPUNSPerEvent, Floor: 0.02}}, Percent: 5,
		MaxBlocks: 40,
	},
		timedRows{"saturate:listeners=2,events=100000", []string{"ring", "chunked", "mpsc"}, 8, 60 * time.Second},
		timedRows{"saturate:listeners=2,events=20000", []string{"reference"}, 8, 40 * time.Second})
}

// Wall is the layer of wall time and latency tails at two cores: what waiting and
// waking cost, of which CPU time does not tell.
func Wall(measure Timed, quick bool) Layer {
	return timed("wall time and tails at two cores", measure, quick, Timing{
		Procs: 2, Metrics: []judge.Metric{
			{Unit: worker.NSPerEvent, Floor: 0.03}, {Unit: worker.P50, Floor: 0.1}, {Unit: worker.P99, Floor: 0.2},
		}, Percent: 8,
		MaxBlocks: 30,
	},
		timedRows{"saturate:listeners=2,events=25000", []string{"ring"}, 32, 60 * time.Second},
		timedRows{"steady:rate=50000,listeners=2,events=2500", []string{"ring"}, 8, 60 * time.Second})
}

// quickly makes a timing that sees no more than gross changes.
func (t Timing) quickly() Timing {
	t.Metrics = slices.Clone(t.Metrics)
	for i := range t.Metrics {
		t.Metrics[i].Floor = 0.1
	}
	t.Percent, t.MaxBlocks = 40, 8
	return t
}

func timed(name string, measure Timed, quick bool, t Timing, rows ...timedRows) Layer {
	if quick {
		first := rows[0]
		t, rows = t.quickly(), []timedRows{{first.workload, first.buffers[:1], 4, first.budget / 4}}
	}
	layer := Layer{Name: name, Lacks: prepares}
	var subjects []Subject
	for _, row := range rows {
		layer.Guess += row.budget
		for _, buffer := range row.buffers {
			subjects = append(subjects, Subject{mustParse(row.workload).String(), buffer})
		}
	}
	layer.Subjects = func([]worker.Listing) []Subject { return subjects }
	layer.Measure = func(ctx context.Context, s Sides, subjects []Subject) (all Outcome, err error) {
		for _, row := range rows {
			workload := mustParse(row.workload).String()
			another := func(s Subject) bool { return s.Workload != workload }
			of := slices.DeleteFunc(slices.Clone(subjects), another)
			if len(of) == 0 || all.Unfit != "" {
				continue
			}
			t.Rounds, t.Budget = row.rounds, row.budget
			one, err := measure(ctx, t, s, of)
			if err != nil {
				return all, err
			}
			all.Rows = append(append(all.Rows, one.Rows...), unmeasured(of, one.Rows)...)
			all.Controls = append(all.Controls, one.Controls...)
			all.Unfit = one.Unfit
		}
		return all, nil
	}
	return layer
}

// unmeasured returns rows for subjects that have no figure at all, as where a
// generator was always late: they must not pass for equivalent.
func unmeasured(subjects []Subject, rows []judge.Row) (none []judge.Row) {
	for _, subject := range subjects {
		if !slices.ContainsFunc(rows, func(r judge.Row) bool { return subjectOf(r) == subject }) {
			none = append(none, judge.Unmeasured(subject.row(), stats.Inconclusive, "no figure"))
		}
	}
	return none
}

// Measured returns the Timed that measures. The folders of its runs are made in
// out, progress may be nil.
func Measured(out string, seed uint64, progress *run.Progress, args []string) Timed {
	return func(ctx context.Context, t Timing, s Sides, subjects []Subject) (Outcome, error) {
		p := &compare.Plan{
			Base: []string{s.Base.Path, "worker"}, Head: []string{s.Head.Path, "worker"},
			Workloads: []loadgen.Workload{mustParse(subjects[0].Workload)},
			Rules:     judge.Rules{Metrics: t.Metrics, Alpha: stats.Alpha, Percent: t.Percent},
			Procs:     t.Procs, Rounds: t.Rounds, MaxBlocks: t.MaxBlocks, Budget: t.Budget,
			Seed: seed, Progress: progress, Args: args,
		}
		list, err := s.Head.list(ctx)
		if err != nil {
			return Outcome{}, err
		}
		for _, c := range list.Contestants {
			if slices.Contains(subjects, Subject{subjects[0].Workload, c.Name}) {
				p.Buffers = append(p.Buffers, compare.Buffer{Name: c.Name, Traits: c.Traits})
			}
		}
		p.Controls = subjects[0].Buffer
		c, _, err := compare.Measure(ctx, p, out)
		if err != nil {
			return Outcome{}, err
		}
		return Outcome{Rows: c.Rows, Controls: c.Controls, Unfit: c.Unfit()}, nil
	}
}

// Layers returns all layers, the cheapest first.
func Layers(measure Timed, quick bool) []Layer {
	return []Layer{
		Conformance(quick), Allocations(quick), Instructions(quick), CPU(measure, quick), Wall(measure, quick),
	}
}
