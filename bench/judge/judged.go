package judge

import (
	"cmp"
	"slices"

	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
	"informerlab/core/buffer"
)

// Reference is the buffer that others are compared with if there is one of this name.
const Reference = "reference"

// Judged is a run with its verdicts: what every output shows. It is for reading only.
type Judged struct {
	Run    *run.Recorded
	Blocks *Blocks
	// Comparison has a row for each buffer and metric that is compared; controls only if
	// the run compares two programs.
	*Comparison
	Winners []Winner // one per workload of a run without sides
	Sided   bool     // two programs were compared
}

// Of judges a run by the rules for its kind: head against base if it has sides, else each
// buffer against base, or against Reference or the first one if base is "".
func Of(r *run.Recorded, base string) *Judged {
	j := &Judged{Run: r, Blocks: BlocksOf(r.Slices)}
	rules := RulesOf(r)
	if j.Sided = slices.ContainsFunc(r.Manifest.Arms, func(a run.ArmInfo) bool { return a.Side != "" }); j.Sided {
		j.Comparison = Sides(r.Slices, rules)
	} else {
		if base == "" && len(r.Manifest.Arms) > 0 {
			base = j.base()
		}
		j.Comparison = &Comparison{Rows: Buffers(j.Blocks, base, rules), Blocks: j.Blocks.Count}
		j.Winners = Winners(j.Blocks, r.Manifest.Arms)
	}
	for i := range j.Rows {
		row := &j.Rows[i]
		other := run.Row{Buffer: row.Against}
		if j.Sided {
			other = run.Row{Buffer: row.Buffer, Side: Base}
		}
		row.Unlike = j.Loss(row.Row) != j.Loss(other)
	}
	j.order()
	return j
}

// base is the buffer that others are compared with.
func (j *Judged) base() string {
	for _, arm := range j.Run.Manifest.Arms {
		if arm.Buffer == Reference {
			return Reference
		}
	}
	return j.Run.Manifest.Arms[0].Buffer
}

// RulesOf returns the rules by which a run is judged unless somebody says otherwise: of
// two sides those of Timing. Buffers have wider floors than two versions of one program:
// who chooses among them looks for larger differences.
func RulesOf(r *run.Recorded) Rules {
	rules := Rules{Alpha: stats.Strict, Metrics: []Metric{
		{worker.NSPerEvent, .03}, {worker.OthersNSPerEvent, .03}, {worker.CPUNSPerEvent, .03},
		{worker.P50, .1}, {worker.P99, .1}, {worker.BytesPerPending, .03},
	}}
	for _, arm := range r.Manifest.Arms {
		if arm.Side == Slowed {
			rules.Percent = arm.Spin
		}
		if arm.Side == Base {
			rules.Metrics = Timing(arm.Procs)
		}
	}
	return rules
}

// order puts rows and winners into the order of workloads and buffers of the run.
func (j *Judged) order() {
	arms := func(name string) int {
		return slices.IndexFunc(j.Run.Manifest.Arms, func(a run.ArmInfo) bool { return a.Buffer == name })
	}
	workloads := func(name string) int { return slices.Index(j.Run.Manifest.Workloads, name) }
	slices.SortStableFunc(j.Rows, func(a, b Row) int {
		return cmp.Or(workloads(a.Workload)-workloads(b.Workload), arms(a.Buffer)-arms(b.Buffer))
	})
	slices.SortStableFunc(j.Winners, func(a, b Winner) int { return workloads(a.Workload) - workloads(b.Workload) })
}

// Loss returns what the arm of a row may lose, "" if nothing or not known.
func (j *Judged) Loss(row run.Row) buffer.Loss {
	for _, a := range j.Run.Manifest.Arms {
		if a.Buffer == row.Buffer && a.Side == row.Side && a.Traits.Loss != buffer.Lossless {
			return a.Traits.Loss
		}
	}
	return ""
}

// Primary returns the metric that a workload is judged by: the first unit, in the order
// of tables, that one of its rows has; "" if none.
func (j *Judged) Primary(workload string) string {
	for _, unit := range []string{
		worker.NSPerEvent, worker.OthersNSPerEvent, worker.P99, worker.P50, worker.P90, worker.P999,
		worker.MaxLatency, worker.Pause, worker.CPUNSPerEvent,
	} {
		for _, a := range j.Run.Manifest.Arms {
			if j.Blocks.Has(run.Row{Workload: workload, Buffer: a.Buffer, Side: a.Side}, unit) {
				return unit
			}
		}
	}
	return ""
}

// Winner returns the verdict on who does best under a workload, or nil.
func (j *Judged) Winner(workload string) *Winner {
	for i := range j.Winners {
		if j.Winners[i].Workload == workload {
			return &j.Winners[i]
		}
	}
	return nil
}

// find returns the judged row of a metric, or nil.
func (j *Judged) find(row run.Row, unit string) *Row {
	for i := range j.Rows {
		if r := &j.Rows[i]; r.Row == row && r.Unit == unit {
			return r
		}
	}
	for i := range j.Controls {
		if r := &j.Controls[i].Row; r.Row == row && r.Unit == unit {
			return r
		}
	}
	return nil
}

// BoundShare is how much of a measured p99 the generator's own p99 lateness may
// be: a tenth, so that the contestant's part is right to about that.
const BoundShare = 0.1

// Late returns the generator's own lateness as a share of a row's p99, both medians over
// blocks; NaN where either is not known.
func (j *Judged) Late(row run.Row) float64 {
	return stats.Median(j.Blocks.Values(row, worker.LateP99)) / stats.Median(j.Blocks.Values(row, worker.P99))
}
