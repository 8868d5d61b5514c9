package loadgen

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"informerlab/core/source"
)

// BenchmarkSource is the generator by itself: a reader takes all events through
// the source contract and throws them away. An open loop has all of them due, so
// that it never sleeps. cpu-ns/event is the processor time of the whole process,
// the collector's included, which others on the machine disturb less than the time
// on the clock. All reflectors take up to 256 events at a time; where events of an
// open loop come one by one they get one, which then bears the cost of the two looks
// at the clock and of the first look at an object that is in no cache.
func BenchmarkSource(b *testing.B) {
	for _, d := range []drawn{
		{Keys: 1000}, {Keys: 100_000}, {Keys: 1000, Fresh: true}, {Keys: 1000, Fresh: true, Size: 1000},
	} {
		objects := "shared"
		if d.Fresh {
			objects = "fresh"
		}
		for _, loop := range []string{"closed", "open"} {
			d.Events, d.Rate = 500_000-1, 0
			if loop == "open" {
				d.Rate = 1e6
			}
			load := mustLoad(b, d)
			for _, batch := range []int{1, 256} {
				name := fmt.Sprintf("objects=%s/size=%d/keys=%d/loop=%s/batch=%d", objects, d.Size, d.Keys, loop, batch)
				b.Run(name, func(b *testing.B) { benchmarkSource(b, load, batch) })
			}
		}
	}
}

func benchmarkSource(b *testing.B, load *Load, batch int) {
	dst := make([]source.Event, batch)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	began := processorTime(b)
	for b.Loop() {
		s := NewSource(load)
		s.Release(time.Now().Add(-time.Hour))
		w := openWatch(b, s, load.Lists[0].Version)
		for n := 0; n < load.Len(); {
			n += w.Next(dst)
		}
		w.Stop()
	}
	spent := processorTime(b) - began
	runtime.ReadMemStats(&after)
	events := float64(b.N) * float64(load.Len())
	b.ReportMetric(float64(spent.Nanoseconds())/events, "cpu-ns/event")
	b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/events, "allocs/event")
	b.ReportMetric(0, "ns/op")
}

func processorTime(b *testing.B) time.Duration {
	var used unix.Rusage
	require.NoError(b, unix.Getrusage(unix.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
