package trace

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/source"
	"informerlab/loadgen/recorded"
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
// other seeds.
func TestFitFindsWhatItWasMadeFrom(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	const keys, peak = 200, 4.0
	const skew, sigma, size = 0.9, 0.5, 4000.0
	period, seconds := 4*time.Second, int64(4000)
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
	assert.InEpsilon(t, rate, f.Rate, 0.1)
	assert.InEpsilon(t, peak, f.Bursts.Peak, 0.15)
	assert.InEpsilon(t, period.Seconds(), f.Bursts.Period.Seconds(), 0.2)
	assert.InDelta(t, skew, f.Skew, 0.02)
	assert.InDelta(t, f.Top10, f.Top10Model, 0.02)
	assert.InEpsilon(t, size, f.Size, 0.02)
	assert.InDelta(t, sigma, f.Sigma, 0.02)
	assert.InEpsilon(t, float64(f.SizeP99), f.SizeP99Model, 0.05)
	assert.Equal(t, int64(keys), f.Keys)
	assert.InEpsilon(t, float64(f.Bursts.P99), float64(f.Bursts.P99Model), 0.1)
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
	assert.InDelta(t, 100*2*99/events, f.Churn, 1e-9, "the first ADDED is none again, the last DELETED comes not back")
	assert.InDelta(t, 100*101/events, f.Grow, 1e-9)
	assert.InDelta(t, 100*91/events, f.Shrink, 1e-9)
	assert.InDelta(t, 10.5, float64(f.Keys), 1)
	assert.Equal(t, int64(10), f.KeysEnd)
	assert.Equal(t, int64(12), f.KeysMost)
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
	assert.Equal(t, 1.0, f.Bursts.Peak)
	assert.Zero(t, f.Skew)
	var text strings.Builder
	require.NoError(t, f.WriteTOML(&text))
	assert.Contains(t, text.String(), "arrival = \"poisson\"  # 99% of 100 ms have at most")
	assert.Contains(t, text.String(), "pick = \"uniform\"\n")
	m.records = m.records[:len(m.records)-1]
	m.add(2e9, source.Added, "one more", 0)
	m.add(600e9, source.Bookmark, "", 0)
	assert.Greater(t, m.fit(t).Bursts.Peak, 10.0)
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

// The fit of the recording resembles it where the model can.
func TestFitOfTheRecording(t *testing.T) {
	fit := func() []Fitted {
		r, err := NewReader(recorded.Open(), recorded.Name)
		require.NoError(t, err)
		defer r.Close()
		all, err := Fit(r)
		require.NoError(t, err)
		return all
	}
	all := fit()
	assert.Equal(t, all, fit(), "no chance is left in it")
	require.Len(t, all, 13)
	for _, f := range all {
		if f.Events < 5000 {
			continue
		}
		assert.InEpsilon(t, float64(f.Events)/f.Span.Seconds(), f.Rate, 1e-9)
		if f.Resource != "events" { // of which most keys are never updated
			assert.InDelta(t, f.Top10, f.Top10Model, 0.05, f.Resource)
		}
		assert.InDelta(t, 100, f.Churn+f.Grow+f.Shrink, 100)
		var text strings.Builder
		require.NoError(t, f.WriteTOML(&text))
		assert.Contains(t, text.String(), fmt.Sprintf("\nkeys = %d  #", f.Keys))
	}
}
