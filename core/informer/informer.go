// Package informer is the whole pipeline behind one type: it keeps a cache equal
// to a source and tells handlers what changed. It is the one core package that
// a user begins with.
//
//	source ─▶ reflector ─▶ queue ─▶ controller ─▶ indexer
//	                                    │
//	                                    ▼
//	                       processor ─▶ fan-out ─▶ listener ─▶ Handler
//
// Promises: the cache converges to the source, except for objects that a function
// of the user rejects; per object its states are a
// subsequence of the source's, in order; each handler hears of every change of
// the cache, in order, one call at a time; when it is called for an object, the
// cache holds a state at least as new; a handler that joins late first gets an
// add for each cached object and then what follows, without gap or overlap. With
// a fan-out that loses or merges, a handler hears of fewer changes, but of the
// last state of every object, and never of an older one after a newer: see
// package processor.
// One object that Accept, Transform or an index function rejects is left out alone:
// the cache keeps the state that it held under its key, also if the object is part
// of a list (what Accept refuses excepted, which counts as not listed), nothing is
// published for it, everything beside it is applied, and OnProcessError is called
// once for each version of it. Its deletion is applied whatever it looks like.
//
// With Options.Faithful, the default fan-out and the in-order queue it makes the
// calls that the shared informer of client-go makes; a differential test in the
// module bench/peers holds it to that.
//
// It differs from client-go on purpose in what the packages reflector, queue,
// indexer, controller and processor list, and in this: a second Run returns an
// error; a factory names its informers by resource instead of by Go type, and
// opens them without its lock; the mutation detector is an option instead of an
// environment variable, and needs to be given a clone and an equal function; a
// recovered panic of any function of the user concerns one object or one call, and
// is reported with its stack, where client-go restarts a loop.
package informer

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"time"

	"go.uber.org/atomic"

	"informerlab/core/event"
	"informerlab/core/indexer"
	"informerlab/core/processor"
	"informerlab/core/queue"
	"informerlab/core/reflector"
	"informerlab/core/source"
)

// QueueKind chooses the queue between reflector and controller.
type QueueKind uint8

const (
	// InOrder keeps deltas in order of arrival and replaces the cache in one step.
	InOrder QueueKind = iota
	// PerKey is the classic delta FIFO: it collects the deltas of each key.
	PerKey
)

// Options configure an informer. The zero Options are those of client-go, except
// for what Faithful switches off.
type Options struct {
	Name string // for logs
	// Resync is the default resync period of handlers and how often the
	// informer looks for handlers that are due; 0 = no handler ever resyncs.
	Resync   time.Duration
	Indexers map[string]indexer.IndexFunc
	Queue    QueueKind
	Fanout   func() processor.Fanout // nil = processor.Reference
	OnStop   processor.OnStop
	// Panic says what happens when a function of the user panics. With
	// Panic.Recover false the process ends. With Recover, for Transform, Accept
	// and Indexers the panic counts as an error returned; the functions of
	// Mutation are reported to OnProcessError; OnWatchError and OnProcessError
	// themselves are logged; handlers are logged, and paused as the policy says.
	//
	// Not recovered are the methods of a Source, a Fanout or its buffers, a
	// Logger and an Object, and Rand: they are parts of the pipeline, of which
	// nobody knows what state a panic left them in. Nor is the panic of a
	// Factory's Open and Tweak, which is that of the caller of For.
	Panic processor.PanicPolicy
	// Transform changes each object before it is queued; see queue.Transform. It
	// may remove the resource version. Then an object that a relist finds
	// unchanged is an update for every handler, because nothing proves that it
	// is.
	Transform queue.Transform
	// OnWatchError receives failed lists, watches that cannot be opened and
	// resource versions that went back, but not other ends of streams: see
	// reflector.Options. nil logs them.
	OnWatchError func(error)
	// OnProcessError is called with a *event.Rejection for each object that is
	// left out, once per version (always if that is blank), with deltas that
	// could not be applied, and with recovered panics. Calls do not overlap.
	// They come from goroutines of the reflector, the controller and the
	// mutation detector, which wait for it; no lock of ours is held, except for
	// the panic of an inline handler, whose queue may be locked. nil logs them.
	OnProcessError func(error)
	// Accept refuses objects of the wrong type; a refused one is left out.
	Accept      func(event.Object) error
	PageSize    int64 // of lists; 0 = 500
	ClassicList bool  // never ask for a streaming initial list
	// BookmarkTimeout is how long a streaming initial list may be silent before a
	// plain list takes over; 0 = 30 s, negative = for ever.
	BookmarkTimeout time.Duration
	// Faithful makes the reflector decide exactly as client-go v0.37.2 does,
	// without the improvements that package reflector lists, and takes two blank
	// resource versions for the same state: an update between them is a sync.
	Faithful bool
	Mutation *MutationDetector
	Logger   *slog.Logger   // nil = slog.Default
	Rand     func() float64 // jitter in [0,1); nil = math/rand
}

// A Handler is told of changes; see processor.Handler.
type Handler = processor.Handler

// ErrStarted is returned by a second Run.
var ErrStarted = errors.New("informer: run: already started")

// An Informer is shared by any number of handlers. All methods may be called
// concurrently.
type Informer struct {
	front
	processor *processor.Processor
	reflector atomic.Pointer[reflector.Reflector] // set by Run
	started   atomic.Bool
	stopped   atomic.Bool
	synced    chan struct{}
}

// New returns an informer of the collection that src serves. It does nothing until Run.
func New(src source.Source, o Options) *Informer {
	i := &Informer{front: newFront(src, o), synced: make(chan struct{})}
	i.processor = processor.New(processor.Options{
		Fanout: o.Fanout, OnStop: o.OnStop, Panic: o.Panic, CheckPeriod: o.Resync, Cache: i.indexer.Get,
		Logger: i.o.Logger,
	})
	return i
}

// Run keeps the cache up to date and serves the handlers until ctx ends. It
// returns when all goroutines have ended: it waits for calls in progress, and
// for ever if a handler never returns.
func (i *Informer) Run(ctx context.Context) error {
	if !i.started.CompareAndSwap(false, true) {
		return ErrStarted
	}
	i.processor.Start(ctx)
	// A publisher that is blocked in a full buffer is let go when ctx ends.
	defer context.AfterFunc(ctx, i.processor.Ending)()
	var watching sync.WaitGroup
	watching.Go(func() { i.watchSynced(ctx) })

	var observe func([]event.Notification)
	stopDetector := func() {}
	if i.o.Mutation != nil {
		detector := i.o.Mutation.start(i.rejections)
		observe, stopDetector = detector.add, detector.stop
	}
	// The check period is final only now: handlers may lower it until the start.
	r := i.newReflector(i.processor.CheckPeriod(), i.processor.ShouldResync)
	i.reflector.Store(r)
	i.run(ctx, r, i.processor.Do, observe, i.rejections.flush)
	i.stopped.Store(true)
	// Nothing of this is deferred: a panic must end the process at once.
	stopDetector()
	watching.Wait()
	i.processor.Stop()
	return nil
}

// watchSynced announces the end of the initial list, unless ctx ends first.
func (i *Informer) watchSynced(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-i.queue.Synced():
		close(i.synced)
		i.processor.UpstreamSynced()
	}
}

// HandlerOptions configure one handler.
type HandlerOptions struct {
	// Resync is how often the handler wants every cached object again; nil =
	// the informer's default, 0 = never. It is at least processor.MinimumResync,
	// and after the start at least the informer's check period.
	Resync *time.Duration
}

// A Registration is one handler's place in an informer.
type Registration struct{ *processor.Listener }

// AddHandler registers a handler; adding one twice makes two registrations. One
// that is added after the start first gets an initial add for each cached
// object. It fails after the informer has stopped. It may be called from inside
// a handler. It does not wait for a publisher: while one is at work, or blocked
// in a full buffer, the handler joins when that is done.
func (i *Informer) AddHandler(h Handler, o HandlerOptions) (*Registration, error) {
	period := i.o.Resync
	if o.Resync != nil {
		period = *o.Resync
	}
	l, err := i.processor.Add(h, processor.ListenerOptions{Resync: period}, i.cached())
	if err != nil {
		return nil, err
	}
	return &Registration{l}, nil
}

// cached ranges over a copy of the cache: a replay may have to wait for its
// handler, and must not lock the cache meanwhile. The publish lock keeps the
// cache as it is.
func (i *Informer) cached() iter.Seq[event.Object] {
	return func(yield func(event.Object) bool) {
		for _, obj := range i.indexer.List() {
			if !yield(obj) {
				return
			}
		}
	}
}

// RemoveHandler ends a registration without waiting for the call in progress.
// What it has not been told by then goes the way of Options.OnStop. Removing it
// again, or nil, or a registration of another informer, does nothing. It may be
// called from inside a handler at any time.
func (i *Informer) RemoveHandler(r *Registration) {
	if r != nil {
		i.processor.Remove(r.Listener)
	}
}

// ShutDownHandler removes a handler and waits until its last call has returned.
// It must not be called from inside that handler. It returns at once for nil and
// for a registration of another informer.
func (i *Informer) ShutDownHandler(r *Registration) {
	if r != nil {
		i.processor.ShutDown(r.Listener)
	}
}

// Indexer returns the cache. It is for reading.
func (i *Informer) Indexer() *indexer.Indexer { return i.indexer }

// Rejected returns how many objects were left out of the cache, each counted once
// per version: because Accept refused them, Transform or an index function failed
// on them, or Clone did, which leaves them out of the mutation detector. Each was
// reported to OnProcessError.
func (i *Informer) Rejected() uint64 { return i.rejections.total.Load() }

// NewSampler returns what shows the backlog of each handler: see
// processor.Sampler.
func (i *Informer) NewSampler() *processor.Sampler { return i.processor.NewSampler() }

// HasSynced reports whether the cache has held the whole initial list. It says
// nothing about handlers: ask their Registration.
func (i *Informer) HasSynced() bool {
	select {
	case <-i.synced:
		return true
	default:
		return false
	}
}

// Synced returns a channel that is closed when HasSynced becomes true, which
// never happens if the informer stops before.
func (i *Informer) Synced() <-chan struct{} { return i.synced }

// Started reports whether Run has been called.
func (i *Informer) Started() bool { return i.started.Load() }

// Stopped reports whether the informer has run and the cache is no longer kept
// up to date.
func (i *Informer) Stopped() bool { return i.stopped.Load() }

// LastSyncResourceVersion returns the version that the reflector has seen last;
// the cache may be a little behind it. It is empty before the first list.
func (i *Informer) LastSyncResourceVersion() string {
	if r := i.reflector.Load(); r != nil {
		return r.LastSyncResourceVersion()
	}
	return ""
}
