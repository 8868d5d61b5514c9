// Package reflector keeps a store equal to what a source lists and watches.
//
//	       ┌──────── backoff ◀── ended by an error, or versions went back ─────────┐
//	       ▼                                                                       │
//	Run ─▶ list, or streaming initial list ─▶ Store.Replace ─▶ watch ─▶ Store.Add, Bookmark
//	       ▲                                                   ▲ │ ▲               │
//	       │                                 server away: wait └─┤ └──── pace ◀────┘
//	       └─────────── backoff ◀── request refused ◀────────────┘     ended normally
//
// After every fault of the source the store is made right again: a stream that
// ends is opened again at the last version seen, and what cannot be continued
// is listed again. Events are applied in the order of their arrival, one Store
// call per batch; in the steady state an event costs no allocation, no clock
// reading and no channel operation.
//
// It behaves as client-go's Reflector (tools/cache/reflector.go, v0.37.2), with
// deliberate differences. Options.Faithful switches off those that change what
// is asked of the server or reported:
//
//   - An event or bookmark of a lower version than the one before it in the same
//     stream, behind the initial events, ends the stream: the server's database
//     was restored (kubernetes/kubernetes#107457). OnWatchError receives a
//     *VersionRewindError, and after the backoff a list at the newest version
//     follows. An idle watch notices at its next bookmark or reopening: if the stream
//     that ended had sent nothing, and the last one that had, and the last list,
//     ended 5 minutes ago or earlier, the version of a list of one object at the
//     newest version is compared before the next stream is opened. Three rewinds in
//     a row that the lists after them do not confirm end all comparisons: this
//     source has no order. One that says so (source.VersionReuser) is never compared.
//   - The stream after one that ended within a second is delayed, by an eighth of
//     the backoff: 100 ms at first, up to 7.5 s (kubernetes/kubernetes#140890,
//     jupyterhub/kubespawner#920). Whatever happens, a reflector makes at most 10
//     requests at once and one per second from then on; the pages of a list
//     count as one.
//   - After 3 streaming initial lists in a row that ended without their bookmark
//     a plain list follows, as it does after one that was silent for
//     Options.BookmarkTimeout (kubernetes/kubernetes#135895).
//   - A streaming initial list refused as expired or too new although it asked
//     for no version falls back to a plain list; client-go asks again at once,
//     without end.
//   - A watch request that fails because the server is away or overloaded
//     (source.IsTransient) is repeated at the same version instead of listing all
//     objects again (kubernetes/kubernetes#119646); from the tenth failure in a
//     row on, a list follows each. OnWatchError receives every one of them.
//   - A page token that is returned twice in a row is an error.
//
// These are always on:
//
//   - The temporary store of a streaming initial list keeps the order of first
//     arrival, where client-go's has map order, so a run can be repeated.
//   - Nothing is transformed in that temporary store; the transform of the queue
//     runs once per object received, not twice (kubernetes/kubernetes#131799).
//   - Waiting for a retry of a streaming initial list ends with the context.
//   - The object check applies to the items of plain lists as to all else, and
//     never to bookmarks, whose object is only a version.
//   - Wherever a refusal carries a RetryAfter, the wait is at least that long.
//     In client-go the REST client below the reflector sees to it.
//   - A nil list or watch without an error is an error, not a panic.
//   - Errors of lists are *ListError; those of watch requests are passed on as
//     the source returned them, as in client-go.
//   - List and Watch are called on the goroutine of Run. A source that ignores
//     the end of its context therefore delays the return of Run, which client-go
//     would leave behind as a goroutine.
//
// Limits: batches hold 256 events, so LastSyncResourceVersion lags the newest
// event in the store by at most that many. A page token is followed as long as
// the source returns another one. A restored server that has passed the last
// version again before it is compared is not noticed; nor is one whose versions
// are not decimal integers.
package reflector

import (
	"context"
	"errors"
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
	// ShouldResync is called each time Resync has passed, by a goroutine of the
	// reflector, and reports whether to resync; nil = always.
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
	// BookmarkTimeout is how long a streaming initial list may be silent. After
	// that OnWatchError receives ErrNoBookmark and a plain list follows. 0 = 30 s;
	// negative = for ever.
	BookmarkTimeout time.Duration
	// Faithful makes exactly the decisions of client-go v0.37.2: which requests
	// are made when, and which errors are reported. The package comment lists
	// what this switches off.
	Faithful bool
	// Accept checks each object received; nil = all are good. An object it
	// returns an error for, or panics on, is skipped and reported to OnReject.
	Accept func(event.Object) error
	// OnReject receives each object that Accept refused, each time that it
	// arrives: after a relist again. nil = it is logged. It is called by the
	// goroutine of Run.
	OnReject func(*event.Rejection)
	// OnWatchError receives, before the wait for the next try, each *ListError;
	// each error of a watch request as the source returned it, except refusals
	// with reason TooManyRequests and refused connections; each
	// *VersionRewindError; and ErrNoBookmark, also wrapped. Other errors that end an open
	// stream are only logged. nil = all are logged. It is called by the
	// goroutine of Run and should return quickly.
	OnWatchError func(error)
	// Recover lets the reflector survive a panic of Accept, which is a rejection
	// then, and of OnReject, OnWatchError and ShouldResync, which is logged with
	// its stack; a ShouldResync that panics means no. Otherwise a panic ends the
	// process. The other functions must not panic.
	Recover bool
	// Logger takes what is reported to nobody; nil = slog.Default().
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
	leastWatch      = 5 * time.Minute // client-go's; shorter streams burden the server
	slowList        = 10 * time.Second
	bookmarkTimeout = 30 * time.Second
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

	pacer     pacer // after failures
	reopening pacer // between short streams
	meter     meter
	// paged: the first list came in pages although it need not have, so the
	// server has no cache to answer from and paging stays on.
	paged bool
	// unavailable: version was refused as expired or too new, so the next list
	// asks for the newest state.
	unavailable bool
	unfinished  int                 // streaming initial lists in a row that ended without their bookmark
	refusals    int                 // watch requests in a row that failed because the server was away
	ordered     bool                // versions of a stream are compared
	rewind      *VersionRewindError // that the next list answers; nil = none
	disorder    int                 // rewinds in a row that the list after them did not confirm
	confirmed   time.Time           // when the server was last known to be at version or later
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
	if o.BookmarkTimeout == 0 {
		o.BookmarkTimeout = bookmarkTimeout
	}
	if o.Faithful {
		o.BookmarkTimeout = -1
	}
	o.MinWatchTimeout = max(o.MinWatchTimeout, leastWatch)
	refuser, ok := src.(source.WatchListRefuser)
	reuser, reuses := src.(source.VersionReuser)
	backoff := o.Backoff.withDefaults()
	return &Reflector{
		source:    src,
		store:     store,
		o:         o,
		log:       o.Logger.With("reflector", o.Name),
		streaming: !o.ClassicList && !(ok && refuser.RefusesWatchList()),
		ordered:   !o.Faithful && !(reuses && reuser.ReusesVersions()),
		pacer:     pacer{Backoff: backoff},
		reopening: pacer{Backoff: backoff.shortened()},
	}
}

// Run lists and watches until ctx ends, and returns when everything it started
// has. It must not run twice at once; run again after its return, it continues
// at the last version seen.
func (r *Reflector) Run(ctx context.Context) {
	r.pacer.start(time.Now())
	r.reopening.start(time.Now())
	for ctx.Err() == nil {
		err := r.listAndWatch(ctx)
		if err != nil {
			r.failed(err)
		}
		r.wait(ctx, err)
	}
}

// LastSyncResourceVersion returns the version up to which the store has received
// everything, or "" before the first list.
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
			if errors.Is(err, ErrNoBookmark) {
				r.failed(err)
			}
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

// retriable reports whether a watch request refused with err is repeated after
// a wait: the server is busy or away, and the stream can go on where it ended.
func retriable(err error) bool {
	return source.IsConnectionRefused(err) || source.HasReason(err, source.TooManyRequests)
}

// versionLost reports whether err says that a version cannot be served.
func versionLost(err error) bool {
	return source.HasReason(err, source.Expired) || source.HasReason(err, source.TooLargeVersion)
}
