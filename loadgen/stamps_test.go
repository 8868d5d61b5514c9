package loadgen

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"testing/synctest"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
)

// A timed is a call: when it was due, and when it came.
type timed struct{ due, came time.Duration }

// inBatches returns calls that are due at even distances, and come together when
// the last of so many is due: each batch has the same latencies, in the same order.
func inBatches(calls, size int, every time.Duration) (run []timed) {
	for i := range calls {
		run = append(run, timed{time.Duration(i) * every, time.Duration(i/size*size+size-1) * every})
	}
	return run
}

// afterAFreeze returns calls that are due at even distances and held up for a
// time, then catch up at the given speed.
func afterAFreeze(calls int, every, freeze, cost time.Duration) (run []timed) {
	free := freeze
	for i := range calls {
		due := time.Duration(i) * every
		free = max(free, due) + cost
		run = append(run, timed{due, free})
	}
	return run
}

// inBursts returns calls that are all due at once, burst after burst, and take
// random times.
func inBursts(calls, size int, between time.Duration, rng *rand.Rand) (run []timed) {
	var free time.Duration
	for i := range calls {
		due := time.Duration(i/size) * between
		free = max(free, due) + time.Duration(rng.ExpFloat64()*float64(time.Microsecond))
		run = append(run, timed{due, free})
	}
	return run
}

// byChance returns calls at even distances of which each is late by chance,
// whatever the others are.
func byChance(calls int, every time.Duration, rng *rand.Rand) (run []timed) {
	for i := range calls {
		came := time.Second + time.Duration(i)*every
		run = append(run, timed{came - time.Duration(rng.ExpFloat64()*float64(time.Millisecond)), came})
	}
	return run
}

// sampleRuns are the shapes that the statements about errors are held against.
func sampleRuns() map[string][]timed {
	rng := rand.New(rand.NewPCG(1, 0))
	const calls = 100_000
	runs := map[string][]timed{
		"freeze": afterAFreeze(calls, 5*time.Microsecond, 200*time.Millisecond, time.Microsecond),
		"bursts": inBursts(calls, 3000, 10*time.Millisecond, rng),
		"chance": byChance(calls, 10*time.Microsecond, rng),
	}
	for _, size := range []int{8, group, 100, 128, 256, 1024} {
		runs[fmt.Sprintf("batches of %d", size)] = inBatches(calls, size, 10*time.Microsecond)
	}
	return runs
}

// sampled returns what stamps with a seed make of a run.
func sampled(run []timed, seed uint64) stamps {
	s := newStamps(&Expect{Calls: len(run)}, RecorderOptions{Seed: seed})
	for s.next < len(run) {
		call := run[s.next]
		s.stamp(s.next, call.came, call.due, true)
	}
	return s
}

// everyNth measures the first of each n calls.
func everyNth(run []timed, n int) *hdrhistogram.Histogram {
	h := NewHistogram()
	for i := 0; i < len(run); i += n {
		record(h, run[i].came-run[i].due, int64(n))
	}
	return h
}

// rankError returns by how much the rank of a sample's quantile q is off in all.
func rankError(all []int64, sample *hdrhistogram.Histogram, q float64) float64 {
	v := sample.ValueAtQuantile(100 * q)
	same := func(other int64) bool { return sample.ValuesAreEquivalent(v, other) }
	below := sort.Search(len(all), func(i int) bool { return all[i] >= v || same(all[i]) })
	atMost := sort.Search(len(all), func(i int) bool { return all[i] > v && !same(all[i]) })
	low, high := float64(below)/float64(len(all)), float64(atMost)/float64(len(all))
	switch {
	case q < low:
		return low - q
	case q > high:
		return high - q
	}
	return 0
}

// latencies returns those of a run, sorted.
func latencies(run []timed) (all []int64) {
	for _, call := range run {
		all = append(all, int64(call.came-call.due))
	}
	slices.Sort(all)
	return all
}

var quantiles = []float64{0.1, 0.5, 0.9, 0.99, 0.999}

// standardError is what Recorder.Latency states.
func standardError(q float64, calls int) float64 {
	return math.Sqrt(q * (1 - q) * group / float64(calls))
}

// TestSampledQuantilesAreAsExactAsStated measures each run with many seeds.
func TestSampledQuantilesAreAsExactAsStated(t *testing.T) {
	const seeds = 200
	for name, run := range sampleRuns() {
		t.Run(name, func(t *testing.T) {
			all := latencies(run)
			for _, q := range quantiles {
				var sum, squares float64
				for seed := range uint64(seeds) {
					s := sampled(run, seed)
					require.EqualValues(t, len(run), s.latency.TotalCount(), "all calls count")
					e := rankError(all, s.latency, q)
					sum, squares = sum+e, squares+e*e
				}
				stated := standardError(q, len(run))
				t.Logf("p%v: rank off by %.4f %% on average, deviation %.4f %%; stated %.4f %%",
					100*q, 100*sum/seeds, 100*math.Sqrt(squares/seeds), 100*stated)
				assert.Less(t, math.Sqrt(squares/seeds), 1.15*stated, "p%v", 100*q)
				assert.Less(t, math.Abs(sum/seeds), 4*stated/math.Sqrt(seeds), "p%v is biased", 100*q)
			}
		})
	}
}

// TestSamplingInStepWithBatchesIsWrong shows that those bounds are worth
// something: to measure every 16th or 256th call breaks them.
func TestSamplingInStepWithBatchesIsWrong(t *testing.T) {
	runs := sampleRuns()
	for _, n := range []int{group, 256} {
		run := runs[fmt.Sprintf("batches of %d", n)]
		worst := 0.0
		for _, q := range quantiles {
			e := math.Abs(rankError(latencies(run), everyNth(run, n), q))
			worst = max(worst, e/standardError(q, len(run)))
		}
		assert.Greater(t, worst, 20.0, "standard errors, every %dth call", n)
	}
}

// TestFewCallsAreAllMeasured covers what is exact: calls that are not crowded,
// however they come.
func TestFewCallsAreAllMeasured(t *testing.T) {
	for _, run := range [][]timed{
		inBatches(10_000, 1, crowded),
		inBatches(10_000, group/2, 2*crowded),
		afterAFreeze(10_000, time.Millisecond, 0, 0),
	} {
		full := NewHistogram()
		for _, call := range run {
			record(full, call.came-call.due, 1)
		}
		assert.True(t, full.Equals(sampled(run, 1).latency))
	}
}

// TestSampledMaximumAndPause holds both to their bounds where a freeze comes in
// the middle of crowded calls.
func TestSampledMaximumAndPause(t *testing.T) {
	const every, freeze, cost = 5 * time.Microsecond, 100 * time.Millisecond, 2 * time.Microsecond
	for at := range 50 {
		run := inBatches(1000+at, 1, every)
		begin := run[len(run)-1].due
		for _, call := range afterAFreeze(30_000, every, freeze, cost) {
			run = append(run, timed{begin + call.due, begin + call.came})
		}
		s := sampled(run, uint64(at))
		highest := time.Duration(latencies(run)[len(run)-1])
		resolution := highest / 1000
		assert.InDelta(t, highest, s.latency.Max(), float64(31*every+resolution))
		assert.GreaterOrEqual(t, s.pause, freeze)
		assert.LessOrEqual(t, s.pause, freeze+30*every+cost)
	}
}

// TestRecorderMeasuresASample plays a run in simulated time to a recorder that
// samples and to one that measures every call.
func TestRecorderMeasuresASample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := mustLoad(t, drawn{Keys: 20, Events: 50_000, Rate: 100_000})
		calls, _ := naiveCalls(load)
		expect := load.Expect()
		some := NewRecorder(expect, RecorderOptions{Latency: true})
		each := NewRecorder(expect, RecorderOptions{Latency: true})
		each.stamps.last = 0
		start := time.Now()
		some.Release(start)
		each.Release(start)
		for i, call := range calls {
			if live := i - expect.Initial; live >= 0 && live%256 == 0 {
				time.Sleep(time.Until(start.Add(load.Due[min(live+255, len(load.Due)-1)])))
			}
			call(some)
			call(each)
		}
		require.NoError(t, some.Check())
		require.NoError(t, each.Check())
		all := latencies(nil)
		for i, due := range load.Due {
			all = append(all, int64(load.Due[min(i/256*256+255, len(load.Due)-1)]-due))
		}
		slices.Sort(all)
		require.EqualValues(t, len(all), some.Latency().TotalCount())
		require.EqualValues(t, len(all), each.Latency().TotalCount())
		for _, q := range quantiles {
			assert.Zero(t, rankError(all, each.Latency(), q), "p%v of every call", 100*q)
			assert.InDelta(t, 0, rankError(all, some.Latency(), q), 4*standardError(q, len(all)), "p%v", 100*q)
		}
		assert.NotEqual(t, each.Latency().Export().Counts, some.Latency().Export().Counts, "it was a sample")
	})
}

// TestLevelRecorderMeasuresFewCalls has handlers that hear of all of a prefill,
// or of hardly anything: its calls are not timed and do not count as crowded.
func TestLevelRecorderMeasuresFewCalls(t *testing.T) {
	for _, hears := range []int{1, 50_000} {
		synctest.Test(t, func(t *testing.T) {
			load := mustLoad(t, drawn{Keys: 10, Events: 50_200, Prefill: 50_000, Rate: 1000})
			r := NewRecorder(load.Expect(), RecorderOptions{Latency: true, Level: true})
			full := NewHistogram()
			told, held := map[event.Key]*Object{}, map[event.Key]*Object{}
			for _, o := range load.Lists[0].Objects {
				r.OnAdd(o, true)
				told[o.key.Key], held[o.key.Key] = o, o
			}
			tell := func(key event.Key) {
				switch old := told[key]; {
				case old == nil:
					r.OnAdd(held[key], false)
				case old != held[key]:
					r.OnUpdate(old, held[key])
				}
				told[key] = held[key]
			}
			var start time.Time
			for i, e := range load.Events() {
				held[e.Object.key.Key] = e.Object
				live := i - load.Prefill
				if live == 0 {
					start = time.Now()
					r.Release(start)
				}
				if live >= 0 {
					late := time.Duration(live) * 10 * time.Microsecond
					time.Sleep(time.Until(start.Add(e.Due + late)))
					record(full, late, 1)
				}
				if live >= 0 || i < hears {
					tell(e.Object.key.Key)
				}
				for key := range told {
					if live == -1 {
						tell(key)
					}
				}
			}
			require.NoError(t, r.Check())
			assert.True(t, full.Equals(r.Latency()), "%d of %d", r.Latency().TotalCount(), full.TotalCount())
		})
	}
}

// TestWhatIsToldAgainBelongsToNoGroup plays resyncs between calls that are timed.
func TestWhatIsToldAgainBelongsToNoGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := mustLoad(t, drawn{Keys: 100, Events: 1000, Rate: 1000})
		calls, _ := naiveCalls(load)
		r := NewRecorder(load.Expect(), RecorderOptions{Latency: true, Resyncs: true})
		full := NewHistogram()
		for _, call := range calls[:100] {
			call(r)
		}
		start := time.Now()
		r.Release(start)
		held := map[event.Key]*Object{}
		for i, call := range calls[100:] {
			late := time.Duration(i) * time.Microsecond
			time.Sleep(time.Until(start.Add(load.Due[i] + late)))
			call(r)
			record(full, late, 1)
			o := load.Event(i).Object
			held[o.key.Key] = o
			for _, o := range held {
				if i%20 == 0 {
					r.OnUpdate(o, o)
				}
			}
		}
		require.NoError(t, r.Check())
		assert.True(t, full.Equals(r.Latency()), "%d of %d", r.Latency().TotalCount(), full.TotalCount())
	})
}

// BenchmarkStamp prints what a call costs that does nothing but count, and what
// the recorder adds to that: by checking the call, and by measuring it too, of
// crowded calls and of those that are all measured. Each figure is the median
// over rounds of the difference within a round.
func BenchmarkStamp(b *testing.B) {
	load := mustLoad(b, drawn{Keys: 10, Events: 5000, Rate: maxRate})
	expect := load.Expect()
	updates := updatesOf(load)
	play := func(o RecorderOptions, each bool) float64 {
		r := NewRecorder(expect, o)
		if each {
			r.stamps.last = 0
		}
		h := r.Handler()
		for _, o := range load.Lists[0].Objects {
			h.OnAdd(o, true)
		}
		start := time.Now()
		r.Release(start)
		for _, u := range updates {
			h.OnUpdate(u[0], u[1])
		}
		return float64(time.Since(start)) / float64(len(updates))
	}
	differences := map[string][]float64{}
	for b.Loop() {
		bare := play(RecorderOptions{Bare: true}, false)
		checked := play(RecorderOptions{}, false)
		differences["bare-ns/call"] = append(differences["bare-ns/call"], bare)
		differences["check-ns/call"] = append(differences["check-ns/call"], checked-bare)
		differences["sampled-ns/call"] = append(differences["sampled-ns/call"],
			play(RecorderOptions{Latency: true}, false)-checked)
		differences["each-ns/call"] = append(differences["each-ns/call"],
			play(RecorderOptions{Latency: true}, true)-checked)
	}
	for unit, all := range differences {
		slices.Sort(all)
		b.ReportMetric(all[len(all)/2], unit)
	}
}

// updatesOf returns the old and the new object of each event of a load without
// churn, but for the sentinel.
func updatesOf(load *Load) (updates [][2]event.Object) {
	held := map[event.Key]event.Object{}
	for _, o := range load.Lists[0].Objects {
		held[event.KeyOf(o)] = o
	}
	for _, e := range load.Events() {
		if old := held[event.KeyOf(e.Object)]; old != nil {
			updates = append(updates, [2]event.Object{old, e.Object})
			held[event.KeyOf(e.Object)] = e.Object
		}
	}
	return updates
}
