package reflector_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/queue"
	"informerlab/core/reflector"
	"informerlab/core/source"
)

// spoil changes what it checks, as an Accept should not, and refuses bad objects
// or panics on them.
func spoil(panics bool) func(event.Object) error {
	return func(o event.Object) error {
		i := o.(*source.Item)
		if i.Name != "bad" {
			return nil
		}
		i.Name, i.ResourceVersion = "spoiled", "spoiled"
		if panics {
			panic(errBad)
		}
		return errBad
	}
}

var errBad = errors.New("bad object")

// TestRejections: an object that Accept refuses or panics on is left out, alone,
// and reported with the key and version that it came with.
func TestRejections(t *testing.T) {
	for _, o := range []reflector.Options{classic, streaming} {
		for _, panics := range []bool{false, true} {
			t.Run(fmt.Sprintf("classic %t, panics %t", o.ClassicList, panics), func(t *testing.T) {
				tell(t, source.ServerOptions{}, func(s *story) {
					var rejections []*event.Rejection
					o.Accept, o.Recover = spoil(panics), panics
					o.OnReject = func(r *event.Rejection) { rejections = append(rejections, r) }
					s.put("a", "bad", "c")
					s.run(o)
					assert.Equal(t, []string{"replace a@2 c@4 at 4"}, s.store.take())
					s.put("b", "d")
					assert.Equal(t, []string{"added b@5", "added d@6"}, s.store.take())
					require.Len(t, rejections, 1)
					assert.Equal(t, event.Key{Name: "bad"}, rejections[0].Key)
					assert.Equal(t, "3", rejections[0].Version)
					assert.ErrorIs(t, rejections[0], errBad)
					var p *event.PanicError
					assert.Equal(t, panics, errors.As(rejections[0], &p))
					if panics {
						assert.Contains(t, string(p.Stack), "spoil", "the stack shows the function that panicked")
					}
					assert.Zero(t, s.logs.count("skipped"))
				})
			})
		}
	}
}

// TestRejectionsInAStream: the neighbours in the batch are applied.
func TestRejectionsInAStream(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.source = &scripted{Source: s.server, events: []source.Event{
			added("a", "2"), added("bad", "3"), added("c", "4"), modified("bad", "5"),
		}}
		s.run(reflector.Options{ClassicList: true, Recover: true, Accept: spoil(true)})
		assert.Equal(t, []string{"replace at 1", "added a@2", "added c@4"}, s.store.take())
		assert.Equal(t, "4", s.r.LastSyncResourceVersion())
		assert.Equal(t, 2, s.logs.count("object skipped"), "nobody else hears of it")
		assert.Equal(t, 1, s.logs.count("version=3"))
		assert.Equal(t, 2, s.logs.count("hooks_test.go"), "with a stack")
	})
}

// TestPanicsOfHooks: with Recover they are logged with their stack and all goes on.
func TestPanicsOfHooks(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.mute = true
		s.put("bad")
		s.server.NextLists(1, source.Fault{Err: errBad})
		s.run(reflector.Options{
			ClassicList: true, Recover: true, Accept: notBad, Resync: 10 * time.Second,
			OnWatchError: func(error) { panic("first") },
			OnReject:     func(*event.Rejection) { panic("second") },
			ShouldResync: func() bool { panic("third") },
		})
		s.pass(time.Second)
		s.put("a")
		s.pass(20 * time.Second)
		assert.Equal(t, []string{"replace at 2", "added a@3"}, s.store.take())
		for hook, times := range map[string]int{"OnWatchError": 1, "OnReject": 1, "ShouldResync": 2} {
			assert.Equal(t, times, s.logs.count("panic in "+hook), hook)
		}
		assert.Equal(t, 4, s.logs.count("hooks_test.go"), "each with its stack")
	})
}

// TestPanicsEndTheProcess unless Recover is set: the reflector does not hold them up.
func TestPanicsEndTheProcess(t *testing.T) {
	r := reflector.New(&empty{}, newMapStore(), reflector.Options{
		ClassicList: true, OnWatchError: func(error) { panic("told") },
	})
	assert.PanicsWithValue(t, "told", func() { r.Run(t.Context()) })
}

// An empty source answers with nothing at all.
type empty struct {
	source.Source
	lists, watches bool // that are answered by Source
}

func (e *empty) List(ctx context.Context, o source.ListOptions) (*source.List, error) {
	if e.lists && o.Continue == "" {
		return e.Source.List(ctx, o)
	}
	return nil, nil
}

func (e *empty) Watch(ctx context.Context, o source.WatchOptions) (source.Watch, error) {
	if e.watches {
		return e.Source.Watch(ctx, o)
	}
	return nil, nil
}

// TestNothingIsAnError: a nil list, also as a later page, and a nil watch.
func TestNothingIsAnError(t *testing.T) {
	for name, test := range map[string]struct {
		src      empty
		o        reflector.Options
		listErrs bool
	}{
		"list":       {empty{watches: true}, classic, true},
		"later page": {empty{lists: true, watches: true}, reflector.Options{ClassicList: true, PageSize: 1}, true},
		"watch":      {empty{lists: true}, classic, false},
		"streaming":  {empty{}, streaming, true},
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, source.ServerOptions{Uncached: true}, func(s *story) {
				if name == "later page" {
					s.put("a", "b")
				}
				test.src.Source = s.server
				s.source = &test.src
				s.run(test.o)
				require.Len(t, s.errs.values(), 1)
				assert.ErrorContains(t, s.errs.values()[0], "neither a result nor an error")
				assert.Equal(t, test.listErrs, errors.As(s.errs.values()[0], new(*reflector.ListError)))
			})
		})
	}
}

// TestSamePageTwice: a page token that comes again would be followed without end.
func TestSamePageTwice(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		src := &sticky{Source: s.server}
		s.source = src
		s.run(classic)
		s.pass(time.Second)
		assert.Equal(t, 4, src.lists)
		assert.Len(t, s.errs.all(), 2)
	})
}

type sticky struct {
	source.Source
	lists int
}

func (s *sticky) List(context.Context, source.ListOptions) (*source.List, error) {
	s.lists++
	return &source.List{ResourceVersion: "1", Continue: "more", Items: []event.Object{item("a", "1")}}, nil
}

// A blanker is a store that does what a Transform may do: it changes objects as
// soon as it has them, and from another goroutine.
type blanker struct {
	*mapStore
	done chan struct{}
}

func (b *blanker) Add(deltas []queue.Delta) error {
	var items []*source.Item
	for _, d := range deltas {
		items = append(items, d.Object.(*source.Item))
	}
	go func() {
		for _, i := range items {
			i.ResourceVersion = ""
		}
		close(b.done)
	}()
	<-b.done
	b.done = make(chan struct{})
	return nil
}

// TestVersionIsReadBeforeTheStore: the next watch goes on at the version that
// was received, whatever became of the object.
func TestVersionIsReadBeforeTheStore(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.source = &scripted{Source: s.server, events: []source.Event{
			added("a", "5"), modified("b", "6"), bookmark("7"), modified("c", "8"),
		}}
		store := &blanker{newMapStore(), make(chan struct{})}
		s.writes = store
		s.run(classic)
		s.pass(time.Second)
		assert.Equal(t, "8", s.r.LastSyncResourceVersion())
		assert.Equal(t, []string{`0s list "0" limit 500`, `100ms watch "8"`}, s.requests())
	})
}

// TestVersionIsReadBeforeAccept: nor does it matter what Accept makes of the object.
func TestVersionIsReadBeforeAccept(t *testing.T) {
	tell(t, source.ServerOptions{}, func(s *story) {
		s.source = &scripted{Source: s.server, events: []source.Event{
			added("a", "5"), modified("b", "6"), bookmark("7"), modified("c", "8"),
		}}
		o := classic
		o.Accept = func(obj event.Object) error {
			obj.(*source.Item).ResourceVersion = ""
			return nil
		}
		s.run(o)
		s.pass(time.Second)
		assert.Equal(t, "8", s.r.LastSyncResourceVersion())
		assert.Equal(t, []string{`0s list "0" limit 500`, `100ms watch "8"`}, s.requests())
	})
}
