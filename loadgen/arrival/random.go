package arrival

import (
	"iter"
	"math/rand/v2"
	"time"
)

// Poisson is events that come independently of each other at a constant rate.
// Get one from New, which checks its fields.
type Poisson struct{ PerSecond float64 }

// String returns "poisson(20000/s)".
func (p Poisson) String() string { return label("poisson", p.PerSecond) }

// Rate returns PerSecond.
func (p Poisson) Rate() float64 { return p.PerSecond }

// Times returns times whose gaps, and the first of which, are exponential.
func (p Poisson) Times(rng *rand.Rand) iter.Seq[time.Duration] {
	return follow(rng, func() curve { return level(p.PerSecond) })
}

// Bursts is an on/off Markov-modulated Poisson process: while it is on, events
// come at Peak x PerSecond, while it is off none. It is on and off for
// exponential times: a Peak-th of Period on average, and the rest of it. It
// starts in the stationary state: on with a chance of one in Peak. With a Peak
// of 1 it is Poisson. The gaps after the first event are independent and
// hyperexponential (Kuczura, The Interrupted Poisson Process As An Overflow
// Process, 1973). Get one from New, which checks its fields.
type Bursts struct {
	PerSecond, Peak float64
	Period          time.Duration
}

// String returns "bursts(20000/s, peak 10, period 250ms)".
func (b Bursts) String() string {
	return label("bursts", b.PerSecond, "peak", b.Peak, "period", b.Period)
}

// Rate returns PerSecond.
func (b Bursts) Rate() float64 { return b.PerSecond }

// Times returns the times of events in the bursts.
func (b Bursts) Times(rng *rand.Rand) iter.Seq[time.Duration] {
	rate := perNanosecond(b.PerSecond) * b.Peak
	on := float64(b.Period) / b.Peak
	off := float64(b.Period) - on
	return follow(rng, func() curve {
		isOn := uniform(rng.Uint64()) > 1/b.Peak // the opposite of the first line's state
		return func() line {
			if isOn = !isOn; isOn {
				return line{exponential(rng) * on, rate, rate}
			}
			return line{exponential(rng) * off, 0, 0}
		}
	})
}

// Ramp is events that come faster and faster: for the time Over its rate rises
// evenly from (2-Peak) x PerSecond to Peak x PerSecond, where it stays. Get one
// from New, which checks its fields.
type Ramp struct {
	PerSecond, Peak float64
	Over            time.Duration
}

// String returns "ramp(20000/s, peak 1.8, over 2s)".
func (r Ramp) String() string { return label("ramp", r.PerSecond, "peak", r.Peak, "over", r.Over) }

// Rate returns PerSecond, the mean rate before the ramp's end.
func (r Ramp) Rate() float64 { return r.PerSecond }

// Times returns times as independent as those of Poisson.
func (r Ramp) Times(rng *rand.Rand) iter.Seq[time.Duration] {
	rate := perNanosecond(r.PerSecond)
	return follow(rng, func() curve {
		top, begun := level(r.Peak*r.PerSecond), false
		return func() line {
			if begun {
				return top()
			}
			begun = true
			return line{float64(r.Over), rate * (2 - r.Peak), rate * r.Peak}
		}
	})
}

// Sine is a day with its night: the rate at t is
// PerSecond x (1 + (Peak-1) x sin(2π t/Period)), highest after a quarter of a
// Period and lowest after three. Get one from New, which checks its fields.
//
// The curve is drawn with 1024 straight lines from point to point of the sine,
// which leaves the mean as it is, and is nowhere off by more than 5 millionths
// of PerSecond. This way the area under it has an inverse in closed form: a time
// costs one draw and one root, where thinning would throw away up to half of
// the draws and compute a sine for each, and where Newton's method on the sine
// itself would need several, whose last bits depend on the processor.
type Sine struct {
	PerSecond, Peak float64
	Period          time.Duration
}

// String returns "sine(20000/s, peak 1.8, period 2s)".
func (s Sine) String() string {
	return label("sine", s.PerSecond, "peak", s.Peak, "period", s.Period)
}

// Rate returns PerSecond.
func (s Sine) Rate() float64 { return s.PerSecond }

const (
	sineLines = 1024
	sineStep  = 0.0061358846491544753597 // sin(2π/1024)
	cosStep   = 0.9999811752826011426570 // cos(2π/1024)
)

// Times returns times as independent as those of Poisson.
func (s Sine) Times(rng *rand.Rand) iter.Seq[time.Duration] { return follow(rng, s.curve) }

func (s Sine) curve() curve {
	rate := perNanosecond(s.PerSecond)
	rateAt := func(sin float64) float64 { return rate * max(0, 1+float64((s.Peak-1)*sin)) }
	next, sin, cos := 0, 0.0, 1.0
	return func() line {
		from := rateAt(sin)
		sin, cos = float64(sin*cosStep)+float64(cos*sineStep), float64(cos*cosStep)-float64(sin*sineStep)
		if next++; next == sineLines {
			next, sin, cos = 0, 0, 1 // the days are all the same
		}
		return line{float64(s.Period) / sineLines, from, rateAt(sin)}
	}
}
