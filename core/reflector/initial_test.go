package reflector_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/reflector"
	"informerlab/core/source"
)

var streaming = reflector.Options{}

func TestStreamingInitialList(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.put("b", "a")
		s.run(streaming)
		s.expect([]string{`0s watch "" streaming`}, []string{"replace a@3 b@2 at 3"})
		asked := s.server.Requests()[0].Watch
		assert.Equal(t, source.MatchNotOlderThan, asked.Match)
		assert.True(t, asked.AllowBookmarks)
		s.put("c")
		assert.Equal(t, "4", s.r.LastSyncResourceVersion(), "past the synthetic events from the start")
		s.put("a")
		s.remove("b")
		s.expect(nil, []string{"added c@4", "updated a@5", "deleted b@6"})
		assert.Equal(t, "6", s.r.LastSyncResourceVersion())
		// The stream is the watch: when it closes, an ordinary one follows.
		s.pass(time.Second)
		s.server.Disconnect()
		synctest.Wait()
		s.expect([]string{`1s watch "6"`}, nil)
	})
}

// TestStreamingRelist asks for nothing older than what was seen.
func TestStreamingRelist(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.put("a")
		s.run(streaming)
		s.server.EndStreams(refusal(source.Expired))
		s.pass(time.Second)
		s.expect([]string{`0s watch "" streaming`, `800ms watch "2" streaming`},
			[]string{"replace a@2 at 2", "replace a@2 at 2"})
	})
}

// TestChangesBeforeTheEndAreFoldedIn: what happens while the initial list is
// under way is part of it, in order of first arrival.
func TestChangesBeforeTheEndAreFoldedIn(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.put("c", "b", "a")
		s.server.HoldBookmarks(true)
		s.run(reflector.Options{BookmarkTimeout: -1})
		s.put("d", "b")
		s.remove("c")
		s.put("c")
		s.remove("a")
		assert.Empty(t, s.store.take())
		assert.Empty(t, s.r.LastSyncResourceVersion())
		s.pass(35 * time.Second)
		assert.Equal(t, 3, s.logs.count("has no end yet"), "a warning every 10 s")
		s.server.HoldBookmarks(false)
		synctest.Wait()
		s.expect([]string{`0s watch "" streaming`}, []string{"replace b@6 d@5 c@8 at 9"})
		s.pass(time.Minute)
		assert.Equal(t, 3, s.logs.count("has no end yet"))
	})
}

// TestEventsBehindTheEndInOneBatch: what was read with the end but lies behind
// it belongs to the watch.
func TestEventsBehindTheEndInOneBatch(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		item := func(name, version string) event.Object {
			return &source.Item{Name: name, ResourceVersion: version}
		}
		src := &scripted{Source: s.server, events: []source.Event{
			{Type: source.Added, Object: item("a", "2")},
			{Type: source.Bookmark, Object: source.Version("3"), InitialEventsEnd: true},
			{Type: source.Added, Object: item("b", "4")},
			{Type: source.Bookmark, Object: source.Version("5")},
			{Type: source.Deleted, Object: item("b", "6")},
			{Type: source.Failed, Err: refusal(source.TooManyRequests)},
		}}
		s.source = src
		s.run(streaming)
		assert.Equal(t, []string{"replace a@2 at 3", "added b@4", "bookmark 5", "deleted b@6"},
			s.store.take())
		assert.Equal(t, "6", s.r.LastSyncResourceVersion())
		assert.Equal(t, 1, src.opened)
	})
}

// A scripted source answers the first watch with a batch; later ones go to Source.
type scripted struct {
	source.Source
	mu     sync.Mutex
	events []source.Event
	opened int
	first  *once
}

// script sets the events of the next watch.
func (s *scripted) script(events []source.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = events
}

func (s *scripted) Watch(ctx context.Context, opts source.WatchOptions) (source.Watch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.events == nil {
		return s.Source.Watch(ctx, opts)
	}
	s.opened++
	s.first = &once{events: s.events}
	s.events = nil
	return s.first, nil
}

type once struct {
	events []source.Event
	stops  int
}

func (o *once) Next(dst []source.Event) int {
	n := copy(dst, o.events)
	o.events = o.events[n:]
	return n
}

func (o *once) Stop() { o.stops++ }

// TestEndedStreamsAreForgotten: the end of the context stops the open stream,
// not all the streams that ever were.
func TestEndedStreamsAreForgotten(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		src := &scripted{Source: s.server, events: []source.Event{{Type: source.Failed}}}
		s.source = src
		s.run(classic)
		s.pass(time.Second)
		assert.Equal(t, 1, s.server.Streams())
		s.stop()
		synctest.Wait()
		assert.Equal(t, 1, src.first.stops)
	})
}

// TestStreamingFaults: what makes the reflector stream anew, and what makes it
// list.
func TestStreamingFaults(t *testing.T) {
	const first = `0s watch "" streaming`
	listed := []string{first, `0s list "0" limit 500`, `0s watch "3"`}
	for name, test := range map[string]struct {
		fault    source.Fault
		requests []string
	}{
		"closed after one event starts over": {
			source.Fault{Cut: true, CutAfter: 1}, []string{first, `100ms watch "" streaming`}},
		"closed at once is a very short watch": {source.Fault{Cut: true}, listed},
		"too many requests waits": {
			source.Fault{Err: refusal(source.TooManyRequests)}, []string{first, `800ms watch "" streaming`}},
		"too many requests within waits": {
			source.Fault{Cut: true, CutAfter: 1, CutErr: refusal(source.TooManyRequests)},
			[]string{first, `800ms watch "" streaming`}},
		"invalid falls back":   {source.Fault{Err: refusal(source.Invalid)}, listed},
		"transport falls back": {source.Fault{Err: errors.New("broken")}, listed},
		"internal error within falls back": {
			source.Fault{Cut: true, CutAfter: 1, CutErr: refusal(source.Internal)}, listed},
		"expired at no version falls back": {
			source.Fault{Err: refusal(source.Expired)}, listed},
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, source.ServerOptions{}, func(s *story) {
				s.put("a", "b")
				s.server.NextWatches(1, test.fault)
				s.run(streaming)
				s.pass(10 * time.Second)
				s.expect(test.requests, []string{"replace a@2 b@3 at 3"})
				assert.Empty(t, s.errs.all())
			})
		})
	}
}

func TestStreamingVersionLostAsksForTheNewest(t *testing.T) {
	for _, reason := range []source.Reason{source.Expired, source.TooLargeVersion} {
		tell(t, source.ServerOptions{}, func(s *story) {
			s.put("a")
			s.run(streaming)
			s.server.NextWatches(1, source.Fault{Err: refusal(reason)})
			s.server.EndStreams(refusal(source.Internal))
			s.pass(time.Second)
			s.server.EndStreams(refusal(source.Internal))
			s.pass(2 * time.Second)
			assert.Equal(t, []string{
				`0s watch "" streaming`, `800ms watch "2" streaming`, `800ms watch "" streaming`,
				// The flag was cleared by the success.
				`2.6s watch "2" streaming`,
			}, s.requests())
		})
	}
}

// TestStreamingNotServed: the fallback of one round does not bind the next.
func TestStreamingNotServed(t *testing.T) {
	tell(t, source.ServerOptions{Streaming: source.StreamingInvalid}, func(s *story) {
		s.run(streaming)
		s.server.EndStreams(refusal(source.Expired))
		s.pass(time.Second)
		assert.Equal(t, []string{
			`0s watch "" streaming`, `0s list "0" limit 500`, `0s watch "1"`,
			`800ms watch "1" streaming`, `800ms list "1"`, `800ms watch "1"`,
		}, s.requests())
	})
	tell(t, source.ServerOptions{Streaming: source.StreamingRefused}, func(s *story) {
		s.run(streaming)
		assert.Equal(t, []string{`0s list "0" limit 500`, `0s watch "1"`}, s.requests())
	})
}

// TestStreamingIgnored: a server that just watches (kubernetes/kubernetes#129408,
// #135895) makes the reflector wait and warn, then report an error and list.
func TestStreamingIgnored(t *testing.T) {
	ignored := source.ServerOptions{Streaming: source.StreamingIgnored}
	for _, test := range []struct {
		timeout, silence time.Duration
	}{
		{0, 30 * time.Second}, {5 * time.Second, 5 * time.Second},
	} {
		tell(t, ignored, func(s *story) {
			s.put("a")
			s.run(reflector.Options{BookmarkTimeout: test.timeout})
			s.pass(test.silence - 1)
			s.expect([]string{`0s watch "" streaming`}, nil)
			s.pass(1)
			at := test.silence.String()
			s.expect([]string{at + ` list "0" limit 500`, at + ` watch "2"`}, []string{"replace a@2 at 2"})
			require.Len(t, s.errs.values(), 1)
			assert.True(t, s.errs.values()[0] == reflector.ErrNoBookmark)
			assert.Equal(t, 1, s.server.Streams(), "the silent stream was stopped")
		})
	}
	for _, o := range []reflector.Options{{BookmarkTimeout: -1}, {Faithful: true}} {
		tell(t, ignored, func(s *story) {
			s.put("a")
			s.run(o)
			s.pass(time.Minute)
			s.expect([]string{`0s watch "" streaming`}, nil)
			assert.Equal(t, 6, s.logs.count("has no end yet"))
			assert.Empty(t, s.errs.all())
		})
	}
}

// TestEventsProlongAStreamingList: only silence ends it, not its length.
func TestEventsProlongAStreamingList(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.server.HoldBookmarks(true)
		s.run(streaming)
		for range 10 {
			s.pass(29 * time.Second)
			s.put("a")
		}
		s.server.HoldBookmarks(false)
		synctest.Wait()
		s.expect([]string{`0s watch "" streaming`}, []string{"replace a@11 at 11"})
		s.pass(4 * time.Minute)
		assert.Empty(t, s.errs.all(), "the time is up with the list, not with the stream")
	})
}

// TestSlowCheckIsNoSilence: what the reflector itself takes does not count.
func TestSlowCheckIsNoSilence(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.put("a", "b", "c")
		s.run(reflector.Options{Accept: func(event.Object) error {
			time.Sleep(20 * time.Second)
			return nil
		}})
		s.pass(time.Minute)
		s.expect([]string{`0s watch "" streaming`}, []string{"replace a@2 b@3 c@4 at 4"})
	})
}

// TestUnfinishedStreamingLists: after three in a row without bookmark a plain
// list follows; then each that ends too early leads to one, until one is finished.
func TestUnfinishedStreamingLists(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.put("a", "b")
		early := source.Fault{Cut: true, CutAfter: 1}
		s.server.NextWatches(3, early)
		s.server.NextWatches(1, source.Fault{})
		s.run(streaming)
		s.pass(time.Second)
		s.expect([]string{
			`0s watch "" streaming`, `100ms watch "" streaming`, `300ms watch "" streaming`,
			`300ms list "0" limit 500`, `300ms watch "3"`,
		}, []string{"replace a@2 b@3 at 3"})
		relist := func() []string {
			s.server.EndStreams(refusal(source.Expired))
			s.pass(5 * time.Second)
			s.store.take()
			return s.requests()
		}
		s.server.NextWatches(1, early)
		assert.Equal(t, []string{`1.8s watch "3" streaming`, `1.8s list "3"`, `1.8s watch "3"`}, relist())
		assert.Equal(t, []string{`7.6s watch "3" streaming`}, relist())
		s.server.NextWatches(1, early)
		assert.Equal(t, []string{`14.2s watch "3" streaming`, `14.6s watch "3" streaming`}, relist(),
			"one was finished in between")
		require.Len(t, s.errs.values(), 2)
		for _, err := range s.errs.values() {
			assert.ErrorIs(t, err, reflector.ErrNoBookmark)
		}
	})
}

func TestStreamingReplaceFails(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.store.fail("Replace", errors.New("full"))
		s.run(streaming)
		s.expect([]string{`0s watch "" streaming`, `0s list "0" limit 500`},
			[]string{"replace refused", "replace refused"})
		assert.Equal(t, []string{"reflector: replace: full"}, s.errs.all())
		assert.Empty(t, s.r.LastSyncResourceVersion())
		assert.Zero(t, s.server.Streams())
	})
}

func TestStreamingChecksObjects(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.put("a", "bad", "c")
		s.run(reflector.Options{Accept: notBad})
		assert.Equal(t, []string{"replace a@2 c@4 at 4"}, s.store.take())
		assert.Equal(t, 1, s.logs.count("object skipped"))
	})
}

func notBad(o event.Object) error {
	if o.GetName() == "bad" {
		return fmt.Errorf("bad object %s", o.GetResourceVersion())
	}
	return nil
}

// TestStopAnywhere: wherever the reflector is, the end of its context makes Run
// return at once.
func TestStopAnywhere(t *testing.T) {
	for name, test := range map[string]struct {
		o   reflector.Options
		set func(*source.Server)
	}{
		"in a list": {classic, func(s *source.Server) {
			s.NextLists(1, source.Fault{Hang: true})
		}},
		"opening a watch": {classic, func(s *source.Server) {
			s.NextWatches(1, source.Fault{Hang: true})
		}},
		"opening a streaming list": {streaming, func(s *source.Server) {
			s.NextWatches(1, source.Fault{Hang: true})
		}},
		"in a streaming list": {streaming, func(s *source.Server) {
			s.HoldBookmarks(true)
		}},
		"in a stream":              {classic, func(s *source.Server) {}},
		"in a stream with resyncs": {reflector.Options{Resync: time.Hour}, func(s *source.Server) {}},
		"between lists": {classic, func(s *source.Server) {
			s.NextLists(1, source.Fault{Err: refusal(source.Internal)})
		}},
		"between watches": {classic, func(s *source.Server) {
			s.NextWatches(1, source.Fault{Err: refusal(source.TooManyRequests)})
		}},
		"between streaming lists": {streaming, func(s *source.Server) {
			s.NextWatches(1, source.Fault{Err: refusal(source.TooManyRequests)})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, source.ServerOptions{}, func(s *story) {
				s.put("a")
				test.set(s.server)
				s.source = &deaf{s.server}
				s.run(test.o)
				s.pass(100 * time.Millisecond)
				before := len(s.errs.all())
				s.requests()
				s.stop()
				assert.Empty(t, s.requests(), "stopping asks the server nothing")
				require.Zero(t, s.server.Streams())
				assert.Len(t, s.errs.all(), before, "stopping is no error")
			})
		})
	}
}

// A deaf source opens streams that do not hear of the end of the context.
type deaf struct{ *source.Server }

func (d *deaf) Watch(ctx context.Context, opts source.WatchOptions) (source.Watch, error) {
	opening, opened := context.WithCancel(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, opened)
	defer unhook()
	return d.Server.Watch(opening, opts)
}

func TestRunAfterTheEndDoesNothing(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.run(classic)
		s.stop()
		s.requests()
		ctx, cancel := context.WithCancel(s.t.Context())
		cancel()
		s.r.Run(ctx)
		assert.Empty(t, s.requests())
		// Run again, it goes on where it was.
		s.put("a")
		s.store.take()
		ctx, cancel = context.WithCancel(s.t.Context())
		s.cancel, s.done = cancel, make(chan struct{})
		go func() { s.r.Run(ctx); close(s.done) }()
		synctest.Wait()
		s.expect([]string{`0s list "1"`, `0s watch "2"`}, []string{"replace a@2 at 2"})
	})
}

// TestOddInitialEvents: what no server should send does no harm here either.
func TestOddInitialEvents(t *testing.T) {
	for _, o := range []reflector.Options{streaming, {Accept: notBad}} {
		tell(t, source.ServerOptions{}, func(s *story) {
			s.source = &scripted{Source: s.server, events: []source.Event{
				{Type: source.Deleted, Object: &source.Item{Name: "a", ResourceVersion: "4"}},
				{Type: source.Modified, Object: &source.Item{Name: "b", ResourceVersion: "6"}},
				{Type: source.Added},
				{Type: source.Bookmark, InitialEventsEnd: true},
				{Type: 99, Object: &source.Item{Name: "x", ResourceVersion: "5"}},
				{Type: source.Bookmark, Object: source.Version("5")},
				{Type: source.Bookmark, Object: source.Version("7"), InitialEventsEnd: true},
				{Type: source.Failed},
			}}
			s.run(o)
			assert.Equal(t, []string{"replace b@6 at 7"}, s.store.take())
			assert.Equal(t, 2, s.logs.count("without object"))
			assert.Equal(t, 1, s.logs.count("unknown type"))
			assert.Equal(t, 1, s.logs.count("error event without error"))
		})
	}
}
