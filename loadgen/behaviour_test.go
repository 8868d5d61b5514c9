package loadgen

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
)

func TestRecorderTellsAndSpendsOnEachCall(t *testing.T) {
	load := mixed(t, 3)
	calls, _ := naiveCalls(load)
	var keys []event.Key
	spent := 0
	r := NewRecorder(load.Expect(), RecorderOptions{
		Spend: func() { spent++ }, Tell: func(key event.Key) { keys = append(keys, key) },
	})
	for _, call := range calls {
		call(r)
	}
	require.NoError(t, r.Check())
	assert.Equal(t, len(calls), spent)
	require.Len(t, keys, len(calls))
	assert.Equal(t, event.KeyOf(load.Object(1)), keys[0])
	assert.Equal(t, End, keys[len(keys)-1])
}

func TestRecorderIsDoneWhenTheLastCallHasBeenSpent(t *testing.T) {
	load := mustLoad(t, drawn{Keys: 1})
	var r *Recorder
	r = NewRecorder(load.Expect(), RecorderOptions{Spend: func() { assert.False(t, isClosed(r.Done())) }})
	r.Add(mark(load, 1), true)
	r.Add(mark(load, 2), false)
	assert.True(t, isClosed(r.Done()))
}

func TestRecorderPanics(t *testing.T) {
	load := mixed(t, 3)
	calls, _ := naiveCalls(load)
	r := NewRecorder(load.Expect(), RecorderOptions{Panics: 0.01})
	panics := 0
	for _, call := range calls {
		func() {
			defer func() {
				if recover() != nil {
					panics++
				}
			}()
			call(r)
		}()
	}
	assert.Equal(t, (len(calls)-20)/100, panics)
	assert.NoError(t, r.Check(), "a call that panics was a call")
	assert.True(t, isClosed(r.Done()))
}

func TestRecorderStallsForATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := mustLoad(t, drawn{Keys: 3, Events: 9, Rate: 10})
		calls, _ := naiveCalls(load)
		start := time.Now()
		r := NewRecorder(load.Expect(), RecorderOptions{Stall: true, StallFor: time.Second, Latency: true})
		r.Release(start)
		for i, call := range calls {
			if i > 3 {
				time.Sleep(time.Until(start.Add(load.Due[i-3])))
			}
			call(r)
		}
		assert.Equal(t, time.Second, time.Since(start))
		assert.NoError(t, r.Check())
		assert.EqualValues(t, 10, r.Latency().TotalCount())
		assert.InEpsilon(t, 900*time.Millisecond, r.Latency().Max(), 0.001, "of the second: the first met no wait")
	})
}

// What comes after a call that blocked, but was for no timed event, came when it came.
func TestRecorderTimesWhatComesAfterTheStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := mustLoad(t, drawn{Keys: 2, Events: 1, Rate: 1})
		calls, _ := naiveCalls(load)
		r := NewRecorder(load.Expect(), RecorderOptions{
			Stall: true, StallFor: 3 * time.Second, Latency: true, Level: true, Resyncs: true,
		})
		r.Release(time.Now())
		calls[0](r)
		calls[1](r)
		r.OnUpdate(load.Object(1), load.Object(1)) // a resync
		calls[2](r)
		calls[3](r)
		require.NoError(t, r.Check())
		assert.EqualValues(t, 2, r.Latency().TotalCount())
		assert.InEpsilon(t, 2*time.Second, r.Latency().ValueAtQuantile(50), 0.001)
		assert.InEpsilon(t, 3*time.Second, r.Latency().Max(), 0.001)
	})
}

// A handler that comes late is told what there is, then what follows.
func TestLateRecorder(t *testing.T) {
	load := mustLoad(t, drawn{Seed: 1, Keys: 20, Events: 500, Churn: 20})
	expect := load.Expect()
	calls, _ := naiveCalls(load)
	cache := map[event.Key]*Object{}
	for _, o := range load.Lists[0].Objects {
		cache[event.KeyOf(o)] = o
	}
	const late = 300
	for i := range late {
		e := load.Event(i)
		cache[event.KeyOf(e.Object)] = e.Object
		if e.Type.String() == "DELETED" {
			delete(cache, event.KeyOf(e.Object))
		}
	}
	for _, o := range []RecorderOptions{{Late: true}, {Late: true, Level: true}} {
		r := NewRecorder(expect, o)
		for _, held := range cache {
			r.OnAdd(held, true)
		}
		assert.False(t, isClosed(r.Done()))
		for _, call := range calls[20+late:] {
			call(r)
		}
		require.NoError(t, r.Check())
		assert.True(t, isClosed(r.Done()))
		assert.NoError(t, r.CheckCalls())
	}
	r := NewRecorder(expect, RecorderOptions{Late: true})
	calls[len(calls)-1](r)
	assert.NoError(t, r.CheckCalls(), "it may go any time")
	assert.ErrorContains(t, r.Check(), "the last state was not told")
	calls[len(calls)-1](r)
	assert.ErrorContains(t, r.CheckCalls(), "it knows object")
	assert.NoError(t, NewRecorder(expect, RecorderOptions{}).CheckCalls())
}

// A resync tells what is known already, which else is an error.
func TestResyncedRecorder(t *testing.T) {
	load := mustLoad(t, drawn{Keys: 2, Events: 1, Rate: 1})
	expect := load.Expect()
	calls, _ := naiveCalls(load)
	for _, resyncs := range []bool{true, false} {
		r := NewRecorder(expect, RecorderOptions{Level: true, Resyncs: resyncs, Latency: true})
		r.Release(time.Now())
		for _, call := range calls[:3] {
			call(r)
		}
		timed := r.Latency().TotalCount()
		o := load.Object(2)
		if expect.Final()[event.KeyOf(o)] != o.ID() {
			o = load.Object(1)
		}
		r.OnUpdate(o, o)
		assert.Equal(t, timed, r.Latency().TotalCount(), "what it knew was not due")
		calls[3](r)
		if resyncs {
			assert.NoError(t, r.Check())
			assert.Equal(t, 1, r.Repeats())
		} else {
			assert.ErrorContains(t, r.Check(), "of that key before")
		}
	}
	assert.Zero(t, NewRecorder(expect, RecorderOptions{}).Repeats())
}

// A level recorder that hears of every event has to.
func TestLevelRecorderOfEveryEvent(t *testing.T) {
	load := mustLoad(t, drawn{Keys: 1, Events: 3})
	calls, _ := naiveCalls(load)
	r := NewRecorder(load.Expect(), RecorderOptions{Level: true, Every: true})
	for i, call := range calls {
		assert.False(t, isClosed(r.Done()), "call %d", i)
		call(r)
	}
	assert.True(t, isClosed(r.Done()))
	assert.NoError(t, r.Check())
	skipping := NewRecorder(load.Expect(), RecorderOptions{Level: true, Every: true})
	skipping.OnAdd(load.Object(1), true)
	skipping.OnUpdate(load.Object(1), load.Object(4))
	calls[len(calls)-1](skipping)
	assert.ErrorContains(t, skipping.Check(), "3 of 5 calls came: 2 are lost")
}
