// Package processor tells every registered handler what became of the cache.
// It is the second seam of the lab: a Fanout decides how one batch of
// notifications reaches many listeners.
//
//	controller ── Do(change, publish) ──▶ Processor ── Publish ──▶ Fanout
//	                                                                 │ one Subscription each
//	                                  Listener ◀── Pop ── Listener ◀─┴── Pop ── …
//	                                     │
//	                                     └──▶ Handler, on the listener's own goroutine
//
// Promises, per handler: calls never overlap; they come in the order of
// publication; a handler added late sees an add for each cached object and then
// exactly what follows; a handler that is slow, stuck or panicking does not
// hold up the others, unless its buffer declares that it blocks. Every
// notification is accounted for:
//
//	replayed + routed = handled + panicked + in hand + pending + discarded
//
// No state is lost for good. When a buffer discards for want of room, the
// listener records the key, and when it has handled all that was published before
// the loss it heals: it reads the cache and calls the handler with the present
// state: an add, an update from the state delivered last, or a delete of which the
// final state is unknown. Pending notifications of that key that are older are
// then stale and discarded as superseded, so that no state is delivered after a newer
// one. A key is healed, however long the overload lasts, before the handler has been
// called more often than: the batch in hand, the capacity of the buffer, and once
// for each key that was lost before it. Healing takes the cache lock, which no
// publisher holds while it waits for room in a buffer: so healing never waits for
// a handler. A listener remembers at most one entry for each cached key, for each
// key of which a notification or a healing call is pending or in hand, and for each
// deleted key whose deletion the handler has not received, whatever comes and goes
// meanwhile. Healing calls are counted beside the account, and never flagged as
// initial. A buffer that discards for want of room must keep the law of loss order in
// package buffer.
//
// Where this differs from client-go (tools/cache/shared_informer.go) on purpose:
// what a closed listener has not yet handled is counted as discarded instead of
// vanishing; an initial add that is discarded or makes its handler panic counts
// as finished, so that HasSynced does not hang on it (kubernetes#129024); a
// handler may remove itself or others while the processor shuts down; a pause
// after a panic ends early if the listener is removed and abandons its backlog;
// listeners are served in the order of their registration instead of in map order; a
// handler that is added while a publisher waits for room joins later, instead of
// keeping its caller waiting.
//
// # Locks
//
// The publish lock orders changes of the cache, publications and joins; lock.go
// states its rules. Whoever holds it may wait for room in a full buffer, so
// nothing else waits for it without limit: a handler that is added meanwhile joins
// later, a resync round begins with the next change, and listeners are closed
// without it. Inside it, the cache lock is held while the cache is changed, and not
// while notifications are pushed into buffers. Healing takes the cache lock alone.
// If it reads during a change, the states read are newer than what has been
// published: then all that this change publishes of these objects is stale, unless
// the cache moves on before it ends.
package processor

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"go.uber.org/atomic"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

// A Handler is told of changes. Calls come one at a time from one goroutine.
// Objects are shared with the cache and with other handlers: they are
// read-only. A handler should be quick, typically enqueueing a key. It must not
// end its goroutine with runtime.Goexit, as testing's FailNow does.
type Handler interface {
	// OnAdd says that obj is new to this handler. initial marks the initial list.
	OnAdd(obj event.Object, initial bool)
	// OnUpdate says that the object changed. In a resync old and new are the same.
	OnUpdate(old, new event.Object)
	// OnDelete says that the object is gone; obj is its last state. With
	// finalStateUnknown its deletion was missed: obj may be stale, or an
	// event.Tombstone if no state was ever seen.
	OnDelete(obj event.Object, finalStateUnknown bool)
}

// A Fanout hands notifications to subscriptions. Its methods are called under
// the processor's publish lock, so never concurrently; those of its
// Subscriptions may be called meanwhile.
type Fanout interface {
	// Subscribe starts a subscription, which sees all that is published from
	// now on. discard hears of each notification that leaves the
	// subscription otherwise than by Pop; it may be called concurrently.
	Subscribe(discard buffer.Discard[event.Notification]) Subscription
	// Publish hands over a batch in order. The slice stays the caller's.
	// Which subscriptions get an item is in its Round.
	Publish(batch []event.Notification)
}

// A Subscription is what one listener consumes.
type Subscription interface {
	// Replay puts initial adds before all that will be published. It is
	// called at most once, under the publish lock and before the first
	// publication, while the listener already pops: a buffer that blocks may
	// block here.
	// initial may be ranged over once and only during the call.
	Replay(initial iter.Seq[event.Notification])
	// Pop waits for at least one notification, moves the oldest into dst,
	// and returns their number; 0 means closed and drained. One goroutine pops.
	Pop(dst []event.Notification) int
	// Close ends the subscription for all later publications and releases a
	// blocked publisher; Pop drains what is left. Any goroutine may call it,
	// more than once, and it may come without any Pop.
	Close()
	// Len returns the number of notifications waiting, without those that
	// will be skipped because the listener was not due in their round.
	Len() int
	// Due says whether the listener gets the sync notifications of a round.
	// It is called under the publish lock when the round begins. Until its
	// first call all sync notifications are routed.
	Due(round uint32, due bool)
	// Routed returns the number of notifications routed here so far, without
	// the initial ones. What is routed when the subscription closes, and all
	// before, must reach Pop or discard.
	Routed() uint64
}

// OnStop says what a listener that is removed or stopped does with its backlog.
type OnStop uint8

const (
	// Abandon finishes the call in progress and discards the rest, as client-go does.
	Abandon OnStop = iota
	// Drain handles all that was routed before the stop.
	Drain
)

// Options configure a Processor.
type Options struct {
	Fanout func() Fanout // nil = Reference
	OnStop OnStop
	Panic  PanicPolicy
	// CheckPeriod is how often the informer looks for due resyncs; handlers
	// added before the start may lower it. 0 = never resync.
	CheckPeriod time.Duration
	// Cache reads the cache, in the state of what was published last whenever
	// the publish lock is held. Listeners heal from it what their buffers
	// discarded for want of room; without it that is lost for good.
	Cache  func(event.Key) (obj event.Object, cached bool)
	Logger *slog.Logger // nil = slog.Default
}

// ErrStopped is returned when a handler is added to a stopped processor.
var ErrStopped = errors.New("processor: stopped")

// A Processor serves listeners. All methods may be called concurrently, except
// that Do must not be called from within change.
type Processor struct {
	o      Options
	labels context.Context // carries the profiler labels of Start

	publishing publishLock // see Locks in the package comment; taken before all others
	fanout     Fanout      // set by Start; guarded by publishing
	round      uint32      // the current resync round; the first is 1; guarded by publishing
	nextRound  atomic.Pointer[round]
	publishFn  func([]event.Notification) // p.publish, bound once to save an allocation per batch

	// caching is the cache lock, taken after publishing. It guards what follows,
	// beside the cache itself.
	caching  turnLock
	changing bool // a change is under way: the cache may be ahead of seq
	healing  bool // some listener has healed during it

	seq    atomic.Uint64 // of the last notification published; written under both locks
	pushed atomic.Uint64 // of the last one pushed to all listeners; written by the publisher
	lossy  atomic.Bool   // some buffer has lost something; set once, by the publisher

	state struct {
		sync.Mutex // taken last, and for short times only
		listeners  []*Listener
		started    bool
		stopped    bool
		synced     bool          // upstream has
		period     time.Duration // the check period
	}
	running sync.WaitGroup // listener goroutines
}

// New returns a Processor that has not started.
func New(o Options) *Processor {
	if o.Fanout == nil {
		o.Fanout = Reference
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	p := &Processor{o: o, round: 1}
	p.state.period = o.CheckPeriod
	p.publishFn = p.publish
	return p
}

// Do runs change under the publish lock and gives it the function that
// publishes a batch of notifications to all listeners. The slice given to
// publish stays the caller's; its Seq fields, and the Round of items whose
// Round is not 0, are set by publish. Before change writes an object again, it must
// have published what it wrote of it before: healing may read the cache between.
//
// Afterwards it lets other goroutines run. Without that, a controller that
// always finds more in the queue runs for a whole time slice while the
// listeners that it woke wait behind it, and their backlogs grow to thousands
// of notifications that have left the cache when they are handled. It waits
// for nobody: a handler that is stuck costs nothing here.
func (p *Processor) Do(change func(publish func(batch []event.Notification))) {
	p.locked(change)
	runtime.Gosched()
}

func (p *Processor) locked(change func(publish func(batch []event.Notification))) {
	p.publishing.enter()
	defer p.publishing.leave()
	p.beginRound()
	p.caching.enter()
	p.changing = true
	defer p.endChange()
	change(p.publishFn)
}

// endChange lets the cache lock go.
func (p *Processor) endChange() {
	p.resolve(p.seq.Load(), true)
	p.changing, p.healing = false, false
	p.caching.leave()
}

// resolve settles what listeners have healed during the change. Both locks are held.
func (p *Processor) resolve(upTo uint64, ended bool) {
	if !p.healing {
		return
	}
	for _, l := range p.listeners() {
		l.gaps.resolve(upTo, ended, p.o.Cache)
	}
}

// readCache calls f under the cache lock with the Seq up to which notifications
// are older than what the cache holds then, or everything while a change is under
// way. It does not wait for a publisher that waits for room in a buffer.
func (p *Processor) readCache(f func(upTo uint64)) {
	p.caching.enter()
	defer p.caching.leave()
	if !p.changing {
		f(p.seq.Load())
		return
	}
	p.healing = true
	f(everything)
}

func (p *Processor) publish(batch []event.Notification) {
	if p.fanout == nil {
		panic("processor: publish before Start")
	}
	if len(batch) == 0 {
		return
	}
	initial, seq := 0, p.seq.Load()
	p.resolve(seq, false)
	for i := range batch {
		n := &batch[i]
		seq++
		n.Seq = seq
		if n.Round != 0 {
			n.Round = p.round
		}
		if n.Flags&event.Initial != 0 {
			initial++
		}
	}
	p.seq.Store(seq)
	if initial > 0 {
		p.startSync(initial)
	}
	p.push(batch)
	p.pushed.Store(seq)
	if p.lossy.Load() {
		p.count(batch)
	}
}

// push hands a batch to the fan-out. Listeners may read the cache meanwhile.
func (p *Processor) push(batch []event.Notification) {
	p.caching.leave()
	defer p.caching.enter()
	p.fanout.Publish(batch)
}

// count notifies listeners that have gaps that a batch has been pushed.
func (p *Processor) count(batch []event.Notification) {
	for _, l := range p.listeners() {
		if l.gaps.any.Load() {
			l.gaps.pushed(batch, !l.notDue)
		}
	}
}

// Seq returns the number of the last notification published.
func (p *Processor) Seq() uint64 { return p.seq.Load() }

// startSync counts initial adds as started by all who have subscribed.
func (p *Processor) startSync(initial int) {
	p.state.Lock()
	defer p.state.Unlock()
	for _, l := range p.state.listeners {
		if l.sub != nil {
			l.sync.start(initial)
		}
	}
}

// Add registers a handler. Before Start it is only noted down and initial is
// not used. Afterwards its subscription begins, under the publish lock, with an
// initial add for each object of initial, and joins what is published next
// without gap or overlap: before Add returns, or, while somebody publishes or
// joins, as soon as that is done. Add waits for nothing but its own registration.
// It returns ErrStopped after Stop.
func (p *Processor) Add(h Handler, o ListenerOptions, initial iter.Seq[event.Object]) (*Listener, error) {
	l := newListener(p, h)
	p.state.Lock()
	if p.state.stopped {
		p.state.Unlock()
		return nil, ErrStopped
	}
	p.setPeriod(l, o.Resync)
	p.state.listeners = append(p.state.listeners, l)
	started := p.state.started
	p.state.Unlock()
	if started {
		l.joining.run = func() { p.begin(l, initial) }
		p.publishing.join(&l.joining)
		// Those who come and go all the time let the others run, like Do.
		runtime.Gosched()
	}
	return l, nil
}

// begin subscribes l, starts its goroutine and replays initial to it. The publish
// lock is held, so the replay is complete before anything else can be published.
func (p *Processor) begin(l *Listener, initial iter.Seq[event.Object]) {
	if l.isClosed() {
		return
	}
	// Goroutines inherit labels: what the fan-out starts is its pump. On the
	// caller's goroutine pprof.Do would take away the labels it came with.
	subscribed := make(chan Subscription)
	go pprof.Do(p.labels, pprof.Labels("stage", "pump"), func(context.Context) {
		subscribed <- p.fanout.Subscribe(l.discarded)
	})
	sub := <-subscribed
	if inline, calls := sub.(*inline); calls {
		inline.bind(l.deliverAll)
	}
	p.state.Lock()
	l.sub = sub
	if l.closed { // by a Stop that came between
		p.state.Unlock()
		sub.Close()
		return
	}
	p.running.Add(1)
	p.state.Unlock()
	go pprof.Do(p.labels, pprof.Labels("stage", "listener"), func(context.Context) {
		defer p.running.Done()
		l.run(sub)
	})
	if initial != nil {
		sub.Replay(l.replay(initial, p.seq.Load()))
		l.gaps.replayed(p.seq.Load())
	}
	p.state.Lock()
	synced := p.state.synced
	p.state.Unlock()
	if synced {
		l.sync.upstream()
	}
	l.sync.finish() // the guard that newListener set
}

// Remove ends a listener: the call in progress finishes, the backlog goes the
// way of OnStop, and no later notification is routed to it. It does not wait;
// Listener.Finished tells the end. It may be called from inside a handler, at
// any time, and again.
func (p *Processor) Remove(l *Listener) {
	if l == nil || l.p != p {
		return
	}
	// Closing comes first: one who is off the list gets no initial adds counted
	// as started, so none may be routed to it any more.
	l.close()
	p.publishing.cancel(&l.joining)
	p.state.Lock()
	defer p.state.Unlock()
	if i := slices.Index(p.state.listeners, l); i >= 0 {
		p.state.listeners = slices.Delete(slices.Clone(p.state.listeners), i, i+1)
	}
}

// ShutDown does what Remove does and waits until the last call has returned. It
// must not be called from inside that listener's handler. It returns at once
// for nil and for a listener of another processor.
func (p *Processor) ShutDown(l *Listener) {
	if l == nil || l.p != p {
		return
	}
	p.Remove(l)
	<-l.finished
}

// Start begins to serve the listeners; nothing may be published before. ctx only
// carries profiler labels for the goroutines it starts.
func (p *Processor) Start(ctx context.Context) {
	p.publishing.enter()
	defer p.publishing.leave()
	p.state.Lock()
	p.state.started = true
	p.labels = ctx
	early := p.state.listeners // later ones begin by themselves
	p.state.Unlock()
	p.fanout = p.o.Fanout()
	for _, l := range early {
		p.begin(l, nil)
	}
}

// Ending refuses handlers from now on and lets the listeners know that Stop will
// come, so that they let go of a publisher that their full buffers block. It
// waits for nobody.
func (p *Processor) Ending() {
	p.state.Lock()
	p.state.stopped = true
	p.state.Unlock()
	for _, l := range p.listeners() {
		l.end()
	}
}

// Stop closes all listeners, waits until their last calls have returned and
// their goroutines have ended, and refuses handlers from now on.
func (p *Processor) Stop() {
	p.Ending()
	for _, l := range p.listeners() {
		l.close()
	}
	p.state.Lock()
	p.state.listeners = nil
	p.state.Unlock()
	p.publishing.close()
	p.running.Wait()
}

// UpstreamSynced says that the whole initial list has been published. A
// listener has synced when it has also finished all initial adds.
func (p *Processor) UpstreamSynced() {
	p.state.Lock()
	p.state.synced = true
	p.state.Unlock()
	for _, l := range p.listeners() {
		l.sync.upstream()
	}
}

// listeners returns the current listeners. The slice is never changed in place,
// so it may be ranged over without the lock.
func (p *Processor) listeners() []*Listener {
	p.state.Lock()
	defer p.state.Unlock()
	return p.state.listeners
}
