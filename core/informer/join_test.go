package informer_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/informer"
	"informerlab/core/source"
)

func TestJoining(t *testing.T) {
	tell(t, []story{
		{"a handler from before the start hears everything", handlerFromTheStart},
		{"a late handler gets the cache and then what follows", lateHandler},
		{"late handlers under load miss nothing and see nothing twice", lateHandlersUnderLoad},
		{"handlers may be added while the informer starts", addDuringStart},
		{"a handler registered twice is two handlers", handlerTwice},
		{"handlers come and go under load", comeAndGoUnderLoad},
		{"a handler may add and remove handlers from inside", addAndRemoveFromInside},
		{"at the first initial add the whole list is cached", wholeListAtFirstAdd},
		{"a blocked handler holds up neither the cache nor the others", blockedHandler},
		{"deletions missed in an outage are inferred", missedDeletions},
	})
}

func handlerFromTheStart(s *stage) {
	s.put("a", "b") // at 2 and 3
	a := s.cast(informer.HandlerOptions{})
	s.start()
	assert.Equal(s, []string{"add n/a ->2 initial", "add n/b ->3 initial"}, a.takeSorted())
	s.put("a", "c")
	s.remove("b")
	assert.Equal(s, []string{"update n/a 2>4", "add n/c ->5", "delete n/b 6>-"}, a.take())
	s.converged()
	assert.EqualValues(s, 5, a.account().Routed)
}

func lateHandler(s *stage) {
	s.put("a", "b")
	s.start()
	s.put("a", "c")
	s.remove("b")
	time.Sleep(time.Hour) // the flag is for the handler's beginning, not for the informer's
	late := s.cast(informer.HandlerOptions{})
	assert.Equal(s, []string{"add n/a ->4 initial", "add n/c ->5 initial"}, late.takeSorted())
	s.put("a", "d")
	assert.Equal(s, []string{"update n/a 4>7", "add n/d ->8"}, late.take())
	s.converged()
	stats := late.account()
	assert.EqualValues(s, 2, stats.Replayed)
	assert.EqualValues(s, 2, stats.Routed)
}

// load changes a few objects again and again, about once a millisecond, and
// calls between after each change.
func (s *stage) load(changes int, between func(i int)) {
	names := []string{"a", "b", "c", "d", "e"}
	for i := range changes {
		name := names[i%len(names)]
		if _, exists := s.informer.Indexer().Get(event.Key{Namespace: "n", Name: name}); exists && i%7 == 0 {
			if _, err := s.server.Delete(event.Key{Namespace: "n", Name: name}); err == nil {
				continue
			}
		}
		s.put(name)
		between(i)
		if i%3 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

func lateHandlersUnderLoad(s *stage) {
	s.put("a", "b", "c")
	s.start()
	var joining sync.WaitGroup
	joining.Go(func() {
		for range 20 {
			s.cast(informer.HandlerOptions{}) // its checks are the test: no gap, nothing twice
			time.Sleep(2 * time.Millisecond)
		}
	})
	s.load(200, func(int) {})
	joining.Wait()
	s.converged()
	for _, a := range s.actors {
		assert.True(s, a.reg.HasSynced())
	}
}

// The start has deadlocked or lost handlers in client-go (kubernetes#59822, #136049).
func addDuringStart(s *stage) {
	s.put("a", "b")
	s.open(informer.Options{Resync: time.Second})
	var adding sync.WaitGroup
	adding.Go(func() {
		for i := range 30 {
			s.cast(every(time.Duration(i%3) * time.Second))
		}
	})
	s.start()
	adding.Wait()
	s.put("a")
	pass(5 * time.Second)
	s.converged()
	assert.True(s, s.informer.HasSynced())
	for _, a := range s.actors {
		assert.True(s, a.reg.HasSynced())
	}
}

func handlerTwice(s *stage) {
	s.put("a")
	calls := 0
	var mu sync.Mutex
	count := informer.Funcs{Add: func(event.Object) {
		mu.Lock()
		defer mu.Unlock()
		calls++
	}}
	s.open(informer.Options{})
	first, err := s.informer.AddHandler(count, informer.HandlerOptions{})
	require.NoError(s, err)
	second, err := s.informer.AddHandler(count, informer.HandlerOptions{})
	require.NoError(s, err)
	s.start()
	mu.Lock()
	assert.Equal(s, 2, calls)
	mu.Unlock()
	s.informer.RemoveHandler(first)
	s.put("b")
	synctest.Wait()
	mu.Lock()
	assert.Equal(s, 3, calls)
	mu.Unlock()
	assert.True(s, isClosed(first.Finished()))
	assert.False(s, isClosed(second.Finished()))
}

func comeAndGoUnderLoad(s *stage) {
	s.put("a", "b", "c")
	s.cast(informer.HandlerOptions{})
	s.start()
	s.load(200, func(i int) {
		switch {
		case i%5 == 0:
			s.cast(informer.HandlerOptions{})
		case i%5 == 3:
			leaving := s.actors[i%len(s.actors)]
			leaving.left = true
			s.informer.RemoveHandler(leaving.reg) // perhaps for the second time
		}
	})
	s.converged()
	for _, a := range s.actors {
		assert.Equal(s, a.left, isClosed(a.reg.Finished()))
		a.audit()
	}
}

func addAndRemoveFromInside(s *stage) {
	s.put("a")
	var inner *actor
	var outer *actor
	outer = s.cast(informer.HandlerOptions{}, during(func(call string) {
		switch call {
		case "add n/a ->2 initial":
			inner = s.cast(informer.HandlerOptions{})
		case "update n/a 2>3":
			inner.left = true
			s.informer.RemoveHandler(inner.reg)
		case "update n/a 3>4":
			outer.left = true
			s.informer.RemoveHandler(outer.reg)
			s.informer.RemoveHandler(outer.reg)
		}
	}))
	s.start()
	assert.Equal(s, []string{"add n/a ->2 initial"}, inner.take())
	s.put("a")
	synctest.Wait()
	assert.True(s, isClosed(inner.reg.Finished()))
	s.put("a")
	synctest.Wait()
	assert.True(s, isClosed(outer.reg.Finished()))
	s.put("a")
	assert.Len(s, outer.take(), 3, "nothing after its removal")
	s.converged()
}

func wholeListAtFirstAdd(s *stage) {
	var names []string
	for i := range 50 {
		names = append(names, fmt.Sprintf("o%02d", i))
	}
	s.put(names...)
	cached := 0
	a := s.cast(informer.HandlerOptions{}, during(func(string) {
		if cached == 0 {
			cached = s.informer.Indexer().Len()
		}
	}))
	s.start()
	assert.Len(s, a.take(), len(names))
	if s.queue == informer.InOrder { // the per-key queue has no atomic replace
		assert.Equal(s, len(names), cached)
	}
}

func blockedHandler(s *stage) {
	gate := make(chan struct{})
	stuck := s.cast(informer.HandlerOptions{}, blocked(gate))
	free := s.cast(informer.HandlerOptions{})
	s.put("a")
	s.start()
	for range 500 {
		s.put("a")
	}
	assert.Len(s, free.take(), 501)
	got, _ := s.informer.Indexer().Get(event.Key{Namespace: "n", Name: "a"})
	assert.Equal(s, s.server.ResourceVersion(), got.GetResourceVersion())
	stats := stuck.account()
	assert.EqualValues(s, 501, stats.Routed)
	assert.EqualValues(s, 501, stats.InHand+stats.Pending)
	close(gate)
	assert.Len(s, stuck.take(), 501, "in order, none lost: its own checks say so")
	s.converged()
}

func missedDeletions(s *stage) {
	s.put("a", "b", "c")
	a := s.cast(informer.HandlerOptions{})
	s.start()
	a.take()
	s.server.NextWatches(1, source.Fault{Delay: 10 * time.Second})
	s.server.NextLists(1, source.Fault{Delay: 10 * time.Second})
	s.server.Disconnect()
	synctest.Wait()
	s.remove("b")
	s.put("a", "d")
	s.server.Compact()
	time.Sleep(time.Minute)
	calls := a.take()
	assert.Contains(s, calls, "delete n/b 3>- final-state-unknown")
	slices.Sort(calls)
	assert.Subset(s, calls, []string{"add n/d ->7", "update n/a 2>6"})
	s.converged()
}
