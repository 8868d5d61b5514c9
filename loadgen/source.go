package loadgen

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.uber.org/atomic"

	"informerlab/core/event"
	"informerlab/core/source"
)

// A Source feeds a load to one informer: it lists what there is at the start,
// then streams the events once they have been released.
//
//	List ─▶ the load's list
//	Watch ─▶ (blocked until Release) ─▶ events as they fall due ─▶ (blocked until Stop)
//	             ▲                       │ └ after a prefill: blocked until the second Release
//	             └─ the load's next list ┴─ where the version expires: Failed, the stream ends
//
// One stream is open at a time: a new watch stops the one before, and goes on
// after the version it asks for, so a reader that reopens its watch misses
// nothing and sees nothing twice. Its methods may be called concurrently.
//
// Deliberate differences from a server: pages are ignored; the list is the same
// until the version expires; there is no streaming initial list; a stream has no
// timeout and no other end of its own; it goes back no further than to the
// batch that was read last.
type Source struct {
	load    *Load
	release chan time.Time // takes one for each part of the load
	turn    sync.Mutex     // held while events are taken, or positions moved
	stream  *Stream        // guarded by turn
	listed  atomic.Int32   // which of the load's lists is served
	before  string         // version of the event before the batch; guarded by turn
	batch   []Event        // handed out last; guarded by turn
	again   []Event        // the end of batch that the next watch hands out again; guarded by turn
	opening sync.Mutex
	open    *watch // the newest watch; guarded by opening
}

var (
	_ source.Source           = (*Source)(nil)
	_ source.WatchListRefuser = (*Source)(nil)
	_ source.VersionReuser    = (*Source)(nil)
)

// batchSize is how many events a source hands out at most at a time. It is above
// what the reflectors here and in client-go take.
const batchSize = 1024

// NewSource returns a source for one pipeline over the load.
func NewSource(load *Load) *Source {
	release := make(chan time.Time, load.Parts())
	return &Source{
		load: load, release: release, stream: NewStream(load, release),
		before: load.Lists[0].Version, batch: make([]Event, 0, batchSize),
	}
}

// Release lets the next part of the load flow: the prefill, if there is one, and
// then the rest, of which start is the zero of the intended times. Calls beyond
// the load's Parts do nothing.
func (s *Source) Release(start time.Time) {
	select {
	case s.release <- start:
	default:
	}
}

// Close ends the source when its pipeline has stopped. A load that is fresh may be
// read ahead until then.
func (s *Source) Close() { s.stream.Stop() }

// Pace tells how the source kept to its intended times. Call it when the last
// event has been handled or the watch was stopped.
func (s *Source) Pace() Pace { return s.stream.Pace() }

// RefusesWatchList returns true: lists are served classically.
func (s *Source) RefusesWatchList() bool { return true }

// ReusesVersions reports whether the states of some key come again, and with
// them their versions, as in most synthetic loads.
func (s *Source) ReusesVersions() bool { return s.load.again }

// List returns the load's list in one page, whatever version and page size are
// asked for. It fails only if ctx has ended.
func (s *Source) List(ctx context.Context, _ source.ListOptions) (*source.List, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	list := s.load.Lists[s.listed.Load()]
	items := make([]event.Object, len(list.Objects))
	for i, o := range list.Objects {
		items[i] = o
	}
	return &source.List{ResourceVersion: list.Version, Items: items}, nil
}

// Watch opens a stream of the events after opts.ResourceVersion, which must be
// that of the list, of the last event handed out, or of one read together with
// it; another is Expired. A streaming initial list is Invalid. Bookmarks of a
// recorded load are streamed if opts.AllowBookmarks.
func (s *Source) Watch(ctx context.Context, opts source.WatchOptions) (source.Watch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if v := opts.ResourceVersion; opts.SendInitialEvents || v == "" || v == "0" {
		return nil, &source.Error{Reason: source.Invalid, Message: "a load has no streaming initial list"}
	}
	s.opening.Lock()
	defer s.opening.Unlock()
	if s.open != nil {
		s.open.Stop()
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	if !s.seek(opts.ResourceVersion) {
		return nil, &source.Error{Reason: source.Expired, Message: fmt.Sprintf(
			"version %q: expected that of the list or of an event just handed out", opts.ResourceVersion)}
	}
	w := &watch{source: s, bookmarks: opts.AllowBookmarks, stopped: make(chan struct{})}
	w.unhook = context.AfterFunc(ctx, w.close)
	s.open = w
	return w, nil
}

// seek makes what was handed out after the newest event with the version be
// handed out again.
func (s *Source) seek(version string) bool {
	for i := len(s.batch) - 1; i >= 0; i-- {
		if s.batch[i].Object.version == version {
			s.again = s.batch[i+1:]
			return true
		}
	}
	if version == s.before {
		s.again = s.batch
		return true
	}
	return false
}

// A watch is one open stream of a Source.
type watch struct {
	source    *Source
	bookmarks bool
	stopped   chan struct{}
	once      sync.Once
	unhook    func() bool
}

// Stop ends the stream and releases a blocked Next.
func (w *watch) Stop() {
	w.unhook()
	w.close()
}

func (w *watch) close() { w.once.Do(func() { close(w.stopped) }) }

// Next waits for due events and copies them into dst.
func (w *watch) Next(dst []source.Event) int {
	for len(dst) > 0 {
		n, ended := w.take(dst)
		if n > 0 {
			return n
		}
		if ended {
			<-w.stopped
			return 0
		}
	}
	return 0
}

// take is one attempt of Next. It returns 0 events if all were bookmarks that
// nobody wants, or if the stream has ended: stopped, at the end of the load, or
// because its version has expired.
func (w *watch) take(dst []source.Event) (n int, ended bool) {
	s := w.source
	s.turn.Lock()
	defer s.turn.Unlock()
	select {
	case <-w.stopped:
		return 0, true
	default:
	}
	events := s.next(len(dst), w.stopped)
	for _, e := range events {
		switch {
		case e.Type == source.Failed:
			dst[n] = source.Event{Type: source.Failed, Err: s.expire()}
			w.close()
			n++
		case e.Type != source.Bookmark || w.bookmarks:
			dst[n] = source.Event{Object: e.Object, Type: e.Type}
			n++
		}
	}
	return n, len(events) == 0
}

// expire makes the load's next list the one that is served.
func (s *Source) expire() error {
	s.before, s.batch, s.again = s.load.Lists[s.listed.Add(1)].Version, s.batch[:0], nil
	return &source.Error{Reason: source.Expired, Message: "the version is too old: a load says so"}
}

// next returns the next events, as many as limit at most, or none once all are
// handed out or stopped is closed.
func (s *Source) next(limit int, stopped <-chan struct{}) []Event {
	if again := s.again[:min(limit, len(s.again))]; len(again) > 0 {
		s.again = s.again[len(again):]
		return again
	}
	if len(s.batch) > 0 {
		s.before = s.batch[len(s.batch)-1].Object.version
	}
	n := s.stream.advance(s.batch[:min(limit, batchSize)], stopped)
	s.batch = s.batch[:n]
	return s.batch
}
