package informer_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/atomic"

	"informerlab/core/event"
	"informerlab/core/informer"
	"informerlab/core/source"
)

func TestWatching(t *testing.T) {
	tell(t, []story{
		{"a transform sees each object once, before anybody else", transformOnce},
		{"a transform that drops resource versions loses no update", transformWithoutVersions},
		{"an object that cannot be transformed is reported and left out", transformFails},
		{"an object that cannot be transformed does not hold up the list", transformFailsList},
		{"the watch error handler hears of refusals, not of ended streams", watchErrors},
		{"objects of the wrong type are skipped", wrongType},
		{"lists come in pages", pages},
	})
}

func transformOnce(s *stage) {
	var mu sync.Mutex
	seen := map[string]int{}
	s.open(informer.Options{Transform: func(o event.Object) (event.Object, error) {
		mu.Lock()
		defer mu.Unlock()
		seen[event.KeyOf(o).String()+"@"+o.GetResourceVersion()]++
		slim := *o.(*source.Item)
		slim.Value = "slim"
		return &slim, nil
	}})
	s.put("a", "b")
	a := s.cast(informer.HandlerOptions{})
	s.start()
	s.put("a")
	s.remove("b")
	a.take()
	mu.Lock()
	assert.Equal(s, map[string]int{"n/a@2": 1, "n/b@3": 1, "n/a@4": 1, "n/b@5": 1}, seen)
	mu.Unlock()
	for _, o := range s.informer.Indexer().List() {
		assert.Equal(s, "slim", o.(*source.Item).Value)
	}
}

// client-go takes equal versions for a resync, also blank ones. With this transform
// a handler that is not due is never called for a change there
// (falcosecurity/k8s-metacollector#188).
func transformWithoutVersions(s *stage) {
	s.open(informer.Options{
		Resync: 10 * time.Second,
		Transform: func(o event.Object) (event.Object, error) {
			bare := *o.(*source.Item)
			bare.ResourceVersion = ""
			return &bare, nil
		},
	})
	lenient := func(a *actor) { a.lenient = true }
	usual := s.cast(informer.HandlerOptions{}, lenient)
	never := s.cast(every(0), lenient)
	s.put("a")
	s.start()
	s.put("a")
	assert.Len(s, never.take(), 2, "before the first check everybody hears of it")
	pass(10 * time.Second)
	usual.take()
	s.put("a")
	assert.Len(s, usual.take(), 1)
	assert.Len(s, never.take(), 1, "a real change")
	pass(10 * time.Second)
	assert.Len(s, usual.take(), 1, "a resync")
	assert.Empty(s, never.take())
	s.put("b")
	s.remove("a")
	assert.Len(s, never.take(), 2, "adds and deletes are never taken for a resync")
}

// refuse returns a transform that fails for one name while on is set.
func refuse(name string, on *atomic.Bool) func(event.Object) (event.Object, error) {
	return func(o event.Object) (event.Object, error) {
		if on.Load() && o.GetName() == name {
			return nil, errors.New("indigestible")
		}
		return o, nil
	}
}

func transformFails(s *stage) {
	var log bytes.Buffer
	on := atomic.NewBool(true)
	s.open(informer.Options{Transform: refuse("b", on), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	a := s.cast(informer.HandlerOptions{})
	s.start()
	s.put("a", "b", "c")
	assert.Equal(s, []string{"add n/a ->2", "add n/c ->4"}, a.take())
	assert.Contains(s, log.String(), "transform n/b: indigestible")
	assert.Equal(s, "4", s.informer.LastSyncResourceVersion(), "the watch goes on")
	on.Store(false)
	s.put("b")
	assert.Equal(s, []string{"add n/b ->5"}, a.take(), "what comes later is welcome")
	s.converged()
}

func transformFailsList(s *stage) {
	var refused, failures []error
	on := atomic.NewBool(true)
	s.open(informer.Options{
		Transform:      refuse("b", on),
		OnWatchError:   func(err error) { failures = append(failures, err) },
		OnProcessError: func(err error) { refused = append(refused, err) },
	})
	a := s.cast(informer.HandlerOptions{})
	s.put("a", "b", "c")
	s.start()
	assert.Empty(s, failures)
	require.Len(s, refused, 1)
	assert.EqualError(s, refused[0],
		`object n/b at version "3" left out: queue: transform n/b: indigestible`)
	assert.True(s, s.informer.HasSynced())
	assert.True(s, a.reg.HasSynced())
	assert.Equal(s, []string{"add n/a ->2 initial", "add n/c ->4 initial"}, a.take())
	on.Store(false)
	s.relist()
	pass(time.Minute)
	assert.Subset(s, a.take(), []string{"add n/b ->3"})
	s.converged()
}

func watchErrors(s *stage) {
	var mu sync.Mutex
	var heard []error
	s.open(informer.Options{OnWatchError: func(err error) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, err)
	}})
	hear := func() []error {
		pass(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		errs := heard
		heard = nil
		return errs
	}
	internal := &source.Error{Reason: source.Internal, Message: "ordered"}
	s.put("a")
	s.start()
	s.relist()
	s.server.EndStreams(io.ErrUnexpectedEOF)
	assert.Empty(s, hear(), "streams end all the time")

	s.server.EndStreams(internal)
	s.server.NextWatches(1, source.Fault{Err: internal}) // the streaming list
	s.server.NextLists(2, source.Fault{Err: internal})   // and the plain one after it
	assert.NotEmpty(s, hear())

	s.server.NextWatches(1, source.Fault{Err: &source.Error{Reason: source.TooManyRequests}})
	s.server.Disconnect()
	assert.Empty(s, hear(), "a busy server is asked again")
	s.put("b")
	s.converged()
}

func wrongType(s *stage) {
	var log bytes.Buffer
	s.open(informer.Options{
		Accept: func(o event.Object) error {
			if o.(*source.Item).Value == "wrong" {
				return errors.New("not one of ours")
			}
			return nil
		},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	a := s.cast(informer.HandlerOptions{})
	_, err := s.server.Create(&source.Item{Namespace: "n", Name: "listed", Value: "wrong"})
	require.NoError(s, err)
	s.put("a")
	s.start()
	_, err = s.server.Create(&source.Item{Namespace: "n", Name: "watched", Value: "wrong"})
	require.NoError(s, err)
	s.put("b")
	assert.Equal(s, []string{"add n/a ->3 initial", "add n/b ->5"}, a.take())
	assert.Contains(s, log.String(), "not one of ours")
}

func pages(s *stage) {
	s.server = source.NewServer(source.ServerOptions{Streaming: source.StreamingRefused, Uncached: true})
	s.open(informer.Options{PageSize: 10})
	for i := range 95 {
		s.put(fmt.Sprint("o", i))
	}
	a := s.cast(informer.HandlerOptions{})
	s.start()
	assert.Len(s, a.take(), 95)
	lists := 0
	for _, r := range s.server.Requests() {
		if r.List != nil {
			lists++
		}
	}
	assert.Equal(s, 10, lists)
	s.converged()
}
