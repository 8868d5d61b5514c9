package informer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/core/indexer"
	"informerlab/core/informer"
	"informerlab/core/processor"
	"informerlab/core/source"
)

// oneSlot is a buffer that holds one notification and blocks the publisher: the
// worst that a declared contract allows.
type oneSlot struct {
	p     buffer.Params[event.Notification]
	mu    sync.Mutex
	moved sync.Cond
	item  []event.Notification // at most one
	shut  bool
}

var silent = slog.New(slog.DiscardHandler)

func newOneSlot(p buffer.Params[event.Notification]) buffer.Buffer[event.Notification] {
	b := &oneSlot{p: p}
	b.moved.L = &b.mu
	return b
}

func (b *oneSlot) Push(items []event.Notification) {
	for _, n := range items {
		b.mu.Lock()
		for len(b.item) > 0 && !b.shut {
			b.moved.Wait()
		}
		shut := b.shut
		if !shut {
			b.item = append(b.item, n)
			b.moved.Broadcast()
		}
		b.mu.Unlock()
		if shut {
			b.p.Discard(n, buffer.Closed)
		}
	}
}

func (b *oneSlot) Pop(dst []event.Notification) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.item) == 0 && !b.shut {
		b.moved.Wait()
	}
	n := copy(dst, b.item)
	b.item = b.item[:0]
	b.moved.Broadcast()
	return n
}

func (b *oneSlot) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shut = true
	b.moved.Broadcast()
}

func (b *oneSlot) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.item)
}

func serverWith(objects int) *source.Server {
	server := source.NewServer(source.ServerOptions{})
	for k := range objects {
		if _, err := server.Create(&source.Item{Namespace: "n", Name: fmt.Sprint(k)}); err != nil {
			panic(err)
		}
	}
	return server
}

func newBlocking(o informer.Options, objects int) *informer.Informer {
	o.Fanout, o.Logger = processor.PerListener(newOneSlot), silent
	return informer.New(serverWith(objects), o)
}

func start(i *informer.Informer) (stop context.CancelFunc, done chan struct{}) {
	ctx, stop := context.WithCancel(context.Background())
	done = make(chan struct{})
	go func() {
		defer close(done)
		_ = i.Run(ctx)
	}()
	return stop, done
}

func TestRunEndsAlthoughAPublisherIsBlocked(t *testing.T) {
	for _, onStop := range []processor.OnStop{processor.Abandon, processor.Drain} {
		synctest.Test(t, func(t *testing.T) {
			i := newBlocking(informer.Options{OnStop: onStop, Panic: processor.StopDelivery}, 5)
			r, err := i.AddHandler(informer.Funcs{Add: func(event.Object) { panic("x") }}, informer.HandlerOptions{})
			require.NoError(t, err)
			stop, done := start(i)
			synctest.Wait()
			stop()
			<-done
			require.NoError(t, r.Stats().Check())
		})
	}
}

// TestNobodyWaitsForABlockedPublisher: joins and removals return while a push
// is blocked, also from inside the handler that blocks it, and take effect when
// it goes on.
func TestNobodyWaitsForABlockedPublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newBlocking(informer.Options{Resync: time.Second}, 5)
		goOn := make(chan struct{})
		var stuck, other, inner, outer *informer.Registration
		add := func(f informer.Funcs) *informer.Registration {
			began := time.Now()
			r, err := i.AddHandler(f, informer.HandlerOptions{})
			require.NoError(t, err)
			assert.Zero(t, time.Since(began))
			return r
		}
		other = add(informer.Funcs{})
		stuck = add(informer.Funcs{Add: func(event.Object) {
			<-goOn
			if inner == nil {
				inner = add(informer.Funcs{})
				i.RemoveHandler(stuck)
			}
		}})
		stop, done := start(i)
		time.Sleep(time.Minute) // resync checks come and go meanwhile
		assert.EqualValues(t, 1, stuck.Stats().InHand)
		outer = add(informer.Funcs{})
		i.RemoveHandler(other)
		assert.Zero(t, outer.Stats().Replayed, "not before the publisher gets on")
		close(goOn)
		synctest.Wait()
		<-inner.Synced()
		<-outer.Synced()
		time.Sleep(time.Minute + time.Second/2) // between two resyncs
		synctest.Wait()
		for _, r := range []*informer.Registration{inner, outer} {
			s := r.Stats()
			assert.EqualValues(t, 5, s.Replayed)
			assert.Greater(t, s.Routed, uint64(100), "resyncs")
			assert.NoError(t, s.Check())
		}
		stop()
		<-done
	})
}

func TestRunEndsAlthoughAReplayIsBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newBlocking(informer.Options{Panic: processor.StopDelivery}, 5)
		stop, done := start(i)
		<-i.Synced()
		go func() {
			_, _ = i.AddHandler(informer.Funcs{Add: func(event.Object) { panic("x") }}, informer.HandlerOptions{})
		}()
		synctest.Wait()
		stop()
		<-done
	})
}

func TestAbandonMakesNoMoreCallsAlthoughAPublisherIsBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		i := newBlocking(informer.Options{}, 200)
		_, err := i.AddHandler(informer.Funcs{Add: func(event.Object) {
			calls++
			time.Sleep(time.Minute)
		}}, informer.HandlerOptions{})
		require.NoError(t, err)
		stop, done := start(i)
		time.Sleep(90 * time.Second)
		stop()
		began := time.Now()
		<-done
		assert.LessOrEqual(t, calls, 3, "stopped during the second call")
		assert.LessOrEqual(t, time.Since(began), 2*time.Minute)
	})
}

func TestABlockedReplayDoesNotLockTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newBlocking(informer.Options{}, 600)
		stop, done := start(i)
		<-i.Synced()
		var once sync.Once
		_, err := i.AddHandler(informer.Funcs{Add: func(event.Object) {
			once.Do(func() {
				go func() {
					_ = i.Indexer().AddIndexers(map[string]indexer.IndexFunc{"x": indexer.ByNamespace})
				}()
				time.Sleep(time.Second) // until it waits for the lock, if anything holds it
			})
			i.Indexer().Len()
		}}, informer.HandlerOptions{})
		require.NoError(t, err)
		stop()
		<-done
	})
}

func TestNoHandlerJoinsOnceTheContextHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		i := informer.New(serverWith(1), informer.Options{Logger: silent})
		_, err := i.AddHandler(informer.Funcs{Add: func(event.Object) { <-hold }}, informer.HandlerOptions{})
		require.NoError(t, err)
		stop, done := start(i)
		synctest.Wait()
		stop()
		synctest.Wait()
		require.True(t, i.Stopped())
		_, err = i.AddHandler(informer.Funcs{}, informer.HandlerOptions{})
		assert.ErrorIs(t, err, processor.ErrStopped)
		close(hold)
		<-done
	})
}

func TestAFailingIndexLeavesCacheAndIndexInStep(t *testing.T) {
	x := indexer.New(map[string]indexer.IndexFunc{
		"version": func(o event.Object, dst []string) ([]string, error) {
			if o.GetResourceVersion() == "2" {
				return nil, errors.New("no value")
			}
			return append(dst, o.GetResourceVersion()), nil
		}})
	a1 := &source.Item{Namespace: "n", Name: "a", ResourceVersion: "1"}
	a2 := &source.Item{Namespace: "n", Name: "a", ResourceVersion: "2"}
	b1 := &source.Item{Namespace: "n", Name: "b", ResourceVersion: "1"}
	x.Add(a1)
	x.Apply([]indexer.Change{{Object: b1}, {Object: a2}})
	got, err := x.ByIndex("version", "1")
	require.NoError(t, err)
	assert.ElementsMatch(t, []event.Object{a1, b1}, got)
	assert.ElementsMatch(t, []event.Object{a1, b1}, x.List())
}
