package bounded

import (
	"sync"
	"time"

	"informerlab/core/buffer"
)

// A line is where pushers wait for room: the first of them has the turn, and the
// others wait for that, in the order in which they came. All waiting is on
// channels: it ends with Close, and a mutex is never held for long.
type line struct {
	turn    chan struct{} // holds a token while somebody has the turn
	room    chan struct{} // holds one if items have been popped since
	closed  chan struct{} // closed by close
	closing sync.Once

	// Guarded by the buffer's lock.
	length  int         // pushers in line, the one that has the turn included
	timer   *time.Timer // stopped; nil also while a push uses it
	givenUp bool        // a push ran out of time, and nothing has been popped since
}

func newLine() *line {
	return &line{
		turn:   make(chan struct{}, 1),
		room:   make(chan struct{}, 1),
		closed: make(chan struct{}),
	}
}

func (l *line) close() { l.closing.Do(func() { close(l.closed) }) }

// tellRoom lets the pusher that has the turn look again.
func (l *line) tellRoom() {
	select {
	case l.room <- struct{}{}:
	default:
	}
}

// startTimer returns a timer that has been started and its channel; for 0 there
// is none, and nothing ever comes from the channel.
func (l *line) startTimer(d time.Duration) (*time.Timer, <-chan time.Time) {
	timer := l.timer
	l.timer = nil
	switch {
	case d == 0:
		return nil, nil
	case timer == nil:
		timer = time.NewTimer(d)
	default:
		timer.Reset(d)
	}
	return timer, timer.C
}

// stopTimer keeps a timer for the next push.
func (l *line) stopTimer(timer *time.Timer) {
	if timer != nil {
		timer.Stop()
		l.timer = timer
	}
}

// pushInTurn puts the items in as others are popped, and discards what has not
// fitted in when the time is over or the buffer is closed. It is called with the
// lock held and releases it.
func (b *bounded[T]) pushInTurn(items []T) {
	l := b.line
	l.length++
	timer, expired := l.startTimer(b.params.Timeout)
	b.bell.Unlock()
	first, late := false, false
	select {
	case l.turn <- struct{}{}:
		first = true
	case <-expired:
	case <-l.closed:
	}
	b.bell.Lock()
	for first && !b.bell.Closed() {
		items = items[b.put(items):]
		if len(items) == 0 || late {
			break
		}
		b.bell.UnlockAndRing()
		select {
		case <-l.room:
		case <-expired:
			late = true
		case <-l.closed:
		}
		b.bell.Lock()
	}
	if first {
		<-l.turn
	}
	l.givenUp = l.givenUp || len(items) > 0
	l.length--
	l.stopTimer(timer)
	why := buffer.Overflow
	if b.bell.Closed() {
		why = buffer.Closed
	}
	if len(items) == 0 {
		b.bell.UnlockAndRing()
		return
	}
	b.lose(items, why)
}
