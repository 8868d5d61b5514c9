package processor

import (
	"fmt"

	"informerlab/core/buffer"
)

// Stats account for every notification of one handler. They are exact when
// nothing is being published or handled; in between, each is a little old, and
// Handled moves in steps of a batch.
type Stats struct {
	Replayed  uint64 // initial adds made for a late handler
	Routed    uint64 // published notifications routed to it
	Handled   uint64 // calls that returned
	Panicked  uint64 // calls that panicked
	InHand    uint64 // taken from the buffer, not yet handled: the call in progress and its batch
	Pending   uint64 // waiting in the buffer
	Discarded [buffer.NumReasons]uint64

	Healed uint64 // calls that told a state of which notifications were discarded; in no sum
	Gaps   uint64 // keys that are still to be healed
	// Healing counts the healing calls that have been prepared and have not
	// returned. Like Handled, it moves in steps of a batch.
	Healing uint64
	// Tracked counts Gaps and the keys that have been healed while older
	// notifications of them may still be pending.
	Tracked uint64
}

// Lost returns the number of notifications discarded for any reason.
func (s Stats) Lost() (n uint64) {
	for _, d := range s.Discarded {
		n += d
	}
	return n
}

// Check returns an error unless the sentence of the package comment holds:
// replayed + routed = handled + panicked + in hand + pending + discarded.
// It makes sense only when nothing moves.
func (s Stats) Check() error {
	in := s.Replayed + s.Routed
	out := s.Handled + s.Panicked + s.InHand + s.Pending + s.Lost()
	if in != out {
		return fmt.Errorf("processor: %d notifications came in and %d are accounted for: %+v", in, out, s)
	}
	return nil
}

// Stats returns the account of the listener.
func (l *Listener) Stats() Stats {
	sub := l.subscription()
	s := Stats{
		Replayed: l.replayed.Load(),
		Handled:  l.handled.Load(),
		Panicked: l.panicked.Load(),
		InHand:   uint64(l.inHand.Load()),
		Healed:   l.healed.Load(),
	}
	s.Gaps, s.Tracked = l.gaps.counts()
	s.Healing = uint64(l.healing.Load())
	if sub != nil {
		s.Routed, s.Pending = sub.Routed(), uint64(sub.Len())
	}
	for i := range s.Discarded {
		s.Discarded[i] = l.discards[i].Load()
	}
	return s
}

// subscription returns what the listener consumes, or nil before it begins.
func (l *Listener) subscription() Subscription {
	l.p.state.Lock()
	defer l.p.state.Unlock()
	return l.sub
}
