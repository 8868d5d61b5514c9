package informer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"informerlab/core/informer"
	"informerlab/core/processor"
	"informerlab/core/source"
)

func TestSyncing(t *testing.T) {
	tell(t, []story{
		{"the informer syncs when the list is cached", informerSyncs},
		{"a handler syncs when it has handled the list", handlerSyncs},
		{"a late handler syncs when it has handled the replay", lateHandlerSyncs},
		{"no objects is a list too", nothingSyncs},
		{"a panicking initial add counts as finished", panickingAddSyncs},
		{"a discarded initial add counts as finished", discardedAddSyncs},
		{"nothing synced comes unsynced", syncedForEver},
		{"waiting for sync", waitForSync},
	})
}

func informerSyncs(s *stage) {
	s.server.HoldBookmarks(true) // the streaming list has no end
	a := s.cast(informer.HandlerOptions{})
	s.put("a")
	s.start()
	assert.False(s, s.informer.HasSynced())
	assert.False(s, a.reg.HasSynced())
	assert.Zero(s, s.informer.Indexer().Len())
	s.server.HoldBookmarks(false)
	assert.Len(s, a.take(), 1)
	assert.True(s, s.informer.HasSynced())
	assert.True(s, a.reg.HasSynced())
}

func handlerSyncs(s *stage) {
	gate := make(chan struct{})
	stuck := s.cast(informer.HandlerOptions{}, during(func(call string) {
		if call == "add n/b ->3 initial" {
			<-gate
		}
	}))
	free := s.cast(informer.HandlerOptions{})
	s.put("a", "b", "c")
	s.start()
	s.put("d")
	synctest.Wait()
	assert.True(s, s.informer.HasSynced(), "it speaks of the cache")
	assert.True(s, free.reg.HasSynced())
	assert.False(s, stuck.reg.HasSynced())
	close(gate)
	synctest.Wait()
	assert.True(s, stuck.reg.HasSynced())
}

func lateHandlerSyncs(s *stage) {
	s.put("a", "b")
	s.start()
	gate := make(chan struct{})
	stuck := s.cast(informer.HandlerOptions{}, blocked(gate))
	free := s.cast(informer.HandlerOptions{})
	synctest.Wait()
	assert.False(s, stuck.reg.HasSynced())
	assert.True(s, free.reg.HasSynced())
	close(gate)
	synctest.Wait()
	assert.True(s, stuck.reg.HasSynced())
}

func nothingSyncs(s *stage) {
	a := s.cast(informer.HandlerOptions{})
	s.start()
	assert.True(s, s.informer.HasSynced())
	assert.True(s, a.reg.HasSynced())
	late := s.cast(informer.HandlerOptions{})
	synctest.Wait()
	assert.True(s, late.reg.HasSynced())
	assert.Empty(s, late.take())
}

// In client-go such a handler never syncs (kubernetes/kubernetes#129024).
func panickingAddSyncs(s *stage) {
	s.open(informer.Options{Panic: processor.SkipAndHold})
	panics := during(func(call string) {
		if call == "add n/b ->3 initial" {
			panic("poisoned")
		}
	})
	first := s.cast(informer.HandlerOptions{}, panics)
	s.put("a", "b", "c")
	s.start()
	late := s.cast(informer.HandlerOptions{}, panics)
	time.Sleep(2 * time.Second)
	synctest.Wait()
	for _, a := range []*actor{first, late} {
		assert.True(s, a.reg.HasSynced())
		stats := a.account()
		assert.EqualValues(s, 1, stats.Panicked)
		assert.EqualValues(s, 2, stats.Handled)
	}
}

func discardedAddSyncs(s *stage) {
	gate := make(chan struct{})
	stuck := s.cast(informer.HandlerOptions{}, blocked(gate))
	stuck.left = true
	s.put("a", "b", "c")
	s.start()
	s.informer.RemoveHandler(stuck.reg)
	close(gate)
	synctest.Wait()
	assert.True(s, stuck.reg.HasSynced(), "all initial adds are accounted for")
	assert.Equal(s, 2, gone(stuck.account()))
}

func syncedForEver(s *stage) {
	a := s.cast(informer.HandlerOptions{})
	s.put("a")
	s.start()
	s.server.NextLists(3, source.Fault{Delay: time.Minute})
	s.server.NextWatches(3, source.Fault{Delay: time.Minute})
	s.relist()
	for range 10 {
		time.Sleep(30 * time.Second)
		synctest.Wait()
		assert.True(s, s.informer.HasSynced())
		assert.True(s, a.reg.HasSynced())
	}
	s.stop()
	assert.True(s, s.informer.HasSynced())
	assert.True(s, a.reg.HasSynced())
}

func waitForSync(s *stage) {
	s.server.HoldBookmarks(true)
	a := s.cast(informer.HandlerOptions{})
	s.start()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	begun := time.Now()
	assert.False(s, informer.WaitForSync(ctx, s.informer, a.reg))
	assert.Equal(s, time.Second, time.Since(begun))
	go func() {
		time.Sleep(time.Second)
		s.server.HoldBookmarks(false)
	}()
	assert.True(s, informer.WaitForSync(context.Background(), s.informer, a.reg))
	assert.Equal(s, 2*time.Second, time.Since(begun), "it does not poll")
	assert.True(s, informer.WaitForSync(ctx, s.informer, a.reg), "what has synced has, whatever the context")
	assert.True(s, informer.WaitForSync(ctx), "nothing to wait for")
}
