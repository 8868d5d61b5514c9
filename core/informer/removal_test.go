package informer_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/informer"
	"informerlab/core/processor"
)

func TestRemoval(t *testing.T) {
	tell(t, []story{
		{"removal does not wait for the call in progress", removalDoesNotWait},
		{"removal with drain delivers what was routed before", removalWithDrain},
		{"a handler removed before the start is never called", removalBeforeStart},
		{"removal of nothing, twice, and of a stranger is harmless", removalOfNothing},
		{"a handler may remove itself during shutdown", removalDuringShutdown},
		{"a handler may remove another one during shutdown", removalOfAnotherDuringShutdown},
		{"removal after the end is harmless", removalAfterTheEnd},
		{"shutting a handler down waits for its last call", shutDownWaits},
		{"shutting down nothing does not wait", shutDownNothing},
		{"removal ends the pause after a panic", removalEndsPause},
	})
}

func removalDoesNotWait(s *stage) {
	gate := make(chan struct{})
	stuck := s.cast(informer.HandlerOptions{}, blocked(gate))
	other := s.cast(informer.HandlerOptions{})
	s.put("a")
	s.start()
	for range 300 {
		s.put("a")
	}
	synctest.Wait()
	stuck.left = true
	s.informer.RemoveHandler(stuck.reg)
	assert.False(s, isClosed(stuck.reg.Finished()), "the call in progress is not over")
	s.put("b")
	close(gate)
	synctest.Wait()
	assert.True(s, isClosed(stuck.reg.Finished()))
	assert.Len(s, stuck.take(), 1, "no call after the removal")
	stats := stuck.account()
	assert.EqualValues(s, 301, stats.Routed, "what came after the removal is not routed")
	assert.EqualValues(s, 1, stats.Handled)
	assert.Equal(s, 300, gone(stats), "every notification that was not handled is counted")
	assert.Len(s, other.take(), 302)
	s.converged()
}

func removalWithDrain(s *stage) {
	s.open(informer.Options{OnStop: processor.Drain})
	gate := make(chan struct{})
	stuck := s.cast(informer.HandlerOptions{}, blocked(gate))
	s.put("a")
	s.start()
	for range 300 {
		s.put("a")
	}
	synctest.Wait()
	stuck.left = true
	s.informer.RemoveHandler(stuck.reg)
	s.put("b")
	close(gate)
	assert.Len(s, stuck.take(), 301, "all that was routed, and not what came later")
	stats := stuck.account()
	assert.EqualValues(s, 301, stats.Handled)
	assert.Zero(s, stats.Lost())
	assert.True(s, isClosed(stuck.reg.Finished()))
}

func removalBeforeStart(s *stage) {
	a := s.cast(informer.HandlerOptions{})
	a.left = true
	s.informer.RemoveHandler(a.reg)
	assert.True(s, isClosed(a.reg.Finished()))
	s.put("a")
	s.start()
	assert.Empty(s, a.take())
	assert.False(s, a.reg.HasSynced())
	assert.Zero(s, a.account())
}

func removalOfNothing(s *stage) {
	a := s.cast(informer.HandlerOptions{})
	stranger := informer.New(s.server, s.fill(informer.Options{}))
	foreign, err := stranger.AddHandler(informer.Funcs{}, informer.HandlerOptions{})
	require.NoError(s, err)
	s.start()
	s.informer.RemoveHandler(nil)
	s.informer.RemoveHandler(&informer.Registration{})
	s.informer.RemoveHandler(foreign)
	assert.False(s, isClosed(foreign.Finished()))
	s.put("a")
	assert.Len(s, a.take(), 1)
	a.left = true
	s.informer.RemoveHandler(a.reg)
	s.informer.RemoveHandler(a.reg)
	synctest.Wait()
	s.informer.RemoveHandler(a.reg)
	s.put("b")
	assert.Empty(s, a.take())
}

// In client-go this deadlocks: the processor waits for the handler while it
// holds the lock that the removal needs.
func removalDuringShutdown(s *stage) {
	gate := make(chan struct{})
	var a *actor
	a = s.cast(informer.HandlerOptions{}, during(func(string) {
		<-gate
		s.informer.RemoveHandler(a.reg)
	}))
	s.put("a")
	s.start()
	s.cancel()
	assert.False(s, s.over(), "the call is still running")
	close(gate)
	assert.True(s, s.over())
}

func removalOfAnotherDuringShutdown(s *stage) {
	gate := make(chan struct{})
	other := s.cast(informer.HandlerOptions{}, blocked(gate))
	s.cast(informer.HandlerOptions{}, during(func(string) {
		<-gate
		s.informer.RemoveHandler(other.reg)
		_, err := s.informer.AddHandler(informer.Funcs{}, informer.HandlerOptions{})
		assert.ErrorIs(s, err, processor.ErrStopped)
	}))
	s.put("a")
	s.start()
	s.cancel()
	assert.False(s, s.over())
	close(gate)
	assert.True(s, s.over())
}

func removalAfterTheEnd(s *stage) {
	s.put("a")
	a := s.cast(informer.HandlerOptions{})
	s.start()
	s.stop()
	s.informer.RemoveHandler(a.reg)
	s.informer.ShutDownHandler(a.reg)
	assert.Len(s, a.take(), 1)
}

func shutDownWaits(s *stage) {
	gate := make(chan struct{})
	stuck := s.cast(informer.HandlerOptions{}, blocked(gate))
	stuck.left = true
	s.put("a")
	s.start()
	s.put("a")
	synctest.Wait()
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		s.informer.ShutDownHandler(stuck.reg)
	}()
	synctest.Wait()
	assert.False(s, isClosed(returned))
	close(gate)
	synctest.Wait()
	assert.True(s, isClosed(returned))
	assert.Len(s, stuck.take(), 1)
	assert.Equal(s, 1, gone(stuck.account()))
}

func shutDownNothing(s *stage) {
	early := s.cast(informer.HandlerOptions{})
	early.left = true
	s.informer.ShutDownHandler(early.reg) // the informer has not started
	stranger := informer.New(s.server, s.fill(informer.Options{}))
	foreign, err := stranger.AddHandler(informer.Funcs{}, informer.HandlerOptions{})
	require.NoError(s, err)
	s.start()
	s.informer.ShutDownHandler(nil)
	s.informer.ShutDownHandler(&informer.Registration{})
	s.informer.ShutDownHandler(foreign) // or it would wait for somebody else's handler
}

func removalEndsPause(s *stage) {
	s.open(informer.Options{Panic: processor.RestartAfterMinute})
	a := s.cast(informer.HandlerOptions{}, during(func(string) { panic("poisoned") }))
	a.left = true
	s.put("a", "b")
	s.start()
	begun := time.Now()
	s.informer.ShutDownHandler(a.reg)
	assert.Zero(s, time.Since(begun))
	stats := a.account()
	assert.EqualValues(s, 1, stats.Panicked)
	assert.Equal(s, 1, gone(stats))
}
