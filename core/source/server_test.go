package source_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/core/event"
	"informerlab/core/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// put creates or updates items by name.
func put(t *testing.T, s *source.Server, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := s.Create(&source.Item{Name: name}); err != nil {
			_, err = s.Update(&source.Item{Name: name})
			require.NoError(t, err)
		}
	}
}

func remove(t *testing.T, s *source.Server, name string) {
	t.Helper()
	_, err := s.Delete(event.Key{Name: name})
	require.NoError(t, err)
}

// tell prints objects as "a@2 b@3".
func tell(objects []event.Object) string {
	var words []string
	for _, o := range objects {
		words = append(words, event.KeyOf(o).String()+"@"+o.GetResourceVersion())
	}
	return strings.Join(words, " ")
}

// read returns the next events of a stream, without waiting for more.
func read(w source.Watch) string {
	var buffer [16]source.Event
	var words []string
	for _, e := range buffer[:w.Next(buffer[:])] {
		switch {
		case e.Type == source.Failed:
			words = append(words, "ERROR "+e.Err.Error())
		case e.InitialEventsEnd:
			words = append(words, "END@"+e.Object.GetResourceVersion())
		default:
			words = append(words, e.Type.String()+" "+tell([]event.Object{e.Object}))
		}
	}
	return strings.Join(words, ", ")
}

func watch(t *testing.T, s *source.Server, opts source.WatchOptions) source.Watch {
	t.Helper()
	w, err := s.Watch(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(w.Stop)
	return w
}

func list(t *testing.T, s *source.Server, opts source.ListOptions) string {
	t.Helper()
	l, err := s.List(t.Context(), opts)
	if err != nil {
		return err.Error()
	}
	return tell(l.Items) + " at " + l.ResourceVersion
}

func TestWrites(t *testing.T) {
	s := source.NewServer(source.ServerOptions{})
	assert.Equal(t, "1", s.ResourceVersion())
	put(t, s, "b", "a", "b")
	assert.Equal(t, "a@3 b@4", tell(s.Objects()))
	_, err := s.Create(&source.Item{Name: "a"})
	assert.EqualError(t, err, "source: added a: exists: true")
	_, err = s.Update(&source.Item{Namespace: "n", Name: "c"})
	assert.EqualError(t, err, "source: modified n/c: exists: false")
	_, err = s.Delete(event.Key{Name: "c"})
	assert.EqualError(t, err, "source: deleted c: exists: false")

	last, err := s.Delete(event.Key{Name: "a"})
	require.NoError(t, err)
	assert.Equal(t, "5", last.GetResourceVersion())

	_, err = s.Create(&source.Item{Name: "own", ResourceVersion: "20"})
	require.NoError(t, err)
	assert.Equal(t, "20", s.ResourceVersion())
	for _, bad := range []string{"20", "x", "-1"} {
		_, err = s.Update(&source.Item{Name: "own", ResourceVersion: bad})
		assert.ErrorContains(t, err, "expected a number above 20")
	}
	_, err = s.DeleteAs(&source.Item{Name: "own", ResourceVersion: "30", Value: "last"})
	require.NoError(t, err)
	_, err = s.Create(source.Version(""))
	assert.ErrorContains(t, err, "cannot stamp a source.Version")
}

func TestLists(t *testing.T) {
	s := source.NewServer(source.ServerOptions{})
	put(t, s, "a", "b")
	remove(t, s, "a")
	put(t, s, "c", "b")
	for _, test := range []struct {
		opts source.ListOptions
		want string
	}{
		{source.ListOptions{}, "b@6 c@5 at 6"},
		{source.ListOptions{ResourceVersion: "0"}, "b@6 c@5 at 6"},
		{source.ListOptions{ResourceVersion: "3"}, "b@6 c@5 at 6"},
		{source.ListOptions{ResourceVersion: "3", Match: source.MatchExact}, "a@2 b@3 at 3"},
		{source.ListOptions{ResourceVersion: "4", Match: source.MatchExact}, "b@3 at 4"},
		{source.ListOptions{ResourceVersion: "7"},
			"source: ResourceVersionTooLarge: too large resource version: 7, current: 6"},
		{source.ListOptions{ResourceVersion: "x"}, `source: Invalid: resource version "x"`},
		{source.ListOptions{Continue: "7/0"}, `source: Invalid: continue token "7/0"`},
		{source.ListOptions{Continue: "6/9"}, `source: Invalid: continue token "6/9": beyond the end`},
		{source.ListOptions{Continue: "?"}, `source: Invalid: continue token "?"`},
	} {
		assert.Equal(t, test.want, list(t, s, test.opts), "%+v", test.opts)
	}

	s.SetLag(3)
	assert.Equal(t, "a@2 b@3 at 3", list(t, s, source.ListOptions{ResourceVersion: "0"}))
	assert.Equal(t, "b@6 c@5 at 6", list(t, s, source.ListOptions{}))
	assert.Contains(t, list(t, s, source.ListOptions{ResourceVersion: "4"}), "TooLarge")

	s.Compact()
	assert.Equal(t, "b@6 c@5 at 6", list(t, s, source.ListOptions{ResourceVersion: "3"}))
	exact := source.ListOptions{ResourceVersion: "3", Match: source.MatchExact}
	assert.Contains(t, list(t, s, exact), "Expired")
}

func TestPages(t *testing.T) {
	for _, uncached := range []bool{false, true} {
		s := source.NewServer(source.ServerOptions{Uncached: uncached})
		put(t, s, "a", "b", "c")
		l, err := s.List(t.Context(), source.ListOptions{ResourceVersion: "0", Limit: 2})
		require.NoError(t, err)
		assert.Equal(t, uncached, l.Continue != "", "a cache knows no pages")
		l, err = s.List(t.Context(), source.ListOptions{Limit: 2})
		require.NoError(t, err)
		assert.Equal(t, "a@2 b@3", tell(l.Items))
		remove(t, s, "c")
		assert.Equal(t, "c@4 at 4", list(t, s, source.ListOptions{Limit: 2, Continue: l.Continue}))
		s.Compact()
		assert.Contains(t, list(t, s, source.ListOptions{Limit: 2, Continue: l.Continue}), "Expired")
	}
}

func TestWatches(t *testing.T) {
	s := source.NewServer(source.ServerOptions{})
	put(t, s, "b", "a")
	assert.Equal(t, "ADDED a@3", read(watch(t, s, source.WatchOptions{ResourceVersion: "2"})))
	assert.Equal(t, "ADDED a@3, ADDED b@2", read(watch(t, s, source.WatchOptions{})))
	s.SetLag(1)
	assert.Equal(t, "ADDED b@2, ADDED a@3", read(watch(t, s, source.WatchOptions{ResourceVersion: "0"})))
	s.SetLag(0)
	streaming := source.WatchOptions{SendInitialEvents: true}
	assert.Equal(t, "ADDED a@3, ADDED b@2, END@3", read(watch(t, s, streaming)))

	w := watch(t, s, source.WatchOptions{ResourceVersion: "3", AllowBookmarks: true})
	other := watch(t, s, source.WatchOptions{ResourceVersion: "3"})
	put(t, s, "a")
	remove(t, s, "a")
	s.SendBookmarks()
	assert.Equal(t, "MODIFIED a@4, DELETED a@5, BOOKMARK @5", read(w))
	assert.Equal(t, "MODIFIED a@4, DELETED a@5", read(other))

	s.Compact()
	assert.Equal(t, "ERROR source: Expired: too old resource version: 4 (5)",
		read(watch(t, s, source.WatchOptions{ResourceVersion: "4"})))
	_, err := s.Watch(t.Context(), source.WatchOptions{ResourceVersion: "9", SendInitialEvents: true})
	assert.True(t, source.HasReason(err, source.TooLargeVersion))
	_, err = s.Watch(t.Context(), source.WatchOptions{ResourceVersion: "x"})
	assert.True(t, source.HasReason(err, source.Invalid))
}

func TestStreamingAnswers(t *testing.T) {
	opts := source.WatchOptions{SendInitialEvents: true}
	s := source.NewServer(source.ServerOptions{Streaming: source.StreamingInvalid})
	_, err := s.Watch(t.Context(), opts)
	assert.True(t, source.HasReason(err, source.Invalid))

	s = source.NewServer(source.ServerOptions{Streaming: source.StreamingIgnored})
	put(t, s, "a")
	w := watch(t, s, opts)
	s.SendBookmarks()
	put(t, s, "b")
	assert.Equal(t, "ADDED a@2, ADDED b@3", read(w))
	assert.False(t, s.RefusesWatchList())
	s = source.NewServer(source.ServerOptions{Streaming: source.StreamingRefused})
	assert.True(t, s.RefusesWatchList())
}

func TestEndsOfStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source.NewServer(source.ServerOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		ends := map[string]func(source.Watch){
			"stop":       source.Watch.Stop,
			"context":    func(source.Watch) { cancel() },
			"timeout":    func(source.Watch) { time.Sleep(time.Minute) },
			"disconnect": func(source.Watch) { s.Disconnect() },
		}
		for name, end := range ends {
			ctx := ctx
			if name != "context" {
				ctx = t.Context()
			}
			w, err := s.Watch(ctx, source.WatchOptions{ResourceVersion: "1", Timeout: time.Minute})
			require.NoError(t, err)
			ended := false
			go func() {
				assert.Zero(t, w.Next(make([]source.Event, 1)))
				ended = true
			}()
			synctest.Wait()
			assert.False(t, ended, name)
			assert.Equal(t, 1, s.Streams())
			end(w)
			synctest.Wait()
			assert.True(t, ended, name)
			assert.Zero(t, w.Next(make([]source.Event, 1)))
			w.Stop()
			assert.Zero(t, s.Streams(), name)
		}
	})
}

func TestDisconnectLosesWhatWasNotRead(t *testing.T) {
	s := source.NewServer(source.ServerOptions{})
	w := watch(t, s, source.WatchOptions{ResourceVersion: "1"})
	put(t, s, "a")
	s.Disconnect()
	assert.Empty(t, read(w))
	// An orderly end with an error loses nothing.
	w = watch(t, s, source.WatchOptions{ResourceVersion: "1"})
	s.EndStreams(io.ErrUnexpectedEOF)
	assert.Equal(t, "ADDED a@2, ERROR unexpected EOF", read(w))
	assert.Empty(t, read(w))
}

func TestRequestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source.NewServer(source.ServerOptions{})
		s.NextLists(1, source.Fault{Err: io.EOF})
		s.NextLists(1, source.Fault{Delay: time.Second})
		s.NextWatches(2, source.Fault{Hang: true, Err: io.ErrClosedPipe})
		assert.Equal(t, "EOF", list(t, s, source.ListOptions{}))
		start := time.Now()
		assert.Equal(t, " at 1", list(t, s, source.ListOptions{}))
		assert.Equal(t, time.Second, time.Since(start))
		assert.Len(t, s.Requests(), 2)

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := s.Watch(ctx, source.WatchOptions{})
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		time.AfterFunc(time.Minute, s.Heal)
		_, err = s.Watch(t.Context(), source.WatchOptions{})
		assert.ErrorIs(t, err, io.ErrClosedPipe)
		assert.Equal(t, time.Second+2*time.Minute, time.Since(start))
	})
}

func TestCuts(t *testing.T) {
	s := source.NewServer(source.ServerOptions{})
	put(t, s, "a", "b", "c")
	for _, test := range []struct {
		fault source.Fault
		want  string
	}{
		{source.Fault{Cut: true}, ""},
		{source.Fault{Cut: true, CutAfter: 2}, "ADDED a@2, ADDED b@3"},
		{source.Fault{Cut: true, CutErr: io.EOF}, "ERROR EOF"},
		{source.Fault{Cut: true, CutAfter: 1, CutErr: io.EOF}, "ADDED a@2, ERROR EOF"},
	} {
		s.NextWatches(1, test.fault)
		w := watch(t, s, source.WatchOptions{ResourceVersion: "1"})
		assert.Equal(t, test.want, read(w))
		assert.Empty(t, read(w))
		assert.Zero(t, s.Streams())
	}
}

func TestDuplicatesAndSwaps(t *testing.T) {
	s := source.NewServer(source.ServerOptions{})
	w := watch(t, s, source.WatchOptions{ResourceVersion: "1", AllowBookmarks: true})
	s.DuplicateNext(1)
	put(t, s, "a", "b")
	assert.Equal(t, "ADDED a@2, ADDED a@2, ADDED b@3", read(w))

	s.SwapNext(1)
	put(t, s, "a", "b")
	assert.Equal(t, "MODIFIED b@5, MODIFIED a@4", read(w))
	s.SwapNext(1)
	put(t, s, "a", "a")
	assert.Equal(t, "MODIFIED a@6, MODIFIED a@7", read(w), "never within a key")
	s.SwapNext(1)
	put(t, s, "a")
	s.SendBookmarks()
	assert.Equal(t, "MODIFIED a@8, BOOKMARK @8", read(w), "a bookmark comes after what it vouches for")
	s.SwapNext(1)
	put(t, s, "a")
	s.Heal()
	assert.Equal(t, "MODIFIED a@9", read(w))
}

// TestDisconnectNeverPartsASwap: who has read the later change of a swapped
// pair resumes behind both, so the earlier one must still come.
func TestDisconnectNeverPartsASwap(t *testing.T) {
	s := source.NewServer(source.ServerOptions{})
	w := watch(t, s, source.WatchOptions{ResourceVersion: "1"})
	s.SwapNext(1)
	put(t, s, "a", "b", "c")
	var one [1]source.Event
	require.Equal(t, 1, w.Next(one[:]))
	assert.Equal(t, "3", one[0].Object.GetResourceVersion())
	s.Disconnect()
	assert.Equal(t, "ADDED a@2", read(w))
	assert.Empty(t, read(w))
}

func TestBookmarks(t *testing.T) {
	s := source.NewServer(source.ServerOptions{BookmarkEvery: 2})
	s.HoldBookmarks(true)
	w := watch(t, s, source.WatchOptions{SendInitialEvents: true, AllowBookmarks: true})
	put(t, s, "a", "b")
	assert.Equal(t, "ADDED a@2, ADDED b@3", read(w))
	s.HoldBookmarks(false)
	put(t, s, "a", "b")
	assert.Equal(t, "END@3, MODIFIED a@4, MODIFIED b@5, BOOKMARK @5", read(w))
}

// TestMisbehaveTellsItself: every fault has a description, the same for the
// same seed, and Heal undoes it all.
func TestMisbehaveTellsItself(t *testing.T) {
	kinds := map[string]bool{}
	for seed := range uint64(300) {
		a, b := source.NewServer(source.ServerOptions{}), source.NewServer(source.ServerOptions{})
		told := a.Misbehave(rand.New(rand.NewPCG(seed, 0)))
		assert.Equal(t, told, b.Misbehave(rand.New(rand.NewPCG(seed, 0))))
		kinds[strings.Fields(told)[0]] = true
		a.Heal()
		put(t, a, "a", "b")
		assert.Equal(t, "a@2 b@3 at 3", list(t, a, source.ListOptions{}))
		streaming := source.WatchOptions{SendInitialEvents: true}
		assert.Equal(t, "ADDED a@2, ADDED b@3, END@3", read(watch(t, a, streaming)))
	}
	assert.Len(t, kinds, 11, "%v", kinds)
}

// TestTransientErrors: what a later request may not meet again.
func TestTransientErrors(t *testing.T) {
	for _, err := range []error{
		io.EOF, io.ErrUnexpectedEOF, syscall.ECONNREFUSED, syscall.ECONNRESET, context.DeadlineExceeded,
		errors.New("tls: handshake failure"),
		&source.Error{Reason: source.TooManyRequests}, &source.Error{Reason: source.ServiceUnavailable},
		&source.Error{Reason: source.Timeout}, &source.Error{Reason: source.ServerTimeout},
	} {
		assert.True(t, source.IsTransient(err), "%v", err)
		assert.True(t, source.IsTransient(fmt.Errorf("get: %w", err)), "%v", err)
	}
	for _, err := range []error{
		nil, &source.Error{Reason: source.Expired}, &source.Error{Reason: source.TooLargeVersion},
		&source.Error{Reason: source.Internal}, &source.Error{Reason: source.Invalid},
		fmt.Errorf("get: %w", &source.Error{Reason: "Forbidden"}),
	} {
		assert.False(t, source.IsTransient(err), "%v", err)
	}
}
