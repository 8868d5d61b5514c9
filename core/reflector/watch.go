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

var (
	errStopped = errors.New("reflector: stopped")
	// errVeryShortWatch: reopening such a stream at once could go on for ever.
	errVeryShortWatch = errors.New("reflector: very short watch: closed within a second, no event")
)

// shortWatch is the life of a stream below which it must have said something.
const shortWatch = time.Second

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
	s := &stream{opened: time.Now()}
	w, err := r.source.Watch(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("reflector: watch: %w", err)
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
		if r.o.ShouldResync == nil || r.o.ShouldResync() {
			if err := r.store.Resync(); err != nil {
				in.fire(fmt.Errorf("reflector: resync: %w", err))
				return
			}
		}
		timer.Reset(r.o.Resync)
	}
}

// watch reads one stream after another, beginning with s if there is one, until
// only a new list can help. The error, if any, is for OnWatchError: it tells of
// a request that was refused, not of a stream that ended.
func (r *Reflector) watch(ctx context.Context, in *interrupt, s *stream) error {
	retry := internalRetry{limit: r.o.MaxInternalErrorRetry}
	if s != nil {
		// A stream handed over by the initial list counts as opened now.
		*s = stream{watch: s.watch, rest: s.rest, opened: time.Now(), settled: true}
	}
	for in.cause() == nil {
		if s == nil {
			var err error
			from := r.LastSyncResourceVersion()
			s, err = r.open(ctx, source.WatchOptions{ResourceVersion: from})
			switch {
			case err == nil:
				s.settled = from != "" && from != "0"
			case ctx.Err() != nil:
				return nil
			case retriable(err):
				r.log.Debug("watch refused, waiting", "err", err)
				r.wait(ctx, err)
				continue
			default:
				return err
			}
		}
		err := r.consume(in, s)
		s = nil
		switch {
		case err == nil:
		case errors.Is(err, errStopped):
			return nil
		case source.HasReason(err, source.TooManyRequests):
			r.log.Info("watch ended by a busy server, waiting", "err", err)
			r.wait(ctx, err)
		case retry.should(err, time.Now()):
			r.log.Info("watch ended by an internal error, opening another", "err", err)
		case source.HasReason(err, source.Expired):
			// Not unavailable: a list may well be possible at this version.
			r.log.Debug("watch closed", "err", err)
			return nil
		default:
			r.log.Warn("watch ended", "err", err)
			return nil
		}
	}
	s.stop() // since the hook of the interrupt may not have run yet, or never will
	return nil
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
// is no change.
func (r *Reflector) apply(s *stream, events []source.Event) error {
	for len(events) > 0 {
		n := r.changes(s, events)
		if n == len(events) {
			return nil
		}
		e := &events[n]
		events = events[n+1:]
		switch {
		case e.Type == source.Failed:
			return streamError(e.Err)
		case e.Object == nil:
			r.log.Error("event or item without object skipped")
		default:
			r.bookmark(s, e)
		}
	}
	return nil
}

// changes adds the leading run of changes in events to the store and returns
// its length.
func (r *Reflector) changes(s *stream, events []source.Event) int {
	n, filled, settled := 0, 0, s.settled
	for ; n < len(events); n++ {
		e := &events[n]
		if e.Type < source.Added || e.Type > source.Deleted {
			break
		}
		if (e.Object == nil || r.o.Accept != nil) && !r.accepts(e.Object) {
			continue
		}
		settled = settled || e.Type != source.Added
		d := &r.deltas[filled] // cleared below, so the other fields are zero
		d.Object, d.Type = e.Object, queue.DeltaType(e.Type)
		filled++
	}
	if filled == 0 {
		return n
	}
	deltas := r.deltas[:filled]
	if err := r.store.Add(deltas); err != nil {
		r.log.Error("changes lost", "err", err)
	}
	s.seen, s.settled = true, settled
	if settled {
		// The version of the last change stands for the whole run.
		r.setVersion(deltas[filled-1].Object.GetResourceVersion())
	}
	clear(deltas)
	return n
}

// bookmark takes note of a version without a change. An event of unknown type
// is treated so too: its version is past, whatever it meant.
func (r *Reflector) bookmark(s *stream, e *source.Event) {
	version := e.Object.GetResourceVersion()
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
		r.setVersion(version)
	}
}
