package informer_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"informerlab/core/informer"
	"informerlab/core/processor"
	"informerlab/core/source"
)

func TestStopping(t *testing.T) {
	tell(t, []story{
		{"shutdown waits for the call in progress", shutdownWaits},
		{"abandoned notifications are counted", shutdownAbandons},
		{"drained notifications are delivered", shutdownDrains},
		{"an informer runs once", runsOnce},
		{"handlers cannot be added after the end", addAfterEnd},
		{"an informer without handlers keeps its cache", withoutHandlers},
		{"an informer stopped before it synced never syncs", stoppedBeforeSync},
		{"an informer that is stopped before it runs does nothing", stoppedBeforeRun},
		{"stopping during an outage does not wait for it", stoppedInOutage},
	})
}

func shutdownWaits(s *stage) {
	gate := make(chan struct{})
	stuck := s.cast(informer.HandlerOptions{}, blocked(gate))
	s.put("a")
	s.start()
	s.cancel()
	assert.False(s, s.over())
	assert.True(s, s.informer.Stopped(), "the cache is no longer kept up to date")
	close(gate)
	assert.True(s, s.over())
	assert.Len(s, stuck.take(), 1)
}

// backlog starts an informer whose handler is stuck in the first of n calls.
func (s *stage) backlog(o informer.Options, n int) (stuck *actor, release func()) {
	s.open(o)
	gate := make(chan struct{})
	stuck = s.cast(informer.HandlerOptions{}, blocked(gate))
	s.put("a")
	s.start()
	for range n - 1 {
		s.put("a")
	}
	synctest.Wait()
	return stuck, func() { close(gate) }
}

func shutdownAbandons(s *stage) {
	stuck, release := s.backlog(informer.Options{}, 1000)
	stats := stuck.account()
	assert.EqualValues(s, 1000, stats.Routed)
	assert.Zero(s, stats.Handled)
	s.cancel()
	synctest.Wait()
	release()
	assert.True(s, s.over())
	stats = stuck.account()
	assert.EqualValues(s, 1, stats.Handled, "the call in progress ends, no other begins")
	assert.Equal(s, 999, gone(stats))
	assert.Len(s, stuck.take(), 1)
}

func shutdownDrains(s *stage) {
	stuck, release := s.backlog(informer.Options{OnStop: processor.Drain}, 1000)
	s.cancel()
	assert.False(s, s.over())
	release()
	assert.True(s, s.over())
	stats := stuck.account()
	assert.EqualValues(s, 1000, stats.Handled)
	assert.Zero(s, stats.Lost())
	s.converged()
}

func runsOnce(s *stage) {
	s.start()
	assert.True(s, s.informer.Started())
	assert.ErrorIs(s, s.informer.Run(context.Background()), informer.ErrStarted)
	s.stop()
	assert.ErrorIs(s, s.informer.Run(context.Background()), informer.ErrStarted)
}

func addAfterEnd(s *stage) {
	s.start()
	assert.False(s, s.informer.Stopped())
	s.stop()
	assert.True(s, s.informer.Stopped())
	reg, err := s.informer.AddHandler(informer.Funcs{}, informer.HandlerOptions{})
	assert.ErrorIs(s, err, processor.ErrStopped)
	assert.Nil(s, reg)
}

func withoutHandlers(s *stage) {
	s.open(informer.Options{})
	assert.Empty(s, s.informer.LastSyncResourceVersion())
	assert.False(s, s.informer.Started())
	s.put("a", "b")
	s.start()
	s.remove("a")
	s.converged()
	assert.True(s, s.informer.HasSynced())
	assert.Equal(s, s.server.ResourceVersion(), s.informer.LastSyncResourceVersion())
}

func stoppedBeforeSync(s *stage) {
	s.server.HoldBookmarks(true)
	s.server.NextLists(1, source.Fault{Hang: true})
	a := s.cast(informer.HandlerOptions{})
	s.put("a")
	s.start()
	s.stop()
	assert.False(s, s.informer.HasSynced())
	assert.False(s, a.reg.HasSynced())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	assert.False(s, informer.WaitForSync(ctx, s.informer, a.reg))
}

func stoppedBeforeRun(s *stage) {
	a := s.cast(informer.HandlerOptions{})
	s.put("a")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	assert.NoError(s, s.informer.Run(ctx))
	assert.Empty(s, a.take())
	assert.True(s, isClosed(a.reg.Finished()))
	assert.Zero(s, s.informer.Indexer().Len())
}

func stoppedInOutage(s *stage) {
	s.server.NextWatches(1, source.Fault{Hang: true})
	s.start()
	s.cancel()
	assert.True(s, s.over())
}
