package arrival

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sigmas is how many standard errors of theory an estimate may be off: right
// code with a random seed fails one comparison in 16,000.
const sigmas = 4

// within fails unless an estimate is as near to theory as its standard error
// allows.
func within(t *testing.T, what string, theory, estimate, stderr float64) {
	t.Helper()
	z := (estimate - theory) / stderr
	if !(math.Abs(z) <= sigmas) {
		assert.Fail(t, "off theory", "%s: theory %.6g, found %.6g: %.1f standard errors, at most %d allowed",
			what, theory, estimate, z, sigmas)
	}
}

// kolmogorovSmirnov fails if a sample, which it sorts, contradicts a
// distribution at the level 0.001.
func kolmogorovSmirnov(t *testing.T, what string, sample []float64, cdf func(float64) float64) {
	t.Helper()
	const critical = 1.9495 // of D√n in the limit of large n
	slices.Sort(sample)
	n, d := float64(len(sample)), 0.0
	for i, x := range sample {
		f := cdf(x)
		d = max(d, f-float64(i)/n, float64(i+1)/n-f)
	}
	if found := d * math.Sqrt(n); found > critical {
		assert.Fail(t, "wrong distribution", "%s: D√n = %.3f, more than %.3f", what, found, critical)
	}
}

// A mixture is a law of gaps: with a chance each, exponential with a rate each.
type mixture struct{ chances, rates []float64 } // rates per second

// moment returns the mean of the k-th power of a gap in seconds.
func (m mixture) moment(k float64) (sum float64) {
	for i, chance := range m.chances {
		sum += chance * math.Gamma(k+1) / math.Pow(m.rates[i], k)
	}
	return sum
}

// tail returns the chance of a gap longer than g seconds.
func (m mixture) tail(g float64) (sum float64) {
	for i, chance := range m.chances {
		sum += chance * math.Exp(-m.rates[i]*g)
	}
	return sum
}

// wait returns the law of the time from a random instant to the next event
// (renewal theory: its density is the gaps' tail over their mean).
func (m mixture) wait() mixture {
	w := mixture{rates: m.rates}
	for i, chance := range m.chances {
		w.chances = append(w.chances, chance/m.rates[i]/m.moment(1))
	}
	return w
}

// test compares gaps in seconds with the law: mean, variance and tails from
// where half of the gaps are longer to where one in ten thousand is.
func (m mixture) test(t *testing.T, gaps []float64) {
	t.Helper()
	n := float64(len(gaps))
	require.Greater(t, n, 0.9*million)
	mean, variance := m.moment(1), m.moment(2)-m.moment(1)*m.moment(1)
	// The fourth central moment gives the standard error of the variance.
	fourth := m.moment(4) - 4*mean*m.moment(3) + 6*mean*mean*m.moment(2) - 3*math.Pow(mean, 4)
	var sum, squares float64
	for _, g := range gaps {
		sum += g
		squares += (g - mean) * (g - mean)
	}
	within(t, "mean gap", mean, sum/n, math.Sqrt(variance/n))
	within(t, "variance of gaps", variance, squares/n, math.Sqrt((fourth-variance*variance)/n))
	for _, p := range []float64{0.5, 0.1, 0.01, 1e-3, 1e-4} {
		low, high := 0.0, 1e3*math.Sqrt(m.moment(2))
		for range 200 {
			if middle := (low + high) / 2; m.tail(middle) > p {
				low = middle
			} else {
				high = middle
			}
		}
		longer := 0.0
		for _, g := range gaps {
			if g > low {
				longer++
			}
		}
		// Times are whole nanoseconds: gaps are up to one longer or shorter.
		blur := m.tail(low-1e-9) - p
		within(t, "share of long gaps", p, longer/n, math.Sqrt(p*(1-p)/n)+blur/sigmas)
	}
}

// interrupted returns the law of the gaps of Bursts (Kuczura 1973, equations
// for an interrupted Poisson process that is on when an event comes).
func interrupted(b Bursts) mixture {
	rate := b.Peak * b.PerSecond
	ending, beginning := b.Peak/b.Period.Seconds(), 1/(b.Period.Seconds()*(1-1/b.Peak))
	all := rate + ending + beginning
	root := math.Sqrt(all*all - 4*rate*beginning)
	r1, r2 := (all+root)/2, 2*rate*beginning/(all+root)
	p := (rate - r2) / (r1 - r2)
	return mixture{[]float64{p, 1 - p}, []float64{r1, r2}}
}

// A shape is what theory says of a process whose rate changes with time: the
// rate in events per second and the area under it, by time in seconds.
type shape struct {
	rate, area func(t float64) float64
	cycle      float64 // after which the rate comes again, or is constant
}

func sineShape(s Sine) shape {
	c, turn := s.Peak-1, 2*math.Pi/s.Period.Seconds()
	return shape{
		func(t float64) float64 { return s.PerSecond * (1 + c*math.Sin(turn*t)) },
		func(t float64) float64 { return s.PerSecond * (t + c/turn*(1-math.Cos(turn*t))) },
		s.Period.Seconds(),
	}
}

func rampShape(r Ramp) shape {
	over, low := r.Over.Seconds(), 2-r.Peak
	return shape{
		func(t float64) float64 { return r.PerSecond * (low + (r.Peak-low)*min(1, t/over)) },
		func(t float64) float64 {
			on, after := min(t, over), max(0, t-over)
			return r.PerSecond * (low*on + (r.Peak-low)*on*on/over/2 + r.Peak*after)
		},
		over,
	}
}

// gaps returns the law of the gaps that begin in whole cycles. It takes the rate
// for constant within a gap: in these tests it changes by less than a percent,
// up and down alike, which leaves an error of the second order.
func (s shape) gaps() mixture {
	const phases = 10_000
	var m mixture
	for i := range phases {
		rate := s.rate((float64(i) + 0.5) / phases * s.cycle)
		m.rates = append(m.rates, rate)
		m.chances = append(m.chances, rate/s.area(s.cycle)*s.cycle/phases)
	}
	return m
}

// test rescales time such that a right process is Poisson at rate 1: areas
// between events are exponential, independent, and drift nowhere.
func (s shape) test(t *testing.T, times []time.Duration) {
	t.Helper()
	n := float64(len(times))
	areas := make([]float64, len(times))
	last, products := 0.0, 0.0
	for i, due := range times {
		area := s.area(due.Seconds())
		areas[i], last = area-last, area
		if i > 0 {
			products += (areas[i] - 1) * (areas[i-1] - 1)
		}
	}
	within(t, "area under the rate", n, last, math.Sqrt(n))
	within(t, "correlation of one area with the next", 0, products/n, 1/math.Sqrt(n))
	kolmogorovSmirnov(t, "areas between events", areas, func(x float64) float64 { return 1 - math.Exp(-x) })
}

// seconds returns the gaps between times, of those that begin before end.
func seconds(times []time.Duration, end float64) (gaps []float64) {
	for i := range len(times) - 1 {
		if times[i].Seconds() < end {
			gaps = append(gaps, (times[i+1] - times[i]).Seconds())
		}
	}
	return gaps
}

func TestExponential(t *testing.T) {
	rng := newRNG(seed)
	sample := make([]float64, million)
	for i := range sample {
		sample[i] = exponential(rng)
	}
	mixture{[]float64{1}, []float64{1}}.test(t, sample)
	kolmogorovSmirnov(t, "exponential", sample, func(x float64) float64 { return 1 - math.Exp(-x) })
	// Beyond 12 halvings a second draw says how many there are.
	var beyond []float64
	for _, x := range sample {
		if x > 12*math.Ln2 {
			beyond = append(beyond, x-12*math.Ln2)
		}
	}
	const mean = million / 4096.
	within(t, "long ones", mean, float64(len(beyond)), math.Sqrt(mean))
	kolmogorovSmirnov(t, "rest of long ones", beyond, func(x float64) float64 { return 1 - math.Exp(-x) })
}

func TestPoisson(t *testing.T) {
	p := Poisson{20_000}
	times := draw(t, p, million+1)
	mixture{[]float64{1}, []float64{p.PerSecond}}.test(t, seconds(times, math.Inf(1)))
	level := func(float64) float64 { return p.PerSecond }
	shape{level, func(t float64) float64 { return p.PerSecond * t }, 1}.test(t, times)
}

func TestRamp(t *testing.T) {
	for _, r := range []Ramp{{20_000, 1.8, 50 * time.Second}, {20_000, 1.2, 50 * time.Second}} {
		t.Run(r.String(), func(t *testing.T) {
			// Half as many again come after the ramp.
			times := draw(t, r, million*3/2)
			s := rampShape(r)
			s.gaps().test(t, seconds(times, s.cycle))
			s.test(t, times)
		})
	}
	// From a standstill, where the gaps of a mixture have no variance.
	r := Ramp{20_000, 2, 2 * time.Second}
	rampShape(r).test(t, draw(t, r, million))
}

func TestSine(t *testing.T) {
	for _, s := range []Sine{{20_000, 1.8, 2 * time.Second}, {20_000, 1.3, 10 * time.Second}} {
		t.Run(s.String(), func(t *testing.T) {
			times := draw(t, s, million*11/10)
			theory := sineShape(s)
			theory.gaps().test(t, seconds(times, 50))
			theory.test(t, times)
		})
	}
	for _, s := range []Sine{{20_000, 2, 2 * time.Second}, {20_000, 1, time.Second}, {20_000, 1.8, time.Millisecond}} {
		sineShape(s).test(t, draw(t, s, million))
	}
}

// The lines from point to point have to be where the sine is.
func TestSineIsDrawnNearEnough(t *testing.T) {
	const millionths = 5e-6
	s := Sine{1e9, 2, 1024 * time.Second}
	theory := sineShape(s)
	next := s.curve()
	at := 0.0
	for range 3 * sineLines {
		l := next()
		require.InDelta(t, 1e9, l.length, 0)
		assert.InDelta(t, theory.rate(at)/1e9, l.from, 1e-12)
		assert.InDelta(t, theory.rate(at+1)/1e9, l.to, 1e-12)
		assert.InDelta(t, theory.rate(at+0.5)/1e9, (l.from+l.to)/2, millionths)
		at++
	}
}

func TestBursts(t *testing.T) {
	for _, b := range []Bursts{
		{20_000, 10, 250 * time.Millisecond}, {20_000, 10, time.Millisecond},
		{20_000, 1.5, 2 * time.Millisecond}, {20_000, 1000, 50 * time.Millisecond},
	} {
		t.Run(b.String(), func(t *testing.T) {
			times := draw(t, b, million+1)
			interrupted(b).test(t, seconds(times, math.Inf(1)))
		})
	}
	b := Bursts{20_000, 10, time.Millisecond}
	law := interrupted(b)
	kolmogorovSmirnov(t, "gaps", seconds(draw(t, b, million), math.Inf(1)),
		func(x float64) float64 { return 1 - law.tail(x) })
	p := Bursts{20_000, 1, time.Second}
	mixture{[]float64{1}, []float64{p.PerSecond}}.test(t, seconds(draw(t, p, million+1), math.Inf(1)))
}

// A process that starts in the stationary state lets one wait for the first
// event as for the next from any instant.
func TestBurstsStartAnywhere(t *testing.T) {
	b := Bursts{20_000, 10, time.Millisecond}
	wait := interrupted(b).wait()
	var sample []float64
	for seed := range uint64(100_000) {
		for due := range b.Times(newRNG(seed)) {
			sample = append(sample, due.Seconds())
			break
		}
	}
	kolmogorovSmirnov(t, "first event", sample, func(x float64) float64 { return 1 - wait.tail(x) })
}

// Counts in windows of on/off bursts are spread wider than those of Poisson:
// variance over mean is 1 + 2 s (1 - (1-exp(-c w))/(c w)), where c is the rate
// at which the state forgets, and s what bursts add (Fischer and
// Meier-Hellstern, The Markov-modulated Poisson process cookbook, 1993).
func TestBurstsDispersion(t *testing.T) {
	b := Bursts{20_000, 10, time.Millisecond}
	times := draw(t, b, 4*million)
	ending, beginning := b.Peak/b.Period.Seconds(), 1/(b.Period.Seconds()*(1-1/b.Peak))
	forgetting := ending + beginning
	added := b.Peak * b.PerSecond * ending / (forgetting * forgetting)
	for _, window := range []time.Duration{20 * time.Microsecond, 100 * time.Microsecond, time.Millisecond,
		20 * time.Millisecond} {
		c := forgetting * window.Seconds()
		theory := 1 + 2*added*(1-(1-math.Exp(-c))/c)
		found, stderr := dispersion(times, window, b.PerSecond*window.Seconds())
		within(t, "dispersion in "+window.String(), theory, found, stderr)
		assert.Less(t, stderr, theory/20, "the test is too weak")
	}
	end := times[len(times)-1].Seconds()
	mean := b.PerSecond * end
	within(t, "events in all", mean, float64(len(times)), math.Sqrt(mean*(1+2*added)))
}

// dispersion returns variance over mean of the counts in windows, about the
// mean of theory, with a standard error from the means of 100 batches, so long
// that they are as good as independent.
func dispersion(times []time.Duration, window time.Duration, mean float64) (found, stderr float64) {
	const batches = 100
	counts := make([]float64, times[len(times)-1]/window+1)
	for _, due := range times {
		counts[due/window]++
	}
	size := len(counts) / batches
	var sum, squares float64
	for i := range batches {
		batch := 0.0
		for _, count := range counts[i*size : (i+1)*size] {
			batch += (count - mean) * (count - mean) / mean / float64(size)
		}
		sum += batch
		squares += batch * batch
	}
	found = sum / batches
	return found, math.Sqrt((squares/batches - found*found) / (batches - 1))
}

// The way along a line and the area under it have to agree, also where the
// rate begins or ends at 0 and rounding could make a root of less than that.
func TestReach(t *testing.T) {
	rng := newRNG(seed)
	for range 100_000 {
		l := line{1e9 * rng.Float64(), rng.Float64(), rng.Float64()}
		switch rng.IntN(3) {
		case 0:
			l.from = 0
		case 1:
			l.to = 0
		}
		for _, share := range []float64{1e-12, rng.Float64(), 1} {
			x := l.reach(share*l.area()) / l.length
			area := (l.from*x + (l.to-l.from)*x*x/2) / (l.area() / l.length)
			if !(x >= 0 && x <= 1+1e-7 && math.Abs(area-share) < 1e-12) {
				require.FailNow(t, "wrong way", "%+v: %g of its area is at %g, where %g is", l, share, x, area)
			}
		}
	}
}
