package reflector

import (
	"time"

	"informerlab/core/source"
)

// Backoff is how long a reflector waits before it asks the server again. Each
// wait is the base, plus up to Jitter times the base at random; the base grows
// from Initial by Factor to Max. Between short streams it grows from an eighth of
// Initial to an eighth of Max. A field of 0 or less takes its default.
type Backoff struct {
	Initial time.Duration // 800 ms
	Max     time.Duration // 30 s
	Factor  float64       // 2
	Jitter  float64       // 1
	// Reset starts the base over at Initial when so long has passed since it
	// was started last: not since the last failure. 2 min.
	Reset time.Duration
}

// withDefaults fills the fields left out. The figures are client-go's; there,
// they keep one reflector below 0.22 requests per second at a sick server.
func (b Backoff) withDefaults() Backoff {
	if b.Initial <= 0 {
		b.Initial = 800 * time.Millisecond
	}
	if b.Max <= 0 {
		b.Max = 30 * time.Second
	}
	if b.Factor <= 0 {
		b.Factor = 2
	}
	if b.Jitter <= 0 {
		b.Jitter = 1
	}
	if b.Reset <= 0 {
		b.Reset = 2 * time.Minute
	}
	return b
}

// shortened returns the backoff between short streams: they may bring events, of
// which a long wait would delay the next.
func (b Backoff) shortened() Backoff {
	b.Initial /= 8
	b.Max /= 8
	return b
}

// A pacer is a Backoff in use. One goroutine uses it.
type pacer struct {
	Backoff
	base    time.Duration // of the next wait
	started time.Time     // when base was last set to Initial
}

// start begins at Initial.
func (p *pacer) start(now time.Time) { p.base, p.started = p.Initial, now }

// next returns the next wait, given a random number in [0, 1).
func (p *pacer) next(now time.Time, random float64) time.Duration {
	if now.Sub(p.started) > p.Reset {
		p.start(now)
	}
	wait := p.base + time.Duration(random*p.Jitter*float64(p.base))
	p.base = min(time.Duration(float64(p.base)*p.Factor), p.Max)
	return wait
}

// calm is the time without internal error after which a new series of them
// starts.
const calm = time.Minute

// An internalRetry decides how long internal errors that end streams are
// answered by a new stream instead of a relist.
type internalRetry struct {
	limit       time.Duration // since the first error of a series; 0 = never retry
	first, last time.Time     // errors of the present series; zero = none
}

// should takes note of the error that ended a stream and reports whether to
// open another at once.
func (i *internalRetry) should(err error, now time.Time) bool {
	if !source.HasReason(err, source.Internal) {
		return false
	}
	if i.first.IsZero() || now.Sub(i.last) >= calm {
		i.first = now
	}
	i.last = now
	return now.Sub(i.first) <= i.limit && i.limit > 0
}
