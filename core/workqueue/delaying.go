package workqueue

import (
	"sync"
	"time"
)

// A Delaying queue also takes items that become ready later. All methods may be
// called concurrently.
type Delaying[T comparable] struct {
	*Queue[T]
	retries Counter // nil = no metrics

	mu       sync.Mutex // never held by one who has Queue's mutex
	schedule schedule[T]
	closed   bool          // only ever becomes true: nothing is scheduled any more
	sooner   chan struct{} // holds a token if the earliest time has changed
}

// NewDelaying returns an empty queue. It runs one goroutine, beside that for
// metrics, until it is shut down; both kinds of shutdown wait for it.
func NewDelaying[T comparable](o Options) *Delaying[T] {
	d := &Delaying[T]{
		Queue:  New[T](o),
		sooner: make(chan struct{}, 1),
	}
	if o.measured() {
		d.retries = o.Metrics.NewRetriesMetric(o.Name)
	}
	d.goroutines.Go(d.run)
	return d
}

// AddAfter adds the item when the delay has passed, or now if it is not
// positive. Of several delays for one item the one that ends first counts, and
// the others are void. An Add meanwhile does not cancel it. AddAfter does
// nothing when the queue is shutting down, and a shutdown drops what is
// scheduled. It never blocks.
func (d *Delaying[T]) AddAfter(item T, delay time.Duration) {
	if d.ShuttingDown() {
		return
	}
	if d.retries != nil {
		d.retries.Inc()
	}
	if delay <= 0 {
		d.Add(item)
		return
	}
	if !d.put(item, time.Now().Add(delay)) {
		return
	}
	select {
	case d.sooner <- struct{}{}:
	default: // the goroutine has yet to look anyway
	}
}

// Scheduled returns the number of items whose delay has not passed.
func (d *Delaying[T]) Scheduled() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.schedule.len()
}

// put schedules an item and reports whether it is now the first that is due.
func (d *Delaying[T]) put(item T, due time.Time) (first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.closed && d.schedule.put(item, due)
}

// run adds each scheduled item when it is due, until the queue shuts down.
func (d *Delaying[T]) run() {
	defer d.drop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if wait, some := d.release(time.Now()); some {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case <-d.stop:
			return
		case <-d.sooner:
		case <-timer.C:
		}
	}
}

// release adds all items that are due and returns how long the next one has to
// wait, if there is one.
func (d *Delaying[T]) release(now time.Time) (wait time.Duration, some bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.schedule.len() > 0 {
		if wait := d.schedule.first().Sub(now); wait > 0 {
			return wait, true
		}
		d.Add(d.schedule.pop())
	}
	return 0, false
}

// drop forgets what is scheduled, for good.
func (d *Delaying[T]) drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.schedule = schedule[T]{}
}
