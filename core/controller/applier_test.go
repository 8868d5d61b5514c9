package controller

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/queue"
)

func TestTheKindDependsOnTheCache(t *testing.T) {
	for _, c := range []struct {
		name   string
		cached string // "" = nothing
		delta  queue.Delta
		want   string
	}{
		{"added, unknown", "", delta(queue.Added, "a@2"), "add n/a ->2"},
		{"added, known", "a@1", delta(queue.Added, "a@2"), "update n/a 1>2"},
		{"updated, unknown", "", delta(queue.Updated, "a@2"), "add n/a ->2"},
		{"updated, known", "a@1", delta(queue.Updated, "a@2"), "update n/a 1>2"},
		{"replaced, unknown", "", delta(queue.Replaced, "a@2"), "add n/a ->2"},
		{"replaced, known", "a@1", delta(queue.Replaced, "a@2"), "update n/a 1>2"},
		{"replaced, unchanged", "a@1", delta(queue.Replaced, "a@1"), "update n/a 1>1 sync"},
		{"sync", "a@1", delta(queue.Sync, "a@1"), "update n/a 1>1 sync"},
		{"sync, gone since", "", delta(queue.Sync, "a@1"), "add n/a ->1"},
		{"updated, same version", "a@1", delta(queue.Updated, "a@1"), "update n/a 1>1 sync"},
		{"deleted, known", "a@1", delta(queue.Deleted, "a@2"), "delete n/a 2>-"},
		{"deleted, unknown", "", delta(queue.Deleted, "a@2"), "delete n/a 2>-"},
		{
			"inferred deletion", "a@1",
			queue.Delta{Type: queue.Deleted, Object: obj("a@1"), FinalStateUnknown: true},
			"delete n/a 1>- final-state-unknown",
		},
		{
			"inferred deletion without state", "a@1",
			queue.Delta{
				Type: queue.Deleted, Object: event.Tombstone{Namespace: "n", Name: "a"}, FinalStateUnknown: true,
			},
			"delete n/a >- final-state-unknown",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench()
			if c.cached != "" {
				b.cache.Add(obj(c.cached))
			}
			b.onPublish = func(batch []event.Notification) {
				told := ""
				if before := batch[0].Before(); before != nil {
					told = before.GetName() + "@" + before.GetResourceVersion()
				}
				assert.Equal(t, c.cached, told, "the state that handlers were told before")
			}
			require.NoError(t, b.Process([]queue.Delta{c.delta}, false))
			assert.Equal(t, []string{c.want}, b.take())
			_, ok := b.cache.Get(event.KeyOf(c.delta.Object))
			assert.Equal(t, c.delta.Type != queue.Deleted, ok)
		})
	}
}

func TestTheInitialFlagIsForAddsOnly(t *testing.T) {
	b := newBench()
	b.cache.Add(obj("b@1"))
	require.NoError(t, b.Process([]queue.Delta{
		delta(queue.Added, "a@2"), delta(queue.Updated, "b@3"), delta(queue.Deleted, "b@4"),
	}, true))
	assert.Equal(t, []string{"add n/a ->2 initial", "update n/b 1>3", "delete n/b 4>-"}, b.take())
	require.NoError(t, b.Process([]queue.Delta{delta(queue.Added, "c@5")}, false))
	assert.Equal(t, []string{"add n/c ->5"}, b.take())
}

func TestABatchMayRepeatAKey(t *testing.T) {
	b := newBench()
	require.NoError(t, b.Process([]queue.Delta{
		delta(queue.Added, "a@1"),
		delta(queue.Updated, "a@2"),
		delta(queue.Added, "b@3"),
		delta(queue.Deleted, "a@4"),
		delta(queue.Added, "a@5"),
		delta(queue.Updated, "a@6"),
	}, false))
	assert.Equal(t, []string{
		"add n/a ->1", "update n/a 1>2", "add n/b ->3", "delete n/a 4>-", "add n/a ->5", "update n/a 5>6",
	}, b.take())
	assert.Equal(t, "6", b.cache.ResourceVersion())
}

func TestABatchIsInTheCacheBeforeItIsTold(t *testing.T) {
	b := newBench()
	b.onPublish = func(batch []event.Notification) {
		assert.Len(t, batch, 3, "one publication")
		assert.Equal(t, 2, b.cache.Len(), "all of it is there at the first notification")
	}
	require.NoError(t, b.Process([]queue.Delta{
		delta(queue.Added, "a@1"), delta(queue.Added, "b@2"), delta(queue.Updated, "a@3"),
	}, true))
}

func TestReplacedAllTellsDeletionsFirstAndThenTheListInOrder(t *testing.T) {
	b := newBench()
	b.cache.Add(obj("gone@1"))
	b.cache.Add(obj("same@2"))
	b.cache.Add(obj("newer@3"))
	b.onPublish = func([]event.Notification) {
		assert.Equal(t, 3, b.cache.Len(), "the whole cache is swapped before anybody is told")
		assert.Equal(t, "9", b.cache.ResourceVersion())
		_, ok := b.cache.Get(event.Key{Namespace: "n", Name: "gone"})
		assert.False(t, ok)
	}
	require.NoError(t, b.Process([]queue.Delta{replaced("9", "z@7", "same@2", "newer@8")}, true))
	assert.Equal(t, []string{
		"delete n/gone 1>- final-state-unknown", "add n/z ->7 initial", "update n/same 2>2 sync", "update n/newer 3>8",
	}, b.take())
}

func TestReplacedAllWithARepeatedKeyTellsEach(t *testing.T) {
	b := newBench()
	require.NoError(t, b.Process([]queue.Delta{replaced("3", "a@1", "a@2")}, true))
	assert.Len(t, b.take(), 2)
	got, _ := b.cache.Get(event.Key{Namespace: "n", Name: "a"})
	assert.Equal(t, "2", got.GetResourceVersion())
}

func TestSyncAllTellsEveryCachedObject(t *testing.T) {
	b := newBench()
	b.cache.Add(obj("a@1"))
	b.cache.Add(obj("b@2"))
	b.onPublish = func(batch []event.Notification) {
		for _, n := range batch {
			assert.Same(t, n.Old, n.New)
		}
	}
	require.NoError(t, b.Process([]queue.Delta{{Type: queue.SyncAll}}, false))
	assert.ElementsMatch(t, []string{"update n/a 1>1 sync", "update n/b 2>2 sync"}, b.take())
	assert.Equal(t, "2", b.cache.ResourceVersion(), "nothing was written")
}

func TestABookmarkMovesTheVersionOnly(t *testing.T) {
	b := newBench()
	b.cache.Add(obj("a@1"))
	require.NoError(t, b.Process([]queue.Delta{{Type: queue.Bookmark, Object: obj("@8")}}, false))
	assert.Empty(t, b.take())
	assert.Equal(t, "8", b.cache.ResourceVersion())
	assert.Equal(t, 1, b.cache.Len())
}

func TestMixedDeltasAreAppliedInOrder(t *testing.T) {
	b := newBench()
	require.NoError(t, b.Process([]queue.Delta{
		delta(queue.Added, "a@1"),
		replaced("3", "b@2"),
		delta(queue.Updated, "b@4"),
		{Type: queue.Bookmark, Object: obj("@9")},
		{Type: queue.SyncAll},
	}, false))
	assert.Equal(t, []string{
		"add n/a ->1", "delete n/a 1>- final-state-unknown", "add n/b ->2", "update n/b 2>4", "update n/b 4>4 sync",
	}, b.take())
	assert.Equal(t, "9", b.cache.ResourceVersion())
}

func TestLargeListsArePublishedInBatches(t *testing.T) {
	b := newBench()
	var names []string
	for i := range 2*publishBatch + 1 {
		names = append(names, fmt.Sprintf("o%d@1", i))
	}
	require.NoError(t, b.Process([]queue.Delta{replaced("2", names...)}, true))
	assert.Equal(t, []int{publishBatch, publishBatch, 1}, b.sizes)
	assert.Len(t, b.take(), len(names))
	require.NoError(t, b.Process([]queue.Delta{{Type: queue.SyncAll}}, false))
	assert.Equal(t, []int{publishBatch, publishBatch, 1}, b.sizes)
}

func TestAnUnknownDeltaTypeIsAnErrorAndEndsTheBatch(t *testing.T) {
	b := newBench()
	err := b.Process([]queue.Delta{
		delta(queue.Added, "a@1"), delta(99, "b@2"), delta(queue.Added, "c@3"),
	}, false)
	assert.EqualError(t, err, "controller: apply: unknown delta type 99")
	assert.Equal(t, []string{"add n/a ->1"}, b.take(), "what came before it is applied")
	assert.Equal(t, 1, b.cache.Len())
	require.NoError(t, b.Process([]queue.Delta{delta(queue.Added, "c@4")}, false), "the error is not sticky")
	assert.Equal(t, []string{"add n/c ->4"}, b.take())
}

// A publication that panics (the handler of an Inline informer) takes its batch
// with it: nobody is told twice.
func TestAPanickingPublicationIsNotRepeated(t *testing.T) {
	b := newBench()
	b.onPublish = func(batch []event.Notification) {
		if batch[0].Object().GetName() == "poison" {
			panic("poisoned")
		}
	}
	assert.Panics(t, func() {
		_ = b.Process([]queue.Delta{delta(queue.Added, "poison@1"), delta(queue.Added, "a@2")}, false)
	})
	require.NoError(t, b.Process([]queue.Delta{delta(queue.Added, "b@3")}, false))
	assert.Equal(t, []string{"add n/b ->3"}, b.take())
}

func TestAnIdleApplierKeepsNoObject(t *testing.T) {
	b := newBench()
	require.NoError(t, b.Process([]queue.Delta{delta(queue.Added, "a@1"), delta(queue.Deleted, "a@2")}, false))
	assert.Nil(t, b.deltas)
	for _, c := range b.changes[:cap(b.changes)] {
		assert.Zero(t, c)
	}
	for _, n := range b.batch[:cap(b.batch)] {
		assert.Zero(t, n)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	b := newBench()
	applier := NewApplier(b.cache, func(change func(func([]event.Notification))) {
		change(func([]event.Notification) {})
	})
	var even, odd []queue.Delta
	for i := range 100 {
		even = append(even, delta(queue.Updated, fmt.Sprintf("o%d@2", i)))
		odd = append(odd, delta(queue.Updated, fmt.Sprintf("o%d@1", i)))
	}
	observed := 0
	applier.Observe = func(batch []event.Notification) { observed += len(batch) }
	applier.OnReject = func(*event.Rejection) {}
	require.NoError(t, applier.Process(odd, false))
	allocs := testing.AllocsPerRun(20, func() {
		_ = applier.Process(even, false)
		_ = applier.Process(odd, false)
	})
	// The Do of this test is a closure per call; the batches are what counts.
	require.LessOrEqual(t, allocs, 2.0, "allocations in 200 updates")
}

func BenchmarkProcess(b *testing.B) {
	bench := newBench()
	applier := NewApplier(bench.cache, func(change func(func([]event.Notification))) {
		change(func([]event.Notification) {})
	})
	var batches [2][]queue.Delta
	for i := range 512 {
		batches[i%2] = append(batches[i%2], delta(queue.Updated, fmt.Sprintf("o%d@%d", i/2, i)))
	}
	for n := 0; n < b.N; n += 256 {
		_ = applier.Process(batches[n/256%2], false)
	}
}
