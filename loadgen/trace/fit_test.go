package trace

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/source"
	"informerlab/loadgen/population"
)

// A maker makes a trace of one resource.
type maker struct {
	records []*Record
	version uint64
}

func (m *maker) add(t int64, kind source.EventType, key string, size int64) {
	m.version++
	rec := &Record{T: t, Resource: []byte("pods"), Type: kind, Key: []byte(key), Size: size}
	rec.setVersion(m.version)
	m.records = append(m.records, rec)
}

func (m *maker) list() {
	m.add(0, source.Bookmark, "", 0)
	m.records[len(m.records)-1].Initial = true
}

func (m *maker) fit(t *testing.T) Fitted {
	t.Helper()
	r, err := NewReader(bytes.NewReader(write(t, Header{}, m.records)), "made")
	require.NoError(t, err)
	defer r.Close()
	all, err := Fit(r)
	require.NoError(t, err)
	require.Len(t, all, 1)
	return all[0]
}

// TestFitFindsWhatItWasMadeFrom draws traces from known workloads, and fits them.
// The tolerances are three standard errors or more, as found by drawing with
// other seeds; a quarter of the events makes them twice as wide.
func TestFitFindsWhatItWasMadeFrom(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	const keys, peak = 200, 4.0
	const skew, sigma, size = 0.9, 0.5, 4000.0
	period, seconds, wide := 4*time.Second, int64(4000), 1.0
	if testing.Short() {
		seconds, wide = seconds/4, 2
	}
	weights, sum := make([]float64, keys), 0.0
	for i := range weights {
		sum += math.Pow(float64(i+1), -skew)
		weights[i] = sum
	}
	m := &maker{}
	for i := range keys {
		m.add(0, source.Added, fmt.Sprint("k", i), size)
		m.records[i].Initial = true
	}
	m.list()
	const rate = 50.0
	draw := func(mean float64) int64 { return int64(random.ExpFloat64() * mean) }
	for now := int64(0); now < seconds*1e9; {
		until := now + draw(float64(period)/peak)
		for now += draw(1e9 / (rate * peak)); now < until; now += draw(1e9 / (rate * peak)) {
			u, key := random.Float64()*sum, 0
			for weights[key] < u {
				key++
			}
			bytes := size * math.Exp(sigma*random.NormFloat64()-sigma*sigma/2)
			m.add(now, source.Modified, fmt.Sprint("k", key), int64(bytes))
		}
		now = until + draw(float64(period)*(1-1/peak))
	}
	f := m.fit(t)
	assert.InEpsilon(t, rate, f.Rate, 0.1*wide)
	assert.InEpsilon(t, peak, f.Peak, 0.15*wide)
	assert.InEpsilon(t, period.Seconds(), f.Period.Seconds(), 0.2*wide)
	assert.Equal(t, "zipf", f.Population.Pick)
	assert.InDelta(t, skew, f.Population.Skew, 0.02*wide)
	assert.InEpsilon(t, size, f.Sizes.Mean, 0.02*wide)
	assert.InDelta(t, sigma, f.Sizes.Sigma, 0.02*wide)
	assert.Equal(t, keys, f.Population.Keys)
	assert.InEpsilon(t, float64(f.Recorded.PerWindow.P99), float64(f.Drawn.PerWindow.P99), 0.1*wide)
	assert.InEpsilon(t, float64(f.Recorded.Sizes.P99), float64(f.Drawn.Sizes.P99), 0.05*wide)
	assert.InDelta(t, f.Recorded.Lives.Top10, f.Drawn.Lives.Top10, 0.02*wide)
	assert.Less(t, f.miss(), 0.05*wide)
}

func TestFitOfLifeCycles(t *testing.T) {
	m := &maker{}
	m.list()
	for i := range int64(100) {
		at := i * 1e9
		m.add(at, source.Added, fmt.Sprint("new", i), 10)
		m.add(at, source.Added, "again", 10)
		m.add(at+5e8, source.Deleted, "again", 10)
		if i >= 10 {
			m.add(at+5e8, source.Deleted, fmt.Sprint("new", i-10), 10)
		}
	}
	m.add(100e9, source.Modified, "new99", 10)
	f := m.fit(t)
	events := 100 + 100 + 100 + 90 + 1.0
	p := f.Population
	assert.InDelta(t, 100*2*99/events, p.Churn, 0.01, "the first ADDED is none again, the last DELETED comes not back")
	assert.InDelta(t, 100*101/events, p.Grow, 0.01)
	assert.InDelta(t, 100*91/events, p.Shrink, 0.01)
	assert.LessOrEqual(t, p.Churn+p.Grow+p.Shrink, 100.0)
	assert.InDelta(t, 10.5, float64(p.Keys), 1)
	assert.Equal(t, 100*time.Second, f.Span)
}

func TestFitOfFewEventsIsPlain(t *testing.T) {
	m := &maker{}
	m.list()
	for i := range int64(99) {
		m.add(1e9+i, source.Added, fmt.Sprint("k", i), 0)
	}
	m.add(600e9, source.Bookmark, "", 0)
	f := m.fit(t)
	assert.Equal(t, 1.0, f.Peak)
	assert.Zero(t, f.Population.Skew)
	var text strings.Builder
	require.NoError(t, f.WriteTOML(&text, 1, "a\ncommand"))
	assert.Contains(t, text.String(), "\narrival = \"poisson\" # 99% of 100 ms have at most")
	assert.Contains(t, text.String(), "\npick = \"uniform\"")
	assert.Contains(t, text.String(), "# By a\uFFFDcommand, from 600.0 s of made; remarks")
	m.records = m.records[:len(m.records)-1]
	m.add(2e9, source.Added, "one more", 0)
	m.add(600e9, source.Bookmark, "", 0)
	assert.Greater(t, m.fit(t).Peak, 10.0)
}

func TestFitBurstsOfPoisson(t *testing.T) {
	peak, period := FitBursts(10, time.Second, 1, 10*time.Second, 1)
	assert.Equal(t, 1.0, peak)
	assert.Zero(t, period)
	// What is put in comes out, whatever the time scale.
	for _, want := range []time.Duration{100 * time.Millisecond, 10 * time.Second, 200 * time.Second} {
		const p, rate = 3.0, 40.0
		c := p * p / ((p - 1) * want.Seconds())
		dispersion := func(t float64) float64 { return 1 + 2*rate*(p-1)*(c*t-1+math.Exp(-c*t))/(c*c*t) }
		peak, period := FitBursts(rate, rateWindow, dispersion(0.1), 10*time.Second, dispersion(10))
		assert.InEpsilon(t, p, peak, 1e-3)
		assert.InEpsilon(t, want.Seconds(), period.Seconds(), 1e-3)
	}
}

func TestHarmonic(t *testing.T) {
	for _, s := range []float64{0, 0.3, 1, 1.7, 5} {
		want := 0.0
		for k := 1.0; k <= 50_000; k++ {
			want += math.Pow(k, -s)
		}
		assert.InEpsilon(t, want, harmonic(50_000, s), 1e-9, "s=%v", s)
	}
}

// Whatever the pick, it is found in what was drawn with it.
func TestFitFindsThePick(t *testing.T) {
	events, wide := int64(20_000), 1.0
	if testing.Short() {
		events, wide = events/4, 2
	}
	for _, p := range []population.Population{
		{Keys: 100, Pick: "uniform"},
		{Keys: 100, Pick: "turns"},
		{Keys: 100, Pick: "zipf", Skew: 1.2},
		{Keys: 1000, Pick: "recent", Skew: 0.8, Churn: 5, Grow: 10, Shrink: 8},
	} {
		m, life := &maker{}, p.Begin(rand.New(rand.NewPCG(1, 2)))
		for key := range p.Keys {
			m.add(0, source.Added, fmt.Sprint(key), 10)
			m.records[key].Initial = true
		}
		m.list()
		for i := range events {
			key, kind := life.Next()
			m.add(i*5e6, kind, fmt.Sprint(key), 10)
		}
		f := m.fit(t)
		assert.Equal(t, p.Pick, f.Population.Pick, p)
		assert.InDelta(t, p.Skew, f.Population.Skew, 0.03*wide, p)
		assert.InDelta(t, p.Churn, f.Population.Churn, 0.6*wide, "keys to come back are none at first")
		assert.Less(t, f.miss(), 0.15, p)
	}
}

// The ranks by recency are those of a list from which each key that has an event is
// moved to the front.
func TestRecency(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	var r recency
	var front []*fitLife
	for step := range 20_000 {
		switch i := random.IntN(len(front) + 1); {
		case i == len(front) && step < 10_000:
			l := &fitLife{}
			front = append([]*fitLife{l}, front...)
			r.touch(l)
		case i == len(front):
		default:
			l := front[i]
			require.Equal(t, i+1, r.rank(l))
			front = slices.Delete(front, i, i+1)
			if r.leave(l); random.IntN(20) > 0 {
				front = slices.Insert(front, 0, l)
				r.touch(l)
			}
		}
		require.Equal(t, len(front), r.taken)
	}
}

// The twins of the recording resemble it as far as they can: -v tells how far.
// What is not held to the recording here, a twin misses: its highest bursts are too
// low, pods have less of their updates soon after another, and endpoint slices too.
func TestFitOfTheRecording(t *testing.T) {
	open := recording(t)
	fit := func() []Fitted {
		r, err := open()
		require.NoError(t, err)
		defer r.Close()
		all, err := Fit(r)
		require.NoError(t, err)
		return all
	}
	all := fit()
	assert.Equal(t, all, fit(), "no chance is left in it")
	require.Len(t, all, 13)
	t.Logf("%15s%18s%18s%16s%16s%16s%16s%18s%18s", "recorded, drawn", "100 ms: 99%", "100 ms: most",
		"top 1%", "top 10%", "same in 1 s", "same in 10 s", "size: 50%", "size: 99%")
	for _, f := range all {
		r, d := &f.Recorded, &f.Drawn
		t.Logf("%15s%10d%8d%10d%8d%9.1f%7.1f%9.1f%7.1f%9.1f%7.1f%9.1f%7.1f%10d%8d%10d%8d", f.Resource,
			r.PerWindow.P99, d.PerWindow.P99, r.PerWindow.Max, d.PerWindow.Max,
			100*r.Lives.Top1, 100*d.Lives.Top1, 100*r.Lives.Top10, 100*d.Lives.Top10,
			100*r.Coalescible[2], 100*d.Coalescible[2], 100*r.Coalescible[3], 100*d.Coalescible[3],
			r.Sizes.P50, d.Sizes.P50, r.Sizes.P99, d.Sizes.P99)
		if r.Events() < 5000 || testing.Short() {
			continue // too few to resemble
		}
		assert.InEpsilon(t, float64(r.Events())/f.Span.Seconds(), f.Rate, 1e-3)
		assert.InEpsilon(t, float64(r.Events()), float64(d.Events()), 0.2, f.Resource)
		assert.InEpsilon(t, r.PerWindow.P99, d.PerWindow.P99, 0.5, f.Resource)
		assert.InDelta(t, r.Lives.Top10, d.Lives.Top10, 0.25, f.Resource)
		assert.InEpsilon(t, r.Sizes.P50, d.Sizes.P50, 0.15, f.Resource)
		assert.InEpsilon(t, r.Sizes.P99, d.Sizes.P99, 0.35, f.Resource)
	}
	if testing.Short() {
		return
	}
	for resource, pick := range map[string]string{
		"pods": "recent", "leases": "turns", "events": "zipf", "endpointslices": "zipf",
	} {
		i := slices.IndexFunc(all, func(f Fitted) bool { return f.Resource == resource })
		assert.Equal(t, pick, all[i].Population.Pick, resource)
	}
}
