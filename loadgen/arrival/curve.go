package arrival

import (
	"iter"
	"math"
	"math/bits"
	"math/rand/v2"
	"time"
)

// A curve is the rate over time, line after line without end.
type curve func() line

// A line is a stretch of a curve where the rate changes evenly.
type line struct {
	length   float64 // nanoseconds
	from, to float64 // events per nanosecond
}

// area returns the mean number of events on the line.
func (l line) area() float64 { return l.length / 2 * (l.from + l.to) }

// reach returns how far from the line's start the area under it is a, above 0
// and at most all: the root of from x + slope/2 x² = a, in the form in which
// nothing cancels out.
func (l line) reach(a float64) float64 {
	slope := (l.to - l.from) / l.length
	root := math.Sqrt(max(0, float64(l.from*l.from)+float64(2*slope*a)))
	return 2 * a / (l.from + root)
}

// level returns a constant curve. Its lines hold a thousand events each, so that
// positions on them keep all their digits.
func level(perSecond float64) curve {
	const events = 1000
	rate := perNanosecond(perSecond)
	return func() line { return line{events / rate, rate, rate} }
}

func perNanosecond(perSecond float64) float64 { return perSecond / float64(time.Second) }

// follow returns the times of a Poisson process whose rate is a curve, by
// rescaling time: events that come at rate 1 along the area under the curve
// come at the curve's rate along its time (Çinlar, Introduction to Stochastic
// Processes, 1975). Each range begins a new curve.
//
//	rate   ╱│╲ │              each mark is an exponential area
//	      ╱││ ╲│ ╲___│____    further than the one before
//	     └─┴┴──┴─────┴────▶ time
func follow(rng *rand.Rand, begin func() curve) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		next := begin()
		var start instant // of the line
		var due time.Duration
		l := next()
		area, all := 0.0, l.area()
		for {
			area += exponential(rng)
			for area > all {
				area -= all
				start.advance(l.length)
				l = next()
				all = l.area()
			}
			// Rounding may swap two times that are the same but for the last bit.
			due = max(due, start.after(l.reach(area)))
			if !yield(due) {
				return
			}
		}
	}
}

// An instant is a time with the fraction of a nanosecond that is left over, so
// that a sum of many lengths is as exact as one.
type instant struct {
	whole time.Duration
	part  float64 // of a nanosecond, from 0 to 1 but for rounding
}

// after returns the instant x nanoseconds later, without its fraction.
func (i *instant) after(x float64) time.Duration {
	sum := i.part + float64(x)
	if sum >= float64(maxTime-i.whole) {
		return maxTime
	}
	return i.whole + time.Duration(sum)
}

// advance moves the instant by x nanoseconds.
func (i *instant) advance(x float64) {
	whole := i.after(x)
	if whole < maxTime {
		i.part += float64(x) - float64(whole-i.whole)
	}
	i.whole = whole
}

// exponential draws from the exponential distribution with mean 1. It is
// algorithm S of Knuth (The Art of Computer Programming, volume 2, 3.4.1), by
// Ahrens and Dieter (1972): all decisions are comparisons of uniform numbers, so
// that there is no logarithm whose last bits depend on the build. Neither
// is there a table of 32-bit steps, as in rand.ExpFloat64.
func exponential(rng *rand.Rand) float64 {
	random := rng.Uint64()
	// The low 12 bits make the whole number of halvings, the others the rest.
	halvings := bits.TrailingZeros64(random)
	if halvings >= 12 {
		halvings = 12 + bits.TrailingZeros64(rng.Uint64())
	}
	u := uniform(random)
	if u >= shares[0] {
		least := uniform(rng.Uint64())
		for _, share := range shares[1:] {
			least = min(least, uniform(rng.Uint64()))
			if u < share {
				break
			}
		}
		u = float64(least * math.Ln2)
	}
	return float64(float64(halvings)*math.Ln2) + u
}

// uniform returns the high 52 of 64 random bits as a number above 0 and below 1,
// in the middle of one of as many steps.
func uniform(random uint64) float64 { return (float64(random>>12) + 0.5) / (1 << 52) }

// shares[k-1] is the sum of ln(2)^i/i! for i from 1 to k: all that a number
// below 1 of 52 bits has to be compared with. Constants are exact until the
// last rounding.
var shares = [...]float64{s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15, s16}

const (
	p1, s1   = math.Ln2, p1
	p2, s2   = p1 * math.Ln2 / 2, s1 + p2
	p3, s3   = p2 * math.Ln2 / 3, s2 + p3
	p4, s4   = p3 * math.Ln2 / 4, s3 + p4
	p5, s5   = p4 * math.Ln2 / 5, s4 + p5
	p6, s6   = p5 * math.Ln2 / 6, s5 + p6
	p7, s7   = p6 * math.Ln2 / 7, s6 + p7
	p8, s8   = p7 * math.Ln2 / 8, s7 + p8
	p9, s9   = p8 * math.Ln2 / 9, s8 + p9
	p10, s10 = p9 * math.Ln2 / 10, s9 + p10
	p11, s11 = p10 * math.Ln2 / 11, s10 + p11
	p12, s12 = p11 * math.Ln2 / 12, s11 + p12
	p13, s13 = p12 * math.Ln2 / 13, s12 + p13
	p14, s14 = p13 * math.Ln2 / 14, s13 + p14
	p15, s15 = p14 * math.Ln2 / 15, s14 + p15
	p16, s16 = p15 * math.Ln2 / 16, s15 + p16
)
