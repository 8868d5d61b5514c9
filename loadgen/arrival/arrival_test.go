package arrival

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDefaults(t *testing.T) {
	var printed []string
	for _, kind := range Kinds() {
		p := build(t, kind, some)
		assert.InDelta(t, 20_000, p.Rate(), 0, kind)
		assert.Equal(t, p, build(t, kind, some), kind)
		printed = append(printed, p.String())
	}
	assert.Equal(t, []string{
		"constant(20000/s)",
		"poisson(20000/s)",
		"bursts(20000/s, peak 10, period 250ms)",
		"ramp(20000/s, peak 1.8, over 2s)",
		"sine(20000/s, peak 1.8, period 2s)",
		"relist(20000/s, period 500ms)",
		"recorded(20000/s, times 5)",
	}, printed)
}

func TestNew(t *testing.T) {
	o := Options{PerSecond: 0.5, Peak: 1.5, Period: time.Minute}
	for kind, want := range map[string]Process{
		"constant": Constant{0.5},
		"poisson":  Poisson{0.5},
		"bursts":   Bursts{0.5, 1.5, time.Minute},
		"ramp":     Ramp{0.5, 1.5, time.Minute},
		"sine":     Sine{0.5, 1.5, time.Minute},
		"relist":   Relist{0.5, time.Minute},
	} {
		got := build(t, kind, o)
		assert.True(t, got == want, "%v, expected %v", got, want)
	}
	assert.Equal(t, "constant(10000000/s)", Constant{1e7}.String(), "no exponents")
}

func TestNewRefuses(t *testing.T) {
	const rates = ": expected more than 0 and at most 10000000 events per second"
	for _, c := range []struct {
		kind string
		o    Options
		want string
	}{
		{"weekly", Options{PerSecond: 1}, `unknown process "weekly": expected one of ` +
			"constant, poisson, bursts, ramp, sine, relist, recorded"},
		{"", Options{}, `unknown process "": expected one of ` +
			"constant, poisson, bursts, ramp, sine, relist, recorded"},
		{"constant", Options{}, "constant: rate=0" + rates},
		{"poisson", Options{PerSecond: -3}, "poisson: rate=-3" + rates},
		{"poisson", Options{PerSecond: math.NaN()}, "poisson: rate=NaN" + rates},
		{"relist", Options{PerSecond: 1e7 + 1}, "relist: rate=10000001" + rates},
		{"recorded", Options{PerSecond: math.Inf(1)}, "recorded: rate=+Inf" + rates},
		{"bursts", Options{PerSecond: 100, Peak: 0.9}, "bursts: peak=0.9: expected 1 to 1000 times the rate"},
		{"bursts", Options{PerSecond: 100, Peak: 1001}, "bursts: peak=1001: expected 1 to 1000 times the rate"},
		{"ramp", Options{PerSecond: 100, Peak: 2.1}, "ramp: peak=2.1: expected 1 to 2 times the rate"},
		{"sine", Options{PerSecond: 100, Peak: math.NaN()}, "sine: peak=NaN: expected 1 to 2 times the rate"},
		{"sine", Options{PerSecond: 100, Period: -time.Second},
			"sine: period=-1s: expected more than 0 and at most 1281023h53m38.427387904s"},
		{"relist", Options{PerSecond: 100, Period: math.MaxInt64},
			"relist: period=2562047h47m16.854775807s: expected more than 0 and at most 1281023h53m38.427387904s"},
		{"ramp", Options{PerSecond: 0.25},
			"ramp: period=2s: expected one that holds an event or more at rate=0.25"},
	} {
		_, err := New(c.kind, c.o)
		assert.EqualError(t, err, "arrival: "+c.want)
	}
}

// Whatever the options, times ascend and stop at the largest.
func TestTimesAreLegal(t *testing.T) {
	rng := newRNG(seed)
	between := func(low, high float64) float64 { return low * math.Pow(high/low, rng.Float64()) }
	for range 100 {
		o := Options{PerSecond: between(1e-12, maxRate), Times: some.Times}
		for _, kind := range Kinds() {
			o.Peak = 1 + rng.Float64()
			if rng.IntN(4) == 0 {
				o.Peak = float64(1 + rng.IntN(2))
			}
			// Periods hold from one event to a million.
			o.Period = time.Duration(min(between(1, 1e6)*1e9/o.PerSecond+1, float64(maxTime)))
			if p, err := New(kind, o); err == nil {
				draw(t, p, 2000)
			} else {
				assert.Less(t, o.PerSecond, 1e-9, "refused: %v", err)
			}
		}
	}
	for _, kind := range []string{"constant", "poisson", "relist", "recorded"} {
		times := draw(t, build(t, kind, Options{PerSecond: 1e-9, Times: some.Times}), 100)
		assert.Equal(t, maxTime, times[99], kind)
	}
}

// Neither at the highest rate, where gaps are few nanoseconds, nor at a low one
// may rounding change the mean.
func TestNothingDrifts(t *testing.T) {
	for _, rate := range []float64{maxRate, 1e-3} {
		p := Poisson{rate}
		times := draw(t, p, 4*million)
		within(t, p.String(), 4*million, times[len(times)-1].Seconds()*rate, math.Sqrt(4*million))
	}
	var at instant
	const third = 1e9 / 3.0
	for range 3 * million {
		at.advance(third)
	}
	assert.InDelta(t, 1e6*float64(time.Second), float64(at.whole), 1)
}

func TestTimesAllocateNothing(t *testing.T) {
	for _, kind := range Kinds() {
		p := build(t, kind, some)
		rng := rand.New(rand.NewPCG(seed, 0))
		allocated := testing.AllocsPerRun(3, func() {
			left := 100_000
			for range p.Times(rng) {
				if left--; left == 0 {
					break
				}
			}
		})
		assert.LessOrEqual(t, allocated, 10.0, "%s: per sequence", kind)
	}
}

// One process serves many goroutines, and a sequence may be ranged over again.
func TestProcessesAreValues(t *testing.T) {
	for _, kind := range Kinds() {
		p := build(t, kind, some)
		want := draw(t, p, 20_000)
		done := make(chan []time.Duration)
		for range 4 {
			go func() { done <- draw(t, p, 20_000) }()
		}
		for range 4 {
			assert.Equal(t, want, <-done, kind)
		}
		again := newRNG(seed)
		seq := p.Times(again)
		for range 2 {
			*again = *newRNG(seed)
			for due := range seq {
				require.Equal(t, want[0], due, kind)
				break
			}
		}
	}
}
