package variants_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/core/informer"
	"informerlab/core/processor"
	"informerlab/core/processor/processortest"
	"informerlab/core/source"
	"informerlab/variants"
)

// TestInPlace drives every contestant in its place in the pipeline with random
// changes and a handler that falls behind and catches up. Whatever is lost or
// merged, the handler is told only what fits to what it was told before, ends at
// the cache's state, has synced, and is accounted for.
func TestInPlace(t *testing.T) {
	for _, v := range variants.All[event.Notification]() {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s/seed=%d", v.Name, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { inPlace(t, v, seed) })
			})
		}
	}
}

func inPlace(t *testing.T, v variants.Variant[event.Notification], seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	fanout, _, err := variants.Fanout(v.Name)
	require.NoError(t, err)
	c := processortest.NewCluster(500, processor.Options{Fanout: fanout})
	join := func() (*processortest.View, *processor.Listener) {
		view, pace := processortest.NewView(c), rand.New(rand.NewPCG(seed, 1))
		view.During = func(int) { time.Sleep(time.Duration(pace.IntN(3)) * time.Millisecond) }
		l, err := c.Join(view)
		require.NoError(t, err)
		return view, l
	}
	early, first := join()
	c.Processor.Start(t.Context())
	c.Change(true, c.Random(rng, 2000)...) // overflows at once, where there is a bound
	c.Processor.UpstreamSynced()
	late, second := join()
	for range 40 {
		c.Change(false, c.Random(rng, rng.IntN(400))...)
		time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
	}
	time.Sleep(time.Hour)
	synctest.Wait()
	for view, l := range map[*processortest.View]*processor.Listener{early: first, late: second} {
		assert.NoError(t, c.Err(view))
		assert.True(t, l.HasSynced())
		s := l.Stats()
		assert.NoError(t, s.Check())
		assert.Zero(t, s.Pending+s.InHand+s.Gaps)
		switch {
		case v.Traits.Loss == buffer.Lossless:
			assert.Zero(t, s.Lost()+s.Healed)
		case v.Traits.Loss == buffer.Coalesces:
			assert.NotZero(t, s.Discarded[buffer.Superseded])
		case !v.Traits.Blocks: // what blocks for a while need not lose
			assert.NotZero(t, s.Discarded[buffer.Overflow])
			assert.NotZero(t, s.Healed)
		}
	}
	c.Processor.Stop()
}

// inHand is how many notifications a listener takes and how many keys it heals
// at once, at most (batchSize and healBatch of package processor).
const inHand = 128

// TestStoppedHandler stops a handler through millions of changes, lets it go on
// under an overload that lasts, and holds the buffer to its bound and the
// listener to the number of calls within which it promises to tell what was lost.
func TestStoppedHandler(t *testing.T) {
	objects, changes := 10_000, 5_000_000
	if testing.Short() {
		objects, changes = 300, 20_000
	}
	for _, name := range []string{"bounded:drop-newest", "bounded:drop-oldest"} {
		for capacity, changes := range map[int]int{1: changes / 10, 1000: changes} {
			t.Run(fmt.Sprintf("%s,cap=%d", name, capacity), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { stoppedHandler(t, name, capacity, objects, changes) })
			})
		}
	}
}

func stoppedHandler(t *testing.T, name string, capacity, objects, changes int) {
	v, err := variants.Find[event.Notification](fmt.Sprintf("%s,cap=%d", name, capacity))
	require.NoError(t, err)
	var view *processortest.View
	var l *processor.Listener
	bounded := func() {
		if n := l.Stats().Pending; n > uint64(capacity) {
			t.Errorf("%d are pending", n)
		}
	}
	within := func() int {
		bounded()
		return 1 + inHand + capacity + inHand + int(l.Stats().Gaps)
	}
	c := processortest.NewCluster(objects, processor.Options{
		Fanout: processor.PerListener(func(p buffer.Params[event.Notification]) buffer.Buffer[event.Notification] {
			p.Discard = view.Owe(p.Discard, within)
			return v.New(p)
		}),
	})
	view = processortest.NewView(c)
	goOn := make(chan struct{})
	view.During = func(calls int) {
		bounded()
		if calls == 1 {
			<-goOn
		}
		time.Sleep(time.Millisecond)
	}
	l, err = c.Join(view)
	require.NoError(t, err)
	c.Processor.Start(t.Context())
	rng := rand.New(rand.NewPCG(1, 0))
	c.Change(false, c.Random(rng, 250)...)
	synctest.Wait()
	require.Equal(t, 1, view.Calls())
	for range changes/250 - 1 {
		c.Change(false, c.Random(rng, 250)...)
		bounded()
	}
	assert.Equal(t, 1, view.Calls())
	assert.LessOrEqual(t, l.Stats().Gaps, uint64(objects))

	close(goOn)
	for range changes / 250 / 10 { // four times as much as it can do
		c.Change(false, c.Random(rng, 250)...)
		time.Sleep(62 * time.Millisecond)
	}
	time.Sleep(time.Hour)
	synctest.Wait()
	assert.NoError(t, c.Err(view))
	assert.Zero(t, view.Owed())
	assert.NotZero(t, view.Gaps())
	assert.NotZero(t, l.Stats().Healed)
	assert.NoError(t, l.Stats().Check())
	c.Processor.Stop()
}

// TestBlockedPush: while a push is blocked by a handler that is stuck, nothing
// that a user does to the informer takes long.
func TestBlockedPush(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, procs := range []int{1, 2, 4} {
		for _, name := range []string{"bounded:block,cap=2", "bounded:block-timeout,cap=2,timeout=50ms"} {
			t.Run(fmt.Sprintf("%s/procs=%d", name, procs), func(t *testing.T) {
				runtime.GOMAXPROCS(procs)
				blockedPush(t, name)
				blockedRound(t, name)
			})
		}
	}
}

// soon runs f and fails if it takes more than a minute, as what waits for the other
// does for ever.
func soon(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Errorf("%s: not done after a minute", what)
	}
}

func blockedPush(t *testing.T, name string) {
	fanout, _, err := variants.Fanout(name)
	require.NoError(t, err)
	server := source.NewServer(source.ServerOptions{})
	for k := range 50 {
		_, err := server.Create(&source.Item{Namespace: "n", Name: fmt.Sprint(k)})
		require.NoError(t, err)
	}
	i := informer.New(server, informer.Options{Fanout: fanout, Resync: time.Second})
	add := func(f informer.Funcs) (r *informer.Registration) {
		soon(t, "adding a handler", func() { r, err = i.AddHandler(f, informer.HandlerOptions{}) })
		require.NoError(t, err)
		return r
	}
	stuck, goOn := make(chan struct{}), make(chan struct{})
	calls := 0
	var blocker *informer.Registration
	other := add(informer.Funcs{})
	blocker = add(informer.Funcs{Add: func(event.Object) {
		if calls++; calls == 1 {
			close(stuck)
			<-goOn
			soon(t, "removal from inside", func() { i.RemoveHandler(blocker) })
		}
	}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = i.Run(ctx) }()
	<-stuck
	if strings.HasPrefix(name, "bounded:block,") {
		require.Eventually(t, func() bool { return blocker.Stats().Pending == 2 }, time.Minute, time.Millisecond)
	}
	late := add(informer.Funcs{})
	soon(t, "removing another handler", func() { i.RemoveHandler(other) })
	close(goOn)
	select {
	case <-late.Synced():
	case <-time.After(time.Minute):
		t.Error("the late handler has not synced")
	}
	soon(t, "stop", func() { cancel(); <-done })
	require.NoError(t, blocker.Stats().Check())
	require.NoError(t, late.Stats().Check())
	assert.LessOrEqual(t, calls, 1, "calls after the removal")
}

// blockedRound begins a resync round while a push is blocked.
func blockedRound(t *testing.T, name string) {
	fanout, _, err := variants.Fanout(name)
	require.NoError(t, err)
	c := processortest.NewCluster(100, processor.Options{Fanout: fanout, CheckPeriod: time.Second})
	stuck, goOn := make(chan struct{}), make(chan struct{})
	view := processortest.NewView(c)
	view.During = func(calls int) {
		if calls == 1 {
			close(stuck)
			<-goOn
		}
	}
	l, err := c.Join(view)
	require.NoError(t, err)
	c.Processor.Start(t.Context())
	published := make(chan struct{})
	go func() {
		defer close(published)
		c.Change(false, c.Random(rand.New(rand.NewPCG(1, 0)), 90)...)
	}()
	<-stuck
	soon(t, "a resync check", func() { assert.False(t, c.Processor.ShouldResync(), "nobody is due") })
	close(goOn)
	<-published
	c.Change(false, processortest.Change{Object: 1, Verb: processortest.Write})
	c.Change(false, processortest.Change{Object: 1, Verb: processortest.Sync})
	require.Eventually(t, func() bool {
		s := l.Stats()
		return s.Pending+s.InHand+s.Gaps == 0
	}, time.Minute, time.Millisecond)
	soon(t, "stop", c.Processor.Stop)
	assert.NoError(t, c.Err(view))
}
