package chart

import (
	"math"
	"slices"

	"informerlab/bench/format"
)

// An Axis is one of the two of a plot.
type Axis struct {
	Title, Unit string // both are shown
	Log         bool
	Binary      bool                 // a logarithmic axis has its ticks at powers of 2
	Format      func(float64) string // of tick labels; nil = format.Count
	Ticks       []float64            // nil = as suits the values
	Min, Max    float64              // to be shown at least; of a logarithmic axis, 0 = as the values have it
}

// label returns title and unit.
func (a *Axis) label() string {
	unit := a.Unit
	if a.Log {
		unit += ", log scale"
	}
	return a.Title + " (" + unit + ")"
}

func (a *Axis) format(v float64) string {
	if a.Format == nil {
		return format.Count(v)
	}
	return a.Format(v)
}

// A scale maps values to pixels.
type scale struct {
	log        bool
	low, high  float64 // values
	from, till float64 // pixels
	ticks      []float64
}

func (s *scale) position(v float64) float64 {
	low, high := s.low, s.high
	if s.log {
		v, low, high = math.Log(v), math.Log(low), math.Log(high)
	}
	return s.from + (v-low)/(high-low)*(s.till-s.from)
}

// holds reports whether the scale has a place for a value.
func (s *scale) holds(v float64) bool {
	return !math.IsNaN(v) && !math.IsInf(v, 0) && (!s.log || v > 0)
}

// newScale fits a scale to values, with about so many ticks.
func newScale(a *Axis, values []float64, from, till float64, ticks int) *scale {
	s := &scale{log: a.Log, low: math.Inf(1), high: math.Inf(-1), from: from, till: till}
	bounds := []float64{a.Min, a.Max}
	if a.Min == 0 && a.Max == 0 && (a.Log || a.Ticks != nil) {
		bounds = nil
	}
	for _, v := range append(bounds, values...) {
		if s.holds(v) {
			s.low, s.high = min(s.low, v), max(s.high, v)
		}
	}
	if s.low > s.high {
		s.low, s.high = 1, 1
	}
	switch {
	case len(a.Ticks) > 0:
		for _, v := range a.Ticks {
			if v >= s.low*.999 && v <= s.high*1.001 {
				s.ticks = append(s.ticks, v)
			}
		}
	case a.Log && a.Binary:
		s.binaryTicks(ticks)
	case a.Log:
		s.decimalTicks(ticks)
	default:
		s.linearTicks(ticks)
	}
	return s
}

// tighten lets a linear scale end with the last value and not with a tick.
func (s *scale) tighten(values []float64) {
	if high := slices.Max(values); !s.log && high > s.low {
		s.high = high
		s.ticks = slices.DeleteFunc(s.ticks, func(v float64) bool { return v > high*1.0001 })
	}
}

// linearTicks puts ticks at multiples of 1, 2 or 5 times a power of ten, and lets
// the scale begin and end at one.
func (s *scale) linearTicks(most int) {
	if s.high == s.low {
		s.high++
	}
	step := math.Pow(10, math.Floor(math.Log10((s.high-s.low)/float64(most))))
	for _, times := range []float64{2, 2.5, 2} {
		if math.Ceil(s.high/step-1e-9)-math.Floor(s.low/step+1e-9) <= float64(most) {
			break
		}
		step *= times
	}
	first, last := math.Floor(s.low/step+1e-9), math.Ceil(s.high/step-1e-9)
	for i := first; i <= last; i++ {
		s.ticks = append(s.ticks, i*step)
	}
	s.low, s.high = first*step, last*step
}

// decimalTicks puts ticks at powers of ten, or of a thousand and so on, and
// between them where there is room. The scale begins and ends at 1, 2 or 5 times
// a power of ten, unless all values are so near each other that ticks at even
// distances tell more.
func (s *scale) decimalTicks(most int) {
	if s.high < 3*s.low {
		low := s.low * .97
		s.low, s.high = low, s.high*1.03
		s.linearTicks(most)
		s.low = max(s.low, low)
		s.ticks = slices.DeleteFunc(s.ticks, func(v float64) bool { return v < s.low })
		return
	}
	s.low, s.high = roundedDown(s.low/1.05), roundedUp(s.high*1.05)
	decades := math.Log10(s.high / s.low)
	steps := []float64{1}
	switch {
	case 3*decades <= float64(most):
		steps = []float64{1, 2, 5}
	case 2*decades <= float64(most):
		steps = []float64{1, 3}
	}
	every := max(1, int(math.Ceil(decades/float64(most))))
	for e := int(math.Floor(math.Log10(s.low))); e <= int(math.Ceil(math.Log10(s.high))); e++ {
		for _, m := range steps {
			if v := m * math.Pow(10, float64(e)); e%every == 0 && v >= s.low*.999 && v <= s.high*1.001 {
				s.ticks = append(s.ticks, v)
			}
		}
	}
}

// roundedDown returns the next 1, 2 or 5 times a power of ten below a value.
func roundedDown(v float64) float64 {
	e := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{5, 2} {
		if v >= m*e*.9999 {
			return m * e
		}
	}
	return e
}

// roundedUp returns the next 1, 2 or 5 times a power of ten above a value.
func roundedUp(v float64) float64 {
	e := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*e*1.0001 {
			return m * e
		}
	}
	return 10 * e
}

// binaryTicks puts ticks at powers of 2, or of 4 and so on; the scale begins and
// ends at one.
func (s *scale) binaryTicks(most int) {
	first, last := math.Floor(math.Log2(s.low)+1e-9), math.Ceil(math.Log2(s.high)-1e-9)
	if first == last {
		first, last = first-1, last+1
	}
	every := 1.0
	for _, step := range []float64{2, 3, 5, 10, 20} {
		if (last-first)/every <= float64(most) {
			break
		}
		every = step
	}
	first, last = math.Floor(first/every)*every, math.Ceil(last/every)*every
	for e := first; e <= last; e += every {
		s.ticks = append(s.ticks, math.Exp2(e))
	}
	s.low, s.high = math.Exp2(first), math.Exp2(last)
}
