package workqueue

import "time"

// refreshPeriod is how often the metrics about work in hand are computed anew.
// It is client-go's.
const refreshPeriod = 500 * time.Millisecond

// A Gauge goes up and down.
type Gauge interface {
	Inc()
	Dec()
}

// A SettableGauge is set to a value.
type SettableGauge interface{ Set(value float64) }

// A Counter only goes up.
type Counter interface{ Inc() }

// A Histogram takes single observations.
type Histogram interface{ Observe(value float64) }

// A MetricsProvider makes the metrics of a queue, when the queue is made, from
// its name. Their methods are called with the queue's lock held, except for
// retries: they must be quick and must not call the queue. Retries may be
// counted concurrently.
type MetricsProvider interface {
	// NewDepthMetric is for the items that need work which no worker has
	// begun: Len, and those that were added again while in hand.
	NewDepthMetric(name string) Gauge
	// NewAddsMetric is for adds that were not absorbed by an earlier one.
	NewAddsMetric(name string) Counter
	// NewLatencyMetric is for the seconds from the add to the Get of an item.
	NewLatencyMetric(name string) Histogram
	// NewWorkDurationMetric is for the seconds from Get to Done.
	NewWorkDurationMetric(name string) Histogram
	// NewUnfinishedWorkSecondsMetric is for the seconds that the items in
	// hand have been there, added up; refreshed twice a second until the
	// shutdown.
	NewUnfinishedWorkSecondsMetric(name string) SettableGauge
	// NewLongestRunningProcessorSecondsMetric is the same for the one item
	// that has been in hand longest.
	NewLongestRunningProcessorSecondsMetric(name string) SettableGauge
	// NewRetriesMetric is for calls of AddAfter, those by AddRateLimited
	// included.
	NewRetriesMetric(name string) Counter
}

// measured reports whether the queue is to have metrics.
func (o Options) measured() bool { return o.Name != "" && o.Metrics != nil }

// meter turns what happens to items into metrics. A nil meter does nothing. Its
// methods are called with the queue's lock held.
type meter[T comparable] struct {
	depth         Gauge
	adds          Counter
	latency, work Histogram

	unfinished, longest SettableGauge

	addedAt map[T]time.Time // of the items that are dirty
	begunAt map[T]time.Time // of the items in hand
}

func newMeter[T comparable](o Options) *meter[T] {
	if !o.measured() {
		return nil
	}
	return &meter[T]{
		depth:      o.Metrics.NewDepthMetric(o.Name),
		adds:       o.Metrics.NewAddsMetric(o.Name),
		latency:    o.Metrics.NewLatencyMetric(o.Name),
		work:       o.Metrics.NewWorkDurationMetric(o.Name),
		unfinished: o.Metrics.NewUnfinishedWorkSecondsMetric(o.Name),
		longest:    o.Metrics.NewLongestRunningProcessorSecondsMetric(o.Name),
		addedAt:    map[T]time.Time{},
		begunAt:    map[T]time.Time{},
	}
}

// added notes that the item has become dirty.
func (m *meter[T]) added(item T) {
	if m == nil {
		return
	}
	m.adds.Inc()
	m.depth.Inc()
	m.addedAt[item] = time.Now()
}

// begun notes that a dirty item is in hand now.
func (m *meter[T]) begun(item T) {
	if m == nil {
		return
	}
	now := time.Now()
	m.depth.Dec()
	m.latency.Observe(now.Sub(m.addedAt[item]).Seconds())
	delete(m.addedAt, item)
	m.begunAt[item] = now
}

// finished notes that the item is no longer in hand.
func (m *meter[T]) finished(item T) {
	if m == nil {
		return
	}
	m.work.Observe(time.Since(m.begunAt[item]).Seconds())
	delete(m.begunAt, item)
}

// refresh computes the metrics about the items in hand.
func (m *meter[T]) refresh(now time.Time) {
	var total, longest float64
	for _, begun := range m.begunAt {
		age := now.Sub(begun).Seconds()
		total += age
		longest = max(longest, age)
	}
	m.unfinished.Set(total)
	m.longest.Set(longest)
}

// refreshMeter refreshes the meter until the queue shuts down.
func (q *Queue[T]) refreshMeter() {
	ticker := time.NewTicker(refreshPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-q.stop:
			return
		case now := <-ticker.C:
			q.mu.Lock()
			q.meter.refresh(now)
			q.mu.Unlock()
		}
	}
}
