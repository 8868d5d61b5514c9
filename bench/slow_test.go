package bench_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/informer"
	"informerlab/loadgen"
	"informerlab/variants"
)

// TestSlowHandler plays the pods of the recorded cluster to a handler that takes
// 10 ms a call. A coalescing buffer keeps it near the present, where a FIFO lets
// it fall minutes behind; both end at the cache's state.
func TestSlowHandler(t *testing.T) {
	reference, coalescing := playSlowly(t, "reference"), playSlowly(t, "coalescing")
	t.Logf("reference  %+v", reference)
	t.Logf("coalescing %+v", coalescing)
	assert.Greater(t, reference.pending, 15_000)
	assert.Greater(t, reference.age, 150*time.Second)
	assert.Less(t, coalescing.pending, 900)
	assert.Less(t, coalescing.age, 10*time.Second)
	assert.Less(t, coalescing.calls, reference.calls)
}

// A lag is how far a handler was behind at worst, by a look every 100 ms.
type lag struct {
	pending int           // notifications in the buffer
	age     time.Duration // of the oldest of them
	calls   int
}

func playSlowly(t *testing.T, buffer string) (worst lag) {
	w, err := loadgen.ParseWorkload("replay:speed=1")
	require.NoError(t, err)
	loads, err := w.Loads()
	require.NoError(t, err)
	fanout, _, err := variants.Fanout(buffer)
	require.NoError(t, err)
	load := loads[slices.IndexFunc(loads, func(l *loadgen.Load) bool { return l.Resource == "pods" })]
	synctest.Test(t, func(t *testing.T) {
		pods := loadgen.NewSource(load)
		i := informer.New(pods, informer.Options{Fanout: fanout})
		view := map[event.Key]event.Object{}
		call := func() {
			worst.calls++
			time.Sleep(10 * time.Millisecond)
		}
		handler, err := i.AddHandler(informer.Funcs{
			Add:    func(o event.Object) { view[event.KeyOf(o)] = o; call() },
			Update: func(_, o event.Object) { view[event.KeyOf(o)] = o; call() },
			Delete: func(o event.Object) { delete(view, event.KeyOf(o)); call() },
		}, informer.HandlerOptions{})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- i.Run(ctx) }()
		pods.Release(time.Now())
		sampler := i.NewSampler()
		for played := false; ; time.Sleep(100 * time.Millisecond) {
			b := sampler.Sample(time.Now())[0]
			worst.age = max(worst.age, b.Age)
			worst.pending = max(worst.pending, int(b.Pending))
			if played && b.Pending+b.InHand == 0 {
				break
			}
			_, played = i.Indexer().Get(loadgen.End)
		}
		cache := map[event.Key]event.Object{}
		for _, o := range i.Indexer().List() {
			cache[event.KeyOf(o)] = o
		}
		assert.True(t, maps.Equal(cache, view), "the handler's view is the cache's")
		assert.NoError(t, handler.Stats().Check())
		stop()
		require.NoError(t, <-ended)
	})
	return worst
}
