package arrival

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"
)

// Constant spaces events evenly, the first at 0. Get one from New, which checks
// its fields.
type Constant struct{ PerSecond float64 }

// String returns "constant(20000/s)".
func (c Constant) String() string { return label("constant", c.PerSecond) }

// Rate returns PerSecond.
func (c Constant) Rate() float64 { return c.PerSecond }

// Times returns i/PerSecond for i from 0, each computed from i.
func (c Constant) Times(*rand.Rand) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		for i := 0; ; i++ {
			if !yield(time.Duration(min(float64(i)/c.PerSecond*float64(time.Second), float64(maxTime)))) {
				return
			}
		}
	}
}

// Relist is a relist of many informers: at the end of every Period a batch of
// events is due at one instant. A batch is PerSecond x Period events; where that
// is no whole number batches differ by one event, so that none is gained or lost
// in the long run. Get one from New, which checks its fields.
type Relist struct {
	PerSecond float64
	Period    time.Duration
}

// String returns "relist(20000/s, period 500ms)".
func (r Relist) String() string { return label("relist", r.PerSecond, "period", r.Period) }

// Rate returns PerSecond.
func (r Relist) Rate() float64 { return r.PerSecond }

// Times returns for event i the end of the period in which it would fall if it
// came at a constant rate.
func (r Relist) Times(*rand.Rand) iter.Seq[time.Duration] {
	batch := r.PerSecond * r.Period.Seconds()
	batches := float64(maxTime / r.Period)
	return func(yield func(time.Duration) bool) {
		for i := 0; ; i++ {
			due := maxTime
			if before := float64(i) / batch; before < batches {
				due = (time.Duration(before) + 1) * r.Period
			}
			if !yield(due) {
				return
			}
		}
	}
}

// Recorded is the times of a recorded trace, repeated without end: the first is
// due at 0, and the mean gap parts the last from the first of the next round.
// It can be compared as a pointer.
type Recorded struct {
	times     []time.Duration // from 0
	stretch   float64         // what times are multiplied with
	perSecond float64
}

// NewRecorded returns the times of a trace, two or more and ascending, from 0 to
// 1<<62 ns, stretched evenly such that they come at the given rate on average;
// 0 = as recorded. It copies times.
func NewRecorded(times []time.Duration, perSecond float64) (*Recorded, error) {
	if perSecond != 0 {
		if err := checkRate(perSecond); err != nil {
			return nil, fmt.Errorf("arrival: recorded: %w", err)
		}
	}
	if err := checkTimes(times); err != nil {
		return nil, fmt.Errorf("arrival: recorded: %w", err)
	}
	r := &Recorded{times: slices.Clone(times), stretch: 1, perSecond: perSecond}
	for i := range r.times {
		r.times[i] -= times[0]
	}
	asRecorded := float64(len(times)-1) / r.times[len(times)-1].Seconds()
	if perSecond == 0 {
		r.perSecond = asRecorded
	} else {
		r.stretch = asRecorded / perSecond
	}
	return r, nil
}

func checkTimes(times []time.Duration) error {
	if len(times) < 2 {
		return fmt.Errorf("%d times: expected 2 or more", len(times))
	}
	for i, t := range times {
		switch {
		case t < 0 || t > maxTime:
			return fmt.Errorf("time %d is %v: expected 0 to %v", i, t, maxTime)
		case i > 0 && t < times[i-1]:
			return fmt.Errorf("time %d is %v: expected no less than the one before, %v", i, t, times[i-1])
		}
	}
	if times[0] == times[len(times)-1] {
		return fmt.Errorf("all times are %v: expected two that differ", times[0])
	}
	return nil
}

// String returns "recorded(20000/s, times 187875)". It does not tell traces of
// the same length apart.
func (r *Recorded) String() string { return label(recorded, r.perSecond, "times", len(r.times)) }

// Rate returns the mean rate.
func (r *Recorded) Rate() float64 { return r.perSecond }

// Times returns the recorded times, stretched, round after round.
func (r *Recorded) Times(*rand.Rand) iter.Seq[time.Duration] {
	round := float64(len(r.times)) / r.perSecond * float64(time.Second)
	return func(yield func(time.Duration) bool) {
		var start instant
		for {
			for _, t := range r.times {
				if !yield(start.after(float64(t) * r.stretch)) {
					return
				}
			}
			start.advance(round)
		}
	}
}
