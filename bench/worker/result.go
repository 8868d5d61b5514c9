package worker

import (
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"

	"informerlab/core/buffer"
	"informerlab/core/processor"
)

// A Result is what one run measured. It exists only for runs whose checks
// passed.
type Result struct {
	Events    int `json:"events"`    // watch events released, without those of a prefill
	Calls     int `json:"calls"`     // handler calls, those for initial list and prefill included
	Listeners int `json:"listeners"` // handlers of each pipeline
	// WallNS, CPUNS (user and system time of the whole process), Allocs and
	// Bytes cover the timed window: from the release of the events to the last
	// call of the last handler that is waited for.
	WallNS int64  `json:"wall_ns"`
	CPUNS  int64  `json:"cpu_ns"`
	Allocs uint64 `json:"allocs"`
	Bytes  uint64 `json:"bytes"`
	// Latency is from the intended time of an event to the begin of a
	// handler's call, Lateness and GapError as in loadgen.Pace. All are nil in a
	// closed loop, and Latency is where no handler was told of a timed event.
	// Where the generator was late, Latency is an upper bound, and Lower has the lower
	// ones: see loadgen.Lag. PauseNS is the longest time for which a handler heard
	// nothing.
	Latency  *Quantiles `json:"latency,omitempty"`
	Lower    *Quantiles `json:"lower,omitempty"`
	Lateness *Quantiles `json:"lateness,omitempty"`
	GapError *Quantiles `json:"gap_error,omitempty"`
	PauseNS  int64      `json:"pause_ns,omitempty"`
	// Neighbours is the same of the handlers that neither stop nor are slow, where
	// some do or are.
	Neighbours *Quantiles `json:"neighbours,omitempty"`
	// GeneratorNS is what it cost to make and hand out an event, in nanoseconds
	// of the generator's goroutine.
	GeneratorNS float64 `json:"generator_ns"`
	// SpanNS is the last intended time, and Processors is GOMAXPROCS.
	SpanNS     int64 `json:"span_ns,omitempty"`
	Processors int   `json:"processors"`
	// Histogram is what Latency sums up, in HdrHistogram's compressed V2 encoding
	// as base64; "" if there is none.
	Histogram string   `json:"histogram,omitempty"`
	Timeline  []Sample `json:"timeline,omitempty"` // if the session takes one
	// The shares of the timed window, from 0 to 1 and negative where not known:
	// of all processors, used by other programs and stolen by a hypervisor; of the
	// time, with some task of the machine waiting for a processor.
	OthersCPU float64 `json:"others_cpu"`
	Steal     float64 `json:"steal"`
	Pressure  float64 `json:"pressure"`
	// What the runtime tells of the timed window: garbage collections, about how
	// many times a goroutine became ready to run and the 99th percentile of how
	// long it then waited, and the time that goroutines waited for mutexes.
	GCs            uint64 `json:"gcs"`
	Wakeups        uint64 `json:"wakeups"`
	SchedulerP99NS int64  `json:"scheduler_p99_ns"`
	MutexWaitNS    int64  `json:"mutex_wait_ns"`
	// PeakBytes is the largest resident set of the process so far, as
	// getrusage tells it.
	PeakBytes int64 `json:"peak_bytes"`
	// Store is a hash over the keys and versions that the caches held in the
	// end, whatever their order: the same for every contestant.
	Store      uint64   `json:"store,string"`
	Reconciles int      `json:"reconciles,omitempty"` // keys that workers took from work queues
	Stall      *Stalled `json:"stall,omitempty"`      // of a workload that stalls, the control too
	Losses     *Losses  `json:"losses,omitempty"`     // of a contestant that is not lossless
	Shared     bool     `json:"-"`                    // see Share
}

// Share notes that other runs shared the processor at the same time. Then what the
// clock shows is no property of this one, nor what others did a disturbance, and
// both are left out, here and by Metrics. It is for who asked for the runs.
func (r *Result) Share() {
	r.Shared, r.Latency, r.Lower, r.Histogram = true, nil, nil, ""
	r.OthersCPU, r.Pressure = -1, -1
}

// Saturated reports whether the pipeline itself took the time that its generator
// lacked: other programs used less than a tenth of all processors, and either this
// process used at least nine tenths of its own, or the backlog grew to the end.
// The backlog did if the last call came later than the last intended time by more
// than a tenth of the span and the largest lateness. Then lateness is part of what
// the pipeline does to its handlers, and Latency has no lower bounds.
func (r *Result) Saturated() bool {
	if r.Latency == nil || r.Lateness == nil || r.OthersCPU < 0 || r.OthersCPU >= 0.1 {
		return false
	}
	busy := float64(r.CPUNS) >= 0.9*float64(r.WallNS)*float64(r.Processors)
	return busy || r.WallNS > r.SpanNS+r.SpanNS/10+r.Lateness.Max
}

// Quantiles sum up a histogram of nanoseconds.
type Quantiles struct {
	Count int64 `json:"count"`
	P50   int64 `json:"p50_ns"`
	P90   int64 `json:"p90_ns"`
	P99   int64 `json:"p99_ns"`
	P999  int64 `json:"p99.9_ns"`
	Max   int64 `json:"max_ns"`
}

// Stalled is what a workload with stopped handlers measured beside the time of
// the others. Of the control, where nobody stops, it has RetainedBytes only.
type Stalled struct {
	Handlers int `json:"handlers"` // that stopped
	// Before and Pending are the numbers of notifications that waited for all
	// stopped handlers at the release and when the others were done, as the
	// contestant's account has it; one more is in hand of each.
	Before  int `json:"before,omitempty"`
	Pending int `json:"pending"`
	// HeapBytes is by how much the live heap grew from before the release to
	// the full backlog, after two collections each.
	HeapBytes int64 `json:"heap_bytes"`
	// DrainNS is from the end of the stall until the stopped handlers knew all,
	// and DrainCalls how many calls that took: of a buffer that discards fewer
	// than there were events, and some of them to heal.
	DrainNS    int64 `json:"drain_ns"`
	DrainCalls int   `json:"drain_calls"`
	// RetainedBytes is by how much the live heap was larger after the drain
	// than before the release, after two collections each.
	RetainedBytes int64 `json:"retained_bytes"`
}

// Losses sum up the accounts of all handlers of a contestant that may discard.
type Losses struct {
	Loss        buffer.Loss `json:"loss"`
	Overflow    uint64      `json:"overflow"`   // discarded for want of room
	Superseded  uint64      `json:"superseded"` // merged into one that waited, or older than a healed state
	Annihilated uint64      `json:"annihilated"`
	Closed      uint64      `json:"closed"` // discarded by a buffer that takes nothing, or not needed at the end
	Healed      uint64      `json:"healed"` // calls that made good what was lost
}

func (l *Losses) add(accounts []processor.Stats) {
	for _, s := range accounts {
		l.Overflow += s.Discarded[buffer.Overflow]
		l.Superseded += s.Discarded[buffer.Superseded]
		l.Annihilated += s.Discarded[buffer.Annihilated]
		l.Closed += s.Discarded[buffer.Closed]
		l.Healed += s.Healed
	}
}

// metrics returns the figures that the kind of loss can have.
func (l *Losses) metrics() []Metric {
	overflow, superseded := Metric{Overflow, float64(l.Overflow)}, Metric{Superseded, float64(l.Superseded)}
	switch l.Loss {
	case buffer.DropsEvery:
		return []Metric{{Closed, float64(l.Closed)}}
	case buffer.Coalesces:
		return []Metric{superseded, {Annihilated, float64(l.Annihilated)}}
	}
	return []Metric{overflow, superseded, {Healed, float64(l.Healed)}}
}

// A Metric is one figure of a result under the name of its unit.
type Metric struct {
	Unit  string
	Value float64
}

// The units of metrics, in the order of tables.
const (
	EventsPerSecond    = "events/s"
	NSPerEvent         = "ns/event"
	NSPerEventListener = "ns/event·listener"
	OthersNSPerEvent   = "others-ns/event"
	CPUNSPerEvent      = "cpu-ns/event"
	BytesPerEvent      = "B/event"
	AllocsPerEvent     = "allocs/event"
	P50                = "p50-ns"
	P90                = "p90-ns"
	P99                = "p99-ns"
	P999               = "p99.9-ns"
	MaxLatency         = "max-ns"
	Pause              = "pause-ns"
	P50Lower           = "p50-lower-ns" // this and the next: only where they differ from what was measured
	P90Lower           = "p90-lower-ns"
	P99Lower           = "p99-lower-ns"
	P999Lower          = "p99.9-lower-ns"
	MaxLower           = "max-lower-ns"
	LateRuns           = "late"      // the share of runs whose generator was late
	SaturatedRuns      = "saturated" // the share of runs, see Result.Saturated
	SpoiledRuns        = "spoiled"   // of older runs: the share without latency, as the generator was late
	LateP50            = "generator-late-p50-ns"
	LateP99            = "generator-late-p99-ns"
	GapErrorP99        = "gap-error-p99-ns"
	GeneratorNSEvent   = "generator-ns/event"
	Wakeups            = "wakeups/event"
	SchedulerP99       = "scheduler-p99-ns"
	MutexWait          = "mutex-wait-ns/event"
	GCs                = "gcs"
	PeakBytes          = "peak-B" // of the process, its load and what earlier runs left included
	BacklogMax         = "pending-max"
	OldestMax          = "oldest-max-ns"
	BacklogBefore      = "pending-before"
	Backlog            = "pending"
	BytesPerPending    = "B/pending"
	BacklogBytes       = "backlog-B"
	DrainNSPerEvent    = "drain-ns/event"
	DrainNS            = "drain-ns"
	RetainedBytes      = "retained-B"
	Overflow           = "overflow"
	Superseded         = "superseded"
	Annihilated        = "annihilated"
	Closed             = "closed"
	Healed             = "healed"
)

// Units returns all units in the order of tables.
func Units() []Unit {
	var units []Unit
	for _, name := range []string{
		NSPerEvent, NSPerEventListener, OthersNSPerEvent, CPUNSPerEvent, BytesPerEvent, AllocsPerEvent,
		P50, P90, P99, P999, MaxLatency, Pause, SpoiledRuns, LateP50, LateP99, GapErrorP99, GeneratorNSEvent,
		BacklogBefore, Backlog, BytesPerPending, BacklogBytes, DrainNSPerEvent, DrainNS, RetainedBytes,
		Overflow, Superseded, Annihilated, Closed, Healed,
	} {
		units = append(units, Unit{Name: name, Meaning: meanings[name]})
	}
	for _, name := range []string{
		P50Lower, P90Lower, P99Lower, P999Lower, MaxLower, LateRuns, SaturatedRuns,
		EventsPerSecond, Wakeups, SchedulerP99, MutexWait, GCs, PeakBytes, BacklogMax, OldestMax,
	} {
		units = append(units, Unit{
			Name: name, Meaning: meanings[name], Higher: name == EventsPerSecond, Detail: true,
		})
	}
	return units
}

// A Unit is the metadata of one unit.
type Unit struct {
	Name    string
	Meaning string // in a few words, for people
	Higher  bool   // more is better
	Detail  bool   // it explains another figure and is no row of a table that is read first
}

// UnitOf returns the unit of this name, or one that means its name.
func UnitOf(name string) Unit {
	for _, u := range Units() {
		if u.Name == name && u.Meaning != "" {
			return u
		}
	}
	return Unit{Name: name, Meaning: name, Higher: name == EventsPerSecond}
}

// meanings are what units mean to people who do not know their names.
var meanings = map[string]string{
	NSPerEvent: "time per event", NSPerEventListener: "time per event and handler",
	OthersNSPerEvent: "time per event, unstalled handlers", CPUNSPerEvent: "CPU time per event",
	BytesPerEvent: "bytes allocated per event", AllocsPerEvent: "allocations per event",
	P50: "latency, median", P90: "latency, 90th percentile", P99: "latency, 99th percentile",
	P999: "latency, 99.9th percentile", MaxLatency: "longest latency", Pause: "longest time without a call",
	BytesPerPending: "live heap per pending notification", BacklogBytes: "live heap of the backlog",
	DrainNSPerEvent: "time to catch up, per pending notification", DrainNS: "time to catch up",
	RetainedBytes: "live heap that stays",
}

// LowerOf returns the unit of the lower bounds of a unit's values, or "" if they
// have none. A value without a lower bound is exact.
func LowerOf(unit string) string { return lowerOf[unit] }

var lowerOf = map[string]string{
	P50: P50Lower, P90: P90Lower, P99: P99Lower, P999: P999Lower, MaxLatency: MaxLower,
}

// Metrics returns the figures of a result in the order of Units.
func (r *Result) Metrics() []Metric {
	all := r.metrics()
	if r.Shared {
		all = slices.DeleteFunc(all, func(m Metric) bool { return byTheClock[m.Unit] })
	}
	return all
}

// byTheClock are the units of what the clock shows.
var byTheClock = map[string]bool{
	NSPerEvent: true, NSPerEventListener: true, OthersNSPerEvent: true, EventsPerSecond: true,
	P50: true, P90: true, P99: true, P999: true, MaxLatency: true, Pause: true, SpoiledRuns: true,
	LateRuns: true, SaturatedRuns: true,
	LateP50: true, LateP99: true, GapErrorP99: true, GeneratorNSEvent: true,
	SchedulerP99: true, MutexWait: true, OldestMax: true, DrainNS: true, DrainNSPerEvent: true,
}

func (r *Result) metrics() []Metric {
	events := float64(max(r.Events, 1))
	wall := float64(r.WallNS) / events
	var m []Metric
	switch {
	case r.Latency != nil || r.Lateness != nil: // the load says how long an open loop takes
	case r.Stall != nil:
		m = append(m, Metric{OthersNSPerEvent, wall})
	case r.Listeners == 0:
		m = append(m, Metric{NSPerEvent, wall})
	default:
		m = append(m, Metric{NSPerEvent, wall}, Metric{NSPerEventListener, wall / float64(r.Listeners)})
	}
	m = append(m, Metric{CPUNSPerEvent, float64(r.CPUNS) / events},
		Metric{BytesPerEvent, float64(r.Bytes) / events}, Metric{AllocsPerEvent, float64(r.Allocs) / events})
	m = append(m, r.latencies()...)
	m = append(m, r.backlog()...)
	if r.Losses != nil {
		m = append(m, r.Losses.metrics()...)
	}
	return append(m, r.details()...)
}

// details returns what the machine and the runtime tell.
func (r *Result) details() []Metric {
	events := float64(max(r.Events, 1))
	m := append(r.bounds(), []Metric{
		{EventsPerSecond, events / (float64(max(r.WallNS, 1)) / 1e9)},
		{Wakeups, float64(r.Wakeups) / events}, {SchedulerP99, float64(r.SchedulerP99NS)},
		{MutexWait, float64(r.MutexWaitNS) / events}, {GCs, float64(r.GCs)}, {PeakBytes, float64(r.PeakBytes)},
	}...)
	pending, oldest := -1, int64(0)
	for _, s := range r.Timeline {
		pending, oldest = max(pending, s.Pending), max(oldest, s.OldestNS)
	}
	if pending >= 0 {
		m = append(m, Metric{BacklogMax, float64(pending)}, Metric{OldestMax, float64(oldest)})
	}
	return m
}

// latencies returns the figures of an open loop, and what its generator did.
func (r *Result) latencies() (m []Metric) {
	if q := r.Latency; q != nil {
		m = append(m, Metric{P50, float64(q.P50)}, Metric{P90, float64(q.P90)},
			Metric{P99, float64(q.P99)}, Metric{P999, float64(q.P999)})
		if r.Stall != nil {
			m = append(m, Metric{MaxLatency, float64(q.Max)}, Metric{Pause, float64(r.PauseNS)})
		}
	}
	if r.Lateness != nil {
		m = append(m, Metric{LateP50, float64(r.Lateness.P50)}, Metric{LateP99, float64(r.Lateness.P99)})
	}
	if r.GapError != nil {
		m = append(m, Metric{GapErrorP99, float64(r.GapError.P99)})
	}
	if r.GeneratorNS > 0 { // else it was not measured
		m = append(m, Metric{GeneratorNSEvent, r.GeneratorNS})
	}
	return m
}

// bounds returns the lower bounds of latencies, and why there are any or none.
func (r *Result) bounds() (m []Metric) {
	if r.Latency == nil || r.Lateness == nil {
		return nil
	}
	if q := r.Lower; q != nil && !r.Saturated() {
		m = append(m, Metric{P50Lower, float64(q.P50)}, Metric{P90Lower, float64(q.P90)},
			Metric{P99Lower, float64(q.P99)}, Metric{P999Lower, float64(q.P999)})
		if r.Stall != nil {
			m = append(m, Metric{MaxLower, float64(q.Max)})
		}
	}
	share := map[bool]float64{true: 1}
	return append(m, Metric{LateRuns, share[r.Lower != nil]}, Metric{SaturatedRuns, share[r.Saturated()]})
}

// backlog returns the figures of stopped handlers. Of one that stopped in an
// open loop there are no bytes: most of its backlog is from before the release.
func (r *Result) backlog() (m []Metric) {
	s := r.Stall
	open := r.Lateness != nil
	if s != nil && s.Handlers > 0 {
		pending := float64(s.Pending)
		if open {
			m = append(m, Metric{BacklogBefore, float64(s.Before)})
		}
		m = append(m, Metric{Backlog, pending})
		if !open {
			m = append(m, Metric{BytesPerPending, float64(s.HeapBytes) / max(pending, 1)},
				Metric{BacklogBytes, float64(s.HeapBytes)})
		}
		m = append(m, Metric{DrainNSPerEvent, float64(s.DrainNS) / float64(max(s.DrainCalls, 1))},
			Metric{DrainNS, float64(s.DrainNS)})
	}
	if s != nil && !open {
		m = append(m, Metric{RetainedBytes, float64(s.RetainedBytes)})
	}
	return m
}

// merged returns the sum of histograms, which may hold nil, or nil if nothing was
// recorded.
func merged(histograms []*hdrhistogram.Histogram) (all *hdrhistogram.Histogram) {
	for _, h := range histograms {
		switch {
		case h == nil || h.TotalCount() == 0:
		case all == nil:
			all = hdrhistogram.Import(h.Export())
		default:
			all.Merge(h)
		}
	}
	return all
}

// quantilesOf sums up a histogram, or returns nil for none.
func quantilesOf(h *hdrhistogram.Histogram) *Quantiles {
	if h == nil {
		return nil
	}
	return &Quantiles{
		Count: h.TotalCount(),
		P50:   h.ValueAtQuantile(50),
		P90:   h.ValueAtQuantile(90),
		P99:   h.ValueAtQuantile(99),
		P999:  h.ValueAtQuantile(99.9),
		Max:   h.Max(),
	}
}
