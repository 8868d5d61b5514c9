package loadgen

import (
	"math"
	"time"

	"informerlab/core/source"
)

// A feed hands out the events of a load once, in order. One goroutine uses it.
type feed interface {
	// take puts events into dst, those that come next as far as they are due by
	// then, but none after a Failed one, and returns their number. If that is 0,
	// either the next one is due later, or there is none and ended is true, as it
	// is when stop was closed while take waited for something to be read.
	take(dst []Event, by time.Duration, stop <-chan struct{}) (n int, later time.Duration, ended bool)
	// spent returns how long it took others than take's caller to make events, less
	// how long take waited for them.
	spent() time.Duration
	// close gives back what the feed holds. Any goroutine may call it, and twice;
	// take is of no use then.
	close()
}

// always is later than any intended time.
const always time.Duration = math.MaxInt64

// open returns a feed of the load's events.
func (l *Load) open() feed {
	if l.replay != nil {
		return l.replay.open()
	}
	return &built{load: l}
}

// built is the feed of a load that is built.
type built struct {
	load *Load
	next int
}

func (b *built) take(dst []Event, by time.Duration, _ <-chan struct{}) (n int, later time.Duration, ended bool) {
	l := b.load
	for n < len(dst) && b.next < len(l.steps) {
		e := l.Event(b.next)
		if e.Due > by {
			return n, e.Due, false
		}
		if l.fresh {
			e.Object = e.Object.renewed(e.Due)
		}
		dst[n] = e
		n++
		b.next++
		if e.Type == source.Failed {
			break // what follows is for another watch
		}
	}
	return n, 0, n == 0 && b.next == len(l.steps)
}

func (b *built) spent() time.Duration { return 0 }

func (b *built) close() {}

// renewed returns a copy of a template that an event due then brings, with a
// payload of its own. There is none of nil.
func (o *Object) renewed(due time.Duration) *Object {
	if o == nil {
		return nil
	}
	twin := *o
	twin.due = due
	if o.payload != nil {
		payload := make([]byte, len(*o.payload))
		twin.payload = &payload
	}
	return &twin
}
