package informer_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/atomic"

	"informerlab/core/event"
	"informerlab/core/informer"
	"informerlab/core/processor"
	"informerlab/core/source"
)

// An inline is an Inline informer on stage.
type inline struct {
	*testing.T
	server   *source.Server
	informer *informer.Inline
	stop     func()
	mu       sync.Mutex
	noted
	during func(call string)
}

func (i *inline) note() {
	i.mu.Lock()
	call := i.calls[len(i.calls)-1]
	i.mu.Unlock()
	if i.during != nil {
		i.during(call)
	}
}

func (i *inline) OnAdd(o event.Object, initial bool) {
	i.mu.Lock()
	i.noted.OnAdd(o, initial)
	i.mu.Unlock()
	i.note()
}

func (i *inline) OnUpdate(old, new event.Object) {
	i.mu.Lock()
	i.noted.OnUpdate(old, new)
	i.mu.Unlock()
	i.note()
}

func (i *inline) OnDelete(o event.Object, unknown bool) {
	i.mu.Lock()
	i.noted.OnDelete(o, unknown)
	i.mu.Unlock()
	i.note()
}

func (i *inline) take() []string {
	synctest.Wait()
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.noted.take()
}

func (i *inline) put(name string) {
	s := &stage{T: i.T, server: i.server}
	s.put(name)
}

func (i *inline) start(o informer.Options) {
	o.Logger, o.Rand = slog.New(slog.DiscardHandler), func() float64 { return 0 }
	i.informer = informer.NewInline(i.server, i, o)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(i, i.informer.Run(ctx)) })
	i.stop = func() {
		cancel()
		running.Wait()
	}
}

// eachInline plays a story with each queue.
func eachInline(t *testing.T, tell func(i *inline, q informer.QueueKind)) {
	for name, q := range map[string]informer.QueueKind{"in-order": informer.InOrder, "per-key": informer.PerKey} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := &inline{T: t, server: source.NewServer(source.ServerOptions{})}
				tell(i, q)
				i.stop()
			})
		})
	}
}

func TestInlineTellsItsHandler(t *testing.T) {
	eachInline(t, func(i *inline, q informer.QueueKind) {
		i.put("a")
		i.start(informer.Options{Queue: q, Resync: time.Minute})
		assert.True(i, informer.WaitForSync(context.Background(), i.informer))
		assert.True(i, i.informer.HasSynced())
		assert.Equal(i, []string{"add n/a ->2 initial"}, i.take())
		i.put("a")
		i.put("b")
		assert.Equal(i, []string{"update n/a 2>3", "add n/b ->4"}, i.take())
		_, err := i.server.Delete(event.Key{Namespace: "n", Name: "a"})
		require.NoError(i, err)
		assert.Equal(i, []string{"delete n/a 5>-"}, i.take())
		assert.Equal(i, 1, i.informer.Indexer().Len())
		time.Sleep(time.Minute)
		assert.Equal(i, []string{"update n/b 4>4"}, i.take(), "every resync reaches it")
		assert.ErrorIs(i, i.informer.Run(context.Background()), informer.ErrStarted)
	})
}

// What client-go's non-shared informers are known for (kubernetes#103789): the
// handler holds up the queue, and the queue the watch.
func TestInlineHandlerHoldsUpTheQueue(t *testing.T) {
	eachInline(t, func(i *inline, q informer.QueueKind) {
		synced := false
		i.put("a")
		i.put("b")
		i.during = func(call string) {
			synced = synced || i.informer.HasSynced()
			time.Sleep(time.Second)
		}
		i.start(informer.Options{Queue: q})
		begun := time.Now()
		assert.True(i, informer.WaitForSync(context.Background(), i.informer))
		assert.Equal(i, 2*time.Second, time.Since(begun), "one call after the other, and sync after the last")
		assert.False(i, synced)
		i.take()
	})
}

// A call that panics pauses what comes after its batch, and nothing is told twice.
func TestInlinePanics(t *testing.T) {
	eachInline(t, func(i *inline, q informer.QueueKind) {
		var reported []error
		i.during = func(call string) {
			if call == "add n/a ->2" {
				panic(errors.New("poisoned"))
			}
		}
		i.start(informer.Options{
			Queue: q, Panic: processor.SkipAndHold,
			OnProcessError: func(err error) { reported = append(reported, err) },
		})
		synctest.Wait()
		i.put("a")
		assert.Equal(i, []string{"add n/a ->2"}, i.take())
		require.Len(i, reported, 1)
		assert.ErrorContains(i, reported[0], "poisoned")
		i.put("b")
		assert.Empty(i, i.take(), "the loop pauses for a second")
		time.Sleep(time.Second)
		assert.Equal(i, []string{"add n/b ->3"}, i.take())
	})
}

// A countingSource counts the events that are read from its watches.
type countingSource struct {
	*source.Server
	read atomic.Int64
}

type countingWatch struct {
	source.Watch
	read *atomic.Int64
}

func (c *countingSource) Watch(ctx context.Context, o source.WatchOptions) (source.Watch, error) {
	w, err := c.Server.Watch(ctx, o)
	return countingWatch{w, &c.read}, err
}

func (w countingWatch) Next(dst []source.Event) int {
	n := w.Watch.Next(dst)
	w.read.Add(int64(n))
	return n
}

// Without a buffer between them the handler holds up the watch: the per-key queue
// is locked while it processes, and the other one from the next batch on once
// 2,000 deltas are queued. This cannot be told in a bubble: a goroutine that
// waits for a mutex keeps its clock from running.
func TestInlineHandlerHoldsUpTheWatch(t *testing.T) {
	const events = 10_000
	for name, q := range map[string]informer.QueueKind{"in-order": informer.InOrder, "per-key": informer.PerKey} {
		t.Run(name, func(t *testing.T) {
			src := &countingSource{Server: source.NewServer(source.ServerOptions{})}
			s := &stage{T: t, server: src.Server}
			s.put("a")
			calls, handled := make(chan struct{}), atomic.NewInt64(0)
			i := informer.NewInline(src, informer.Funcs{Update: func(_, _ event.Object) {
				<-calls
				handled.Inc()
			}}, informer.Options{Queue: q, Logger: slog.New(slog.DiscardHandler)})
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { assert.NoError(t, i.Run(ctx)) })
			assert.True(t, informer.WaitForSync(ctx, i))
			s.put("a")
			src.quiet() // the first update is a batch of its own
			for range events/2 - 1 {
				s.put("a")
			}
			src.quiet()
			calls <- struct{}{}
			for handled.Load() == 0 {
				time.Sleep(time.Millisecond)
			}
			for range events / 2 {
				s.put("a")
			}
			assert.Less(t, src.quiet(), int64(events*3/4), "the watch goes on although nobody handles anything")
			close(calls)
			assert.Eventually(t, func() bool { return handled.Load() == events }, time.Minute, time.Millisecond)
			cancel()
			running.Wait()
		})
	}
}

// quiet waits until nothing has been read for a while and returns how many
// events have.
func (c *countingSource) quiet() int64 {
	last, since := int64(-1), 0
	for since < 10 {
		time.Sleep(5 * time.Millisecond)
		if now := c.read.Load(); now == last {
			since++
		} else {
			last, since = now, 0
		}
	}
	return last
}
