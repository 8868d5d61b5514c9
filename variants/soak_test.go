package variants_test

import (
	"flag"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/processor"
	"informerlab/variants"
)

var (
	soakFor   = flag.Duration("soak", 0, "for how long TestSoak overloads each buffer; 0 = not at all")
	simulated = flag.Duration("simulated", time.Minute, "the same of TestSimulatedSoak; a sixth of it with -short")
)

// soaked are the buffers that bound what is pending, by capacity or by keys.
var soaked = []string{
	"bounded:drop-oldest,cap=256", "bounded:drop-newest,cap=256", "bounded:block,cap=256",
	"bounded:block-timeout,cap=256,timeout=2ms", "coalescing",
}

// TestSimulatedSoak overloads a slow handler with objects that come and go under
// names that never return. Memory must not grow.
func TestSimulatedSoak(t *testing.T) {
	d := *simulated
	if testing.Short() {
		d /= 6
	}
	for _, spec := range soaked {
		t.Run(spec, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { soak(t, spec, d) })
		})
	}
}

// TestSoak does the same in real time; scripts/soak runs it.
func TestSoak(t *testing.T) {
	if *soakFor == 0 {
		t.Skip("not asked for: -soak")
	}
	for _, spec := range soaked {
		t.Run(spec, func(t *testing.T) { soak(t, spec, *soakFor) })
	}
}

// soak publishes about five times as much as a handler of 1 ms can take. The heap at
// the end must be at most 1.2 times the heap after 30 s. A shorter run begins to
// compare after a quarter of its time, when maps may still grow to their final size:
// it allows 256 KiB more, which the entries of 2,000 keys exceed.
func soak(t *testing.T, spec string, d time.Duration) {
	const alive, growth, settles = 2000, 1.2, 30 * time.Second
	fanout, _, err := variants.Fanout(spec)
	require.NoError(t, err)
	s := newShop(rand.New(rand.NewPCG(1, 0)), fanout)
	h := &shopper{t: t, knows: map[event.Key]*state{}, during: func() { time.Sleep(time.Millisecond) }}
	l, err := s.processor.Add(h, processor.ListenerOptions{}, nil)
	require.NoError(t, err)
	s.processor.Start(t.Context())
	overload := func(d time.Duration) (heap uint64) {
		for start := time.Now(); time.Since(start) < d; time.Sleep(5 * time.Millisecond) {
			s.publish(1000, func() { s.change(26, alive) })
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what the first finalizes, the second frees
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	s.publish(1000, func() { s.change(4*alive, alive) }) // so that the cache is full
	warm := min(d/4, settles)
	early := overload(warm)
	late := overload(d - warm)
	during := l.Stats()
	t.Logf("%s: heap %d KiB after %v, %d KiB after %v (×%.2f); %d versions, %d keys cached, %d tracked",
		spec, early>>10, warm, late>>10, d, float64(late)/float64(early), s.version, len(s.cache), during.Tracked)
	limit := growth * float64(early)
	if warm < settles {
		limit += 256 << 10
	}
	assert.LessOrEqual(t, float64(late), limit)
	for now := during; now.Pending+now.InHand+now.Gaps+now.Healing > 0; now = l.Stats() {
		time.Sleep(100 * time.Millisecond)
	}
	s.processor.Stop()
	after := l.Stats()
	assert.NoError(t, after.Check())
	assert.NoError(t, s.differs(h))
	if !strings.Contains(spec, ":block,") {
		assert.NotZero(t, after.Lost(), "nothing was lost or merged")
	}
}
