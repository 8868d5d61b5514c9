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

func item(name, version string) event.Object {
	return &source.Item{Name: name, ResourceVersion: version}
}

func added(name, version string) source.Event {
	return source.Event{Type: source.Added, Object: item(name, version)}
}

func modified(name, version string) source.Event {
	return source.Event{Type: source.Modified, Object: item(name, version)}
}

func bookmark(version string) source.Event {
	return source.Event{Type: source.Bookmark, Object: source.Version(version)}
}

// TestVersionsGoBack: the first lower version ends a stream. What came before it
// is applied, it and what follows is not, and one list at the newest version
// follows after the backoff.
func TestVersionsGoBack(t *testing.T) {
	digits := "123456789012345678901234567890"
	for name, test := range map[string]struct {
		events    []source.Event
		journal   []string
		last, got string
	}{
		"below the list": {
			[]source.Event{modified("a", "1")}, nil, "2", "1"},
		"event": {
			[]source.Event{modified("a", "9"), modified("a", "10"), modified("b", "9"), modified("c", "11")},
			[]string{"updated a@9", "updated a@10"}, "10", "9"},
		"an added one too": {
			[]source.Event{modified("a", "10"), added("b", "9")}, []string{"updated a@10"}, "10", "9"},
		"bookmark": {
			[]source.Event{modified("a", "10"), bookmark("9")}, []string{"updated a@10"}, "10", "9"},
		"after a bookmark": {
			[]source.Event{bookmark("10"), modified("b", "9")}, []string{"bookmark 10"}, "10", "9"},
		"of any length": {
			[]source.Event{modified("a", digits+"1"), modified("a", digits+"0")},
			[]string{"updated a@" + digits + "1"}, digits + "1", digits + "0"},
		"unknown type": {
			[]source.Event{modified("a", "10"), {Type: 99, Object: item("x", "9")}},
			[]string{"updated a@10"}, "10", "9"},
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, source.ServerOptions{}, func(s *story) {
				s.put("z")
				s.source = &scripted{Source: s.server, events: test.events}
				s.run(classic)
				journal := append([]string{"replace z@2 at 2"}, test.journal...)
				s.expect([]string{`0s list "0" limit 500`}, journal)
				require.Len(t, s.errs.values(), 1)
				var rewind *reflector.VersionRewindError
				require.ErrorAs(t, s.errs.values()[0], &rewind)
				assert.Equal(t, reflector.VersionRewindError{Last: test.last, Got: test.got}, *rewind)
				s.pass(4 * time.Minute)
				s.expect([]string{`800ms list "" limit 500`, `800ms watch "2"`}, []string{"replace z@2 at 2"})
				assert.Len(t, s.errs.values(), 1)
			})
		})
	}
}

// TestNoRewind: what must not be taken for versions that went back.
func TestNoRewind(t *testing.T) {
	for name, events := range map[string][]source.Event{
		"equal versions":      {modified("a", "7"), modified("b", "7"), bookmark("7"), bookmark("7")},
		"more digits":         {modified("a", "9"), modified("b", "10"), bookmark("100")},
		"blank":               {modified("a", "7"), modified("b", ""), modified("c", "6")},
		"no numbers":          {modified("a", "beta"), modified("b", "alfa"), modified("c", "7"), modified("d", "6.5")},
		"leading zeros":       {modified("a", "12"), modified("b", "0011"), bookmark("010")},
		"zero is no version":  {modified("a", "12"), modified("b", "0")},
		"negative":            {modified("a", "12"), modified("b", "-3")},
		"without object":      {modified("a", "12"), {Type: source.Modified}, modified("b", "13")},
		"digits of a script":  {modified("a", "12"), modified("b", "１")},
		"a number after text": {modified("a", "z"), modified("b", "3")},
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, source.ServerOptions{}, func(s *story) {
				s.source = &scripted{Source: &versionless{Server: s.server, version: "5"}, events: events}
				s.run(classic)
				want := 0
				for _, e := range events {
					if e.Object != nil {
						want++
					}
				}
				assert.Len(t, s.store.take(), 1+want, "the list and all events")
				assert.Empty(t, s.errs.all())
				s.source.(*scripted).first.events = nil
			})
		})
	}
}

// TestInitialEventsAreNoRewind: they come in any order, after a watch at "" or
// "0" and in a streaming list; the events after them are compared.
func TestInitialEventsAreNoRewind(t *testing.T) {
	for _, version := range []string{"", "0"} {
		tell(t, source.ServerOptions{}, func(s *story) {
			s.source = &scripted{Source: &versionless{Server: s.server, version: version}, events: []source.Event{
				added("b", "9"), added("a", "3"), modified("a", "5"), bookmark("5"), added("c", "4"),
			}}
			s.run(classic)
			assert.Equal(t, []string{"replace at " + version, "added b@9", "added a@3", "updated a@5", "bookmark 5"},
				s.store.take())
			assert.Equal(t, []string{"reflector: resource version 4 after 5: versions went back"}, s.errs.all())
		})
	}
	tell(t, source.ServerOptions{}, func(s *story) {
		end := bookmark("20")
		end.InitialEventsEnd = true
		s.source = &scripted{Source: s.server, events: []source.Event{
			added("b", "9"), added("a", "3"), modified("b", "12"), end, modified("a", "19"),
		}}
		s.run(streaming)
		assert.Equal(t, []string{"replace b@12 a@3 at 20"}, s.store.take())
		assert.Equal(t, []string{"reflector: resource version 19 after 20: versions went back"}, s.errs.all())
		s.pass(time.Second)
		assert.Equal(t, []string{`800ms watch "" streaming`}, s.requests())
	})
}

// TestServersFaultsAndRewinds: duplicates are none; a swap is one.
func TestServersFaultsAndRewinds(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.put("a", "b")
		s.run(classic)
		s.server.DuplicateNext(2)
		s.put("a", "b")
		assert.Empty(t, s.errs.all())
		s.server.SwapNext(1)
		s.put("a", "b")
		assert.Equal(t, []string{"reflector: resource version 6 after 7: versions went back"}, s.errs.all())
		s.pass(time.Second)
		assert.Equal(t, []string{
			`0s list "0" limit 500`, `0s watch "3"`, `800ms list "" limit 500`, `800ms watch "7"`,
		}, s.requests())
		assert.Equal(t, versions(s.server.Objects()), s.store.versions())
	})
}

// TestRefusedObjectsCountAsSeen: also the version of an object that Accept
// refuses is one of the stream.
func TestRefusedObjectsCountAsSeen(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.source = &scripted{Source: s.server, events: []source.Event{
			modified("a", "7"), modified("bad", "9"), modified("a", "8"),
		}}
		s.run(reflector.Options{ClassicList: true, Accept: notBad})
		assert.Len(t, s.errs.all(), 1)
	})
	tell(t, source.ServerOptions{}, func(s *story) {
		s.source = &scripted{Source: s.server, events: []source.Event{modified("a", "7"), modified("bad", "6")}}
		s.run(reflector.Options{ClassicList: true, Accept: notBad})
		assert.Len(t, s.errs.all(), 1)
		assert.Zero(t, s.logs.count("object skipped"))
	})
}

// TestVersionsAreNotCompared: by client-go, nor at a source that says so.
func TestVersionsAreNotCompared(t *testing.T) {
	events := []source.Event{modified("a", "9"), modified("b", "8"), bookmark("7")}
	journal := []string{"replace at 1", "updated a@9", "updated b@8", "bookmark 7"}
	tell(t, source.ServerOptions{}, func(s *story) {
		s.source = &scripted{Source: s.server, events: events}
		s.run(reflector.Options{ClassicList: true, Faithful: true})
		assert.Equal(t, journal, s.store.take())
	})
	tell(t, source.ServerOptions{}, func(s *story) {
		s.source = reuser{&scripted{Source: s.server, events: events}}
		s.run(classic)
		assert.Equal(t, journal, s.store.take())
		assert.Empty(t, s.errs.all())
	})
}

type reuser struct{ source.Source }

func (reuser) ReusesVersions() bool { return true }

// TestSourceWithoutOrder: if the lists show that versions did not go back, the
// reflector stops to compare them instead of listing for ever.
func TestSourceWithoutOrder(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.put("a", "b")
		s.run(classic)
		for range 10 {
			s.server.SwapNext(1)
			s.put("a", "b")
			s.pass(time.Minute)
		}
		assert.Len(t, s.errs.all(), 3)
		assert.Equal(t, 1, s.logs.count("no order"))
		assert.Equal(t, versions(s.server.Objects()), s.store.versions())
	})
	// Lists always of the same version, and a version per object.
	tell(t, source.ServerOptions{}, func(s *story) {
		events := []source.Event{modified("a", "5"), modified("b", "2")}
		s.source = &versionless{Server: s.server, version: "1"}
		src := &scripted{Source: s.source, events: events}
		s.source = src
		s.run(classic)
		for range 10 {
			src.script(events)
			s.server.EndStreams(refusal(source.Expired))
			s.pass(time.Minute)
		}
		assert.Len(t, s.errs.all(), 3)
		assert.Equal(t, 1, s.logs.count("no order"))
	})
}

// A restored source is served by one server, and then by another.
type restored struct {
	mu  sync.Mutex
	now *source.Server
}

func (r *restored) use(s *source.Server) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.now
	r.now = s
	if old != nil {
		old.Disconnect()
	}
}

func (r *restored) current() *source.Server {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *restored) List(ctx context.Context, o source.ListOptions) (*source.List, error) {
	return r.current().List(ctx, o)
}

func (r *restored) Watch(ctx context.Context, o source.WatchOptions) (source.Watch, error) {
	return r.current().Watch(ctx, o)
}

// TestIdleServerIsRestored: it sends neither event nor bookmark, so the
// reflector notices when it would open the next stream. Restored often, it is
// still noticed each time.
func TestIdleServerIsRestored(t *testing.T) {
	for _, o := range []reflector.Options{classic, streaming} {
		tell(t, source.ServerOptions{}, func(s *story) {
			backup := func(n int) *source.Server {
				server := source.NewServer(source.ServerOptions{})
				for i := range n {
					_, err := server.Create(&source.Item{Name: fmt.Sprint("r", i)})
					require.NoError(t, err)
				}
				return server
			}
			src := &restored{}
			src.use(backup(30))
			s.source = src
			s.run(o)
			for n := 20; n > 0; n -= 4 {
				s.pass(time.Minute)
				old := s.r.LastSyncResourceVersion()
				s.server = backup(n)
				src.use(s.server)
				s.read = 0
				s.pass(4 * time.Minute)
				assert.Equal(t, old, s.r.LastSyncResourceVersion(), "accepted, and silent")
				s.pass(20 * time.Minute)
				assert.Equal(t, versions(s.server.Objects()), s.store.versions())
				assert.LessOrEqual(t, len(s.requests()), 10, "of which 4 confirm the version")
			}
			assert.Len(t, s.errs.values(), 5)
			for _, err := range s.errs.values() {
				assert.ErrorAs(t, err, new(*reflector.VersionRewindError))
			}
		})
	}
}

// TestConfirmingIsRare: only after 5 minutes without event and bookmark, and at
// most once in that time however often the stream breaks.
func TestConfirmingIsRare(t *testing.T) {
	count := func(s *story) (confirmed, watches int) {
		for _, r := range s.server.Requests() {
			switch {
			case r.Watch != nil:
				watches++
			case r.List.Limit == 1:
				assert.Empty(t, r.List.ResourceVersion)
				confirmed++
			}
		}
		return confirmed, watches
	}
	tell(t, source.ServerOptions{}, func(s *story) {
		s.run(classic)
		for range 60 {
			s.pass(time.Minute)
			s.server.Disconnect()
			synctest.Wait()
		}
		confirmed, watches := count(s)
		assert.Equal(t, 12, confirmed)
		assert.Equal(t, 61, watches)
	})
	tell(t, source.ServerOptions{}, func(s *story) {
		s.run(classic)
		for range 60 {
			s.pass(time.Minute)
			s.server.SendBookmarks()
		}
		confirmed, _ := count(s)
		assert.Zero(t, confirmed)
		s.pass(11 * time.Minute)
		confirmed, _ = count(s)
		assert.Equal(t, 1, confirmed)
		assert.Empty(t, s.errs.all())
	})
	for _, o := range []reflector.Options{{ClassicList: true, Faithful: true}, classic} {
		tell(t, source.ServerOptions{}, func(s *story) {
			if !o.Faithful {
				s.source = reuser{s.server}
			}
			s.run(o)
			s.pass(time.Hour)
			confirmed, watches := count(s)
			assert.Zero(t, confirmed)
			assert.Equal(t, 13, watches)
		})
	}
}

// TestConfirmingFails: that is no reason to list, and it is tried again.
func TestConfirmingFails(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.run(classic)
		s.server.NextLists(1, source.Fault{Err: errors.New("broken")})
		s.pass(11 * time.Minute)
		s.server.HoldBookmarks(true)
		synctest.Wait()
		assert.Equal(t, []string{
			`0s list "0" limit 500`, `0s watch "1"`, `5m0s list "" limit 1`, `5m0s watch "1"`,
			`10m0s list "" limit 1`, `10m0s watch "1"`,
		}, s.requests())
		assert.Empty(t, s.errs.all())
	})
}
