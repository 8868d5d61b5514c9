package worker

import (
	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Result is what one run measured. It exists only for runs whose checks
// passed.
type Result struct {
	Events    int `json:"events"`    // watch events released
	Calls     int `json:"calls"`     // handler calls checked, the initial list's included
	Listeners int `json:"listeners"` // handlers of each pipeline
	// WallNS, CPUNS (user and system time of the whole process), Allocs and
	// Bytes cover the timed window: from the release of the events to the last
	// call of the last handler that is waited for.
	WallNS int64  `json:"wall_ns"`
	CPUNS  int64  `json:"cpu_ns"`
	Allocs uint64 `json:"allocs"`
	Bytes  uint64 `json:"bytes"`
	// Latency is from the intended time of an event to the begin of a
	// handler's call, Lateness from the intended time to the moment the
	// generator gave it out. Both are nil in a closed loop.
	Latency  *Quantiles `json:"latency,omitempty"`
	Lateness *Quantiles `json:"lateness,omitempty"`
	Stall    *Stalled   `json:"stall,omitempty"` // of a stall workload, the control too
}

// Quantiles sum up a histogram of nanoseconds.
type Quantiles struct {
	Count int64 `json:"count"`
	P50   int64 `json:"p50_ns"`
	P99   int64 `json:"p99_ns"`
	P999  int64 `json:"p99.9_ns"`
	Max   int64 `json:"max_ns"`
}

// Stalled is what a stall workload measured beside the other handlers' time. Of
// the control, where nobody stalls, it has RetainedBytes only.
type Stalled struct {
	// Pending is the number of notifications behind all stalled handlers when
	// the others were done; one more is in hand of each.
	Pending int `json:"pending"`
	// Told is the backlog of the first stalled handler as the contestant tells
	// it (items that its consumer already took in a batch may be left out), or -1.
	Told int `json:"told"`
	// HeapBytes is by how much the live heap grew from before the release to
	// the full backlog, after two collections each.
	HeapBytes int64 `json:"heap_bytes"`
	DrainNS   int64 `json:"drain_ns"` // from the end of the stall to the last call
	// RetainedBytes is by how much the live heap was larger after the drain
	// than before the release, after two collections each.
	RetainedBytes int64 `json:"retained_bytes"`
}

// A Metric is one figure of a result under the name of its unit.
type Metric struct {
	Unit  string
	Value float64
}

// The units of metrics, in the order of tables.
const (
	NSPerEvent         = "ns/event"
	NSPerEventListener = "ns/event·listener"
	OthersNSPerEvent   = "others-ns/event"
	CPUNSPerEvent      = "cpu-ns/event"
	BytesPerEvent      = "B/event"
	AllocsPerEvent     = "allocs/event"
	P50                = "p50-ns"
	P99                = "p99-ns"
	P999               = "p99.9-ns"
	LateP50            = "generator-late-p50-ns"
	LateP99            = "generator-late-p99-ns"
	Backlog            = "pending"
	BytesPerPending    = "B/pending"
	DrainNSPerEvent    = "drain-ns/event"
	RetainedBytes      = "retained-B"
)

// Units returns all units in the order of tables, and of each whether it needs
// no statistics because it does not vary.
func Units() []Unit {
	return []Unit{
		{NSPerEvent, false}, {NSPerEventListener, false}, {OthersNSPerEvent, false}, {CPUNSPerEvent, false},
		{BytesPerEvent, false}, {AllocsPerEvent, false},
		{P50, false}, {P99, false}, {P999, false}, {LateP50, false}, {LateP99, false},
		{Backlog, true}, {BytesPerPending, false}, {DrainNSPerEvent, false}, {RetainedBytes, false},
	}
}

// A Unit is the metadata of one unit. Of all of them less is better.
type Unit struct {
	Name  string
	Exact bool
}

// Metrics returns the figures of a result in the order of Units.
func (r *Result) Metrics() []Metric {
	events := float64(max(r.Events, 1))
	cost := []Metric{
		{CPUNSPerEvent, float64(r.CPUNS) / events},
		{BytesPerEvent, float64(r.Bytes) / events},
		{AllocsPerEvent, float64(r.Allocs) / events},
	}
	wall := float64(r.WallNS) / events
	switch {
	case r.Stall != nil && r.Stall.Pending == 0:
		m := append([]Metric{{OthersNSPerEvent, wall}}, cost...)
		return append(m, Metric{RetainedBytes, float64(r.Stall.RetainedBytes)})
	case r.Stall != nil:
		pending := float64(max(r.Stall.Pending, 1))
		m := append([]Metric{{OthersNSPerEvent, wall}}, cost...)
		return append(m,
			Metric{Backlog, float64(r.Stall.Pending)},
			Metric{BytesPerPending, float64(r.Stall.HeapBytes) / pending},
			Metric{DrainNSPerEvent, float64(r.Stall.DrainNS) / pending},
			Metric{RetainedBytes, float64(r.Stall.RetainedBytes)})
	case r.Latency != nil:
		m := append(cost, Metric{P50, float64(r.Latency.P50)}, Metric{P99, float64(r.Latency.P99)},
			Metric{P999, float64(r.Latency.P999)})
		if r.Lateness != nil {
			m = append(m, Metric{LateP50, float64(r.Lateness.P50)}, Metric{LateP99, float64(r.Lateness.P99)})
		}
		return m
	case r.Listeners == 0:
		return append([]Metric{{NSPerEvent, wall}}, cost...)
	}
	return append([]Metric{{NSPerEvent, wall}, {NSPerEventListener, wall / float64(r.Listeners)}}, cost...)
}

// quantilesOf sums up histograms, which may hold nil; it returns nil if nothing
// was recorded.
func quantilesOf(histograms []*hdrhistogram.Histogram) *Quantiles {
	var all *hdrhistogram.Histogram
	for _, h := range histograms {
		switch {
		case h == nil || h.TotalCount() == 0:
		case all == nil:
			all = hdrhistogram.Import(h.Export())
		default:
			all.Merge(h)
		}
	}
	if all == nil {
		return nil
	}
	return &Quantiles{
		Count: all.TotalCount(),
		P50:   all.ValueAtQuantile(50),
		P99:   all.ValueAtQuantile(99),
		P999:  all.ValueAtQuantile(99.9),
		Max:   all.Max(),
	}
}
