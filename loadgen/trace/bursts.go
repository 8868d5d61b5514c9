package trace

import (
	"math"
	"time"
)

// FitBursts returns the peak and the period of bursts, as package arrival means
// them, that have, at a mean rate in events per second, the dispersions (variance over mean) of the counts in
// windows of two lengths, the shorter one first.
//
// With r the rate and c = 1/(mean time on) + 1/(mean time off), counts in a
// window t have the dispersion 1 + 2r(peak-1)·(ct-1+exp(-ct))/(c²t): Fischer and
// Meier-Hellstern, "The Markov-modulated Poisson process (MMPP) cookbook",
// Performance Evaluation 18 (1993). The quotient of two dispersions,
// each less 1, depends on c alone and falls with it, so c is found by halving;
// peak and period follow. Where bursts seem to last longer than any window, or
// less than all, c is the nearest of 1/1000 s and 1000/s. Dispersions of at most
// 1 are a Poisson process: peak 1, period 0.
func FitBursts(rate float64, short time.Duration, dShort float64, long time.Duration, dLong float64) (
	peak float64, period time.Duration,
) {
	if !(rate > 0 && dShort > 1 && dLong > 1) {
		return 1, 0
	}
	t1, t2 := short.Seconds(), long.Seconds()
	shape := func(c, t float64) float64 {
		x := float64(c * t)
		if x < 1e-4 {
			return t / 2 // what the quotient tends to
		}
		return (x + math.Expm1(-x)) / (c * x)
	}
	low, high := math.Log(1e-3), math.Log(1e3)
	for range 100 {
		middle := (low + high) / 2
		c := math.Exp(middle)
		if shape(c, t2)/shape(c, t1) > (dLong-1)/(dShort-1) {
			low = middle
		} else {
			high = middle
		}
	}
	c := math.Exp((low + high) / 2)
	peak = 1 + (dShort-1)/(2*rate*shape(c, t1))
	return peak, time.Duration(peak * peak / ((peak - 1) * c) * 1e9)
}
