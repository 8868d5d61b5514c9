package processor

import (
	"fmt"
	"iter"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/atomic"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

// batchSize is how many notifications a listener takes from its subscription
// at most at once: enough that locking and waking cost nothing per item, few
// enough (6 KiB) that a batch stays in the first-level cache. A buffer for which
// what is in hand matters gives fewer.
const batchSize = 128

// ListenerOptions configure one handler.
type ListenerOptions struct {
	// Resync is how often the handler wants every cached object delivered
	// again; 0 = never. See Processor.CheckPeriod for what it really gets.
	Resync time.Duration
}

// A Listener owns one handler: its goroutine, panic isolation, sync tracking and
// accounting. Its exported methods may be called concurrently.
type Listener struct {
	p       *Processor
	handler Handler
	sync    tracker

	// Guarded by p.state.
	requested  time.Duration // as asked for, raised to what is allowed
	resync     time.Duration // effective
	nextResync time.Time
	closed     bool
	sub        Subscription // set once, by begin

	abandon  atomic.Bool // handle no further notification
	ending   sync.Once
	closing  chan struct{} // closed by end
	finished chan struct{} // closed after the last call

	// Written by the listener's goroutine alone (or, without a buffer, by the
	// publisher), after each batch.
	handled  atomic.Uint64
	panicked atomic.Uint64
	inHand   atomic.Int64
	healed   atomic.Uint64
	healing  atomic.Int64  // healing calls that are being made
	reached  atomic.Uint64 // Seq of the notification handled last, if its fan-out keeps Seqs

	gaps    gaps   // what has to be healed
	healer  healer // the listener's goroutine's own
	joining pendingJoin
	notDue  bool // for the sync notifications of the current round; guarded by the publish lock

	replayed atomic.Uint64                    // written under the publish lock
	discards [buffer.NumReasons]atomic.Uint64 // written by whoever discards
	holdNext time.Duration                    // hold the next call for this long; own goroutine
}

func newListener(p *Processor, h Handler) *Listener {
	l := &Listener{p: p, handler: h, closing: make(chan struct{}), finished: make(chan struct{})}
	l.gaps.inHand = &l.inHand
	l.sync.done = make(chan struct{})
	l.sync.start(1) // a guard: not synced before the replay has been handed over
	return l
}

// replay makes initial adds of objects and counts them as started.
func (l *Listener) replay(objects iter.Seq[event.Object], seq uint64) iter.Seq[event.Notification] {
	return func(yield func(event.Notification) bool) {
		for obj := range objects {
			l.replayed.Inc()
			l.sync.start(1)
			if !yield(event.Notification{New: obj, Seq: seq, Kind: event.Add, Flags: event.Initial}) {
				return
			}
		}
	}
}

// close ends the intake and, if the backlog is to be abandoned, the delivery.
// It waits for nobody.
func (l *Listener) close() {
	l.p.state.Lock()
	again := l.closed
	l.closed = true
	sub := l.sub
	l.p.state.Unlock()
	if again {
		return
	}
	l.end()
	if sub == nil {
		close(l.finished) // it never began
		return
	}
	sub.Close()
}

func (l *Listener) isClosed() bool {
	l.p.state.Lock()
	defer l.p.state.Unlock()
	return l.closed
}

// end lets the listener know that close will come: pauses after panics end, and
// the backlog goes the way of OnStop. What is published meanwhile is still
// routed, so that a publisher waiting for room in a buffer gets on.
func (l *Listener) end() {
	l.ending.Do(func() {
		if l.p.o.OnStop == Abandon {
			l.abandon.Store(true)
		}
		close(l.closing)
	})
}

// Finished returns a channel that is closed when the listener has been removed
// or stopped and its last call has returned.
func (l *Listener) Finished() <-chan struct{} { return l.finished }

// HasSynced reports whether the whole initial list has been handled, or
// discarded because the listener was removed or stopped.
func (l *Listener) HasSynced() bool { return l.sync.has() }

// Synced returns a channel that is closed when HasSynced becomes true. A
// listener that is removed before its informer has synced never gets there.
func (l *Listener) Synced() <-chan struct{} { return l.sync.done }

// Resync returns the period at which the handler is due for a resync; 0 = never.
func (l *Listener) Resync() time.Duration {
	l.p.state.Lock()
	defer l.p.state.Unlock()
	return l.resync
}

func (l *Listener) run(sub Subscription) {
	defer close(l.finished)
	batch := make([]event.Notification, batchSize)
	for n := sub.Pop(batch); n > 0; n = sub.Pop(batch) {
		l.deliverAll(batch[:n])
		clear(batch[:n])
		l.atRest()
	}
	l.healIfIdle() // what was lost last, if the backlog was to be handled
}

// deliverAll makes one call for each notification, whatever panics, and
// discards what is left once the listener is to abandon.
func (l *Listener) deliverAll(batch []event.Notification) {
	last := batch[len(batch)-1].Seq
	rest := l.popped(batch)
	for len(rest) > 0 && !l.abandon.Load() {
		var ready int
		if rest, ready = l.ready(rest); ready == 0 {
			continue
		}
		done, failed := l.deliver(rest[:ready])
		rest = rest[done:]
		l.handled.Add(uint64(done))
		if failed {
			l.panicked.Inc()
			l.finish(&rest[0])
			rest = rest[1:]
		}
		l.inHand.Store(int64(len(rest)))
		if failed {
			l.healer.swept = true // what is left is, and this may take long
			l.gaps.hold(true)
			l.afterPanic()
		}
	}
	for _, n := range rest {
		l.discarded(n, buffer.Closed)
	}
	l.reached.Store(last)
	l.inHand.Store(0)
}

// deliver calls the handler for each notification until one panics or the
// listener is to abandon, and returns how many calls returned. One deferred
// function serves the whole batch: a defer per call would cost as much as the
// call of a small handler.
func (l *Listener) deliver(batch []event.Notification) (done int, failed bool) {
	if l.p.o.Panic.Recover {
		defer func() {
			if r := recover(); r != nil {
				failed = true
				l.logPanic("handler panicked", r, "notification", batch[done].String())
			}
		}()
	}
	if l.holdNext > 0 {
		l.pause(l.holdNext)
		l.holdNext = 0
	}
	for done = range batch {
		if l.abandon.Load() {
			return done, false
		}
		n := &batch[done]
		switch n.Kind {
		case event.Update:
			l.handler.OnUpdate(n.Old, n.New)
		case event.Add:
			l.handler.OnAdd(n.New, n.Flags&event.Initial != 0)
			l.finish(n)
		case event.Delete:
			l.handler.OnDelete(n.Old, n.Flags&event.FinalStateUnknown != 0)
		}
	}
	return len(batch), false
}

// logPanic logs a recovered panic with its stack. The deferred function that has
// recovered calls it.
func (l *Listener) logPanic(message string, value any, more ...any) {
	attributes := append([]any{"panic", fmt.Sprint(value), "stack", string(debug.Stack())}, more...)
	l.p.o.Logger.Error(message, attributes...)
}

// finish counts an initial add as done with.
func (l *Listener) finish(n *event.Notification) {
	if n.Flags&event.Initial != 0 {
		l.sync.finish()
	}
}

// discarded is the Discard hook of the subscription, and the way out of what is
// abandoned or superseded in hand.
func (l *Listener) discarded(n event.Notification, why buffer.Reason) {
	l.discards[why].Inc()
	if why == buffer.Overflow && l.p.o.Cache != nil {
		if !l.p.lossy.Load() {
			l.p.lossy.Store(true)
		}
		l.gaps.file(&n, l.p.seq.Load())
	}
	l.finish(&n)
}

// A tracker knows when all initial adds have been finished: the count of those
// started and not finished is 0 and no more will come. Starting comes before
// pushing, so the count cannot touch 0 too early.
type tracker struct {
	mu      sync.Mutex
	pending int
	last    bool // upstream has synced: no more starts
	done    chan struct{}
}

func (t *tracker) start(n int) {
	t.mu.Lock()
	t.pending += n
	t.mu.Unlock()
}

func (t *tracker) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pending--
	t.check()
}

func (t *tracker) upstream() {
	t.mu.Lock()
	t.last = true
	t.check()
	t.mu.Unlock()
}

func (t *tracker) check() {
	if t.pending < 0 {
		panic("processor: more initial adds finished than started")
	}
	if t.last && t.pending == 0 {
		select {
		case <-t.done:
		default:
			close(t.done)
		}
	}
}

func (t *tracker) has() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}
