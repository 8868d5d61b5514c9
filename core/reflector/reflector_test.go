package reflector_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/core/event"
	"informerlab/core/queue"
	"informerlab/core/reflector"
	"informerlab/core/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A mapStore is the dumbest store: a map, and a journal of what it was told.
type mapStore struct {
	mu      sync.Mutex
	objects map[event.Key]event.Object
	journal []string
	version string // of the last Replace or Bookmark

	failures map[string]error // by method
	resynced []time.Time
}

func newMapStore() *mapStore {
	return &mapStore{objects: map[event.Key]event.Object{}, failures: map[string]error{}}
}

func (s *mapStore) Add(deltas []queue.Delta) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range deltas {
		s.journal = append(s.journal, fmt.Sprintf("%s %s@%s",
			strings.ToLower(d.Type.String()), event.KeyOf(d.Object), d.Object.GetResourceVersion()))
		if d.Type == queue.Deleted {
			delete(s.objects, event.KeyOf(d.Object))
		} else {
			s.objects[event.KeyOf(d.Object)] = d.Object
		}
	}
	return s.failures["Add"]
}

func (s *mapStore) Replace(items []event.Object, version string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.failures["Replace"]; err != nil {
		s.journal = append(s.journal, "replace refused")
		return err
	}
	line := "replace"
	s.objects = map[event.Key]event.Object{}
	for _, o := range items {
		line += fmt.Sprintf(" %s@%s", event.KeyOf(o), o.GetResourceVersion())
		s.objects[event.KeyOf(o)] = o
	}
	s.journal = append(s.journal, line+" at "+version)
	s.version = version
	return nil
}

func (s *mapStore) Resync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resynced = append(s.resynced, time.Now())
	s.journal = append(s.journal, "resync")
	return s.failures["Resync"]
}

func (s *mapStore) Bookmark(version string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = version
	s.journal = append(s.journal, "bookmark "+version)
	return nil
}

// fail makes a method return err from now on.
func (s *mapStore) fail(method string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures[method] = err
}

// resyncs returns the times of resyncs, counted from start.
func (s *mapStore) resyncs(start time.Time) []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ds []time.Duration
	for _, t := range s.resynced {
		ds = append(ds, t.Sub(start))
	}
	return ds
}

// take returns the journal since the last take.
func (s *mapStore) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.journal
	s.journal = nil
	return j
}

// versions maps keys to resource versions.
func versions(objects []event.Object) map[event.Key]string {
	m := map[event.Key]string{}
	for _, o := range objects {
		m[event.KeyOf(o)] = o.GetResourceVersion()
	}
	return m
}

func (s *mapStore) versions() map[event.Key]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := map[event.Key]string{}
	for k, o := range s.objects {
		m[k] = o.GetResourceVersion()
	}
	return m
}

// A story is one reflector at one server inside a synctest bubble. Random
// numbers are 0, so that waits are exact.
type story struct {
	t      *testing.T
	start  time.Time
	server *source.Server
	source source.Source // what the reflector sees; server if nil
	store  *mapStore
	writes reflector.Store // what the reflector writes to; store if nil
	r      *reflector.Reflector
	errs   *errBook // what OnWatchError received
	mute   bool     // there is no OnWatchError
	logs   *logBook
	cancel context.CancelFunc
	done   chan struct{}
	read   int // requests already told
}

// tell runs a story at a server made with so.
func tell(t *testing.T, so source.ServerOptions, body func(*story)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &story{
			t: t, start: time.Now(), server: source.NewServer(so), store: newMapStore(),
			errs: &errBook{}, logs: &logBook{},
		}
		body(s)
		if s.cancel != nil {
			s.stop()
		}
		synctest.Wait()
		require.Zero(t, s.server.Streams(), "streams left open")
	})
}

// run starts the reflector and waits until it is idle.
func (s *story) run(o reflector.Options) {
	if !s.mute { // unless the test brings its own
		o.OnWatchError = s.errs.add
	}
	o.Logger = slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if o.Rand == nil {
		o.Rand = func() float64 { return 0 }
	}
	if s.source == nil {
		s.source = s.server
	}
	if s.writes == nil {
		s.writes = s.store
	}
	s.r = reflector.New(s.source, s.writes, o)
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(s.t.Context())
	s.done = make(chan struct{})
	go func() {
		s.r.Run(ctx)
		close(s.done)
	}()
	synctest.Wait()
}

// stop ends the context and checks that Run returns without time passing.
func (s *story) stop() {
	at := time.Now()
	s.cancel()
	<-s.done
	assert.Zero(s.t, time.Since(at), "Run took time to return")
}

// pass lets time go by.
func (s *story) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// put creates or updates objects.
func (s *story) put(names ...string) {
	s.t.Helper()
	for _, name := range names {
		_, err := s.server.Create(&source.Item{Name: name})
		if err != nil {
			_, err = s.server.Update(&source.Item{Name: name})
		}
		require.NoError(s.t, err)
	}
	synctest.Wait()
}

func (s *story) remove(name string) {
	s.t.Helper()
	_, err := s.server.Delete(event.Key{Name: name})
	require.NoError(s.t, err)
	synctest.Wait()
}

// requests tells the requests since the last call, each with the time since the
// story began.
func (s *story) requests() []string {
	var lines []string
	all := s.server.Requests()
	for _, r := range all[s.read:] {
		at := r.At.Sub(s.start).String()
		if l := r.List; l != nil {
			line := fmt.Sprintf("%s list %q", at, l.ResourceVersion)
			if l.Limit > 0 {
				line += " limit " + strconv.FormatInt(l.Limit, 10)
			}
			if l.Continue != "" {
				line += " more"
			}
			lines = append(lines, line)
			continue
		}
		line := fmt.Sprintf("%s watch %q", at, r.Watch.ResourceVersion)
		if r.Watch.SendInitialEvents {
			line += " streaming"
		}
		lines = append(lines, line)
	}
	s.read = len(all)
	return lines
}

// expect compares the requests and the journal since the last time.
func (s *story) expect(requests, journal []string) {
	s.t.Helper()
	assert.Equal(s.t, requests, s.requests(), "requests")
	assert.Equal(s.t, journal, s.store.take(), "journal")
}

// A logBook collects log lines.
type logBook struct {
	mu    sync.Mutex
	lines []string
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *logBook) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

func (l *logBook) count(text string) int {
	return len(slices.DeleteFunc(l.all(), func(s string) bool { return !strings.Contains(s, text) }))
}

// An errBook collects errors.
type errBook struct {
	mu   sync.Mutex
	errs []error
}

func (b *errBook) add(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errs = append(b.errs, err)
}

func (b *errBook) values() []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.errs)
}

func (b *errBook) all() (texts []string) {
	for _, err := range b.values() {
		texts = append(texts, err.Error())
	}
	return texts
}

func refusal(r source.Reason) error { return &source.Error{Reason: r, Message: "ordered"} }

var classic = reflector.Options{ClassicList: true}

func TestFirstListAsksForAnyState(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.put("b", "a")
		s.run(classic)
		s.expect(
			[]string{`0s list "0" limit 500`, `0s watch "3"`},
			[]string{"replace a@3 b@2 at 3"})
		assert.Equal(t, "3", s.r.LastSyncResourceVersion())
		s.put("c", "a")
		s.remove("b")
		s.expect(nil, []string{"added c@4", "updated a@5", "deleted b@6"})
		assert.Equal(t, "6", s.r.LastSyncResourceVersion())
	})
}

func TestStreamThatClosesIsContinuedWithoutList(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.run(classic)
		s.put("a")
		s.store.take()
		s.requests()
		s.pass(time.Second)
		s.server.Disconnect()
		synctest.Wait()
		s.put("b")
		s.expect([]string{`1s watch "2"`}, []string{"added b@3"})
		assert.Empty(t, s.errs.all())
	})
}

func TestVeryShortWatchLeadsToAList(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.server.NextWatches(2, source.Fault{Cut: true})
		s.run(classic)
		s.expect([]string{`0s list "0" limit 500`, `0s watch "1"`}, []string{"replace at 1"})
		s.pass(800 * time.Millisecond)
		s.expect([]string{`800ms list "1"`, `800ms watch "1"`}, []string{"replace at 1"})
		s.pass(1600 * time.Millisecond)
		s.expect([]string{`2.4s list "1"`, `2.4s watch "1"`}, []string{"replace at 1"})
		assert.Empty(t, s.errs.all(), "the end of a stream is no watch error")

		s.pass(time.Second)
		s.server.Disconnect()
		synctest.Wait()
		s.expect([]string{`3.4s watch "1"`}, nil)
	})
}

func TestShortStreamWithOneEventIsContinued(t *testing.T) {
	for at, o := range map[string]reflector.Options{
		"100ms": classic, "0s": {ClassicList: true, Faithful: true},
		"50ms": {ClassicList: true, Backoff: reflector.Backoff{Initial: 400 * time.Millisecond}},
	} {
		tell(t, source.ServerOptions{}, func(s *story) {
			s.server.NextWatches(1, source.Fault{Cut: true, CutAfter: 1})
			s.run(o)
			s.put("a")
			s.pass(100 * time.Millisecond)
			s.expect([]string{`0s list "0" limit 500`, `0s watch "1"`, at + ` watch "2"`},
				[]string{"replace at 1", "added a@2"})
		})
	}
}

// TestShortStreamsArePaced: the wait doubles with each in a row, and one that
// lived for a second ends the row (kubernetes/kubernetes#140890).
func TestShortStreamsArePaced(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.server.NextWatches(4, source.Fault{Cut: true, CutAfter: 1})
		s.run(classic)
		for range 4 {
			s.put("a")
			s.pass(900 * time.Millisecond)
		}
		assert.Equal(t, []string{
			`0s list "0" limit 500`, `0s watch "1"`, `100ms watch "2"`,
			`1.1s watch "3"`, // ended at 0.9 s
			`2.2s watch "4"`, // ended at 1.8 s
			`3.5s watch "5"`, // ended at 2.7 s
		}, s.requests())
		s.pass(time.Second)
		s.server.Disconnect()
		synctest.Wait()
		assert.Equal(t, []string{`4.6s watch "5"`}, s.requests(), "not a short one")
	})
}

// TestBackoff gives the exact start of each try: the base doubles from 0.8 s to
// 30 s and jitter adds up to the same again. The base starts over every two
// minutes, counted from the last start, however many failures there were.
func TestBackoff(t *testing.T) {
	for _, test := range []struct {
		random float64
		starts string
	}{
		{0, "0s 800ms 2.4s 5.6s 12s 24.8s 50.4s 1m20.4s 1m50.4s 2m20.4s 2m21.2s"},
		{0.5, "0s 1.2s 3.6s 8.4s 18s 37.2s 1m15.6s 2m0.6s 2m1.8s 2m4.2s"},
		// The longest wait there is: 60 s at the cap.
		{1, "0s 1.6s 4.8s 11.2s 24s 49.6s 1m40.8s 2m40.8s 2m42.4s 2m45.6s"},
	} {
		want := strings.Fields(test.starts)
		tell(t, source.ServerOptions{}, func(s *story) {
			s.server.NextLists(len(want), source.Fault{Err: io.ErrUnexpectedEOF})
			s.run(reflector.Options{ClassicList: true, Rand: func() float64 { return test.random }})
			s.pass(time.Hour)
			var starts []string
			for _, r := range s.requests() {
				at, _, _ := strings.Cut(r, " list")
				starts = append(starts, at)
			}
			require.Greater(t, len(starts), len(want))
			assert.Equal(t, want, starts[:len(want)])
			assert.Len(t, s.errs.all(), len(want))
		})
	}
}

// TestBackoffAgesFromTheStart: also a long healthy time counts.
func TestBackoffAgesFromTheStart(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.run(classic)
		s.pass(119 * time.Second)
		s.server.EndStreams(refusal(source.Expired))
		s.pass(1500 * time.Millisecond)
		s.server.EndStreams(refusal(source.Expired))
		s.pass(1500 * time.Millisecond)
		assert.Equal(t, []string{
			`0s list "0" limit 500`, `0s watch "1"`,
			`1m59.8s list "1"`, `1m59.8s watch "1"`, `2m1.3s list "1"`, `2m1.3s watch "1"`,
		}, s.requests())
	})
}

func TestBackoffOptions(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.server.NextLists(4, source.Fault{Err: io.EOF})
		s.run(reflector.Options{ClassicList: true, Backoff: reflector.Backoff{
			Initial: time.Second, Max: 9 * time.Second, Factor: 3, Reset: time.Hour,
		}})
		s.pass(time.Minute)
		assert.Equal(t, []string{
			`0s list "0" limit 500`, `1s list "0" limit 500`, `4s list "0" limit 500`,
			`13s list "0" limit 500`, `22s list "0" limit 500`, `22s watch "1"`,
		}, s.requests())
	})
}

// TestListAfterFailure: what the next list asks for after a list was refused.
func TestListAfterFailure(t *testing.T) {
	first := []string{`0s list "0" limit 500`}
	for _, test := range []struct {
		name     string
		reason   source.Reason
		times    int
		requests []string
		errs     int
	}{
		{"internal error waits and asks the same", source.Internal, 1,
			append(first, `800ms list "0" limit 500`, `800ms watch "2"`), 1},
		{"expired asks for the newest at once", source.Expired, 1,
			append(first, `0s list "" limit 500`, `0s watch "2"`), 0},
		{"too large asks for the newest at once", source.TooLargeVersion, 1,
			append(first, `0s list "" limit 500`, `0s watch "2"`), 0},
		{"the newest refused too stays flagged", source.Expired, 2,
			append(first, `0s list "" limit 500`, `800ms list "" limit 500`, `800ms watch "2"`), 1},
		{"too many requests is like any other", source.TooManyRequests, 1,
			append(first, `800ms list "0" limit 500`, `800ms watch "2"`), 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			tell(t, source.ServerOptions{}, func(s *story) {
				s.put("a")
				s.server.NextLists(test.times, source.Fault{Err: refusal(test.reason)})
				s.run(classic)
				s.pass(10 * time.Second)
				s.expect(test.requests, []string{"replace a@2 at 2"})
				assert.Len(t, s.errs.all(), test.errs)
			})
		})
	}
}

// TestRelistFlagClearsOnSuccess: after one list at "" the next relist asks for
// "not older than" again.
func TestRelistFlagClearsOnSuccess(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.put("a", "b")
		s.server.NextLists(1, source.Fault{Err: refusal(source.Expired)})
		s.run(classic)
		s.requests()
		s.server.EndStreams(refusal(source.Internal))
		s.pass(time.Second)
		assert.Equal(t, []string{`800ms list "3"`, `800ms watch "3"`}, s.requests())
	})
}

func TestRelistFromLaggingServer(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.put("a", "b", "c")
		s.run(classic)
		s.expect([]string{`0s list "0" limit 500`, `0s watch "4"`}, []string{"replace a@2 b@3 c@4 at 4"})
		s.server.SetLag(2)
		s.server.EndStreams(io.ErrUnexpectedEOF)
		s.pass(time.Second)
		s.expect([]string{`800ms list "4"`, `800ms list ""`, `800ms watch "4"`},
			[]string{"replace a@2 b@3 c@4 at 4"})
	})
}

func TestStaleFirstListCatchesUpByWatch(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.put("a", "b")
		s.remove("a")
		s.server.SetLag(2)
		s.run(classic)
		s.expect([]string{`0s list "0" limit 500`, `0s watch "2"`},
			[]string{"replace a@2 at 2", "added b@3", "deleted a@4"})
	})
}

func TestExpiredWatchLeadsToRelistAtLastVersion(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.run(classic)
		s.put("a")
		s.requests()
		s.store.take()
		s.pass(time.Second)
		s.server.NextWatches(1, source.Fault{Delay: time.Second})
		s.server.Disconnect()
		synctest.Wait()
		s.remove("a")
		s.server.Compact()
		s.pass(time.Second)
		s.expect([]string{`1s watch "2"`}, nil)
		s.pass(time.Second)
		s.expect([]string{`2.8s list "2"`, `2.8s watch "3"`}, []string{"replace at 3"})
		assert.Empty(t, s.errs.all())
	})
}

// TestWatchRefused: which refusals of a watch are repeated, and which lead to a
// list and are told to the watch-error handler.
func TestWatchRefused(t *testing.T) {
	refused := fmt.Errorf("dial: %w", syscall.ECONNREFUSED)
	reset := &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	relisted := []string{`0s list "0" limit 500`, `0s watch "1"`, `800ms list "1"`, `800ms watch "1"`}
	repeated := []string{`0s list "0" limit 500`, `0s watch "1"`, `800ms watch "1"`}
	for name, test := range map[string]struct {
		err      error
		requests []string
		errs     int
	}{
		"too many requests":  {refusal(source.TooManyRequests), repeated, 0},
		"connection refused": {refused, repeated, 0},
		"internal error":     {refusal(source.Internal), relisted, 1},
		"expired":            {refusal(source.Expired), relisted, 1},
		"too large":          {refusal(source.TooLargeVersion), relisted, 1},
		"invalid":            {refusal(source.Invalid), relisted, 1},
		// kubernetes/kubernetes#119646
		"closed":          {io.EOF, repeated, 1},
		"closed half-way": {io.ErrUnexpectedEOF, repeated, 1},
		"reset":           {reset, repeated, 1},
		"deadline":        {context.DeadlineExceeded, repeated, 1},
		"timeout":         {&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, repeated, 1},
		"unavailable":     {refusal(source.ServiceUnavailable), repeated, 1},
		"gateway timeout": {refusal(source.Timeout), repeated, 1},
		"server timeout":  {refusal(source.ServerTimeout), repeated, 1},
	} {
		t.Run(name, func(t *testing.T) {
			refuse := func(o reflector.Options, requests []string) {
				tell(t, source.ServerOptions{}, func(s *story) {
					s.server.NextWatches(1, source.Fault{Err: test.err})
					s.run(o)
					s.pass(10 * time.Second)
					assert.Equal(t, requests, s.requests())
					require.Len(t, s.errs.values(), test.errs)
					if test.errs > 0 {
						assert.True(t, s.errs.values()[0] == test.err, "unchanged")
					}
				})
			}
			refuse(classic, test.requests)
			if test.errs > 0 {
				refuse(reflector.Options{ClassicList: true, Faithful: true}, relisted)
			}
		})
	}
}

// TestWatchNeverOpens: a way to the server that lets lists pass but no watch
// does not keep the store stale for ever.
func TestWatchNeverOpens(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.server.NextWatches(11, source.Fault{Err: io.EOF})
		s.run(classic)
		s.pass(5 * time.Minute)
		var lists []int
		for i, request := range s.requests() {
			if strings.Contains(request, " list ") {
				lists = append(lists, i)
			}
		}
		assert.Equal(t, []int{0, 11, 13}, lists, "after the tenth and the eleventh watch that failed")
		assert.Len(t, s.errs.all(), 11)
		s.server.NextWatches(1, source.Fault{Err: io.EOF})
		s.server.Disconnect()
		s.pass(time.Minute)
		require.Len(t, s.requests(), 2, "a watch that opened ended the row")
	})
}

// TestListErrorsAreTold: they can be told apart from those of watches, and keep
// their causes.
func TestListErrorsAreTold(t *testing.T) {
	tell(t, source.ServerOptions{Uncached: true}, func(s *story) {
		s.put("a", "b")
		s.server.NextLists(1, source.Fault{Err: io.EOF})
		s.server.NextLists(1, source.Fault{})
		s.server.NextLists(1, source.Fault{Err: refusal(source.Internal)}) // of the second page
		s.run(reflector.Options{ClassicList: true, PageSize: 1})
		s.pass(time.Minute)
		full := errors.New("full")
		s.store.fail("Replace", full)
		s.server.EndStreams(nil)
		s.pass(4 * time.Second)
		errs := s.errs.values()
		require.Len(t, errs, 3)
		assert.ErrorIs(t, errs[0], io.EOF)
		assert.True(t, source.HasReason(errs[1], source.Internal))
		assert.ErrorIs(t, errs[2], full)
		for _, err := range errs {
			assert.ErrorAs(t, err, new(*reflector.ListError))
		}
	})
}

// TestStreamEndedByError: no such end is told to the watch-error handler.
func TestStreamEndedByError(t *testing.T) {
	for name, test := range map[string]struct {
		err      error
		requests []string
	}{
		"too many requests": {refusal(source.TooManyRequests), []string{`800ms watch "2"`}},
		"internal error":    {refusal(source.Internal), []string{`800ms list "2"`, `800ms watch "2"`}},
		"expired":           {refusal(source.Expired), []string{`800ms list "2"`, `800ms watch "2"`}},
		"transport":         {io.EOF, []string{`800ms list "2"`, `800ms watch "2"`}},
		"nothing said":      {nil, []string{`800ms list "2"`, `800ms watch "2"`}},
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, source.ServerOptions{}, func(s *story) {
				s.run(classic)
				s.put("a")
				s.requests()
				s.server.EndStreams(test.err)
				s.pass(10 * time.Second)
				assert.Equal(t, test.requests, s.requests())
				assert.Empty(t, s.errs.all())
			})
		})
	}
}

// TestUnheardErrorsAreLogged at the level that they deserve.
func TestUnheardErrorsAreLogged(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string // "" = no line
	}{
		{refusal(source.Internal), "ERROR"},
		{refusal(source.Expired), "DEBUG"},
		{io.ErrUnexpectedEOF, "INFO"},
		{io.EOF, ""},
	} {
		tell(t, source.ServerOptions{}, func(s *story) {
			s.mute = true
			s.server.NextWatches(1, source.Fault{Err: test.err})
			s.run(classic)
			lines := s.logs.all()
			if test.want == "" {
				assert.Empty(t, lines)
				return
			}
			require.Len(t, lines, 1)
			assert.Contains(t, lines[0], "level="+test.want)
		})
	}
}

func TestRetryAfterIsAWaitAtLeast(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		busy := &source.Error{Reason: source.TooManyRequests, RetryAfter: 5 * time.Second}
		s.server.NextWatches(1, source.Fault{Err: busy})
		s.run(classic)
		s.pass(time.Minute)
		assert.Equal(t, []string{`0s list "0" limit 500`, `0s watch "1"`, `5s watch "1"`}, s.requests())
	})
}

// TestInternalErrorRetry: within the limit another stream is opened at once;
// past it the reflector lists; a minute of calm starts a new series.
func TestInternalErrorRetry(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.run(reflector.Options{ClassicList: true, MaxInternalErrorRetry: 10 * time.Second, Faithful: true})
		s.requests()
		fail := func() []string {
			s.server.EndStreams(refusal(source.Internal))
			synctest.Wait()
			return s.requests()
		}
		assert.Equal(t, []string{`0s watch "1"`}, fail())
		s.pass(10 * time.Second)
		assert.Equal(t, []string{`10s watch "1"`}, fail())
		s.pass(time.Second)
		assert.Empty(t, fail(), "11 s after the first of the series")
		s.pass(time.Second)
		assert.Equal(t, []string{`11.8s list "1"`, `11.8s watch "1"`}, s.requests())
		assert.Equal(t, []string{`12s watch "1"`}, fail())
		s.pass(70 * time.Second)
		assert.Equal(t, []string{`1m22s watch "1"`}, fail(), "a new series after a minute")
	})
	tell(t, source.ServerOptions{}, func(s *story) {
		s.server.NextWatches(3, source.Fault{Cut: true, CutErr: refusal(source.Internal)})
		s.run(reflector.Options{ClassicList: true, MaxInternalErrorRetry: time.Minute})
		s.pass(time.Second)
		assert.Equal(t, []string{
			`0s list "0" limit 500`, `0s watch "1"`, `100ms watch "1"`, `300ms watch "1"`, `700ms watch "1"`,
		}, s.requests(), "short ones are paced")
	})
}
