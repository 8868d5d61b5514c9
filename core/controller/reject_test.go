package controller

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/indexer"
	"informerlab/core/queue"
)

// picky returns a bench whose index function refuses objects whose version ends in "bad".
// What is rejected is among what is told, in its place.
func picky() *bench {
	b := newBench()
	err := b.cache.AddIndexers(map[string]indexer.IndexFunc{
		"picky": func(o event.Object, dst []string) ([]string, error) {
			if strings.HasSuffix(o.GetResourceVersion(), "bad") {
				return nil, errors.New("refused")
			}
			return dst, nil
		}})
	if err != nil {
		panic(err)
	}
	b.OnReject = func(r *event.Rejection) { b.told = append(b.told, "rejected "+r.Key.String()+" @"+r.Version) }
	return b
}

func TestARejectedObjectIsLeftOutAlone(t *testing.T) {
	b := picky()
	require.NoError(t, b.Process([]queue.Delta{
		delta(queue.Added, "a@1"),
		delta(queue.Added, "b@2bad"),
		delta(queue.Updated, "a@3bad"),
		delta(queue.Updated, "a@4"),
		delta(queue.Deleted, "b@5bad"),
		delta(queue.Added, "c@6bad"),
	}, true))
	assert.Equal(t, []string{
		"add n/a ->1 initial", "rejected n/b @2bad", "rejected n/a @3bad", "update n/a 1>4",
		"delete n/b 5bad>-", "rejected n/c @6bad",
	}, b.take(), "an update comes from the state told last")
	assert.Equal(t, 1, b.cache.Len())

	require.NoError(t, b.Process([]queue.Delta{replaced("9", "x@7", "a@8bad", "y@8bad", "z@9")}, true))
	assert.Equal(t, []string{
		"add n/x ->7 initial", "rejected n/a @8bad", "rejected n/y @8bad", "add n/z ->9 initial",
	}, b.take(), "what is cached is not deleted because its new state cannot be taken")
	assert.Equal(t, 3, b.cache.Len())
	b.OnReject = nil
	require.NoError(t, b.Process([]queue.Delta{delta(queue.Added, "c@10bad"), delta(queue.Added, "d@11")}, false))
	assert.Equal(t, []string{"add n/d ->11"}, b.take())
}

// What the queue had to leave out of a list is not deleted.
func TestReplacedAllKeepsWhatTheListCouldNotHold(t *testing.T) {
	b := newBench()
	for _, s := range []string{"a@1", "b@2", "c@3"} {
		b.cache.Add(obj(s))
	}
	d := replaced("9", "b@8")
	d.List.Kept = []event.Key{{Namespace: "n", Name: "a"}, {Namespace: "n", Name: "unknown"}}
	require.NoError(t, b.Process([]queue.Delta{d}, false))
	assert.Equal(t, []string{"delete n/c 3>- final-state-unknown", "update n/b 2>8"}, b.take())
	assert.Equal(t, 2, b.cache.Len())
}

// falcosecurity/k8s-metacollector#188: a transform that removes the version must
// not make every update a sync.
func TestBlankVersionsProveNothing(t *testing.T) {
	b := newBench()
	b.cache.Add(obj("a@"))
	for _, c := range []struct {
		given queue.Delta
		want  string
	}{
		{delta(queue.Updated, "a@"), "update n/a >"},
		{delta(queue.Added, "a@"), "update n/a >"},
		{delta(queue.Replaced, "a@"), "update n/a >"},
		{replaced("9", "a@"), "update n/a >"},
		{delta(queue.Sync, "a@"), "update n/a > sync"},
		{queue.Delta{Type: queue.SyncAll}, "update n/a > sync"},
		{delta(queue.Updated, "a@1"), "update n/a >1"},
		{delta(queue.Updated, "a@"), "update n/a 1>"},
	} {
		require.NoError(t, b.Process([]queue.Delta{c.given}, false))
		assert.Equal(t, []string{c.want}, b.take(), "%s", c.given)
	}
	b.BlankIsSync = true
	require.NoError(t, b.Process([]queue.Delta{delta(queue.Updated, "a@")}, false))
	assert.Equal(t, []string{"update n/a > sync"}, b.take(), "as client-go has it")
}

func TestObserveSeesEachBatchBeforeItIsPublished(t *testing.T) {
	b := newBench()
	var seen []string
	b.Observe = func(batch []event.Notification) {
		for _, n := range batch {
			seen = append(seen, n.String())
		}
	}
	b.onPublish = func(batch []event.Notification) {
		assert.Equal(t, batch[len(batch)-1].String(), seen[len(seen)-1])
	}
	require.NoError(t, b.Process([]queue.Delta{delta(queue.Added, "a@1"), replaced("3", "b@2")}, false))
	assert.Equal(t, b.take(), seen)
	assert.Len(t, seen, 3)
}

func TestAfterPopRunsWithoutTheLockOfTheQueue(t *testing.T) {
	eachQueue(t, false, func(t *testing.T, q queue.Queue, b *bench) {
		pops := 0
		stop := start(Config{
			Queue: q, Process: b.Process,
			AfterPop: func(ctx context.Context) {
				if pops++; pops == 1 {
					assert.NoError(t, q.Add([]queue.Delta{delta(queue.Added, "b@2")}))
				}
				time.Sleep(time.Second)
			},
		})
		require.NoError(t, q.Add([]queue.Delta{delta(queue.Added, "a@1")}))
		synctest.Wait()
		assert.Equal(t, []string{"add n/a ->1"}, b.take(), "the next Pop waits for it")
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, []string{"add n/b ->2"}, b.take())
		stop()
		assert.Equal(t, 2, pops)
	})
}

func TestAPanicOfOnErrorIsLogged(t *testing.T) {
	eachQueue(t, false, func(t *testing.T, q queue.Queue, b *bench) {
		var log bytes.Buffer
		stop := start(Config{
			Queue: q, Recover: true, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Process: func(deltas []queue.Delta, initial bool) error {
				switch deltas[0].Object.GetName() {
				case "broken":
					return errors.New("the error")
				case "poison":
					panic("the poison")
				}
				return b.Process(deltas, initial)
			},
			OnError: func(error) { panic("the hook") },
		})
		for _, s := range []string{"broken@1", "poison@2", "a@3"} {
			require.NoError(t, q.Add([]queue.Delta{delta(queue.Added, s)}))
			time.Sleep(RestartDelay)
			synctest.Wait()
		}
		stop()
		assert.Equal(t, []string{"add n/a ->3"}, b.take())
		assert.Contains(t, log.String(), "the error")
		assert.Contains(t, log.String(), "the poison")
		assert.Equal(t, 2, strings.Count(log.String(), `panic="the hook"`))
		assert.Contains(t, log.String(), "TestAPanicOfOnErrorIsLogged", "the stack")
	})
}
