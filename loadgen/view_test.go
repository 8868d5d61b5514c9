package loadgen

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/source"
)

// tellSome tells a recorder of a random part of a load as a level-driven
// handler may hear of it: what was skipped of a key is made good by the next
// call for it, or at the end. Two of its recorders hear different calls.
func tellSome(load *Load, rng *rand.Rand, h handler) {
	told, cache := map[event.Key]*Object{}, map[event.Key]*Object{}
	tell := func(key event.Key) {
		old, new := told[key], cache[key]
		switch {
		case old == new:
			return
		case old == nil:
			h.OnAdd(new, false)
		case new != nil:
			h.OnUpdate(old, new)
		case rng.IntN(2) == 0:
			h.OnDelete(event.Tombstone(key), true)
		default:
			h.OnDelete(old, true)
		}
		told[key] = new
	}
	for _, o := range load.Lists[0].Objects {
		told[event.KeyOf(o)], cache[event.KeyOf(o)] = o, o
		h.OnAdd(o, true)
	}
	for _, e := range load.Events() {
		key := event.KeyOf(e.Object)
		cache[key] = e.Object
		if e.Type == source.Deleted {
			delete(cache, key)
		}
		if rng.IntN(3) == 0 {
			tell(key)
		}
	}
	for key := range told {
		tell(key)
	}
	for key := range cache {
		tell(key)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestLevelRecorderTakesWhatALevelDrivenHandlerHears(t *testing.T) {
	for range 50 {
		seed := rand.Uint64()
		load := mixed(t, seed)
		expect := load.Expect()
		r := NewRecorder(expect, RecorderOptions{Level: true})
		tellSome(load, rand.New(rand.NewPCG(seed, 1)), r)
		require.NoError(t, r.Check(), "seed %d", seed)
		require.True(t, isClosed(r.Done()), "seed %d", seed)
		require.Less(t, r.Calls(), expect.Calls, "seed %d: else nothing was skipped", seed)
		calls, _ := naiveCalls(load)
		all := NewRecorder(expect, RecorderOptions{Level: true})
		for _, call := range calls {
			call(all)
		}
		require.NoError(t, all.Check(), "seed %d: nothing need be lost", seed)
	}
}

// The load of these tests: objects 1 and 2 are listed, of two keys; object 3
// updates the first key, and object 4 is the sentinel.
func levelRecorder(t *testing.T) (*Load, *Recorder) {
	b := newBuilder("things")
	first, second := b.key(event.Key{Name: "first"}), b.key(event.Key{Name: "second"})
	b.object(first, "1")
	b.object(second, "1")
	b.list("2", []uint32{1, 2})
	b.event(b.object(first, "3"), source.Modified)
	load := b.finish("4")
	r := NewRecorder(load.Expect(), RecorderOptions{Level: true})
	r.Add(mark(load, 1), true)
	require.False(t, isClosed(r.Listed()))
	r.Add(mark(load, 2), true)
	require.True(t, isClosed(r.Listed()))
	require.True(t, isClosed(r.Filled()))
	return load, r
}

func TestLevelRecorderNoticesWhatCannotHaveBeen(t *testing.T) {
	second := event.Tombstone{Name: "second"}
	for _, c := range []struct {
		want  string
		spoil func(*Load, *Recorder)
	}{
		{"add of object 3: it knows object 1 of that key", func(l *Load, r *Recorder) { r.Add(mark(l, 3), false) }},
		{"add of object 4: it is not in the list", func(l *Load, r *Recorder) { r.Add(mark(l, 4), true) }},
		{"update from object 2 to 3: it was told object 1 last",
			func(l *Load, r *Recorder) { r.Update(mark(l, 2), mark(l, 3)) }},
		{"delete of object 4: it knows none of that key", func(l *Load, r *Recorder) { r.Delete(mark(l, 4), true) }},
		{"object 1: it was told object 1 of that key before",
			func(l *Load, r *Recorder) { r.Update(mark(l, 1), mark(l, 1)) }},
		{"object 1: it was told object 3 of that key before", func(l *Load, r *Recorder) {
			r.Update(mark(l, 1), mark(l, 3))
			r.Update(mark(l, 3), mark(l, 1))
		}},
		{"object 0: there is none", func(l *Load, r *Recorder) { r.OnDelete(event.Tombstone{Name: "x"}, true) }},
		{"object 9: there is none, or it was never told of", func(l *Load, r *Recorder) { r.Add(mark(l, 9), false) }},
		{"of 2 keys the last state was not told, such as first: it knows object 1: expected 3",
			func(*Load, *Recorder) {}},
		{"of 2 keys the last state was not told, such as second: it knows object 0: expected 2",
			func(l *Load, r *Recorder) { r.Update(mark(l, 1), mark(l, 3)); r.OnDelete(second, true) }},
	} {
		load, r := levelRecorder(t)
		c.spoil(load, r)
		require.ErrorContains(t, r.Check(), c.want)
	}
	load, r := levelRecorder(t)
	r.Add(mark(load, 4), false)
	assert.False(t, isClosed(r.Done()), "the sentinel alone is not all")
	r.Update(mark(load, 1), mark(load, 3))
	assert.True(t, isClosed(r.Done()))
	assert.NoError(t, r.Check())
	r.Delete(mark(load, 3), false)
	assert.ErrorContains(t, r.Check(), "of that key before", "a call after the end shows")
}

// In a long load states come again, so that no order of them can be checked.
func TestLevelRecorderKnowsThatStatesComeAgain(t *testing.T) {
	load := mustLoad(t, drawn{Keys: 1, Events: 2 * MinVersions})
	calls, _ := naiveCalls(load)
	r := NewRecorder(load.Expect(), RecorderOptions{Level: true})
	for _, call := range calls {
		call(r)
	}
	assert.NoError(t, r.Check())
}

func TestRecorderPassesTheMilestonesOfAPrefill(t *testing.T) {
	load := mustLoad(t, drawn{Keys: 3, Events: 40, Prefill: 30, Rate: 1000})
	expect := load.Expect()
	assert.Equal(t, 33, expect.Filled)
	calls, _ := naiveCalls(load)
	for _, o := range []RecorderOptions{{}, {Level: true}, {Latency: true}, {Latency: true, Level: true}} {
		r := NewRecorder(expect, o)
		r.Release(time.Now().Add(-time.Hour))
		for i, call := range calls {
			if !o.Level {
				assert.Equal(t, i >= 33, isClosed(r.Filled()), "%+v: call %d", o, i)
			}
			call(r)
			assert.Equal(t, i >= 2, isClosed(r.Listed()), "%+v: call %d", o, i)
			assert.Equal(t, i == len(calls)-1, isClosed(r.Done()), "%+v: call %d", o, i)
		}
		assert.True(t, isClosed(r.Filled()))
		assert.NoError(t, r.Check())
		if o.Latency {
			assert.EqualValues(t, 11, r.Latency().TotalCount(), "the prefill is not timed")
		}
	}
}

func TestLevelRecorderStallsAfterTheList(t *testing.T) {
	for _, lossy := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			load := mustLoad(t, drawn{Keys: 3, Events: 40, Prefill: 30})
			calls, _ := naiveCalls(load)
			r := NewRecorder(load.Expect(), RecorderOptions{Stall: true, Level: lossy})
			go func() {
				for _, call := range calls {
					call(r)
				}
			}()
			<-r.Stalled()
			assert.Equal(t, 3, r.Calls())
			assert.True(t, isClosed(r.Filled()), "it will not get there, but may get beyond at once")
			assert.Zero(t, r.CallsAfterStall())
			r.Unstall()
			<-r.Done()
			assert.NoError(t, r.Check())
			assert.Equal(t, 40, r.CallsAfterStall(), "beside the one that stopped")
		})
	}
}

// A lossy handler's calls are matched with the events that brought their states.
func TestLevelRecorderMeasuresByState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := mustLoad(t, drawn{Keys: 1, Events: 2 * MinVersions, Rate: 100})
		r := NewRecorder(load.Expect(), RecorderOptions{Level: true, Latency: true})
		r.Add(mark(load, 1), true)
		start := time.Now()
		r.Release(start)
		due := func(i int) time.Time { return start.Add(load.Due[i]) }
		for _, step := range []struct {
			event int
			late  time.Duration
		}{{0, 3 * time.Millisecond}, {30, 200 * time.Millisecond}, {64, 4 * time.Millisecond}, {100, 0}} {
			time.Sleep(time.Until(due(step.event).Add(step.late)))
			before := r.Latency().Export()
			r.Add(load.Event(step.event).Object.Mark, false)
			assert.Equal(t, int64(1), r.Latency().TotalCount()-total(before.Counts), "event %d", step.event)
		}
		r.Delete(mark(load, 1), true) // of which the time is not known
		assert.EqualValues(t, 4, r.Latency().TotalCount())
		assert.InEpsilon(t, 200e6, r.Latency().Max(), 0.01)
		assert.InEpsilon(t, 3e6, r.Latency().ValueAtPercentile(50), 0.01, "0, 3, 4 and 200 ms")
		assert.Equal(t, 497*time.Millisecond, r.Pause(), "from the first to the second")
	})
}

func total(counts []int64) (sum int64) {
	for _, n := range counts {
		sum += n
	}
	return sum
}
