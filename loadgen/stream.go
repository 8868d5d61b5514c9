package loadgen

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Stream hands out the events of a load when they are due: in a closed loop
// all at once, in an open one each not before its intended time. It is the one
// place in loadgen that waits for a time.
//
//	start ─▶ Next: sleep until the first is due ─▶ all that are due, up to len(dst)
//
// A prefill is a part of its own: it takes a start before that of the rest.
//
// It never skips an event and never waits for the reader: if the reader comes
// late, or the machine was busy, all events that have become due go out as one
// batch. Pace tells how well it kept to the intended times, and at what cost.
//
// One goroutine reads a stream; any may call Stop.
type Stream struct {
	load     *Load
	feed     feed
	start    <-chan time.Time
	begun    time.Time     // what start said last
	parts    int           // of the load, for which start has come
	released bool          // begun has come
	next     int           // position of the next event
	lastDue  time.Duration // of the timed event handed out last; notTimed = there was none
	lastAt   time.Duration // when it was handed out
	pace     Pace
	alarm    alarm
	stop     chan struct{}
	stopOnce sync.Once
}

// A Pace tells how well a generator kept to its intended times. The histograms
// are of nanoseconds, and nil for a closed loop.
type Pace struct {
	// Lateness is by how much the generator itself was late: from the intended
	// time of each event, or from when the reader asked if that was later, to
	// when it was handed out.
	Lateness *hdrhistogram.Histogram
	// GapError is by how much the time between each event and the one before it
	// differs from what was intended, whoever is to blame.
	GapError *hdrhistogram.Histogram
	Events   int           // handed out
	Work     time.Duration // spent on making and handing out events, without waiting
	Lag      *Lag          // for recorders to follow; nil in a closed loop
}

// NewStream returns a stream that waits until start yields the zero of the
// intended times, or is closed, which means now. A time in the future is waited
// for. start is read once for each of the load's Parts.
func NewStream(load *Load, start <-chan time.Time) *Stream {
	s := &Stream{load: load, feed: load.open(), start: start, lastDue: notTimed, stop: make(chan struct{})}
	if load.Open() {
		s.pace.Lateness, s.pace.GapError, s.pace.Lag = NewHistogram(), NewHistogram(), newLag()
	}
	return s
}

// Next waits for at least one due event, puts the due ones into dst as far as
// it has room, and returns their number; 0 means that all events have been
// handed out or Stop was called.
func (s *Stream) Next(dst []Event) int {
	select {
	case <-s.stop:
		return 0
	default:
		return s.advance(dst, s.stop)
	}
}

// Stop releases a waiting Next and ends the stream. It may be called twice. Who
// has not read a fresh load to its end has to stop it, for a goroutine may be
// reading ahead.
func (s *Stream) Stop() {
	s.stopOnce.Do(func() { close(s.stop) })
	s.feed.close()
}

// Pace tells how the stream kept to its intended times. Call it while no Next
// hands out events: before a release, or when the events have been handled.
func (s *Stream) Pace() Pace {
	p := s.pace
	p.Work += s.feed.spent()
	return p
}

// advance waits for due events and puts them into dst. It puts none once all
// are handed out, or when stop is closed while it waits.
func (s *Stream) advance(dst []Event, stop <-chan struct{}) int {
	if len(dst) == 0 || s.next == s.load.Len() || !s.release(stop) {
		return 0
	}
	if left := s.load.Prefill - s.next; left > 0 {
		dst = dst[:min(len(dst), left)]
	}
	asked := time.Since(s.begun)
	for from := asked; ; from = time.Since(s.begun) {
		by := from
		if s.pace.Lateness == nil {
			by = always
		}
		n, later, ended := s.feed.take(dst, by, stop)
		if n > 0 {
			s.handed(dst[:n], asked, from)
			return n
		}
		if ended || !s.sleepUntil(later, stop) {
			return 0
		}
	}
}

// handed notes that events were handed out at from, to a reader that asked for them.
func (s *Stream) handed(events []Event, asked, from time.Duration) {
	late := notTimed
	for _, e := range events {
		if e.Due < 0 {
			continue
		}
		own := from - max(e.Due, asked)
		late = max(late, own)
		record(s.pace.Lateness, own, 1)
		if s.lastDue >= 0 {
			gap, intended := from-s.lastAt, e.Due-s.lastDue
			record(s.pace.GapError, max(gap-intended, intended-gap), 1)
		}
		s.lastDue, s.lastAt = e.Due, from
	}
	s.next += len(events)
	s.pace.Events = s.next
	to := time.Since(s.begun)
	s.pace.Work += to - from
	if late >= 0 {
		s.pace.Lag.Late(late+to-from, to)
	}
	if s.next == s.load.Len() {
		s.alarm.close()
		s.feed.close()
	}
}

// release waits for the start of the part that the next event belongs to, and
// reports whether it has come.
func (s *Stream) release(stop <-chan struct{}) bool {
	part := 1
	if s.next >= s.load.Prefill {
		part = s.load.Parts()
	}
	for s.parts < part {
		select {
		case begun, told := <-s.start:
			if !told {
				begun = time.Now()
			}
			s.begun, s.released = begun, false
			s.parts++
		case <-stop:
			return false
		}
	}
	if !s.released {
		s.released = s.sleepUntil(0, stop)
	}
	return s.released
}

// A Go timer of an idle process comes about 1 ms late, because the runtime waits
// in epoll by whole milliseconds (golang/go#44343). So timers, which stop can
// interrupt, do the long waits until timerMargin before the time, and the alarm
// does what is left.
const (
	timerMargin = 2 * time.Millisecond
	alarmRange  = timerMargin + time.Millisecond
)

// sleepUntil waits until the given time after the start. It returns false if
// stop was closed first.
func (s *Stream) sleepUntil(due time.Duration, stop <-chan struct{}) bool {
	for {
		left := due - time.Since(s.begun)
		if left <= 0 {
			return true
		}
		if left <= alarmRange && s.alarm.wait(left) {
			continue
		}
		if left > alarmRange && !s.alarm.frozen {
			left -= timerMargin
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-stop:
			timer.Stop()
			return false
		}
	}
}
