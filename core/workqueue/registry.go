package workqueue

import (
	"sync"

	"go.uber.org/atomic"
)

// A Registry is a MetricsProvider that keeps the metrics of each queue in
// memory, by the queue's name. All methods may be called concurrently.
type Registry struct {
	mu     sync.Mutex
	queues map[string]*Metrics
}

// Metrics are the live metrics of the queue, or the queues, of one name. Queues
// write and anybody may read at any time; two values read one after the other
// need not belong together.
type Metrics struct {
	Depth, Adds, Retries atomic.Int64

	// Seconds that the items in hand have been there: added up, and the longest.
	UnfinishedSeconds, LongestRunningSeconds atomic.Float64

	Latency, WorkDuration Summary // of seconds
}

// A Summary condenses observations. All methods may be called concurrently.
type Summary struct {
	mu       sync.Mutex
	count    int64
	sum, top float64
}

// Observe adds an observation, which is not negative.
func (s *Summary) Observe(value float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	s.sum += value
	s.top = max(s.top, value)
}

// Read returns how many observations there were, their sum, and the largest;
// all 0 if there were none.
func (s *Summary) Read() (count int64, sum, largest float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count, s.sum, s.top
}

// NewRegistry returns an empty registry.
func NewRegistry() *Registry { return &Registry{queues: map[string]*Metrics{}} }

// Queue returns the metrics of the queues of that name; all are zero if there
// is none yet.
func (r *Registry) Queue(name string) *Metrics {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.queues[name]
	if m == nil {
		m = &Metrics{}
		r.queues[name] = m
	}
	return m
}

// number adapts an atomic to Gauge and Counter.
type number struct{ value *atomic.Int64 }

func (n number) Inc() { n.value.Inc() }
func (n number) Dec() { n.value.Dec() }

// level adapts an atomic to SettableGauge.
type level struct{ value *atomic.Float64 }

func (l level) Set(value float64) { l.value.Store(value) }

// NewDepthMetric returns the gauge behind Metrics.Depth.
func (r *Registry) NewDepthMetric(name string) Gauge { return number{&r.Queue(name).Depth} }

// NewAddsMetric returns the counter behind Metrics.Adds.
func (r *Registry) NewAddsMetric(name string) Counter { return number{&r.Queue(name).Adds} }

// NewLatencyMetric returns Metrics.Latency.
func (r *Registry) NewLatencyMetric(name string) Histogram { return &r.Queue(name).Latency }

// NewWorkDurationMetric returns Metrics.WorkDuration.
func (r *Registry) NewWorkDurationMetric(name string) Histogram { return &r.Queue(name).WorkDuration }

// NewUnfinishedWorkSecondsMetric returns the gauge behind Metrics.UnfinishedSeconds.
func (r *Registry) NewUnfinishedWorkSecondsMetric(name string) SettableGauge {
	return level{&r.Queue(name).UnfinishedSeconds}
}

// NewLongestRunningProcessorSecondsMetric returns the gauge behind
// Metrics.LongestRunningSeconds.
func (r *Registry) NewLongestRunningProcessorSecondsMetric(name string) SettableGauge {
	return level{&r.Queue(name).LongestRunningSeconds}
}

// NewRetriesMetric returns the counter behind Metrics.Retries.
func (r *Registry) NewRetriesMetric(name string) Counter { return number{&r.Queue(name).Retries} }
