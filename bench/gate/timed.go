package gate

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"informerlab/bench/compare"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
	"informerlab/loadgen"
)

// A Timed compares subjects by time: base and head by turns, in blocks of fresh
// processes, with controls.
type Timed func(ctx context.Context, t Timing, s Sides, subjects []Subject) (Outcome, error)

// A Timing is how a layer compares by time.
type Timing struct {
	Procs     int // GOMAXPROCS of the workers
	Metrics   []compare.Metric
	Percent   float64 // by which the control is slower that must be found
	Rounds    int     // measured runs per process
	MaxBlocks int
	Budget    time.Duration // which it keeps to
}

// timedRows are the buffers that a timed layer looks at under a workload: few, as
// each row costs a good part of a minute. The first one gets the controls.
type timedRows struct {
	workload string
	buffers  []string
}

// CPU is the layer of CPU time at one core, the least noisy of times: it hardly
// depends on what else the machine does.
func CPU(measure Timed, quick bool) Layer {
	return timed("CPU time at one core", measure, quick, Timing{
		Procs: 1, Metrics: []compare.Metric{{Unit: worker.CPUNSPerEvent, Floor: 0.02}}, Percent: 5,
		Rounds: 20, MaxBlocks: 40, Budget: 80 * time.Second,
	}, timedRows{"saturate:listeners=2,events=20000", []string{"ring", "reference", "chunked", "mpsc"}})
}

// Wall is the layer of wall time and latency tails at two cores: what waiting and
// waking cost, of which CPU time does not tell.
func Wall(measure Timed, quick bool) Layer {
	rows := []timedRows{
		{"saturate:listeners=2,events=20000", []string{"ring", "reference"}},
		{"steady:rate=50000,listeners=2,events=2500", []string{"ring", "reference"}},
	}
	if quick {
		rows = rows[:1]
	}
	return timed("wall time and tails at two cores", measure, quick, Timing{
		Procs: 2, Metrics: []compare.Metric{
			{Unit: worker.NSPerEvent, Floor: 0.03}, {Unit: worker.P50, Floor: 0.1}, {Unit: worker.P99, Floor: 0.2},
		}, Percent: 8,
		Rounds: 12, MaxBlocks: 60, Budget: 120 * time.Second,
	}, rows...)
}

// quickly makes a timing that sees no more than gross changes.
func (t Timing) quickly() Timing {
	t.Metrics = slices.Clone(t.Metrics)
	for i := range t.Metrics {
		t.Metrics[i].Floor = 0.1
	}
	t.Percent, t.Rounds, t.MaxBlocks, t.Budget = 40, 4, 8, 15*time.Second
	return t
}

func timed(name string, measure Timed, quick bool, t Timing, rows ...timedRows) Layer {
	if quick {
		t = t.quickly()
	}
	return Layer{
		Name: name, Guess: t.Budget,
		Subjects: func([]worker.Listing) (subjects []Subject) {
			for _, row := range rows {
				w := mustParse(row.workload)
				for _, name := range row.buffers {
					if !quick || name == row.buffers[0] {
						subjects = append(subjects, Subject{w.String(), name})
					}
				}
			}
			return subjects
		},
		Lacks: prepares,
		Measure: func(ctx context.Context, s Sides, subjects []Subject) (Outcome, error) {
			return measure(ctx, t, s, subjects)
		},
	}
}

// Measured returns the Timed that measures. The folders of its runs are made in
// out, progress may be nil.
func Measured(out string, seed uint64, progress *run.Progress, args []string) Timed {
	return func(ctx context.Context, t Timing, s Sides, subjects []Subject) (Outcome, error) {
		p := &compare.Plan{
			Base: []string{s.Base.Path, "worker"}, Head: []string{s.Head.Path, "worker"},
			Rules: compare.Rules{Metrics: t.Metrics, Alpha: stats.Alpha, Percent: t.Percent},
			Procs: t.Procs, Rounds: t.Rounds, MaxBlocks: t.MaxBlocks, Budget: t.Budget,
			Seed: seed, Progress: progress, Args: args,
		}
		if err := cross(ctx, p, s.Head, subjects); err != nil {
			return Outcome{}, err
		}
		c, _, err := compare.Measure(ctx, p, out)
		if err != nil {
			return Outcome{}, err
		}
		return outcomeOf(c), nil
	}
}

// cross fills in the workloads and buffers of subjects. A plan measures each
// buffer under each workload, those that were not asked for too.
func cross(ctx context.Context, p *compare.Plan, program Program, subjects []Subject) error {
	list, err := program.list(ctx)
	if err != nil {
		return err
	}
	for _, subject := range subjects {
		w := mustParse(subject.Workload)
		same := func(other loadgen.Workload) bool { return other.String() == w.String() }
		if !slices.ContainsFunc(p.Workloads, same) {
			p.Workloads = append(p.Workloads, w)
		}
		if slices.ContainsFunc(p.Buffers, func(b compare.Buffer) bool { return b.Name == subject.Buffer }) {
			continue
		}
		for _, c := range list.Contestants {
			if c.Name == subject.Buffer {
				p.Buffers = append(p.Buffers, compare.Buffer{Name: c.Name, Traits: c.Traits})
			}
		}
	}
	return nil
}

// outcomeOf translates a comparison.
func outcomeOf(c *compare.Comparison) (o Outcome) {
	for _, r := range c.Rows {
		row := Row{
			Subject: Subject{r.Workload, r.Buffer}, Unit: r.Unit, Verdict: Verdict(r.Verdict),
			Base: r.Base, Head: r.Head, Blocks: r.Estimate.Blocks,
			Change: math.Expm1(r.Mean), Low: math.Expm1(r.Low), High: math.Expm1(r.High),
			Floor: r.Floor, MDE: math.Expm1(r.MDE),
		}
		if r.Verdict == stats.Inconclusive && r.Needs > 0 {
			row.Note = fmt.Sprintf("needs %d more blocks", r.Needs)
		}
		o.Rows = append(o.Rows, row)
	}
	for _, missing := range c.Missing {
		parts := strings.Fields(missing)
		o.Rows = append(o.Rows, Row{
			Subject: Subject{parts[0], parts[1]}, Unit: parts[2], Verdict: Missing, Note: "head has no such figure",
		})
	}
	var failed []string
	for _, control := range c.Controls {
		if control.Side == compare.Slowed && isLatency(control.Unit) {
			continue // what keeps a processor busy at the end of a run delays no event before that
		}
		known := "base against itself"
		if control.Side == compare.Slowed {
			known = fmt.Sprintf("base made %g %% slower", control.Percent)
		}
		told := Control{
			Name:    fmt.Sprintf("%s, %s under %s, %s", known, control.Buffer, control.Workload, control.Unit),
			Outcome: fmt.Sprintf("%s, %s", percent(math.Expm1(control.Mean)), control.Verdict),
			Passed:  control.Passed,
		}
		o.Controls = append(o.Controls, told)
		if !told.Passed {
			failed = append(failed, told.Name+" came out as "+told.Outcome)
		}
	}
	if len(o.Controls) == 0 {
		failed = append(failed, "there were no controls")
	}
	o.Unfit = strings.Join(failed, "; ")
	return o
}

func isLatency(unit string) bool { return unit == worker.P50 || unit == worker.P99 }

// Layers returns all layers, the cheapest first.
func Layers(measure Timed, quick bool) []Layer {
	return []Layer{
		Conformance(quick), Allocations(quick), Instructions(quick), CPU(measure, quick), Wall(measure, quick),
	}
}
