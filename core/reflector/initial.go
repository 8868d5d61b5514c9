package reflector

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/atomic"

	"informerlab/core/event"
	"informerlab/core/source"
)

// patience is the time after which, and then again and again, a streaming
// initial list without end is warned of. Servers that do not know the request
// just watch (kubernetes/kubernetes#129408).
const patience = 10 * time.Second

// maxUnfinished is the number of streaming initial lists in a row that may end
// without their bookmark before a plain list takes over.
const maxUnfinished = 3

// streamList fills the store from a streaming initial list
// (kubernetes/enhancements, KEP-3157) and returns its stream, which continues
// with the changes. It returns nil and no error if it was interrupted, and an
// error if a plain list has to take over.
func (r *Reflector) streamList(ctx context.Context, in *interrupt) (*stream, error) {
	for in.cause() == nil {
		// Never "0": the state must not be older than anything seen.
		wanted := r.LastSyncResourceVersion()
		if r.unavailable {
			wanted = ""
		}
		s, err := r.open(ctx, source.WatchOptions{
			ResourceVersion:   wanted,
			Match:             source.MatchNotOlderThan,
			SendInitialEvents: true,
		})
		var got *collection
		if err == nil {
			got, err = r.collect(in, s)
		}
		if got != nil {
			r.unavailable, r.unfinished = false, 0
			if err = r.replace(got.objects(), got.version); err == nil {
				return s, nil
			}
		}
		s.stop()
		if in.cause() == nil {
			if err = r.startOver(ctx, s, wanted, err); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

// startOver prepares for another streaming initial list after the one from
// version wanted ended because of err, or early if that is nil. It returns an
// error if a plain list has to take over.
func (r *Reflector) startOver(ctx context.Context, s *stream, wanted string, err error) error {
	switch {
	case err == nil:
		r.unfinished++
		if r.unfinished >= maxUnfinished && !r.o.Faithful {
			return errUnfinished
		}
		r.pace(ctx, s)
	case retriable(err):
		r.log.Info("streaming initial list refused, waiting", "err", err)
		r.wait(ctx, err)
	case versionLost(err) && (wanted != "" || r.o.Faithful):
		r.unavailable = true
	default:
		return err
	}
	return nil
}

// collect reads a stream up to the end of its initial events. It returns nil
// if the stream ended before.
func (r *Reflector) collect(in *interrupt, s *stream) (*collection, error) {
	in.attach(s.watch)
	defer r.warnWhileWaiting(s.opened)()
	silence := newDeadline(r.o.BookmarkTimeout, s.watch.Stop)
	c := &collection{index: map[event.Key]int{}}
	for {
		silence.start()
		events := s.next(r.events[:])
		silence.stop()
		if len(events) == 0 {
			if in.cause() == nil && silence.passed.Load() {
				return nil, ErrNoBookmark
			}
			return nil, in.explain(s)
		}
		for i := range events {
			e := &events[i]
			if e.Type == source.Failed {
				err := streamError(e.Err)
				clear(events)
				return nil, err
			}
			if r.gather(c, s, e) {
				clear(events[:i+1])
				s.rest = events[i+1:]
				return c, nil
			}
		}
		clear(events)
	}
}

// gather puts one event into c and reports whether it ends the initial list.
func (r *Reflector) gather(c *collection, s *stream, e *source.Event) (end bool) {
	change := e.Type >= source.Added && e.Type <= source.Deleted
	if (change || e.Object == nil) && !r.accepts(e.Object) {
		return false
	}
	s.seen = true
	switch {
	case change:
		c.apply(e)
	case e.Type != source.Bookmark:
		r.log.Error("event of unknown type", "type", uint8(e.Type))
	case e.InitialEventsEnd:
		c.version = e.Object.GetResourceVersion()
		return true
	}
	return false
}

// warnWhileWaiting warns at intervals until the function that it returns is called.
func (r *Reflector) warnWhileWaiting(since time.Time) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(patience)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				r.log.Warn("streaming initial list has no end yet", "waiting", time.Since(since))
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}

// A deadline calls a function once when a wait takes too long.
type deadline struct {
	limit  time.Duration // 0 or less = none
	timer  *time.Timer
	passed atomic.Bool
}

func newDeadline(limit time.Duration, expire func()) *deadline {
	d := &deadline{limit: limit}
	if limit > 0 {
		d.timer = time.AfterFunc(limit, func() {
			d.passed.Store(true)
			expire()
		})
	}
	return d
}

// start begins a wait.
func (d *deadline) start() {
	if d.timer != nil {
		d.timer.Reset(d.limit)
	}
}

// stop ends a wait. If it took too long the function may still be running.
func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

// A collection is the temporary store of a streaming initial list: objects in
// order of first arrival, changed by what arrives before the end.
type collection struct {
	version string
	items   []event.Object    // nil where one was deleted
	index   map[event.Key]int // into items
}

func (c *collection) apply(e *source.Event) {
	key := event.KeyOf(e.Object)
	at, exists := c.index[key]
	switch {
	case e.Type == source.Deleted && exists:
		c.items[at] = nil
		delete(c.index, key)
	case e.Type == source.Deleted:
	case exists:
		c.items[at] = e.Object
	default:
		c.index[key] = len(c.items)
		c.items = append(c.items, e.Object)
	}
}

// objects returns the content and gives it away.
func (c *collection) objects() []event.Object {
	return slices.DeleteFunc(c.items, func(o event.Object) bool { return o == nil })
}

// streamError wraps the error event that ended a stream.
func streamError(err error) error {
	if err == nil {
		return fmt.Errorf("reflector: stream: ended by an error event without error")
	}
	return fmt.Errorf("reflector: stream: %w", err)
}
