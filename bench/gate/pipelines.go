package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"informerlab/bench/judge"
	"informerlab/bench/worker"
	"informerlab/core/buffer"
	"informerlab/loadgen"
)

// allocationFloors are what figures that do not vary may grow by: a share of what
// base has or, where that is next to nothing, an amount in a run. Runs of one
// program differ by one batch of 9 KB or two.
var allocationFloors = []struct {
	unit, per string
	share     float64
	amount    float64 // in a run: divided by as many as there are of per
}{
	{worker.AllocsPerEvent, events, 0.005, 200},
	{worker.BytesPerEvent, events, 0.01, 40_000},
	{worker.BytesPerPending, worker.Backlog, 0.01, 20_000},
}

// events is the name, beside those of units, of how many events a run has.
const events = "events"

// allocationWorkloads are short: what is allocated for an event does not depend on
// how many there are. Memory for what waits is told by handlers that stall.
var allocationWorkloads = []string{"saturate:listeners=2,events=20000", "stall:events=50000,keys=1000"}

// Allocations is the layer of allocations and bytes for each event, and bytes for
// each notification that waits, of whole pipelines on one processor. It takes
// the least of a few fresh processes of each side.
func Allocations(quick bool) Layer {
	processes, guess := 3, 20*time.Second
	if quick {
		processes, guess = 1, 3*time.Second
	}
	return Layer{
		Name: "allocations and bytes", Guess: guess,
		Subjects: func(contestants []worker.Listing) []Subject {
			return pipelines(contestants, allocationWorkloads, quick)
		},
		Lacks: prepares,
		Measure: func(ctx context.Context, s Sides, subjects []Subject) (Outcome, error) {
			return allocations(ctx, s, subjects, processes)
		},
	}
}

// quickBuffers are what a quick gate looks at.
var quickBuffers = map[string]bool{"reference": true, "ring": true}

// pipelines returns the contestants under each workload that they fit. Bounds,
// which hold nothing, are no contestants.
func pipelines(contestants []worker.Listing, workloads []string, quick bool) (subjects []Subject) {
	for _, label := range workloads {
		w := mustParse(label)
		for _, c := range contestants {
			if c.Traits.Bound == buffer.Nothing || worker.Fits(c.Traits, w) != nil || quick && !quickBuffers[c.Name] {
				continue
			}
			subjects = append(subjects, Subject{label, c.Name})
		}
	}
	return subjects
}

// mustParse reads a workload that is written down in this package.
func mustParse(label string) loadgen.Workload {
	w, err := loadgen.ParseWorkload(label)
	if err != nil {
		panic(err)
	}
	return w
}

func (s Subject) prepare() worker.Request {
	described, err := mustParse(s.Workload).MarshalText()
	if err != nil {
		panic(err) // it has just been read
	}
	return worker.Request{Op: worker.OpPrepare, Contestant: s.Buffer, Workload: string(described)}
}

// prepares returns the subjects that a program's worker cannot prepare, and why. It
// is given descriptions that need no file: what it does not know of one, it lacks.
func prepares(ctx context.Context, p Program, subjects []Subject) (map[Subject]string, error) {
	requests := make([]worker.Request, len(subjects))
	for i, subject := range subjects {
		requests[i] = subject.prepare()
	}
	responses, err := p.ask(ctx, 0, requests...)
	if err != nil {
		return nil, err
	}
	lacks := map[Subject]string{}
	for i, response := range responses {
		if response.Error != "" {
			lacks[subjects[i]] = firstError([]byte(response.Error), nil)
		}
	}
	return lacks, nil
}

// errHead marks what is wrong with head, not with the gate.
var errHead = errors.New("head fails")

func allocations(ctx context.Context, s Sides, subjects []Subject, processes int) (Outcome, error) {
	base, head := make([]map[string]float64, len(subjects)), make([]map[string]float64, len(subjects))
	var jobs []func() error
	for i, subject := range subjects {
		jobs = append(jobs,
			func() (err error) { base[i], err = least(ctx, s.Base, subject, processes); return err },
			func() (err error) {
				if head[i], err = least(ctx, s.Head, subject, processes); err != nil {
					err = errors.Join(errHead, err)
				}
				return err
			})
	}
	err := sideBySide(jobs)
	if errors.Is(err, errHead) {
		return Outcome{Failure: err.Error()}, nil
	}
	if err != nil {
		return Outcome{}, err
	}
	var outcome Outcome
	for i, subject := range subjects {
		for _, floor := range allocationFloors {
			value, measured := base[i][floor.unit]
			if !measured {
				continue
			}
			amount := floor.amount / max(base[i][floor.per], 1)
			row := judge.Exact(subject.row(), floor.unit, value, head[i][floor.unit], floor.share, amount)
			row.Estimate.Blocks = processes
			outcome.Rows = append(outcome.Rows, row)
		}
	}
	return outcome, nil
}

// least returns the least of each figure over fresh processes, two runs each. The
// first run of a process is not measured: it finds an empty heap.
func least(ctx context.Context, p Program, s Subject, processes int) (map[string]float64, error) {
	values := map[string]float64{}
	for range processes {
		responses, err := p.ask(ctx, 1, s.prepare(),
			worker.Request{Op: worker.OpWarm}, worker.Request{Op: worker.OpRun}, worker.Request{Op: worker.OpRun})
		if err != nil {
			return nil, err
		}
		for _, response := range responses {
			if response.Error != "" {
				return nil, fmt.Errorf("%s: %s", p.Tree.Label, response.Error)
			}
			if response.Result == nil {
				continue
			}
			values[events] = float64(response.Result.Events)
			for _, metric := range response.Result.Metrics() {
				if value, seen := values[metric.Unit]; !seen || metric.Value < value {
					values[metric.Unit] = metric.Value
				}
			}
		}
	}
	return values, nil
}
