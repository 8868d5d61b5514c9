package controller

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/queue"
)

// queues are the two kinds; known is what the delta FIFO asks for.
var queues = []struct {
	name string
	make func(known queue.Store, requeue bool) queue.Queue
}{
	{"in-order", func(_ queue.Store, requeue bool) queue.Queue {
		return queue.NewFIFO(queue.FIFOOptions{Requeue: requeue})
	}},
	{"per-key", func(known queue.Store, requeue bool) queue.Queue {
		return queue.NewDeltaFIFO(queue.DeltaFIFOOptions{Known: known, Requeue: requeue})
	}},
}

// eachQueue runs a test in a bubble with each kind of queue.
func eachQueue(t *testing.T, requeue bool, test func(t *testing.T, q queue.Queue, b *bench)) {
	for _, kind := range queues {
		t.Run(kind.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				test(t, kind.make(b.cache, requeue), b)
			})
		})
	}
}

// idle is a Feed that does nothing: the test fills the queue.
func idle(ctx context.Context) { <-ctx.Done() }

// start runs a controller and returns what stops it and waits for its end.
func start(c Config) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	if c.Feed == nil {
		c.Feed = idle
	}
	var running sync.WaitGroup
	running.Go(func() { New(c).Run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

func TestWhatIsQueuedReachesTheCache(t *testing.T) {
	eachQueue(t, false, func(t *testing.T, q queue.Queue, b *bench) {
		defer start(Config{Queue: q, Process: b.Process})()
		require.NoError(t, q.Replace(objs("a@1", "b@2"), "2"))
		synctest.Wait()
		assert.Equal(t, []string{"add n/a ->1 initial", "add n/b ->2 initial"}, b.take())
		assert.True(t, q.HasSynced())
		require.NoError(t, q.Add([]queue.Delta{delta(queue.Updated, "a@3"), delta(queue.Deleted, "b@4")}))
		synctest.Wait()
		assert.Equal(t, []string{"update n/a 1>3", "delete n/b 4>-"}, b.take())
		assert.Equal(t, 1, b.cache.Len())
	})
}

// The loop pops again as soon as it is done: the second in client-go's
// wait.Until is for a loop that has returned, not a pace.
func TestTheLoopDoesNotWaitBetweenItems(t *testing.T) {
	eachQueue(t, false, func(t *testing.T, q queue.Queue, b *bench) {
		begun := time.Now()
		defer start(Config{Queue: q, Process: b.Process})()
		for range 50 {
			require.NoError(t, q.Add([]queue.Delta{delta(queue.Updated, "a@1")}))
			synctest.Wait()
		}
		assert.Len(t, b.take(), 50)
		assert.Zero(t, time.Since(begun))
	})
}

func TestErrorsOfProcessAreReportedAndNotRetried(t *testing.T) {
	eachQueue(t, false, func(t *testing.T, q queue.Queue, b *bench) {
		broken := errors.New("broken")
		var reported []error
		calls := 0
		defer start(Config{
			Queue: q,
			Process: func(deltas []queue.Delta, initial bool) error {
				if calls++; calls == 1 {
					return broken
				}
				return b.Process(deltas, initial)
			},
			OnError: func(err error) { reported = append(reported, err) },
		})()
		require.NoError(t, q.Add([]queue.Delta{delta(queue.Added, "a@1")}))
		synctest.Wait()
		require.NoError(t, q.Add([]queue.Delta{delta(queue.Added, "b@2")}))
		synctest.Wait()
		assert.Equal(t, []error{broken}, reported)
		assert.Equal(t, []string{"add n/b ->2"}, b.take())
	})
}

func TestErrorsNobodyHearsOfAreLogged(t *testing.T) {
	eachQueue(t, false, func(t *testing.T, q queue.Queue, _ *bench) {
		var log bytes.Buffer
		stop := start(Config{
			Queue:   q,
			Process: func([]queue.Delta, bool) error { return errors.New("broken") },
			Logger:  slog.New(slog.NewTextHandler(&log, nil)),
		})
		require.NoError(t, q.Add([]queue.Delta{delta(queue.Added, "a@1")}))
		synctest.Wait()
		stop()
		assert.Contains(t, log.String(), "broken")
	})
}

func TestRequeuedDeltasComeBackUnlessSomethingNewerIsQueued(t *testing.T) {
	eachQueue(t, true, func(t *testing.T, q queue.Queue, b *bench) {
		failures := 2
		var reported []error
		defer start(Config{
			Queue: q,
			Process: func(deltas []queue.Delta, initial bool) error {
				if deltas[0].Object.GetName() == "a" && failures > 0 {
					failures--
					return errors.New("not yet")
				}
				return b.Process(deltas, initial)
			},
			OnError: func(err error) { reported = append(reported, err) },
		})()
		require.NoError(t, q.Add([]queue.Delta{delta(queue.Added, "a@1")}))
		synctest.Wait()
		assert.Len(t, reported, 2)
		assert.Equal(t, []string{"add n/a ->1"}, b.take())
		assert.Equal(t, 1, b.cache.Len())
	})
}

func TestARequeuedInitialListIsNotSyncedBeforeItIsProcessed(t *testing.T) {
	eachQueue(t, true, func(t *testing.T, q queue.Queue, b *bench) {
		failures := 1
		defer start(Config{
			Queue: q,
			Process: func(deltas []queue.Delta, initial bool) error {
				assert.False(t, q.HasSynced(), "synced before the list has been processed")
				if failures > 0 {
					failures--
					return errors.New("not yet")
				}
				return b.Process(deltas, initial)
			},
			OnError: func(error) {},
		})()
		require.NoError(t, q.Replace(objs("a@1"), "1"))
		synctest.Wait()
		assert.True(t, q.HasSynced())
		assert.Equal(t, []string{"add n/a ->1 initial"}, b.take())
	})
}

func TestARecoveredPanicPausesTheLoopForASecond(t *testing.T) {
	eachQueue(t, false, func(t *testing.T, q queue.Queue, b *bench) {
		var reported []error
		var times []time.Duration
		begun := time.Now()
		defer start(Config{
			Queue: q,
			Process: func(deltas []queue.Delta, initial bool) error {
				times = append(times, time.Since(begun))
				if deltas[0].Object.GetName() == "poison" {
					panic("poisoned")
				}
				return b.Process(deltas, initial)
			},
			OnError: func(err error) { reported = append(reported, err) },
			Recover: true,
		})()
		require.NoError(t, q.Add([]queue.Delta{delta(queue.Added, "poison@1")}))
		synctest.Wait()
		require.NoError(t, q.Add([]queue.Delta{delta(queue.Added, "a@2")}))
		time.Sleep(RestartDelay - 1)
		synctest.Wait()
		assert.Empty(t, b.take(), "a second has not passed")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		assert.Equal(t, []string{"add n/a ->2"}, b.take())
		assert.Equal(t, []time.Duration{0, RestartDelay}, times)
		require.Len(t, reported, 1)
		assert.ErrorContains(t, reported[0], "controller: process panicked: poisoned")
	})
}

// The pause after a panic must not delay a stop.
func TestStopEndsThePauseAfterAPanic(t *testing.T) {
	eachQueue(t, false, func(t *testing.T, q queue.Queue, _ *bench) {
		begun := time.Now()
		stop := start(Config{
			Queue:   q,
			Process: func([]queue.Delta, bool) error { panic("poisoned") },
			OnError: func(error) {},
			Recover: true,
		})
		require.NoError(t, q.Add([]queue.Delta{delta(queue.Added, "a@1")}))
		synctest.Wait()
		stop()
		assert.Zero(t, time.Since(begun))
	})
}

func TestStopAbandonsTheQueueAndWaitsForTheRunningCall(t *testing.T) {
	eachQueue(t, false, func(t *testing.T, q queue.Queue, b *bench) {
		ctx, cancel := context.WithCancel(t.Context())
		processed := 0
		require.NoError(t, q.Replace(objs("a@1"), "1"))
		require.NoError(t, q.Add([]queue.Delta{delta(queue.Added, "b@2")}))
		New(Config{Queue: q, Feed: idle, Process: func([]queue.Delta, bool) error {
			cancel()
			for range 100 {
				runtime.Gosched() // a clue for others to go on too early
			}
			processed++
			return nil
		}}).Run(ctx)
		assert.Equal(t, 1, processed, "Run waits for the call in progress, and for no other")
		assert.Equal(t, 1, q.Len(), "what is left stays queued")
	})
}

func TestRunWaitsForTheFeed(t *testing.T) {
	eachQueue(t, false, func(t *testing.T, q queue.Queue, b *bench) {
		ctx, cancel := context.WithCancel(t.Context())
		begun := time.Now()
		cancel()
		New(Config{Queue: q, Process: b.Process, Feed: func(ctx context.Context) {
			<-ctx.Done()
			time.Sleep(3 * time.Second)
		}}).Run(ctx)
		assert.Equal(t, 3*time.Second, time.Since(begun))
	})
}

// A handler in the making: what is published while the cache is written must be
// what the cache holds, delta by delta, whatever the queue.
func TestBothQueuesConvergeToTheSameCache(t *testing.T) {
	eachQueue(t, false, func(t *testing.T, q queue.Queue, b *bench) {
		view := map[event.Key]string{}
		b.onPublish = func(batch []event.Notification) {
			for _, n := range batch {
				if n.Kind == event.Delete {
					delete(view, event.KeyOf(n.Old))
				} else {
					view[event.KeyOf(n.New)] = n.New.GetResourceVersion()
				}
			}
		}
		defer start(Config{Queue: q, Process: b.Process})()
		require.NoError(t, q.Replace(objs("a@1", "b@2", "c@3"), "3"))
		require.NoError(t, q.Add([]queue.Delta{delta(queue.Updated, "a@4"), delta(queue.Deleted, "b@5")}))
		require.NoError(t, q.Resync())
		require.NoError(t, q.Add([]queue.Delta{delta(queue.Added, "b@6"), delta(queue.Deleted, "a@7")}))
		require.NoError(t, q.Replace(objs("c@3", "d@8"), "8"))
		require.NoError(t, q.Add([]queue.Delta{delta(queue.Updated, "d@9")}))
		synctest.Wait()
		held := map[event.Key]string{}
		for _, o := range b.cache.List() {
			held[event.KeyOf(o)] = o.GetResourceVersion()
		}
		assert.Equal(t, map[event.Key]string{{Namespace: "n", Name: "c"}: "3", {Namespace: "n", Name: "d"}: "9"}, held)
		assert.Equal(t, held, view)
	})
}
