package processor

import (
	"slices"
	"time"
)

// MinimumResync is the shortest resync period that a handler can ask for
// (minimumResyncPeriod in client-go's shared_informer.go).
const MinimumResync = time.Second

// CheckPeriod returns how often ShouldResync ought to be called; 0 = never.
func (p *Processor) CheckPeriod() time.Duration {
	p.state.Lock()
	defer p.state.Unlock()
	return p.state.period
}

// setPeriod gives l its effective resync period, after client-go's rules: a
// short request is raised to MinimumResync; one below the check period lowers
// the check period before the start and is raised to it afterwards. The state
// lock is held.
func (p *Processor) setPeriod(l *Listener, requested time.Duration) {
	if requested > 0 {
		requested = max(requested, MinimumResync)
		if requested < p.state.period {
			if p.state.started {
				requested = p.state.period
			} else {
				p.state.period = requested
				for _, other := range p.state.listeners {
					other.resync = effective(other.requested, p.state.period)
				}
			}
		}
	}
	l.requested = requested
	l.resync = effective(requested, p.state.period)
	l.nextResync = time.Now().Add(l.resync)
}

// effective returns the period at which a listener is really due: never if
// either side says never, and not more often than is checked. Checks happen
// only every check period, so in practice it rounds up to a multiple of that.
func effective(requested, check time.Duration) time.Duration {
	if requested == 0 || check == 0 {
		return 0
	}
	return max(requested, check)
}

// ShouldResync begins a resync round: sync notifications published from now
// until the next round go to the listeners that are due now. It reports whether
// any is. A listener that has not yet met a check is due in every round. The round
// begins before ShouldResync returns, or, while somebody holds the publish lock,
// before the next change.
func (p *Processor) ShouldResync() bool {
	now := time.Now()
	p.state.Lock()
	listeners := p.state.listeners
	due := make([]bool, len(listeners))
	for i, l := range listeners {
		due[i] = l.resync > 0 && !now.Before(l.nextResync)
		if due[i] {
			l.nextResync = now.Add(l.resync)
		}
	}
	any := slices.Contains(due, true)
	p.nextRound.Store(p.nextRound.Swap(nil).with(&round{listeners, due}))
	p.state.Unlock()
	if p.publishing.tryEnter() {
		defer p.publishing.leave()
		p.beginRound()
	}
	return any
}

// A round says which listeners are due in a resync round.
type round struct {
	listeners []*Listener
	due       []bool // by listener
}

// with returns the next round with the listeners that were due in r, which is nil or
// has not begun, because their next resync is already counted from it.
func (r *round) with(next *round) *round {
	if r == nil {
		return next
	}
	for i, l := range r.listeners {
		if at := slices.Index(next.listeners, l); at >= 0 && r.due[i] {
			next.due[at] = true
		}
	}
	return next
}

// beginRound begins the round that ShouldResync has left, if there is one. The
// publish lock is held.
func (p *Processor) beginRound() {
	if p.nextRound.Load() == nil {
		return
	}
	next := p.nextRound.Swap(nil)
	p.round++
	for i, l := range next.listeners {
		if sub := l.subscription(); sub != nil {
			l.notDue = !next.due[i]
			sub.Due(p.round, next.due[i])
		}
	}
}
