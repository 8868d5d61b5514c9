package loadgen

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Stream hands out the events of a load when they are due: in a closed loop
// all at once, in an open one each not before its intended time. It is the one
// place in loadgen that sleeps.
//
//	start ─▶ Next: sleep until the first is due ─▶ all that are due, up to len(dst)
//
// A prefill is a part of its own: it takes a start before that of the rest.
//
// It never skips an event and never waits for the reader: if the reader comes
// late, or the machine was busy, all events that have become due go out as one
// batch and their lateness is recorded.
//
// One goroutine reads a stream; any may call Stop.
type Stream struct {
	load     *Load
	start    <-chan time.Time
	begun    time.Time // what start said last
	parts    int       // of the load, for which start has come
	released bool      // begun has come
	next     int       // position of the next event
	lateness *hdrhistogram.Histogram
	alarm    alarm
	stop     chan struct{}
	stopOnce sync.Once
}

// NewStream returns a stream that waits until start yields the zero of the
// intended times, or is closed, which means now. A time in the future is waited
// for. start is read once for each of the load's Parts.
func NewStream(load *Load, start <-chan time.Time) *Stream {
	s := &Stream{load: load, start: start, stop: make(chan struct{})}
	if load.Due != nil {
		s.lateness = NewHistogram()
	}
	return s
}

// Next waits for at least one due event, puts the due ones into dst as far as
// it has room, and returns their number; 0 means that all events have been
// handed out or Stop was called.
func (s *Stream) Next(dst []Event) int {
	from, to := s.advance(len(dst), s.stop)
	for i := range dst[:to-from] {
		dst[i] = s.load.Event(from + i)
	}
	return to - from
}

// Stop releases a waiting Next. It may be called twice.
func (s *Stream) Stop() { s.stopOnce.Do(func() { close(s.stop) }) }

// Lateness returns by how many nanoseconds events were handed out after their
// intended times, or nil for a closed loop. Call it while no Next is running.
func (s *Stream) Lateness() *hdrhistogram.Histogram { return s.lateness }

// advance waits for due events and takes at most limit of them, those from
// position from up to to. It takes none once all are taken, or when stop is
// closed while it waits.
func (s *Stream) advance(limit int, stop <-chan struct{}) (from, to int) {
	from = s.next
	if from == s.load.Len() || !s.release(stop) {
		return from, from
	}
	end, timed := min(from+limit, s.load.Len()), s.load.Prefill
	if from < timed {
		end = min(end, timed)
	}
	if from < timed || s.load.Due == nil {
		s.next = end
		return from, end
	}
	now := time.Since(s.begun)
	for s.load.Due[from-timed] > now {
		if !s.sleepUntil(s.load.Due[from-timed], stop) {
			return from, from
		}
		now = time.Since(s.begun)
	}
	for to = from; to < end && s.load.Due[to-timed] <= now; to++ {
		record(s.lateness, now-s.load.Due[to-timed])
	}
	s.next = to
	if to == s.load.Len() {
		s.alarm.close()
	}
	return from, to
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
