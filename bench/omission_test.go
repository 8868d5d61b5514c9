package bench_test

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/contestants"
	"informerlab/bench/worker"
	"informerlab/core/event"
	"informerlab/core/realtime"
	"informerlab/core/source"
	"informerlab/loadgen"
)

// frozen is a handler that stops for the first second of three, in each of which
// 10,000 events come. What is due meanwhile has to wait.
const frozen = "steady:listeners=1,rate=10000,seconds=3,stalled=1,stall=1s"

// slowlyFrozen takes half of the time between two events for a call, so that the
// backlog is gone a second after the freeze: event i waits 1 s - i · 50 µs.
const slowlyFrozen = frozen + ",cost=50us"

func parse(t *testing.T, label string) loadgen.Workload {
	t.Helper()
	w, err := loadgen.ParseWorkload(label)
	require.NoError(t, err)
	return w
}

// TestFreezeIsSeenByAllThatWaited compares what was measured with the wait of
// each event, bucket by bucket, and the prediction with what a glance tells.
func TestFreezeIsSeenByAllThatWaited(t *testing.T) {
	w := parse(t, slowlyFrozen)
	predicted, _ := predict(t, w, 1)
	for percent, exceededBy := range map[float64]float64{50: 15_000, 90: 3000, 99: 300, 100: 1} {
		assert.InEpsilon(t, 1e9-exceededBy*50e3, predicted.ValueAtQuantile(percent), 0.002, "p%v", percent)
	}
	for _, c := range lossless(t, w) {
		t.Run("buffer="+c.Name, func(t *testing.T) {
			assertSame(t, predicted, simulate(t, c, w))
		})
	}
}

// TestSendTimesMissAFreeze measures one and the same run twice, in simulated
// time: by a sender that sends each event when it is due, waits for the call to
// return, and counts from the moment of sending, which comes late when the call
// before took long; and by the recorder. To the sender one call in 30,000 was slow.
func TestSendTimesMissAFreeze(t *testing.T) {
	w := parse(t, slowlyFrozen)
	predicted, _ := predict(t, w, 1)
	load := onlyLoad(t, w)
	expect := load.Expect()
	synctest.Test(t, func(t *testing.T) {
		handler := w.NewRecorders(loadgen.Handling{Expect: expect})[0]
		held := map[event.Key]*loadgen.Object{}
		for _, o := range load.Lists[0].Objects {
			handler.OnAdd(o, true)
			held[event.KeyOf(o)] = o
		}
		fromSending := loadgen.NewHistogram()
		start := time.Now()
		handler.Release(start)
		for _, e := range load.Events() {
			time.Sleep(time.Until(start.Add(e.Due)))
			sent := time.Now()
			if key := event.KeyOf(e.Object); e.Type == source.Added {
				handler.OnAdd(e.Object, false)
			} else {
				handler.OnUpdate(held[key], e.Object)
				held[key] = e.Object
			}
			require.NoError(t, fromSending.RecordValue(int64(time.Since(sent))))
		}
		require.NoError(t, handler.Check())
		fromDue := handler.Latency()
		t.Logf("from sending: p99 %v, max %v", quantile(fromSending, 99), quantile(fromSending, 100))
		t.Logf("from intended times: p99 %v, max %v", quantile(fromDue, 99), quantile(fromDue, 100))
		assert.Less(t, quantile(fromSending, 99.9), 100*time.Microsecond)
		assert.Greater(t, quantile(fromDue, 99), 900*time.Millisecond)
		assertSame(t, predicted, fromDue)
	})
}

func quantile(h *hdrhistogram.Histogram, percent float64) time.Duration {
	return time.Duration(h.ValueAtQuantile(percent))
}

// TestFreezeInRealTime runs the freeze as lab does. Latencies may be off by 2 %, and as
// late as two timers were just before: that of the generator and that of the handler.
func TestFreezeInRealTime(t *testing.T) {
	label := frozen
	if testing.Short() {
		label = "steady:listeners=1,rate=10000,seconds=0.2,stalled=1,stall=100ms"
	}
	w := parse(t, label)
	predicted, _ := predict(t, w, 1)
	c, err := worker.Find(contestants.Ours(), "reference")
	require.NoError(t, err)
	session, err := worker.Prepare(c, w)
	require.NoError(t, err)
	realtime.Attempt(t, 5, func(late time.Duration) (off error) {
		result, err := session.Run()
		require.NoError(t, err)
		require.Equal(t, predicted.TotalCount(), result.Latency.Count)
		found := []int64{result.Latency.P90, result.Latency.P99, result.Latency.Max}
		for i, percent := range []float64{90, 99, 100} {
			want := float64(predicted.ValueAtQuantile(percent))
			deviation := float64(found[i]) - want
			t.Logf("p%v: %v, %+.2f %% off the prediction", percent, time.Duration(found[i]), 100*deviation/want)
			if math.Abs(deviation) > 0.02*want+2*float64(late) {
				off = fmt.Errorf("p%v: found %v, expected %v", percent, time.Duration(found[i]), time.Duration(want))
			}
		}
		return off
	})
}
