package trace

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Bursts are an arrival process with two states, of which each lasts an
// exponential time: while it is on, events come as a Poisson process with Peak
// times the mean rate; while it is off, none come. The two states last Period
// together, on average, so that it is on for 1/Peak of the time. A Peak of 1 is
// a Poisson process, to which the recorded one comes closer than to bursts.
type Bursts struct {
	Peak               float64
	Period             time.Duration
	P99, Max           int64 // events per 100 ms as recorded
	P99Model, MaxModel int64 // of the process, simulated for as long with a fixed seed
}

func (b Bursts) remark() string {
	return fmt.Sprintf("99%% of 100 ms have at most %d events, %d recorded; the most %d, %d recorded",
		b.P99Model, b.P99, b.MaxModel, b.Max)
}

// FitBursts returns the peak and the period of bursts that have, at a mean rate
// in events per second, the dispersions (variance over mean) of the counts in
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

// mostSimulated bounds the events of a simulation, for rates beyond all sense.
const mostSimulated = 20_000_000

// simulate fills in what the process gives in so many windows of 100 ms.
func (b *Bursts) simulate(rate float64, windows int64) {
	if rate <= 0 || windows <= 0 || rate*rateWindow.Seconds()*float64(windows) > mostSimulated {
		return
	}
	random := rand.New(rand.NewPCG(1, 1))
	draw := func(mean float64) int64 { return int64(random.ExpFloat64() * mean) }
	end := windows * int64(rateWindow)
	gap, on, off := 1e9/rate, math.Inf(1), 0.0
	if b.Peak > 1 {
		gap /= b.Peak
		on = float64(b.Period) / b.Peak
		off = float64(b.Period) - on
	}
	counts := map[int64]int64{}
	for now := int64(0); now < end; {
		until := end
		if b.Peak > 1 {
			until = min(end, now+draw(on))
		}
		for now += draw(gap); now < until; now += draw(gap) {
			counts[now/int64(rateWindow)]++
		}
		now = until
		if b.Peak > 1 {
			now += draw(off)
		}
	}
	sizes := slices.Sorted(maps.Values(counts))
	if empty := windows - int64(len(sizes)); len(sizes) > 0 {
		b.MaxModel = sizes[len(sizes)-1]
		if at := (windows*99+99)/100 - 1 - empty; at >= 0 {
			b.P99Model = sizes[at]
		}
	}
}
