package reflector_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"informerlab/core/event"
	"informerlab/core/reflector"
	"informerlab/core/source"
)

func TestPaging(t *testing.T) {
	uncached := source.ServerOptions{Uncached: true}
	t.Run("first list in pages keeps paging on", func(t *testing.T) {
		tell(t, uncached, func(s *story) {
			for i := range 501 {
				s.put(fmt.Sprintf("%03d", i))
			}
			s.run(classic)
			s.server.EndStreams(refusal(source.Expired))
			s.pass(time.Second)
			assert.Equal(t, []string{
				`0s list "0" limit 500`, `0s list "" limit 500 more`, `0s watch "502"`,
				`800ms list "502" limit 500`, `800ms list "" limit 500 more`, `800ms watch "502"`,
			}, s.requests())
			assert.Equal(t, versions(s.server.Objects()), s.store.versions())
		})
	})
	t.Run("a relist is in one piece if the first list was", func(t *testing.T) {
		tell(t, uncached, func(s *story) {
			s.put("a")
			s.run(classic)
			s.server.EndStreams(refusal(source.Expired))
			s.pass(time.Second)
			assert.Equal(t, []string{
				`0s list "0" limit 500`, `0s watch "2"`, `800ms list "2"`, `800ms watch "2"`,
			}, s.requests())
		})
	})
}

// TestPagingExceptions: what overrules the answer of the first list, and what
// does not.
func TestPagingExceptions(t *testing.T) {
	uncached := source.ServerOptions{Uncached: true}
	t.Run("own page size is always used", func(t *testing.T) {
		tell(t, uncached, func(s *story) {
			s.put("a", "b", "c")
			s.run(reflector.Options{ClassicList: true, PageSize: 2})
			s.server.EndStreams(refusal(source.Expired))
			s.pass(time.Second)
			s.expect([]string{
				`0s list "0" limit 2`, `0s list "" limit 2 more`, `0s watch "4"`,
				`800ms list "4" limit 2`, `800ms list "" limit 2 more`, `800ms watch "4"`,
			}, []string{"replace a@2 b@3 c@4 at 4", "replace a@2 b@3 c@4 at 4"})
		})
	})
	t.Run("also if a later page had expired", func(t *testing.T) {
		tell(t, uncached, func(s *story) {
			for i := range 501 {
				s.put(fmt.Sprintf("%03d", i))
			}
			s.server.NextLists(1, source.Fault{})
			s.server.NextLists(1, source.Fault{Err: refusal(source.Expired)})
			s.run(classic)
			s.server.EndStreams(refusal(source.Expired))
			s.pass(time.Second)
			assert.Equal(t, []string{
				`0s list "0" limit 500`, `0s list "" limit 500 more`, `0s list "0"`, `0s watch "502"`,
				`800ms list "502" limit 500`, `800ms list "" limit 500 more`, `800ms watch "502"`,
			}, s.requests())
		})
	})
	t.Run("a paged list at no version does not turn paging on", func(t *testing.T) {
		tell(t, source.ServerOptions{}, func(s *story) {
			for i := range 501 {
				s.put(fmt.Sprintf("%03d", i))
			}
			s.run(classic)
			s.server.NextLists(2, source.Fault{Err: refusal(source.Expired)})
			s.server.EndStreams(refusal(source.Expired))
			s.pass(4 * time.Second)
			s.server.EndStreams(refusal(source.Expired))
			s.pass(4 * time.Second)
			assert.Equal(t, []string{
				`0s list "0" limit 500`, `0s watch "502"`,
				`800ms list "502"`, `800ms list ""`,
				`2.4s list "" limit 500`, `2.4s list "" limit 500 more`, `2.4s watch "502"`,
				`7.2s list "502"`, `7.2s watch "502"`,
			}, s.requests())
		})
	})
}

// TestLaterPageRefused: an expired page makes the list be read in one piece;
// another error is an error of the whole.
func TestLaterPageRefused(t *testing.T) {
	for name, test := range map[string]struct {
		faults   []error // of the second page, then of what follows
		requests []string
	}{
		"expired": {[]error{refusal(source.Expired)}, []string{
			`0s list "0" limit 2`, `0s list "" limit 2 more`, `0s list "0"`, `0s watch "4"`}},
		"expired and expired again": {[]error{refusal(source.Expired), refusal(source.Expired)}, []string{
			`0s list "0" limit 2`, `0s list "" limit 2 more`, `0s list "0"`,
			`0s list "" limit 2`, `0s list "" limit 2 more`, `0s watch "4"`}},
		"internal error": {[]error{refusal(source.Internal)}, []string{
			`0s list "0" limit 2`, `0s list "" limit 2 more`,
			`800ms list "0" limit 2`, `800ms list "" limit 2 more`, `800ms watch "4"`}},
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, source.ServerOptions{Uncached: true}, func(s *story) {
				s.put("a", "b", "c")
				s.server.NextLists(1, source.Fault{})
				for _, err := range test.faults {
					s.server.NextLists(1, source.Fault{Err: err})
				}
				s.run(reflector.Options{ClassicList: true, PageSize: 2})
				s.pass(10 * time.Second)
				s.expect(test.requests, []string{"replace a@2 b@3 c@4 at 4"})
			})
		})
	}
}

// TestPagesStayTheSources: a source may hand out pieces of what it keeps.
func TestPagesStayTheSources(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		src := &shelf{Source: s.server}
		for _, name := range []string{"a", "b", "unlisted", "c"} {
			src.items = append(src.items, &source.Item{Name: name, ResourceVersion: "1"})
		}
		s.source = src
		s.run(classic)
		assert.Equal(t, []string{"replace a@1 b@1 c@1 at 1"}, s.store.take())
		assert.Equal(t, "unlisted", src.items[2].GetName())
	})
}

// A shelf lists pieces of one slice.
type shelf struct {
	source.Source
	items []event.Object
}

func (s *shelf) List(_ context.Context, opts source.ListOptions) (*source.List, error) {
	if opts.Continue == "" {
		return &source.List{ResourceVersion: "1", Continue: "more", Items: s.items[:2]}, nil
	}
	return &source.List{ResourceVersion: "1", Items: s.items[3:]}, nil
}

// TestPagesShowOneVersion: what changes between two pages comes by the watch.
func TestPagesShowOneVersion(t *testing.T) {
	tell(t, source.ServerOptions{Uncached: true}, func(s *story) {
		s.put("a", "b", "c")
		s.server.NextLists(1, source.Fault{})
		s.server.NextLists(1, source.Fault{Delay: time.Second})
		s.run(reflector.Options{ClassicList: true, PageSize: 2})
		s.remove("c")
		s.put("0")
		s.pass(time.Second)
		s.expect([]string{`0s list "0" limit 2`, `0s list "" limit 2 more`, `1s watch "4"`},
			[]string{"replace a@2 b@3 c@4 at 4", "deleted c@5", "added 0@6"})
	})
}

func TestSlowListIsLogged(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.server.NextLists(1, source.Fault{Delay: 11 * time.Second})
		s.run(classic)
		s.pass(11 * time.Second)
		assert.Equal(t, 1, s.logs.count("slow list"))
	})
}

func TestReplaceFails(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.put("a")
		s.store.fail("Replace", errors.New("full"))
		s.run(classic)
		s.expect([]string{`0s list "0" limit 500`}, []string{"replace refused"})
		assert.Equal(t, []string{"reflector: replace: full"}, s.errs.all())
		assert.Empty(t, s.r.LastSyncResourceVersion())
		s.store.fail("Replace", nil)
		s.pass(time.Second)
		s.expect([]string{`800ms list "0" limit 500`, `800ms watch "2"`}, []string{"replace a@2 at 2"})
	})
}

// TestStoreErrorLosesTheEvent: it is logged, and the version advances.
func TestStoreErrorLosesTheEvent(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.run(classic)
		s.store.fail("Add", errors.New("no room"))
		s.put("a")
		assert.Equal(t, "2", s.r.LastSyncResourceVersion())
		assert.Equal(t, 1, s.logs.count("no room"))
		assert.Equal(t, 1, s.server.Streams())
	})
}

func TestObjectCheck(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.put("a", "bad")
		s.run(reflector.Options{ClassicList: true, Accept: notBad})
		s.expect([]string{`0s list "0" limit 500`, `0s watch "3"`}, []string{"replace a@2 at 3"})
		s.put("b")
		s.put("bad")
		s.expect(nil, []string{"added b@4"})
		assert.Equal(t, "4", s.r.LastSyncResourceVersion(), "skipped, so not seen")
		s.put("c")
		assert.Equal(t, "6", s.r.LastSyncResourceVersion())
		assert.Equal(t, 2, s.logs.count("object skipped"))
	})
}

// TestOddEvents: what no server should send does no harm.
func TestOddEvents(t *testing.T) {
	for _, o := range []reflector.Options{classic, {ClassicList: true, Accept: notBad}} {
		tell(t, source.ServerOptions{}, func(s *story) {
			s.source = &scripted{Source: s.server, events: []source.Event{
				{Type: source.Added},
				{Type: source.Bookmark},
				{Type: 99, Object: &source.Item{Name: "x", ResourceVersion: "5"}},
				{Type: source.Modified, Object: &source.Item{Name: "a", ResourceVersion: "6"}},
			}}
			s.run(o)
			assert.Equal(t, []string{"replace at 1", "updated a@6"}, s.store.take())
			assert.Equal(t, 2, s.logs.count("without object"))
			assert.Equal(t, 1, s.logs.count("unknown type"))
		})
	}
}

func TestBookmarksMoveTheVersion(t *testing.T) {
	tell(t, source.ServerOptions{BookmarkEvery: 2}, func(s *story) {
		s.run(classic)
		s.put("a", "b")
		s.server.SendBookmarks()
		synctest.Wait()
		s.expect([]string{`0s list "0" limit 500`, `0s watch "1"`},
			[]string{"replace at 1", "added a@2", "added b@3", "bookmark 3", "bookmark 3"})
		assert.Equal(t, "3", s.r.LastSyncResourceVersion())
	})
}

// TestBookmarkSavesARelist: changes that a watch does not show make its version
// expire; a bookmark keeps it fresh.
func TestBookmarkSavesARelist(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.source = &scripted{Source: s.server, events: []source.Event{
			{Type: source.Bookmark, Object: source.Version("3")},
		}}
		s.server.NextLists(1, source.Fault{})
		s.put("a", "b")
		s.server.Compact()
		s.server.SetLag(2)
		s.run(classic)
		s.pass(time.Second)
		assert.Contains(t, s.requests(), `100ms watch "3"`)
		assert.Equal(t, 1, s.server.Streams())
	})
}

// TestVersionsOfSyntheticEvents: a stream opened at "" or "0" begins with one
// Added for each object, in no order of versions. None of them may become the
// version to continue at; the first other event ends the doubt.
func TestVersionsOfSyntheticEvents(t *testing.T) {
	for _, version := range []string{"", "0"} {
		t.Run("version "+version, func(t *testing.T) {
			tell(t, source.ServerOptions{}, func(s *story) {
				s.put("b", "a")
				s.source = &versionless{Server: s.server, version: version}
				s.run(classic)
				s.expect([]string{`0s list "0" limit 500`, fmt.Sprintf(`0s watch %q`, version)},
					[]string{"replace a@3 b@2 at " + version, "added a@3", "added b@2"})
				assert.Equal(t, version, s.r.LastSyncResourceVersion())
				s.put("c")
				assert.Equal(t, version, s.r.LastSyncResourceVersion(), "an Added proves nothing")
				s.put("c")
				assert.Equal(t, "5", s.r.LastSyncResourceVersion())
				s.put("d")
				assert.Equal(t, "6", s.r.LastSyncResourceVersion())
				s.pass(time.Second)
				s.server.Disconnect()
				synctest.Wait()
				assert.Equal(t, []string{`1s watch "6"`}, s.requests())
			})
		})
	}
	t.Run("bookmark", func(t *testing.T) {
		tell(t, source.ServerOptions{}, func(s *story) {
			s.put("a")
			s.source = &versionless{Server: s.server}
			s.run(classic)
			s.server.SendBookmarks()
			synctest.Wait()
			assert.Equal(t, "2", s.r.LastSyncResourceVersion())
		})
	})
}

// A versionless source lists without telling a useful version.
type versionless struct {
	*source.Server
	version string
}

func (v *versionless) List(ctx context.Context, opts source.ListOptions) (*source.List, error) {
	list, err := v.Server.List(ctx, opts)
	if err == nil {
		list.ResourceVersion = v.version
	}
	return list, err
}

func TestWatchTimeouts(t *testing.T) {
	timeout := func(s *story) time.Duration {
		all := s.server.Requests()
		return all[len(all)-1].Watch.Timeout
	}
	for _, test := range []struct {
		least  time.Duration
		random float64
		want   time.Duration
	}{
		{0, 0, 5 * time.Minute},
		{time.Minute, 0.5, 7*time.Minute + 30*time.Second},
		{0, 0.999, 9*time.Minute + 59*time.Second},
		{time.Hour, 0.5, 90 * time.Minute},
	} {
		tell(t, source.ServerOptions{}, func(s *story) {
			s.run(reflector.Options{
				ClassicList: true, MinWatchTimeout: test.least, Rand: func() float64 { return test.random },
			})
			assert.Equal(t, test.want, timeout(s))
			s.requests()
			s.pass(test.want / 2)
			s.put("a")
			s.pass(test.want / 2)
			assert.Len(t, s.requests(), 1, "the server closed the stream, so another was opened")
		})
	}
}

func TestResync(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		var asked atomic.Int64
		s.run(reflector.Options{Resync: 10 * time.Second, ShouldResync: func() bool {
			return asked.Add(1)%2 == 0
		}})
		s.pass(45 * time.Second)
		assert.EqualValues(t, 4, asked.Load())
		assert.Equal(t, []time.Duration{20 * time.Second, 40 * time.Second}, s.store.resyncs(s.start))
		assert.Len(t, s.requests(), 1, "a resync asks the server nothing")
	})
}

func TestNoResyncUnlessAsked(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.run(classic)
		s.pass(24 * time.Hour)
		assert.Empty(t, s.store.resyncs(s.start))
	})
}

// TestResyncTimer: it survives a reopened stream, but a new list restarts it.
func TestResyncTimer(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.run(reflector.Options{ClassicList: true, Resync: 10 * time.Second})
		s.pass(6 * time.Second)
		s.server.Disconnect()
		s.pass(5 * time.Second)
		assert.Equal(t, []time.Duration{10 * time.Second}, s.store.resyncs(s.start))
		s.pass(5 * time.Second)
		s.server.EndStreams(refusal(source.Expired))
		s.pass(10 * time.Second)
		assert.Len(t, s.store.resyncs(s.start), 1, "starved by the list at 16.8 s")
		s.pass(time.Second)
		assert.Equal(t, 26800*time.Millisecond, s.store.resyncs(s.start)[1])
	})
}

func TestFailedResyncLeadsToAList(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.run(reflector.Options{ClassicList: true, Resync: 10 * time.Second})
		s.store.fail("Resync", errors.New("broken"))
		s.pass(10 * time.Second)
		assert.Zero(t, s.server.Streams(), "the failure ended the stream")
		s.store.fail("Resync", nil)
		s.pass(time.Second)
		s.expect([]string{
			`0s list "0" limit 500`, `0s watch "1"`, `10.8s list "1"`, `10.8s watch "1"`,
		}, []string{"replace at 1", "resync", "replace at 1"})
		assert.Empty(t, s.errs.all())
	})
}

// TestFailedResyncBetweenStreams: the failure is not forgotten while the
// reflector waits to open the next stream.
func TestFailedResyncBetweenStreams(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		busy := &source.Error{Reason: source.TooManyRequests, RetryAfter: 20 * time.Second}
		s.store.fail("Resync", errors.New("broken"))
		s.server.NextWatches(1, source.Fault{Err: busy})
		s.run(reflector.Options{ClassicList: true, Resync: 10 * time.Second})
		s.pass(22 * time.Second)
		assert.Equal(t, []string{
			`0s list "0" limit 500`, `0s watch "1"`, `21.6s list "1"`, `21.6s watch "1"`,
		}, s.requests())
	})
}

// TestLargeBatches: more events at once than fit into one batch.
func TestLargeBatches(t *testing.T) {
	for _, n := range []int{255, 256, 257, 1000} {
		tell(t, source.ServerOptions{}, func(s *story) {
			var events []source.Event
			for i := range n {
				events = append(events, source.Event{Type: source.Added, Object: &source.Item{
					Name: fmt.Sprintf("%04d", i), ResourceVersion: fmt.Sprint(i + 2)}})
			}
			s.source = &scripted{Source: s.server, events: events}
			s.run(classic)
			assert.Len(t, s.store.versions(), n)
			assert.Equal(t, fmt.Sprint(n+1), s.r.LastSyncResourceVersion())
		})
	}
}
