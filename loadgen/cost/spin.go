package cost

import (
	"math"
	"sync"
	"time"
)

// spin works for about as long as d is. It does a fixed number of rounds
// instead of looking at the clock until d is over: a handler that is preempted,
// by Go or by the kernel, then still has all its work to do, as one that really
// computes has, and under simulated time, which stands still meanwhile, it ends.
// In return it takes longer on a processor that has become slower since it was
// measured, or whose other hyperthread is busy, again like real work.
func (s *Spender) spin(d time.Duration) {
	s.state = burn(s.state, int(float64(d)*s.pace))
}

// burn goes through rounds of Marsaglia's xorshift ("Xorshift RNGs", Journal of
// Statistical Software 8(14), 2003). Each depends on the one before, so that
// their time is that of their latencies, and the result is returned, so that no
// compiler leaves them out. It is not inlined so that the loop that is measured
// is the one that is used.
//
//go:noinline
func burn(x uint64, rounds int) uint64 {
	for range rounds {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

const (
	trials      = 20
	trialRounds = 20_000
	// guess serves where the clock stands still, or is too coarse to tell.
	guess = 0.5
)

var measured struct {
	sync.Mutex
	pace float64 // 0 = not yet
}

// pace returns how many rounds burn goes through in a nanosecond, as the fastest
// of some short trials tells: one that nothing disturbed. It measures once per
// process, and not under simulated time, where it makes do with a guess.
func pace() float64 {
	measured.Lock()
	defer measured.Unlock()
	if measured.pace > 0 {
		return measured.pace
	}
	best, x := time.Duration(math.MaxInt64), uint64(1)
	for range trials {
		before := time.Now()
		x = burn(x, trialRounds)
		best = min(best, time.Since(before))
	}
	if best == 0 {
		return guess
	}
	measured.pace = trialRounds / float64(best)
	return measured.pace
}
