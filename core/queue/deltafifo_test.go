package queue

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"informerlab/core/event"
)

func TestDeltaFIFOKeepsTheDeltasOfAKeyTogether(t *testing.T) {
	q := NewDeltaFIFO(DeltaFIFOOptions{})
	require.NoError(t, q.Add(deltas("+a1 +b1 ~a2 -a3 +a4 ~b5")))
	require.Equal(t, 2, q.Len())
	require.Equal(t, []string{"+a1 ~a2 -a3 +a4", "+b1 ~b5"}, drain(t, q))
}

func TestDeltaFIFOOrdersKeysByTheirFirstDelta(t *testing.T) {
	q := NewDeltaFIFO(DeltaFIFOOptions{})
	require.NoError(t, q.Add(deltas("+a1 +b1 +c1")))
	require.Equal(t, "+a1", pop(t, q))
	require.NoError(t, q.Add(deltas("~a2 ~c2 ~b2")), "a was popped and goes to the back; c and b stay")
	require.Equal(t, []string{"+b1 ~b2", "+c1 ~c2", "~a2"}, drain(t, q))
}

func TestDeltaFIFOKeepsTheRicherOfTwoDeletions(t *testing.T) {
	for given, want := range map[string]string{
		"+a1 -a2 -a3":         "+a1 -a2",         // both observed: the older
		"+a1 ?a2 -a3":         "+a1 -a3",         // the observed one
		"+a1 -a2 ?a3":         "+a1 -a2",         // the observed one
		"+a1 ?a2 ?a3":         "+a1 ?a3",         // both inferred: the newer
		"+a1 ?a2 ?a":          "+a1 ?a",          // also if it knows nothing
		"+a1 -a2 +a3 -a4":     "+a1 -a2 +a3 -a4", // only neighbours
		"+a1 -a2 -a3 -a4 ?a5": "+a1 -a2",
		"+a1 +a1 ~a1 ~a1":     "+a1 +a1 ~a1 ~a1", // nothing else is merged
	} {
		q := NewDeltaFIFO(DeltaFIFOOptions{})
		require.NoError(t, q.Add(deltas(given)))
		require.Equal(t, []string{want}, drain(t, q), "given %s", given)
	}
}

func TestDeltaFIFOIgnoresDeletionsThatTellNothing(t *testing.T) {
	for name, c := range map[string]struct {
		known Store
		given string
		want  []string
	}{
		"without a store, only queued keys": {nil, "-a1 ?b1 +c1 -c2", []string{"+c1 -c2"}},
		"with a store, known or queued keys": {
			knownObjects("a1"), "-a1 ?b1 +c1 -c2", []string{"-a1", "+c1 -c2"}},
	} {
		t.Run(name, func(t *testing.T) {
			q := NewDeltaFIFO(DeltaFIFOOptions{Known: c.known})
			require.NoError(t, q.Add(deltas(c.given)))
			require.True(t, q.HasSynced(), "an ignored deletion counts as an Add")
			require.Equal(t, c.want, drain(t, q))
		})
	}
}

func TestDeltaFIFOReplace(t *testing.T) {
	for name, c := range map[string]struct {
		known         Store
		queued, items string
		want          []string
	}{
		"items in order, then deletions": {
			knownObjects("k1 m1"), "", "c2 a2 m2", []string{"=c2", "=a2", "=m2", "?k1"}},
		"a repeated item is queued twice": {nil, "", "a1 a2", []string{"=a1 =a2"}},
		"a queued key keeps its place":    {nil, "+a1 +b1", "c2 a2", []string{"+a1 =a2", "+b1 ?b1", "=c2"}},
		"a queued key that was never known is deleted": {
			knownObjects(""), "+a1 ~a2", "", []string{"+a1 ~a2 ?a2"}},
		"the queued state is newer than the known one": {
			knownObjects("a1"), "~a2", "", []string{"~a2 ?a2"}},
		"a queued deletion is not repeated":  {knownObjects("a1"), "-a2", "", []string{"-a2"}},
		"an inferred deletion is not nested": {nil, "+a1 ?a1", "", []string{"+a1 ?a1"}},
		"nor is one without a state":         {nil, "+a1 ?a", "", []string{"+a1 ?a"}},
		"an item comes back after its deletion": {
			knownObjects("a1"), "-a2", "a3", []string{"-a2 =a3"}},
	} {
		t.Run(name, func(t *testing.T) {
			q := NewDeltaFIFO(DeltaFIFOOptions{Known: c.known})
			require.NoError(t, q.Add(deltas("+z1")))
			require.Equal(t, []string{"+z1"}, drain(t, q), "synced, so that nothing is initial")
			require.NoError(t, q.Add(deltas(c.queued)))
			require.NoError(t, q.Replace(objs(c.items), "9"))
			require.Equal(t, c.want, drain(t, q))
		})
	}
}

func TestDeltaFIFOReplaceOfAKeyThatVanishes(t *testing.T) {
	var log bytes.Buffer
	k := knownObjects("a1")
	k.objects["b"] = nil
	q := NewDeltaFIFO(DeltaFIFOOptions{Known: k, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, q.Replace(nil, "1"))
	require.Equal(t, []string{"initial: ?a1", "initial: ?b"}, drain(t, q), "b has no last state")
	require.Contains(t, log.String(), "key=b")

	log.Reset()
	require.NoError(t, q.Resync())
	require.Equal(t, []string{"!a1"}, drain(t, q), "b is skipped")
	require.Contains(t, log.String(), "key=b")
}

func TestDeltaFIFOReplaceAsSync(t *testing.T) {
	var s suffix
	q := NewDeltaFIFO(DeltaFIFOOptions{ReplaceAsSync: true, Transform: s.transform})
	require.NoError(t, q.Replace(objs("a1"), "1"))
	require.Equal(t, []string{"initial: !a101"}, drain(t, q), "a Sync by name only: it is transformed")
}

func TestDeltaFIFOResyncSkipsQueuedKeys(t *testing.T) {
	q := NewDeltaFIFO(DeltaFIFOOptions{Known: knownObjects("a1 b1 c1")})
	require.NoError(t, q.Add(deltas("~b2")))
	require.NoError(t, q.Resync())
	require.NoError(t, q.Resync())
	require.Equal(t, []string{"~b2", "!a1", "!c1"}, drain(t, q))

	none := NewDeltaFIFO(DeltaFIFOOptions{})
	require.NoError(t, none.Resync())
	require.NoError(t, none.Bookmark("1"))
	require.Zero(t, none.Len())
}

func TestDeltaFIFOInitialPopulation(t *testing.T) {
	q := NewDeltaFIFO(DeltaFIFOOptions{Known: knownObjects("k1 m1")})
	require.NoError(t, q.Resync())
	require.Equal(t, "initial: !k1", pop(t, q), "a resync does not populate")
	require.False(t, q.HasSynced())
	require.NoError(t, q.Replace(objs("a1 b1 a2"), "1"))
	require.NoError(t, q.Add(deltas("~a3 +c1")))
	require.Equal(t, []string{"initial: !m1 ?m1", "initial: =a1 =a2 ~a3", "initial: =b1"},
		[]string{pop(t, q), pop(t, q), pop(t, q)})
	require.False(t, q.HasSynced(), "k is deleted, and counts")
	require.Equal(t, "initial: ?k1", func() string {
		for {
			if s := pop(t, q); s != "+c1" {
				return s
			}
		}
	}())
	require.True(t, q.HasSynced())
}

func TestDeltaFIFOHoldsTheLockWhileProcessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewDeltaFIFO(DeltaFIFOOptions{})
		require.NoError(t, q.Add(deltas("+a1")))
		added := false
		require.NoError(t, q.Pop(func([]Delta, bool) error {
			go func() { _ = q.Add(deltas("~a2")); added = true }()
			for range 100 { // waiting for a mutex is not a durable block
				runtime.Gosched()
			}
			require.False(t, added)
			return nil
		}))
		synctest.Wait()
		require.True(t, added)
		require.Equal(t, []string{"~a2"}, drain(t, q))
	})
}

func TestDeltaFIFORequeue(t *testing.T) {
	refused := errors.New("refused")
	q := NewDeltaFIFO(DeltaFIFOOptions{Requeue: true})
	require.NoError(t, q.Replace(objs("a1 b1"), "1"))
	require.NoError(t, q.Add(deltas("~a2 +c1")))
	require.Equal(t, refused, q.Pop(failing(refused)))
	require.Equal(t, 3, q.Len())
	require.Equal(t, "initial: =b1", pop(t, q), "a went to the back")
	require.Equal(t, "initial: +c1", pop(t, q), "a is still owed")
	require.False(t, q.HasSynced())
	require.NoError(t, q.Add(deltas("~a3")))
	require.Equal(t, refused, q.Pop(failing(refused)))
	require.Equal(t, "initial: =a1 ~a2 ~a3", pop(t, q))
	require.True(t, q.HasSynced())

	require.NoError(t, q.Add(deltas("+a1")))
	q.Close()
	require.Equal(t, refused, q.Pop(failing(refused)))
	require.ErrorIs(t, q.Pop(nil), ErrClosed, "nothing is put back after Close")
}

func TestDeltaFIFOGivesMemoryBack(t *testing.T) {
	q := NewDeltaFIFO(DeltaFIFOOptions{})
	for i := range 10 * keptKeys {
		require.NoError(t, q.Add([]Delta{{Type: Added, Object: &object{fmt.Sprint(i), 1}}}))
	}
	drain(t, q)
	require.Nil(t, q.keys.entries)
	require.LessOrEqual(t, q.keys.freed, 1)
	require.NoError(t, q.Add(deltas("+a1")))
	require.Equal(t, []string{"+a1"}, drain(t, q))
}

func TestDeltaFIFOAllocatesNothingInSteadyState(t *testing.T) {
	q := NewDeltaFIFO(DeltaFIFOOptions{Known: knownObjects("")})
	var batch []Delta
	for i := range 200 {
		o := &object{fmt.Sprint(i % 100), i}
		batch = append(batch, Delta{Type: Updated, Object: event.Object(o)})
	}
	process := failing(nil)
	step := func() {
		_ = q.Add(batch)
		for q.Len() > 0 {
			_ = q.Pop(process)
		}
	}
	step()
	require.Zero(t, testing.AllocsPerRun(100, step))
}
