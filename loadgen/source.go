package loadgen

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"informerlab/core/event"
	"informerlab/core/source"
)

// A Source feeds a load to one informer: it lists the initial objects, then
// streams the events once they have been released.
//
//	List ─▶ Initial at InitialVersion
//	Watch ─▶ (blocked until Release) ─▶ events as they fall due ─▶ (blocked until Stop)
//	                                    └ after a prefill: blocked until the second Release
//
// One stream is open at a time: a new watch stops the one before, and goes on
// after the version it asks for, so a reader that reopens its watch misses
// nothing and sees nothing twice. Its methods may be called concurrently.
//
// Deliberate differences from a server: pages are ignored and the list is
// always the initial one; there is no streaming initial list; a stream has no
// timeout and no end of its own.
type Source struct {
	load    *Load
	release chan time.Time // takes one for each part of the load
	turn    sync.Mutex     // held while events are taken, or positions moved
	stream  *Stream        // guarded by turn
	opening sync.Mutex
	open    *watch // the newest watch; guarded by opening
}

var (
	_ source.Source           = (*Source)(nil)
	_ source.WatchListRefuser = (*Source)(nil)
)

// NewSource returns a source for one pipeline over the load.
func NewSource(load *Load) *Source {
	release := make(chan time.Time, load.Parts())
	return &Source{load: load, release: release, stream: NewStream(load, release)}
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

// Lateness returns by how many nanoseconds events were handed out after their
// intended times, or nil for a closed loop. Call it when the last event has been
// handled or the watch was stopped.
func (s *Source) Lateness() *hdrhistogram.Histogram { return s.stream.Lateness() }

// RefusesWatchList returns true: the initial list is served classically.
func (s *Source) RefusesWatchList() bool { return true }

// List returns the initial list in one page, whatever version and page size are
// asked for. It fails only if ctx has ended.
func (s *Source) List(ctx context.Context, _ source.ListOptions) (*source.List, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	items := make([]event.Object, len(s.load.Initial))
	for i, o := range s.load.Initial {
		items[i] = o
	}
	return &source.List{ResourceVersion: s.load.InitialVersion, Items: items}, nil
}

// Watch opens a stream of the events after opts.ResourceVersion, which must be
// that of the list or of an event handed out before; another is Expired. A
// streaming initial list is Invalid. Bookmarks of a recorded load are streamed
// if opts.AllowBookmarks.
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
	if !s.stream.seek(opts.ResourceVersion) {
		return nil, &source.Error{Reason: source.Expired, Message: fmt.Sprintf(
			"version %q: expected that of the list or of an event handed out", opts.ResourceVersion)}
	}
	w := &watch{source: s, bookmarks: opts.AllowBookmarks, stopped: make(chan struct{})}
	w.unhook = context.AfterFunc(ctx, w.close)
	s.open = w
	return w, nil
}

// seek moves the stream to after the newest event handed out that has the
// version, or to the beginning for the list's version.
func (s *Stream) seek(version string) bool {
	for i := s.next; i > 0; i-- {
		if s.load.Event(i-1).Object.version == version {
			s.next = i
			return true
		}
	}
	if version == s.load.InitialVersion {
		s.next = 0
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
// nobody wants, or if the stream has ended: stopped, or at the end of the load.
func (w *watch) take(dst []source.Event) (n int, ended bool) {
	s := w.source
	s.turn.Lock()
	defer s.turn.Unlock()
	select {
	case <-w.stopped:
		return 0, true
	default:
	}
	from, to := s.stream.advance(len(dst), w.stopped)
	objects := s.load.objects
	for _, step := range s.load.steps[from:to] {
		kind := step.kind()
		if kind == source.Bookmark && !w.bookmarks {
			continue
		}
		dst[n] = source.Event{Object: &objects[step.index()], Type: kind}
		n++
	}
	return n, from == to
}
