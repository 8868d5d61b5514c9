package workqueue

import (
	"sync"
)

// keepEntries is the number of entries up to which an empty queue keeps its
// storage. It is a few dozen kilobytes for small items: more than a queue needs
// in steady state, and little enough to be forgotten after a burst.
const keepEntries = 1024

// Options configure a queue. The zero Options suit every queue without metrics.
type Options struct {
	Name    string          // labels the metrics; without a name there are none
	Metrics MetricsProvider // nil = no metrics
}

// state is what a queue knows of an item. An item that is neither dirty nor in
// hand has no state.
type state uint8

const (
	dirty  state = 1 << iota // it needs work that no worker has begun
	inHand                   // a worker has it, between Get and Done
)

// A Queue is a first-in-first-out queue of distinct items for any number of
// producers and workers. All methods may be called concurrently.
type Queue[T comparable] struct {
	mu   sync.Mutex
	work sync.Cond // Get waits here for an item or for shuttingDown
	rest sync.Cond // drains wait here for busy == 0 or for a change of forced

	// Invariant: an item is in ready, once, exactly if its state is dirty alone.
	ready  fifo[T]
	states map[T]state
	busy   int // items in hand
	peak   int // largest len(states) since the map was made

	shuttingDown bool // only ever becomes true; stop is closed with it
	forced       int  // calls of ShutDown, each of which ends the drains begun before

	meter *meter[T]

	stop       chan struct{} // closed: the goroutines below end
	goroutines sync.WaitGroup
}

// New returns an empty queue. With metrics it runs one goroutine until it is
// shut down, without it runs none.
func New[T comparable](o Options) *Queue[T] {
	q := &Queue[T]{
		states: map[T]state{},
		meter:  newMeter[T](o),
		stop:   make(chan struct{}),
	}
	q.work.L, q.rest.L = &q.mu, &q.mu
	if q.meter != nil {
		q.goroutines.Go(q.refreshMeter)
	}
	return q
}

// Add says that the item needs work. It does nothing if the item is waiting
// already or the queue is shutting down. It never blocks.
func (q *Queue[T]) Add(item T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.states[item]
	if q.shuttingDown || s&dirty != 0 {
		return
	}
	q.meter.added(item)
	q.states[item] = s | dirty
	q.peak = max(q.peak, len(q.states))
	if s&inHand == 0 {
		q.push(item)
	}
}

// Get waits for an item and hands it to the caller, who must call Done with it
// afterwards. shutdown says that there is no item and that the caller should
// end: the queue is shutting down and nothing is ready.
func (q *Queue[T]) Get() (item T, shutdown bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.ready.len() == 0 && !q.shuttingDown {
		q.work.Wait()
	}
	if q.ready.len() == 0 {
		return item, true
	}
	item = q.ready.pop()
	q.states[item] = inHand
	q.busy++
	q.meter.begun(item)
	return item, false
}

// Done says that the caller has finished with an item that it got. If the item
// was added meanwhile it becomes ready again, even during a shutdown. Done of
// an item that nobody has in hand does nothing.
func (q *Queue[T]) Done(item T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.states[item]
	if s&inHand == 0 {
		return
	}
	q.meter.finished(item)
	q.busy--
	if s&dirty != 0 {
		q.states[item] = dirty
		q.push(item)
	} else {
		q.forget(item)
	}
	if q.busy == 0 {
		q.rest.Broadcast()
	}
}

// Len returns the number of items that wait for a worker. Items in hand do not
// count, nor do scheduled ones. It is out of date as soon as it is known.
func (q *Queue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ready.len()
}

// ShutDown makes the queue ignore all further items and returns without waiting
// for workers: what is ready is still handed out, and then Get reports the
// shutdown. It ends every drain that has begun. It may be called twice.
func (q *Queue[T]) ShutDown() {
	q.mu.Lock()
	q.refuse()
	q.forced++
	q.rest.Broadcast()
	q.mu.Unlock()
	q.goroutines.Wait()
}

// ShutDownWithDrain does what ShutDown does, except that it ends no drain, and
// waits until no item is in hand or ShutDown is called. It does not wait for
// ready items as such: workers that go on until Get reports the shutdown take
// them. Called by a worker that has an item in hand it waits for itself.
func (q *Queue[T]) ShutDownWithDrain() {
	q.mu.Lock()
	q.refuse()
	for forced := q.forced; q.busy > 0 && q.forced == forced; {
		q.rest.Wait()
	}
	q.mu.Unlock()
	q.goroutines.Wait()
}

// ShuttingDown reports whether a shutdown has begun.
func (q *Queue[T]) ShuttingDown() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.shuttingDown
}

// push makes an item ready that is dirty and not in hand. The caller has mu.
func (q *Queue[T]) push(item T) {
	q.ready.push(item)
	q.work.Signal()
}

// forget drops the state of an item, and the whole map when it is empty and was
// large, as a Go map keeps the room of its largest size. The caller has mu.
func (q *Queue[T]) forget(item T) {
	delete(q.states, item)
	if len(q.states) == 0 && q.peak > keepEntries {
		q.states, q.peak = map[T]state{}, 0
	}
}

// refuse begins the shutdown. The caller has mu.
func (q *Queue[T]) refuse() {
	if q.shuttingDown {
		return
	}
	q.shuttingDown = true
	close(q.stop)
	q.work.Broadcast()
}
