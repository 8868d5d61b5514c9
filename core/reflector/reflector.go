// Package reflector keeps a store equal to what a source lists and watches.
//
//	          ┌────────────── backoff ◀── stream ended by an error ────────────┐
//	          ▼                                                                │
//	Run ─▶ list, or streaming initial list ─▶ Store.Replace ─▶ watch ─▶ Store.Add, Bookmark
//	          ▲                                                 │  ▲        │
//	          └── backoff ◀── request refused ◀─────────────────┘  └────────┘
//	                                                     stream ended normally
//
// After every fault of the source the store is made right again: a stream that
// ends is opened again at the last version seen, and what cannot be continued
// is listed again. Events are applied in the order of their arrival, one Store
// call per batch; in the steady state an event costs no allocation, no clock
// reading and no channel operation.
//
// It behaves as client-go's Reflector (tools/cache/reflector.go, v0.37), with
// these deliberate differences:
//
//   - The temporary store of a streaming initial list keeps the order of first
//     arrival, where client-go's has map order, so a run can be repeated.
//   - Nothing is transformed in that temporary store; the transform of the queue
//     runs once per object received, not twice (kubernetes/kubernetes#131799).
//   - A streaming initial list refused as expired or too new although it asked
//     for no version falls back to a plain list; client-go asks again at once,
//     without end.
//   - Waiting for a retry of a streaming initial list ends with the context.
//   - The object check applies to the items of plain lists as to all else, and
//     never to bookmarks, whose object is only a version.
//   - Wherever a refusal carries a RetryAfter, the wait is at least that long.
//     In client-go the REST client below the reflector sees to it.
//   - List and Watch are called on the goroutine of Run. A source that ignores
//     the end of its context therefore delays the return of Run, which client-go
//     would leave behind as a goroutine.
//
// Limits: batches hold 256 events, so LastSyncResourceVersion lags the newest
// event in the store by at most that many; a page token is followed as long as
// the source returns one.
package reflector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"informerlab/core/event"
	"informerlab/core/queue"
	"informerlab/core/source"
)

// A Store is what a reflector writes to: a queue. Resync is called by another
// goroutine than the rest.
type Store interface {
	// Add takes Added, Updated and Deleted deltas in order. The slice stays
	// the reflector's. An error is logged, and what it is about is lost.
	Add(deltas []queue.Delta) error
	// Replace makes the content equal to items, which become the store's. An
	// error makes the reflector list again.
	Replace(items []event.Object, resourceVersion string) error
	// Resync delivers the content again. An error makes the reflector list again.
	Resync() error
	// Bookmark changes the resource version alone. An error is logged.
	Bookmark(resourceVersion string) error
}

// Options configure a Reflector. The zero value suits most sources.
type Options struct {
	// Name appears in logs.
	Name string
	// Resync is the time between two resyncs, counted anew after each and
	// after each list; 0 or less = never.
	Resync time.Duration
	// ShouldResync is asked each time Resync has passed; nil = always yes. It
	// is called by a goroutine of the reflector.
	ShouldResync func() bool
	// PageSize is the number of items per page of a list. 0 or less = 500,
	// and no paging where it would keep the server from answering from its cache.
	PageSize int64
	// ClassicList never asks for a streaming initial list.
	ClassicList bool
	// MinWatchTimeout is the least time the server is asked to keep a stream
	// open; the most is twice that. Less than 5 minutes is taken as 5 minutes.
	MinWatchTimeout time.Duration
	// MaxInternalErrorRetry is how long internal errors that end streams are
	// answered by opening another at once; 0 = never, they lead to a relist.
	MaxInternalErrorRetry time.Duration
	// Accept checks each object received; nil = all are good. An object it
	// returns an error for is logged and skipped.
	Accept func(event.Object) error
	// OnWatchError hears of each list that failed and each watch request that
	// was refused for good, before the wait for the next try; nil = they are
	// logged. An error that ends an open stream is not among them. It is
	// called by the goroutine of Run and should return quickly.
	OnWatchError func(error)
	// Logger takes what nobody else hears of; nil = slog.Default().
	Logger *slog.Logger
	// Rand returns random numbers in [0, 1) for jitter; nil = math/rand/v2. It
	// is called by the goroutine of Run.
	Rand func() float64
	// Backoff is the wait between tries.
	Backoff Backoff
}

const (
	batchSize       = 256             // events read at once: 18 KiB of buffers for each reflector
	defaultPageSize = 500             // client-go's tools/pager
	leastWatch      = 5 * time.Minute // client-go's; shorter streams are dear for the server
	slowList        = 10 * time.Second
)

// Reflector is made by New. Run works; the other methods may be called
// concurrently with it.
type Reflector struct {
	source source.Source
	store  Store
	o      Options
	log    *slog.Logger
	// streaming asks for a streaming initial list.
	streaming bool

	// The rest up to mu belongs to the goroutine of Run.

	pacer pacer
	// paged: the first list came in pages although it need not have, so the
	// server has no cache to answer from and paging stays on.
	paged bool
	// unavailable: version was refused as expired or too new, so the next list
	// asks for the newest state.
	unavailable bool
	events      [batchSize]source.Event
	deltas      [batchSize]queue.Delta

	mu      sync.Mutex
	version string // the last seen; written by Run's goroutine, read by any
}

// New returns a reflector that will copy src into store.
func New(src source.Source, store Store, o Options) *Reflector {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	o.MinWatchTimeout = max(o.MinWatchTimeout, leastWatch)
	refuser, ok := src.(source.WatchListRefuser)
	return &Reflector{
		source:    src,
		store:     store,
		o:         o,
		log:       o.Logger.With("reflector", o.Name),
		streaming: !o.ClassicList && !(ok && refuser.RefusesWatchList()),
		pacer:     pacer{Backoff: o.Backoff.withDefaults()},
	}
}

// Run lists and watches until ctx ends, and returns when everything it started
// has. It must not run twice at once; run again after its return, it continues
// at the last version seen.
func (r *Reflector) Run(ctx context.Context) {
	r.pacer.start(time.Now())
	for ctx.Err() == nil {
		err := r.listAndWatch(ctx)
		if err != nil {
			r.failed(err)
		}
		r.wait(ctx, err)
	}
}

// LastSyncResourceVersion returns the version up to which the store has been
// told, or "" before the first list.
func (r *Reflector) LastSyncResourceVersion() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.version
}

func (r *Reflector) setVersion(v string) {
	r.mu.Lock()
	r.version = v
	r.mu.Unlock()
}

// listAndWatch makes the store right once and keeps it right for as long as
// streams can be continued. The error, if any, is for OnWatchError.
func (r *Reflector) listAndWatch(ctx context.Context) error {
	in := newInterrupt(ctx)
	defer in.close()
	var s *stream
	if r.streaming {
		var err error
		if s, err = r.streamList(ctx, in); err != nil {
			r.log.Debug("streaming initial list failed, falling back to a plain list", "err", err)
		}
	}
	if s == nil && in.cause() == nil {
		err := r.list(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return r.watchWithResync(ctx, in, s)
}

// failed reports an error of listAndWatch.
func (r *Reflector) failed(err error) {
	switch {
	case r.o.OnWatchError != nil:
		r.o.OnWatchError(err)
	case source.HasReason(err, source.Expired):
		r.log.Debug("watch closed", "err", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		r.log.Info("watch closed unexpectedly", "err", err)
	case errors.Is(err, io.EOF): // closed normally
	default:
		r.log.Error("list or watch failed", "err", err)
	}
}

// wait lets the backoff pass, or the hint that err carries if that is longer,
// or ctx end.
func (r *Reflector) wait(ctx context.Context, err error) {
	delay := r.pacer.next(time.Now(), r.o.Rand())
	var refusal *source.Error
	if errors.As(err, &refusal) {
		delay = max(delay, refusal.RetryAfter)
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// retriable reports whether a watch request refused with err is repeated after
// a wait: the server is busy or away, and the stream can go on where it ended.
func retriable(err error) bool {
	return source.IsConnectionRefused(err) || source.HasReason(err, source.TooManyRequests)
}

// versionLost reports whether err says that a version cannot be served.
func versionLost(err error) bool {
	return source.HasReason(err, source.Expired) || source.HasReason(err, source.TooLargeVersion)
}

// accepts checks an object that is nil or, if there is an Accept, not a
// bookmark's.
func (r *Reflector) accepts(o event.Object) bool {
	if o == nil {
		r.log.Error("event or item without object skipped")
		return false
	}
	if err := r.o.Accept(o); err != nil {
		r.log.Error("object skipped", "key", event.KeyOf(o), "type", fmt.Sprintf("%T", o), "err", err)
		return false
	}
	return true
}
