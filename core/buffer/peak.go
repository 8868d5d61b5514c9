package buffer

import "go.uber.org/atomic"

// A Peak is the largest number that was ever seen: the high-water mark of a
// buffer without a lock. The zero Peak is 0. Its methods may be called
// concurrently; See is one load unless the number is the largest so far.
type Peak struct{ most atomic.Int64 }

// See raises the peak to n, if that is more.
func (p *Peak) See(n int) {
	for most := p.most.Load(); int64(n) > most; most = p.most.Load() {
		if p.most.CompareAndSwap(most, int64(n)) {
			return
		}
	}
}

// Most returns the peak.
func (p *Peak) Most() int { return int(p.most.Load()) }
