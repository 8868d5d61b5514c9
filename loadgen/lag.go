package loadgen

import (
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"go.uber.org/atomic"
)

// LateLimit is how late a generator may hand out an event without being late:
// about as late as a Go timer of an idle process (golang/go#44343). Latencies
// include so much of it without a bound.
const LateLimit = time.Millisecond

// A Lag bounds what a late generator adds to latencies. A generator reports to it,
// and the recorders that Follow it ask it, by stamp, what they may still be behind:
//
//	Stream ── Late ──▶ Lag ◀── stamp ── recorders
//
// A measured latency counts from the intended time and is the upper bound. The
// lower bound is the latency less the largest lag so far in the same busy period,
// and at least 0. That follows from the recursion of D. V. Lindley (The theory of
// queues with a single server, 1952): event k, with arrival a and service s, leaves
// at d(k) = max(d(k-1), a(k)) + s(k). So arrivals that are late by at most L make
// no event leave more than L later, through any chain of such queues. And an event
// that finds nothing pending owes nothing to those before it: a busy period ends.
//
// Whether anything is pending is not known, but an event that leaves w after its
// intended time cannot have been delayed by more than w. So a handler is behind by
// at most its least latency since the lag, of events due after all late ones were
// handed out. The busy period is over when that is within LateLimit for all
// handlers, which wait for one another where they share processors.
//
// Note: the recursion keeps the order of events. Behind a buffer that merges or
// drops, the lower bound is an approximation.
//
// Late and stamp may be called concurrently. Until an event is late, a measured
// call costs one atomic load.
type Lag struct {
	pending atomic.Bool // some handler may be behind
	mu      sync.Mutex
	until   time.Duration   // when late events were handed out last
	behind  []time.Duration // by handler: at most
	// The latencies and lower bounds of the calls that may have been delayed.
	upper, lower *hdrhistogram.Histogram
}

func newLag() *Lag { return &Lag{upper: NewHistogram(), lower: NewHistogram()} }

// Late reports that events were handed out at a time after the start, and the
// first of them late by that much. It does nothing within LateLimit.
func (g *Lag) Late(by, at time.Duration) {
	if by <= LateLimit {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until = at
	for i, behind := range g.behind {
		g.behind[i] = max(behind, by)
	}
	g.pending.Store(len(g.behind) > 0)
}

// join returns the number of a new handler.
func (g *Lag) join() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.behind = append(g.behind, 0)
	return len(g.behind) - 1
}

// stamp records a call that stands for times calls, unless no handler is behind.
func (g *Lag) stamp(handler int, now, due time.Duration, times int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if due > g.until {
		if g.behind[handler] = min(g.behind[handler], now-due); g.behind[handler] <= LateLimit {
			g.behind[handler] = 0
		}
	}
	behind := slices.Max(g.behind)
	if g.pending.Store(behind > 0); behind > 0 {
		record(g.upper, now-due, times)
		record(g.lower, now-due-behind, times)
	}
}

// Lower returns the lower bounds of the latencies of all recorders that follow, or
// nil if they equal the latencies. Call it when all events have been handled. g
// may be nil.
func (g *Lag) Lower(latency *hdrhistogram.Histogram) *hdrhistogram.Histogram {
	if g == nil || latency == nil || g.upper.TotalCount() == 0 {
		return nil
	}
	all, upper, lower := latency.Export(), g.upper.Export(), g.lower.Export()
	for i := range all.Counts {
		all.Counts[i] += lower.Counts[i] - upper.Counts[i]
	}
	return hdrhistogram.Import(all)
}
