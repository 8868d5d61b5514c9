package findings

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/buffer"
	"informerlab/loadgen/trace"
)

// TestModelIsTheBuffer plays random arrivals to the model and, under simulated
// time, to the buffer, with handlers that keep up, are slow, or stop.
func TestModelIsTheBuffer(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		times := make([]time.Duration, 300)
		for i := range times {
			times[i] = time.Duration(rng.IntN(1000)) * time.Millisecond
		}
		slices.Sort(times)
		// Odd microseconds, so that nothing comes at the instant that something goes.
		h := handler{call: time.Duration(rng.IntN(8)*1000+1) * time.Microsecond}
		if rng.IntN(2) == 0 {
			h.stop = time.Duration(rng.IntN(400)*1000+3) * time.Microsecond
		}
		peak := h.peak(times)
		for _, initial := range []int{0, 5, 16, 1024} {
			_, slots := grown(initial, peak)
			got := bytesAfter(t, h, times, initial)
			assert.Equal(t, slots*slotBytes, got, "%+v, %d slots, peak %d", h, initial, peak)
		}
	}
}

// bytesAfter returns what the buffer says that it holds when it has been through the
// events.
func bytesAfter(t *testing.T, h handler, times []time.Duration, initial int) (bytes int) {
	stopAt := h.worst(times)
	synctest.Test(t, func(*testing.T) {
		b := buffer.NewReferenceSized(initial, buffer.Params[any]{})
		go func() {
			start := time.Now()
			for _, at := range times {
				time.Sleep(at - time.Since(start))
				b.Push([]any{nil})
			}
			b.Close()
		}()
		dst := make([]any, 1)
		for i := 0; b.Pop(dst) > 0; i++ {
			if i == stopAt {
				time.Sleep(h.stop)
			} else {
				time.Sleep(h.call)
			}
		}
		bytes = b.Gauges().Bytes
	})
	return bytes
}

func TestWorstMoment(t *testing.T) {
	ms := time.Millisecond
	times := []time.Duration{0, 1 * ms, 10 * ms, 12 * ms, 14 * ms, 30 * ms, 31 * ms}
	assert.Equal(t, 2, handler{stop: 4 * ms}.worst(times), "three events, the last one just in time")
	assert.Equal(t, 0, handler{stop: 1 * ms}.worst(times), "the first of two")
	assert.Equal(t, -1, handler{call: ms}.worst(times))
	assert.Equal(t, 1, handler{call: ms / 100, stop: 5 * ms}.peak(times), "three, one in hand and one in the pump's")
	assert.Zero(t, handler{call: ms}.peak(nil))
	visited := time.Duration(0)
	handler{call: 5 * ms}.ring(times, func(from, to time.Duration, waiting int) {
		assert.Equal(t, visited, from, "every moment once")
		visited = to
	})
	assert.Equal(t, 40*ms, visited, "the end of the last call")
}

func TestGrown(t *testing.T) {
	doubled, slots := grown(0, 40)
	assert.Equal(t, []int{0, 16, 32}, doubled)
	assert.Equal(t, 64, slots)
	doubled, slots = grown(1024, 1024)
	assert.Empty(t, doubled)
	assert.Equal(t, 1024, slots)
	_, slots = grown(3, 4)
	assert.Equal(t, 6, slots)
}

// TestKeptIsTheRing compares what a burst leaves with the bytes of the ring that the
// model predicts, by the heap.
func TestKeptIsTheRing(t *testing.T) {
	const pending, slack = 20_000, 16 << 10
	figures, err := afterBurst("reference", pending)
	require.NoError(t, err)
	_, slots := grown(buffer.InitialSlots, pending-1)
	assert.InDelta(t, slots*slotBytes, figures[keptBytes], slack)
	for _, name := range burstBuffers[1:] {
		figures, err := afterBurst(name, pending)
		require.NoError(t, err, name)
		assert.Less(t, figures[keptBytes], 256.0*1024, name)
	}
	for _, initial := range []int{0, 256, 16384} {
		assert.InDelta(t, initial*slotBytes, idle(initial)[idleBytes], float64(initial*slotBytes/4+2048))
	}
}

// TestStreams reads a small trace: an initial list is no event, but counts as
// objects.
func TestStreams(t *testing.T) {
	r, err := trace.NewReader(strings.NewReader(strings.TrimSpace(`
{"t":1,"resource":"pods","type":"ADDED","initial":true,"key":"a","rv":"1"}
{"t":2,"resource":"pods","type":"BOOKMARK","initial":true,"rv":"1"}
{"t":3,"resource":"nodes","type":"BOOKMARK","initial":true,"rv":"1"}
{"t":4,"resource":"nodes","type":"ADDED","key":"n","rv":"2"}
{"t":10,"resource":"pods","type":"ADDED","key":"b","rv":"3"}
{"t":20,"resource":"pods","type":"DELETED","key":"a","rv":"4"}
{"t":40,"resource":"pods","type":"ADDED","key":"c","rv":"5"}
`)), "small")
	require.NoError(t, err)
	defer r.Close()
	streams, err := readStreams(r)
	require.NoError(t, err)
	assert.Equal(t, []stream{{"pods", []time.Duration{10, 20, 40}, 2}, {"nodes", []time.Duration{4}, 1}}, streams)
	assert.Equal(t, stream{"pods", []time.Duration{5, 10, 20}, 4}, streams[0].faster(2))
}
