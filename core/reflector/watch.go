package reflector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"informerlab/core/queue"
	"informerlab/core/source"
)

// The two vocabularies agree in their first three words, so that one converts
// into the other without a table; these lines do not compile otherwise.
var (
	_ = [1]struct{}{}[int(source.Added)-int(queue.Added)]
	_ = [1]struct{}{}[int(source.Modified)-int(queue.Updated)]
	_ = [1]struct{}{}[int(source.Deleted)-int(queue.Deleted)]
)

// A stream is an open watch being read by the goroutine of Run.
type stream struct {
	watch  source.Watch
	opened time.Time      // before the request, since a server may answer with the first event only
	rest   []source.Event // read already, but after the end of the initial list
	seen   bool           // at least one event was accepted
	// settled: the stream is past its synthetic initial events. Their versions
	// are in no order, so until then none of them may become the last seen.
	settled bool
	last    string // version of the last event of a settled stream, or the one it was opened at
}

// next returns the events read already, or waits for others.
func (s *stream) next(buffer []source.Event) []source.Event {
	if events := s.rest; len(events) > 0 {
		s.rest = nil
		return events
	}
	return buffer[:s.watch.Next(buffer)]
}

// stop ends the stream, if there is one.
func (s *stream) stop() {
	if s != nil {
		s.watch.Stop()
	}
}

// An interrupt ends, from other goroutines, the stream that Run is reading:
// when the context ends or a resync has failed.
type interrupt struct {
	ctx     context.Context
	release func()

	mu     sync.Mutex
	watch  source.Watch // the last one opened; nil at first
	reason error        // set at most once: no stream survives it
}

func newInterrupt(ctx context.Context) *interrupt {
	in := &interrupt{ctx: ctx}
	ended := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(ended)
		in.fire(errStopped)
	})
	in.release = func() {
		if !cancel() {
			<-ended
		}
	}
	return in
}

// close leaves no goroutine behind.
func (in *interrupt) close() { in.release() }

// fire ends the open stream and all later ones.
func (in *interrupt) fire(reason error) {
	in.mu.Lock()
	if in.reason == nil {
		in.reason = reason
	}
	w := in.watch
	in.mu.Unlock()
	if w != nil {
		w.Stop()
	}
}

// attach makes w the stream that fire ends; it may have fired already.
func (in *interrupt) attach(w source.Watch) {
	in.mu.Lock()
	in.watch = w
	fired := in.reason != nil
	in.mu.Unlock()
	if fired {
		w.Stop()
	}
}

// cause returns why no stream may go on, or nil. The context is asked too,
// because its hook runs a little later.
func (in *interrupt) cause() error {
	if in.ctx.Err() != nil {
		return errStopped
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.reason
}

// explain returns why a stream that Next said to be over has ended; nil means
// normally.
func (in *interrupt) explain(s *stream) error {
	if cause := in.cause(); cause != nil {
		return cause
	}
	if !s.seen && time.Since(s.opened) < shortWatch {
		return errVeryShortWatch
	}
	return nil
}

// open asks for a stream.
func (r *Reflector) open(ctx context.Context, opts source.WatchOptions) (*stream, error) {
	// Random, so that the streams of many reflectors do not end together; whole
	// seconds, because that is what the protocol can say.
	timeout := r.o.MinWatchTimeout + time.Duration(r.o.Rand()*float64(r.o.MinWatchTimeout))
	opts.Timeout = timeout.Truncate(time.Second)
	opts.AllowBookmarks = true
	if err := r.admit(ctx); err != nil {
		return nil, err
	}
	s := &stream{opened: time.Now()}
	w, err := r.source.Watch(ctx, opts)
	if err == nil && w == nil {
		err = errNothing
	}
	if err != nil {
		return nil, err
	}
	s.watch = w
	return s, nil
}

// watchWithResync watches, with resyncs beside it.
func (r *Reflector) watchWithResync(ctx context.Context, in *interrupt, s *stream) error {
	if r.o.Resync > 0 {
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() { r.resync(ctx, in) })
		defer wg.Wait()
		defer cancel()
	}
	return r.watch(ctx, in, s)
}

// resync resyncs the store periodically until ctx ends or a resync fails.
func (r *Reflector) resync(ctx context.Context, in *interrupt) {
	timer := time.NewTimer(r.o.Resync)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if r.resyncDue() {
			if err := r.store.Resync(); err != nil {
				in.fire(fmt.Errorf("reflector: resync: %w", err))
				return
			}
		}
		timer.Reset(r.o.Resync)
	}
}

// watch reads one stream after another, beginning with s if there is one, until
// only a new list can help. The error, if any, is for OnWatchError.
func (r *Reflector) watch(ctx context.Context, in *interrupt, s *stream) error {
	retry := internalRetry{limit: r.o.MaxInternalErrorRetry}
	if s != nil {
		// A stream handed over by the initial list counts as opened now.
		*s = stream{
			watch: s.watch, rest: s.rest, opened: time.Now(), settled: true, last: r.LastSyncResourceVersion(),
		}
	}
	for in.cause() == nil {
		if s == nil {
			var err error
			if s, err = r.resume(ctx, in); s == nil {
				return err
			}
		}
		again, err := r.ended(ctx, s, &retry, r.consume(in, s))
		s = nil
		if !again {
			return err
		}
	}
	s.stop() // since the hook of the interrupt may not have run yet, or never will
	return nil
}

// resume opens a stream at the last version seen, however long that takes. It
// returns an error if only a new list can help, and neither a stream nor an
// error if it was interrupted.
func (r *Reflector) resume(ctx context.Context, in *interrupt) (*stream, error) {
	for in.cause() == nil {
		from := r.LastSyncResourceVersion()
		s, err := r.open(ctx, source.WatchOptions{ResourceVersion: from})
		switch {
		case err == nil:
			r.refusals = 0
			s.settled = from != "" && from != "0"
			if s.settled {
				s.last = from
			}
			return s, nil
		case ctx.Err() != nil:
			return nil, nil
		case retriable(err):
			r.log.Debug("watch refused, waiting", "err", err)
		case !r.persists(err):
			return nil, err
		default:
			r.failed(err)
		}
		r.wait(ctx, err)
	}
	return nil, nil
}

// maxRefusals is the number of watch requests in a row that may fail because
// the server was away before a list follows: a path to the server that lets
// lists pass but no watch must not leave the store as it is for ever.
const maxRefusals = 10

// persists reports whether a watch request that failed with err is repeated at
// the same version (kubernetes/kubernetes#119646).
func (r *Reflector) persists(err error) bool {
	if r.o.Faithful || !source.IsTransient(err) {
		return false
	}
	r.refusals++
	return r.refusals < maxRefusals
}

// ended decides what follows the stream s that ended because of err, or
// normally if that is nil: another stream, or else a list. The error is for
// OnWatchError.
func (r *Reflector) ended(ctx context.Context, s *stream, retry *internalRetry, err error) (again bool, _ error) {
	if err == nil {
		r.pace(ctx, s)
		err = r.confirm(ctx, s)
	}
	var rewind *VersionRewindError
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, &rewind):
		// A server refuses a list at a version that it has yet to reach.
		r.unavailable, r.rewind = true, rewind
		return false, err
	case errors.Is(err, errStopped):
	case source.HasReason(err, source.TooManyRequests):
		r.log.Info("watch ended by a busy server, waiting", "err", err)
		r.wait(ctx, err)
		return true, nil
	case retry.should(err, time.Now()):
		r.log.Info("watch ended by an internal error, opening another", "err", err)
		r.pace(ctx, s)
		return true, nil
	case source.HasReason(err, source.Expired):
		// Not unavailable: a list may well be possible at this version.
		r.log.Debug("watch closed", "err", err)
	default:
		r.log.Warn("watch ended", "err", err)
	}
	return false, nil
}

// consume applies a stream to the store until it ends, and returns why it did:
// nil means that it was closed normally and can be continued.
func (r *Reflector) consume(in *interrupt, s *stream) error {
	in.attach(s.watch)
	defer s.stop()
	for {
		events := s.next(r.events[:])
		if len(events) == 0 {
			return in.explain(s)
		}
		err := r.apply(s, events)
		clear(events) // an idle reflector keeps no object alive
		if err != nil {
			return err
		}
	}
}

// apply hands one batch to the store: runs of changes, and between them what
// is no change. It returns why the stream cannot go on.
func (r *Reflector) apply(s *stream, events []source.Event) error {
	for len(events) > 0 {
		n, err := r.changes(s, events)
		if err != nil || n == len(events) {
			return err
		}
		e := &events[n]
		events = events[n+1:]
		switch {
		case e.Type == source.Failed:
			return streamError(e.Err)
		case e.Object == nil:
			r.accepts(nil)
		default:
			if err := r.bookmark(s, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// changes adds the leading run of changes in events to the store and returns
// its length. The error says that versions went back at the change after it.
func (r *Reflector) changes(s *stream, events []source.Event) (n int, err error) {
	filled, settled, last := 0, s.settled, s.last
	version := "" // of the last change accepted; once the store has it, Transform may blank it
	for ; n < len(events); n++ {
		e := &events[n]
		if e.Type < source.Added || e.Type > source.Deleted {
			break
		}
		if e.Object == nil {
			r.accepts(nil)
			continue
		}
		v := e.Object.GetResourceVersion()
		if r.ordered && lower(v, last) {
			err = &VersionRewindError{Last: last, Got: v}
			break
		}
		if settled {
			last = v
		}
		if r.o.Accept != nil && !r.accepts(e.Object) {
			continue
		}
		if !settled && e.Type != source.Added {
			settled, last = true, v
		}
		version = v
		d := &r.deltas[filled] // cleared below, so the other fields are zero
		d.Object, d.Type = e.Object, queue.DeltaType(e.Type)
		filled++
	}
	s.settled, s.last = settled, last
	if filled == 0 {
		return n, err
	}
	deltas := r.deltas[:filled]
	if lost := r.store.Add(deltas); lost != nil {
		r.log.Error("changes lost", "err", lost)
	}
	clear(deltas)
	s.seen = true
	if s.settled {
		r.setVersion(version) // it stands for the whole run
	}
	return n, err
}

// bookmark takes note of a version without a change. An event of unknown type
// is treated so too: its version is past, whatever it meant. The error says
// that versions went back.
func (r *Reflector) bookmark(s *stream, e *source.Event) error {
	version := e.Object.GetResourceVersion()
	if err := r.rewound(s.last, version); err != nil {
		return err
	}
	s.seen = true
	if e.Type == source.Bookmark {
		s.settled = true
		if err := r.store.Bookmark(version); err != nil {
			r.log.Error("bookmark lost", "version", version, "err", err)
		}
	} else {
		r.log.Error("event of unknown type", "type", uint8(e.Type))
	}
	if s.settled {
		s.last = version
		r.setVersion(version)
	}
	return nil
}
