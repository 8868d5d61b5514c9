package processor

import (
	"time"

	"informerlab/core/buffer"
)

// A Backlog is what can be seen from outside of the notifications that wait for
// one handler.
type Backlog struct {
	Listener *Listener
	Stats
	// Age is how long the oldest notification that is not yet handled has
	// been on its way at least; it is older by less than the time between two
	// samples, and by as much more as the batch in hand takes. 0 = nothing
	// waits and nothing is in hand.
	Age time.Duration
	// Gauges are the buffer's own; all are 0 if the fan-out keeps none.
	buffer.Gauges
}

// A Sampler looks at backlogs from time to time. Ages come from its earlier
// looks, so that no publication needs to read a clock. One goroutine uses it.
type Sampler struct {
	p     *Processor
	marks map[*Listener][]mark
}

// A mark says what had been published at some moment.
type mark struct {
	at  time.Time
	seq uint64 // of the last notification published
	in  uint64 // notifications routed to the listener, replayed ones included
}

// maxMarks bounds the marks of one listener. When there are more, every second
// one goes: the longer a backlog has waited, the less its exact age matters.
const maxMarks = 128

// NewSampler returns a Sampler that has not looked yet.
func (p *Processor) NewSampler() *Sampler {
	return &Sampler{p: p, marks: map[*Listener][]mark{}}
}

// Sample returns the backlog of each handler, in the order of registration. now
// must not go back from call to call.
func (s *Sampler) Sample(now time.Time) []Backlog {
	listeners := s.p.listeners()
	marks := make(map[*Listener][]mark, len(listeners))
	backlogs := make([]Backlog, 0, len(listeners))
	for _, l := range listeners {
		seq := s.p.seq.Load()
		b := Backlog{Listener: l, Stats: l.Stats()}
		if b.Pending+b.InHand+b.Gaps+b.Healing > 0 {
			marks[l] = append(thinned(s.unpassed(&b)), mark{now, seq, b.Replayed + b.Routed})
			b.Age = now.Sub(marks[l][0].at)
		}
		if g, gauged := l.subscription().(buffer.Gauged); gauged {
			b.Gauges = g.Gauges()
		}
		backlogs = append(backlogs, b)
	}
	s.marks = marks // removed listeners are forgotten
	return backlogs
}

// unpassed returns the marks that the listener has not yet handled everything
// before. Where notifications carry their Seq that tells; the reference's do
// not, but it loses nothing, so that counting tells.
func (s *Sampler) unpassed(b *Backlog) []mark {
	marks, reached := s.marks[b.Listener], b.Listener.reached.Load()
	_, counts := b.Listener.subscription().(*boxed)
	for len(marks) > 0 {
		if counts && marks[0].in > b.Handled+b.Panicked || !counts && marks[0].seq > reached {
			break
		}
		marks = marks[1:]
	}
	return marks
}

// thinned returns the marks, or every second one if there are many.
func thinned(marks []mark) []mark {
	if len(marks) < maxMarks {
		return marks
	}
	half := make([]mark, 0, maxMarks)
	for i := 0; i < len(marks); i += 2 {
		half = append(half, marks[i])
	}
	return half
}
