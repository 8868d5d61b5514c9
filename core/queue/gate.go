package queue

import (
	"log/slog"
	"sync"
	"time"

	"go.uber.org/atomic"
)

// A gate is what both queues have in common: the lock, the one goroutine that
// pops, closing, and the account of the initial population. Its fields, length
// and synced excepted, are guarded by mu.
type gate struct {
	mu      sync.Mutex
	cond    sync.Cond // on mu; only the popper waits
	waiting bool      // the popper waits and nobody has woken it yet
	popping bool      // from the start of Pop to its end
	closed  bool

	populated bool // an Add or a Replace has come
	// owed is how much of the initial population is not yet processed. It
	// rises once, from 0, in the Replace that sets populated.
	owed   int
	done   bool          // populated && owed == 0 has been true
	synced chan struct{} // closed when done becomes true

	// length is written under mu and read by anybody: Len must not wait for
	// a process that runs under the lock.
	length atomic.Int64
	logger *slog.Logger // nil = none, and no clock is read
}

func (g *gate) init(logger *slog.Logger) {
	g.cond.L = &g.mu
	g.synced = make(chan struct{})
	g.logger = logger
}

// Close makes Pop return ErrClosed when nothing is left. Later additions are
// still queued, but nothing that failed is put back any more. It waits for a
// process that runs under the lock, and may be called twice.
func (g *gate) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.cond.Signal()
}

// HasSynced reports whether the first Replace has been processed whole. It
// never waits.
func (g *gate) HasSynced() bool {
	select {
	case <-g.synced:
		return true
	default:
		return false
	}
}

// Synced returns a channel that is closed when HasSynced becomes true.
func (g *gate) Synced() <-chan struct{} { return g.synced }

// Len returns how much is waiting: deltas in a FIFO, keys in a DeltaFIFO. What
// is being processed is not counted. It never waits.
func (g *gate) Len() int { return int(g.length.Load()) }

// enter locks the gate and waits until something is queued. It returns false,
// with the lock released, if the queue is closed and empty.
func (g *gate) enter() bool {
	g.mu.Lock()
	if g.popping {
		g.mu.Unlock()
		panic("queue: Pop: called while another Pop is running")
	}
	g.popping = true
	for g.length.Load() == 0 {
		if g.closed {
			g.leave()
			return false
		}
		g.waiting = true
		g.cond.Wait()
	}
	g.waiting = false
	return true
}

// leave ends what a successful enter began.
func (g *gate) leave() {
	g.popping = false
	g.mu.Unlock()
}

// holds states the new length, and wakes the popper if it waits for one.
func (g *gate) holds(n int) {
	g.length.Store(int64(n))
	if n > 0 && g.waiting {
		g.waiting = false
		g.cond.Signal()
	}
}

// populate states the initial population, unless something came before.
func (g *gate) populate(n int) {
	if !g.populated {
		g.populated = true
		g.settle(-n)
	}
}

// settle counts n of the initial population as processed.
func (g *gate) settle(n int) {
	g.owed -= n
	if g.populated && g.owed == 0 && !g.done {
		g.done = true
		close(g.synced)
	}
}

// A stopwatch reports processing that is slow while others wait, by the
// thresholds of client-go: more than 10 waiting, and 100 ms per delta, but at
// most 1 s for a batch.
type stopwatch struct {
	start time.Time // zero = not running
	depth int
}

func (g *gate) stopwatch(depth int) stopwatch {
	if g.logger == nil || depth <= 10 {
		return stopwatch{}
	}
	return stopwatch{start: time.Now(), depth: depth}
}

func (s stopwatch) report(logger *slog.Logger, deltas []Delta, units int) {
	if s.start.IsZero() {
		return
	}
	took := time.Since(s.start)
	if took < min(100*time.Millisecond*time.Duration(units), time.Second) {
		return
	}
	logger.Info("queue: slow processing holds up the queue",
		"first", deltas[0].String(), "deltas", len(deltas), "waiting", s.depth, "took", took)
}
