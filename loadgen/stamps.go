package loadgen

import (
	"math/rand/v2"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Calls that come at most crowded after each other, on average over a group, are
// measured by samples: one call of each group. Reading the clock and filing the
// result takes longer than many a buffer takes for an event, so that to measure
// each call would slow what is measured; a sixteenth of that does not. Above
// crowded it is less than a hundredth of the time, and each call is measured.
const (
	group   = 16
	crowded = 20 * time.Microsecond
)

// stamps are the latencies of one recorder's calls. The zero stamps, without a
// histogram, measure none.
//
//	calls   ||||||||||||||||  ||||||||||||||||  | | | | |
//	stamps      |                        |      | | | | |
//	        a group, weight 16        another   not crowded: weight 1
//
// How many calls the next stamp stands for is decided before they come, and
// which of them gets it, by chance. So every call is as likely as the next to be
// seen, whatever the rhythm of batches, and the histogram is unbiased.
type stamps struct {
	latency *hdrhistogram.Histogram
	pause   time.Duration
	heard   time.Duration // when the last measured call for a timed event came
	lag     *Lag          // of the generator; nil = not known
	handler int           // number in lag

	// Calls for timed events are numbered from 0.
	next   int           // the one to measure next
	weight int64         // how many calls that one stands for
	end    int           // the first one after its group
	last   int           // how many there will be; groups beyond are measured call by call
	at     time.Duration // when the mode was chosen last
	seen   int           // at which call that was
	random rand.PCG
}

func newStamps(e *Expect, o RecorderOptions) stamps {
	s := stamps{latency: NewHistogram(), weight: 1, end: group, last: e.Calls - e.Filled}
	s.random.Seed(o.Seed, 0)
	return s
}

// stamp measures the given call, which came at now for an event due then, and
// chooses the next one.
func (s *stamps) stamp(call int, now, due time.Duration, timed bool) {
	if timed {
		record(s.latency, now-due, s.weight)
		s.pause = max(s.pause, now-s.heard)
		s.heard = now
		if s.lag != nil && s.lag.pending.Load() {
			s.lag.stamp(s.handler, now, due, s.weight)
		}
	}
	if s.next = call + 1; s.weight == 1 && s.next < s.end {
		return
	}
	begin := max(s.end, s.next)
	dense := now-s.at < time.Duration(call-s.seen)*crowded
	s.at, s.seen = now, call
	s.next, s.weight, s.end = begin, 1, begin+group
	if dense && s.end <= s.last {
		s.next, s.weight = begin+int(s.random.Uint64()%group), group
	}
}
