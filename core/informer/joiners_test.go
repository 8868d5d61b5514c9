package informer_test

import (
	"context"
	"flag"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/atomic"

	"informerlab/core/informer"
	"informerlab/core/source"
)

var joinersOnTime = flag.Bool("joiners", false, "hold TestJoinersDoNotHoldUpTheInformer to times, on a quiet machine")

// TestJoinersDoNotHoldUpTheInformer lets goroutines add and remove handlers all the
// time while an informer starts, lists and stops. It syncs, goes on, stops, and
// refuses handlers then. With -joiners the times are checked too: scripts/joiners.
func TestJoinersDoNotHoldUpTheInformer(t *testing.T) {
	for _, workers := range []int{1, 4, 100} {
		calm := joining(t, 0)
		j := joining(t, workers)
		t.Logf("%d workers: listed in %v (%v without any), %d adds, p99 %v, ended %v after the cancellation",
			workers, j.listed, calm.listed, j.adds, j.p99, j.ended)
		if *joinersOnTime {
			assert.Less(t, j.listed-calm.listed, 100*time.Millisecond)
			assert.Less(t, j.p99, 100*time.Millisecond)
			assert.Less(t, j.ended, time.Second)
		}
	}
}

type joined struct {
	adds               int64
	p99, listed, ended time.Duration
}

// joining runs an informer until it has synced and handlers have joined it for a
// while, and cancels it.
func joining(t *testing.T, workers int) (j joined) {
	i := informer.New(serverWith(1000), informer.Options{Logger: silent})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	var adds atomic.Int64
	var mu sync.Mutex
	var latencies []time.Duration
	for range workers {
		wg.Go(func() {
			var own []time.Duration
			for {
				before := time.Now()
				r, err := i.AddHandler(informer.Funcs{}, informer.HandlerOptions{})
				own = append(own, time.Since(before))
				if err != nil {
					break // after the end
				}
				adds.Inc()
				i.RemoveHandler(r)
			}
			mu.Lock()
			latencies = append(latencies, own...)
			mu.Unlock()
		})
	}
	began := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- i.Run(ctx) }()
	<-i.Synced()
	j.listed = time.Since(began)
	for enough := adds.Load() + int64(20*workers); adds.Load() < enough; {
		time.Sleep(time.Millisecond)
	}
	cancel()
	cancelled := time.Now()
	require.NoError(t, <-ended)
	wg.Wait()
	j.ended, j.adds = time.Since(cancelled), adds.Load()
	if len(latencies) > 0 {
		slices.Sort(latencies)
		j.p99 = latencies[len(latencies)*99/100]
	}
	return j
}

// TestAHandlerMayJoinACancelledInformer: a context that has ended before Run, or
// that ends while it starts, ends Run, whoever joins.
func TestAHandlerMayJoinACancelledInformer(t *testing.T) {
	i := informer.New(source.NewServer(source.ServerOptions{}), informer.Options{Logger: silent})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		_, err := i.AddHandler(informer.Funcs{}, informer.HandlerOptions{})
		require.NoError(t, err)
	}
	require.NoError(t, i.Run(ctx))
	_, err := i.AddHandler(informer.Funcs{}, informer.HandlerOptions{})
	assert.Error(t, err)
}
