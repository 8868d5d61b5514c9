package loadgen

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/source"
)

// handler is what package processor calls, spelled out because loadgen lies below it.
type handler interface {
	OnAdd(obj event.Object, initial bool)
	OnUpdate(old, new event.Object)
	OnDelete(obj event.Object, finalStateUnknown bool)
}

var _ handler = (*Recorder)(nil)

// A step of a handler's life, as a naive informer with a map for a cache makes it.
type handlerCall func(handler)

// naiveCalls is the dumb twin of Expect.
func naiveCalls(l *Load) (calls []handlerCall, cache map[event.Key]*Object) {
	cache = map[event.Key]*Object{}
	for _, o := range l.Lists[0].Objects {
		cache[event.KeyOf(o)] = o
		calls = append(calls, func(h handler) { h.OnAdd(o, true) })
	}
	for _, e := range l.Events() {
		o, key := e.Object, event.KeyOf(e.Object)
		old, exists := cache[key]
		switch {
		case e.Type == source.Bookmark:
		case e.Type == source.Deleted:
			delete(cache, key)
			calls = append(calls, func(h handler) { h.OnDelete(o, false) })
		case exists:
			cache[key] = o
			calls = append(calls, func(h handler) { h.OnUpdate(old, o) })
		default:
			cache[key] = o
			calls = append(calls, func(h handler) { h.OnAdd(o, false) })
		}
	}
	return calls, cache
}

// mark returns the mark of a load's object, and of one that it does not have one
// that no load has.
func mark(l *Load, id uint64) Mark {
	if id > uint64(l.NumObjects()) {
		return Mark{id: uint32(id)}
	}
	return l.Object(id).Mark
}

func makeCalls(e *Expect, calls []handlerCall) error {
	r := NewRecorder(e, RecorderOptions{})
	for _, call := range calls {
		call(r)
	}
	return r.Check()
}

// mixed returns a load of all kinds of events in which no state comes twice: then
// no two calls are the same, and to swap two is always wrong.
func mixed(t testing.TB, seed uint64) *Load {
	load := mustLoad(t, drawn{Seed: seed, Keys: 20, Events: 1000, Churn: 20, Versions: 1000})
	require.False(t, load.again, "seed %d", seed)
	return load
}

func TestExpectIsWhatANaiveInformerDoes(t *testing.T) {
	for seed := range uint64(20) {
		load := mixed(t, seed)
		expect := load.Expect()
		calls, cache := naiveCalls(load)
		require.Equal(t, expect.Calls, len(calls), "seed %d", seed)
		require.Equal(t, expect.Initial, len(load.Lists[0].Objects))
		require.Equal(t, expect.Filled, len(load.Lists[0].Objects))
		require.NoError(t, makeCalls(expect, calls), "seed %d", seed)
		final := expect.Final()
		require.Len(t, final, len(cache))
		for key, o := range cache {
			require.Equal(t, o.ID(), final[key], "seed %d: %s", seed, key)
		}
	}
}

func TestRecorderNoticesAnyWrongCall(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	load := mixed(t, seed)
	expect := load.Expect()
	calls, _ := naiveCalls(load)
	other := load.Object(1)
	for name, spoil := range map[string]func([]handlerCall) []handlerCall{
		"lost": func(c []handlerCall) []handlerCall {
			i := rng.IntN(len(c))
			return slices.Delete(c, i, i+1)
		},
		"doubled": func(c []handlerCall) []handlerCall {
			i := rng.IntN(len(c))
			return slices.Insert(c, i, c[i])
		},
		"lost, another doubled": func(c []handlerCall) []handlerCall {
			i := rng.IntN(len(c))
			c = slices.Delete(c, i, i+1)
			i = rng.IntN(len(c))
			return slices.Insert(c, i, c[i])
		},
		"swapped with the next": func(c []handlerCall) []handlerCall {
			i := rng.IntN(len(c) - 1)
			c[i], c[i+1] = c[i+1], c[i]
			return c
		},
		"swapped far away": func(c []handlerCall) []handlerCall {
			i, j := rng.IntN(len(c)/2), len(c)/2+rng.IntN(len(c)/2)
			c[i], c[j] = c[j], c[i]
			return c
		},
		"other object": func(c []handlerCall) []handlerCall {
			c[1+rng.IntN(len(c)-1)] = func(h handler) { h.OnAdd(other, false) }
			return c
		},
		"initial flag missing": func(c []handlerCall) []handlerCall {
			c[0] = func(h handler) { h.OnAdd(other, false) }
			return c
		},
		"foreign object": func(c []handlerCall) []handlerCall {
			c[0] = func(h handler) { h.OnAdd(event.Tombstone{Name: "x"}, true) }
			return c
		},
		"tombstone instead of delete": func(c []handlerCall) []handlerCall {
			c[rng.IntN(len(c))] = func(h handler) { h.OnDelete(other, true) }
			return c
		},
		"a call too many at the end": func(c []handlerCall) []handlerCall {
			return append(c, func(h handler) { h.OnUpdate(other, other) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range 100 {
				wrong := spoil(slices.Clone(calls))
				require.Error(t, makeCalls(expect, wrong), "seed %d", seed)
			}
		})
	}
	require.NoError(t, makeCalls(expect, calls))
}

func TestRecorderSaysWhatIsWrong(t *testing.T) {
	load := mustLoad(t, drawn{Keys: 1, Events: 1})
	expect := load.Expect()
	r := NewRecorder(expect, RecorderOptions{})
	assert.EqualError(t, r.Check(), "loadgen: recorder: 0 of 3 calls came: 3 are lost")
	for range 4 {
		r.Add(mark(load, 1), true)
	}
	assert.EqualError(t, r.Check(), "loadgen: recorder: 4 calls came: expected 3")
	r = NewRecorder(expect, RecorderOptions{})
	r.Add(mark(load, 1), true)
	r.Update(mark(load, 2), mark(load, 1))
	r.Add(mark(load, 3), false)
	assert.ErrorContains(t, r.Check(), "of 3 calls: expected 0x")
	assert.Equal(t, 3, r.Calls())
	assert.NotEqual(t, expect.Checksum, r.Checksum())
}

func TestRecorderIsDoneAtTheLastCall(t *testing.T) {
	load := mixed(t, 1)
	calls, _ := naiveCalls(load)
	r := NewRecorder(load.Expect(), RecorderOptions{})
	for i, call := range calls {
		select {
		case <-r.Done():
			t.Fatalf("done after %d of %d calls", i, len(calls))
		default:
		}
		call(r)
	}
	<-r.Done()
	calls[0](r) // one too many must not panic: Check tells it
	assert.Error(t, r.Check())
}

func TestRecorderStallsInItsFirstLiveCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := mixed(t, 1)
		calls, _ := naiveCalls(load)
		r := NewRecorder(load.Expect(), RecorderOptions{Stall: true})
		at := -1
		go func() {
			for i, call := range calls {
				at = i
				call(r)
			}
		}()
		<-r.Stalled()
		synctest.Wait()
		assert.Equal(t, len(load.Lists[0].Objects), at)
		assert.Equal(t, len(load.Lists[0].Objects), r.Calls())
		r.Unstall()
		r.Unstall()
		<-r.Done()
		assert.NoError(t, r.Check())
	})
}

func TestRecorderUnstalledBeforehandDoesNotStall(t *testing.T) {
	load := mixed(t, 1)
	calls, _ := naiveCalls(load)
	r := NewRecorder(load.Expect(), RecorderOptions{Stall: true})
	r.Unstall()
	for _, call := range calls {
		call(r)
	}
	assert.NoError(t, r.Check())
}

func TestRecorderMeasuresFromTheIntendedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := mustLoad(t, drawn{Keys: 3, Events: 99, Rate: 1000})
		calls, _ := naiveCalls(load)
		r := NewRecorder(load.Expect(), RecorderOptions{Latency: true})
		for _, call := range calls[:3] {
			call(r)
		}
		assert.ErrorContains(t, NewRecorder(load.Expect(), RecorderOptions{Latency: true}).Check(), "lost")
		start := time.Now()
		r.Release(start)
		for i, call := range calls[3:] {
			// The handler is 10 ms behind; the event due at 50 ms waits for a second more.
			time.Sleep(time.Until(start.Add(load.Due[i] + 10*time.Millisecond)))
			if i == 50 {
				time.Sleep(time.Second)
			}
			call(r)
		}
		require.NoError(t, r.Check())
		assert.EqualValues(t, 100, r.Latency().TotalCount())
		assert.InEpsilon(t, 10e6, r.Latency().ValueAtPercentile(40), 0.01)
		assert.InEpsilon(t, 1010e6, r.Latency().Max(), 0.01, "of the event that met the pause")
		assert.InEpsilon(t, (1010-24)*1e6, r.Latency().ValueAtPercentile(76), 0.01,
			"and those after it suffer it too")
	})
}

func TestRecorderWithoutStartIsAnError(t *testing.T) {
	load := mustLoad(t, drawn{Keys: 1, Rate: 1})
	r := NewRecorder(load.Expect(), RecorderOptions{Latency: true})
	r.Add(mark(load, 1), true)
	r.Add(mark(load, 2), false)
	assert.ErrorContains(t, r.Check(), "Release never told the start")
	closed := NewRecorder(mustLoad(t, drawn{Keys: 1}).Expect(), RecorderOptions{Latency: true})
	assert.Nil(t, closed.Latency())
}

func TestHistogramTakesAnyValue(t *testing.T) {
	h := NewHistogram()
	record(h, -time.Second, 1)
	record(h, 1000*time.Hour, 1)
	assert.EqualValues(t, 2, h.TotalCount())
	assert.InEpsilon(t, 10*time.Minute, h.Max(), 0.01)
}

func TestCheckCache(t *testing.T) {
	load := mustLoad(t, drawn{Keys: 2, Events: 10})
	expect := load.Expect()
	each := func(change func(map[event.Key]uint64)) func(func(event.Key, uint64)) {
		cache := expect.Final()
		change(cache)
		return func(yield func(event.Key, uint64)) {
			for key, id := range cache {
				yield(key, id)
			}
		}
	}
	assert.NoError(t, expect.CheckCache(each(func(map[event.Key]uint64) {})))
	assert.ErrorContains(t, expect.CheckCache(each(func(c map[event.Key]uint64) { delete(c, End) })),
		"1 keys are missing, such as loadgen-end")
	assert.ErrorContains(t, expect.CheckCache(each(func(c map[event.Key]uint64) { c[End]++ })),
		"for loadgen-end: expected")
	stranger := event.Key{Name: "x"}
	assert.ErrorContains(t, expect.CheckCache(each(func(c map[event.Key]uint64) { c[stranger] = 1 })),
		"holds x, object 1: expected it once")
	assert.ErrorContains(t, expect.CheckCache(func(yield func(event.Key, uint64)) {
		for key, id := range expect.Final() {
			yield(key, id)
			yield(key, id)
		}
	}), "expected it once")
}

func TestRecorderAllocatesNothing(t *testing.T) {
	load := mustLoad(t, drawn{Keys: 2, Events: 10, Rate: 1})
	for _, o := range []RecorderOptions{{}, {Latency: true}, {Latency: true, Level: true}} {
		r := NewRecorder(load.Expect(), o)
		r.Release(time.Now())
		a, b := load.Object(1), load.Object(2)
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			r.OnAdd(a, false)
			r.OnUpdate(a, b)
			r.OnDelete(b, false)
		}))
	}
}

// BenchmarkLevelRecorder has the cost of a call to a recorder that keeps states;
// BenchmarkStamp that of one that does not.
func BenchmarkLevelRecorder(b *testing.B) {
	load := mustLoad(b, drawn{Keys: 2, Events: 10, Rate: 1})
	var h handler = NewRecorder(load.Expect(), RecorderOptions{Level: true})
	var old, new event.Object = load.Object(1), load.Object(2)
	b.ReportAllocs()
	for b.Loop() {
		h.OnUpdate(old, new)
	}
}
