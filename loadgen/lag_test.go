package loadgen

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLagBoundsQueues plays queues of one server to a late and to a timely
// generator, with the same services. Every percentile of the timely one is between
// the bounds, but for LateLimit, and the bounds are tight where the queue is often
// empty.
func TestLagBoundsQueues(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 1))
		const gap = 4 * time.Millisecond
		service := time.Duration((0.1 + 0.8*rng.Float64()) * float64(gap))
		g, truth, upper := newLag(), NewHistogram(), NewHistogram()
		handler := g.join()
		type call struct{ at, due time.Duration }
		var calls []call // not stamped yet, by time
		stampUntil := func(t time.Duration) {
			for len(calls) > 0 && calls[0].at <= t {
				record(upper, calls[0].at-calls[0].due, 1)
				if g.pending.Load() {
					g.stamp(handler, calls[0].at, calls[0].due, 1)
				}
				calls = calls[1:]
			}
		}
		var free, freeLate, stalled time.Duration
		for i := range 3000 {
			due := time.Duration(i) * gap
			cost := time.Duration(rng.ExpFloat64() * float64(service))
			free = max(free, due) + cost
			record(truth, free-due, 1)
			if rng.IntN(100) == 0 {
				stalled = due + time.Duration(rng.ExpFloat64()*float64(50*time.Millisecond))
			}
			sent := max(due, stalled)
			stampUntil(sent)
			g.Late(sent-due, sent)
			freeLate = max(freeLate, sent) + cost
			calls = append(calls, call{freeLate, due})
		}
		stampUntil(always)
		lower := g.Lower(upper)
		require.NotNil(t, lower)
		require.Equal(t, upper.TotalCount(), lower.TotalCount())
		for q := 1.0; q <= 100; q++ {
			want := truth.ValueAtQuantile(q)
			assert.LessOrEqual(t, lower.ValueAtQuantile(q), want*1001/1000+int64(LateLimit), "p%v", q)
			assert.GreaterOrEqual(t, upper.ValueAtQuantile(q), want*999/1000, "p%v", q)
		}
		if service < gap/3 {
			assert.Less(t, upper.ValueAtQuantile(50)-lower.ValueAtQuantile(50), int64(gap), "busy periods are short")
		}
	}
}

// TestLagOfHandlers follows a lag through two handlers: it lasts until both have had
// a timely call for an event that fell due after the late ones.
func TestLagOfHandlers(t *testing.T) {
	const ms = time.Millisecond
	g, all := newLag(), NewHistogram()
	a, b := g.join(), g.join()
	assert.Nil(t, g.Lower(all), "no event was late")
	g.Late(LateLimit, 3*ms)
	assert.False(t, g.pending.Load(), "within the limit")
	g.Late(10*ms, 20*ms)
	for _, c := range []struct {
		handler          int
		now, due, behind time.Duration
	}{
		{a, 21 * ms, 11 * ms, 10 * ms},
		{a, 21 * ms, 20 * ms, 10 * ms}, // timely, but handed out late
		{a, 26 * ms, 22 * ms, 10 * ms}, // it is behind by 4 ms at most, and b by 10 ms
		{b, 28 * ms, 23 * ms, 5 * ms},
		{a, 29 * ms, 28 * ms, 5 * ms},
		{b, 33 * ms, 30 * ms, 3 * ms},
		{b, 41 * ms, 40 * ms, 0},
	} {
		assert.True(t, g.pending.Load())
		g.stamp(c.handler, c.now, c.due, 1)
		record(all, c.now-c.due, 1)
		assert.Equal(t, c.behind, slices.Max(g.behind), "%v", c)
	}
	assert.False(t, g.pending.Load(), "both have caught up")
	assert.EqualValues(t, 6, g.upper.TotalCount())
	lower := g.Lower(all)
	assert.EqualValues(t, 7, lower.TotalCount())
	assert.Zero(t, lower.ValueAtQuantile(80)/int64(ms), "no call is 1 ms later than the generator")
	assert.EqualValues(t, 1, lower.Max()/int64(ms), "that which no lag delayed")
}

// A stalling feed makes one event for a while.
type stalling struct {
	feed
	at    int
	stall time.Duration
}

func (s *stalling) take(dst []Event, by time.Duration, stop <-chan struct{}) (int, time.Duration, bool) {
	n, later, ended := s.feed.take(dst[:1], by, stop)
	if s.at -= n; s.at == 0 && n > 0 {
		time.Sleep(s.stall)
	}
	return n, later, ended
}

// TestStreamReportsItsLag plays a load whose 50th event takes long to make to a
// recorder that is called at once.
func TestStreamReportsItsLag(t *testing.T) {
	for stall, bounded := range map[time.Duration]int64{0: 0, LateLimit: 0, 20 * time.Millisecond: 20} {
		synctest.Test(t, func(t *testing.T) {
			load := mustLoad(t, drawn{Keys: 10, Events: 99, Rate: 1000})
			start := time.Now()
			s := NewStream(load, started(start))
			s.feed = &stalling{s.feed, 50, stall}
			r := NewRecorder(load.Expect(), RecorderOptions{Latency: true})
			r.Follow(s.Pace().Lag)
			r.Release(start)
			calls, _ := naiveCalls(load)
			for _, call := range calls[:r.expect.Initial] {
				call(r)
			}
			dst := make([]Event, 16)
			for i := r.expect.Initial; s.Next(dst) > 0; i++ {
				calls[i](r)
			}
			require.NoError(t, r.Check())
			g := s.Pace().Lag
			if bounded == 0 {
				assert.Nil(t, g.Lower(r.Latency()))
				return
			}
			assert.InDelta(t, bounded, g.upper.TotalCount(), 2, "those that were due during the stall")
			assert.Less(t, g.Lower(r.Latency()).Max(), int64(time.Microsecond), "the pipeline takes no time")
			assert.InEpsilon(t, int64(stall), r.Latency().Max(), 0.01)
		})
	}
}
