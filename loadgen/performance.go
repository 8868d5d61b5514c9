package loadgen

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"informerlab/core/source"
	"informerlab/loadgen/trace"
)

// A recording is a trace that fresh loads are read from, all resources in one go:
//
//	trace ─▶ performance: one goroutine reads ahead ─┬─▶ reading: feed of pods
//	                                                 ├─▶ reading: feed of nodes
//	                                                 └─▶ …
//
// The feeds of one run share a performance, which begins when the first of them
// is read. What nobody has opened by then is passed over, and who comes later
// gets a performance of its own.
type recording struct {
	Replay
	first   int64 // t of the first event after an initial list; -1 = none yet
	mu      sync.Mutex
	waiting []*performance // that have not begun; guarded by mu
}

// open returns a feed of one resource's events.
func (r *replay) open() feed {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.waiting, func(p *performance) bool { return p.readings[r.resource] == nil })
	if i < 0 {
		i = len(r.waiting)
		r.waiting = append(r.waiting, &performance{
			recording: r.recording, readings: map[string]*reading{},
			space: make(chan struct{}, 1), over: make(chan struct{}),
		})
	}
	p := r.waiting[i]
	f := &reading{performance: p, of: r, cast: cast{live: map[string]*actor{}}, ready: make(chan struct{}, 1)}
	p.readings[r.resource] = f
	p.open++
	return f
}

// A performance is one reading of a trace while it is played.
type performance struct {
	*recording
	readings map[string]*reading // by resource; fixed once it has begun
	begun    bool                // guarded by recording.mu, as is open
	open     int                 // readings that are not closed
	space    chan struct{}       // told when less is read ahead
	over     chan struct{}       // closed when all readings are

	queue sync.Mutex
	ahead int // events read and not taken yet; guarded by queue
}

// A performance reads no further ahead than so many events: enough for the
// longest stop of the reader that anybody would call short, and a few MB.
const maxAhead = 16 << 10

// chunk is how many records are read before they are handed on.
const chunk = 256

// A reading is a performance's feed of one resource. One goroutine takes from it.
type reading struct {
	*performance
	cast
	of    *replay
	ready chan struct{} // told when there is more
	mine  []Event       // taken out of the queue, and handed out from at on
	at    int
	idle  time.Duration // that take has waited

	// Guarded by performance.queue.
	queued []Event
	ended  bool // all is queued
	closed bool // nobody takes more
	work   time.Duration
}

// begin starts the performance at the first call.
func (p *performance) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.begun {
		return
	}
	p.begun = true
	p.waiting = slices.DeleteFunc(p.waiting, func(other *performance) bool { return other == p })
	go p.perform()
}

// perform reads the trace to its end, or until all readings are closed.
func (p *performance) perform() {
	err := p.read()
	p.queue.Lock()
	defer p.queue.Unlock()
	for _, f := range p.readings {
		if err != nil {
			f.of.fail(fmt.Errorf("loadgen: replay: %s, which was read before: %w", p.Name, err))
		}
		f.ended = true
		tell(f.ready)
	}
}

func (p *performance) read() error {
	r, err := p.reader()
	if err != nil {
		return err
	}
	defer r.Close()
	fresh := map[*reading][]Event{}
	for end := false; !end; {
		start, n := time.Now(), 0
		for ; n < chunk && !end; n++ {
			var record trace.Record
			if err := r.Next(&record); errors.Is(err, io.EOF) {
				end = true
			} else if err != nil {
				return err
			} else if f := p.readings[string(record.Resource)]; f != nil {
				fresh[f] = f.bring(fresh[f], &record)
			}
		}
		if end {
			for _, f := range p.readings {
				fresh[f] = append(fresh[f], f.sentinel())
			}
		}
		if !p.hand(fresh, time.Since(start)/time.Duration(n)) {
			return nil
		}
	}
	return nil
}

// bring appends the event that a record stands for, unless it is one of the
// initial list.
func (f *reading) bring(events []Event, record *trace.Record) []Event {
	if record.Initial {
		if record.Type != source.Bookmark {
			f.play(record, notTimed)
		}
		return events
	}
	due := scaled(record.T, f.first, f.of.speed)
	o, _ := f.play(record, due)
	return append(events, Event{o, due, record.Type})
}

// sentinel returns the last event.
func (f *reading) sentinel() Event {
	due := notTimed
	if f.of.speed > 0 {
		due = f.of.span
	}
	m := Mark{key: &key{End, unnumbered}, due: due, id: f.ids + 1}
	return Event{&Object{Mark: m, version: strconv.FormatUint(f.of.newest+1, 10)}, due, source.Added}
}

// hand puts events, which took so long each, into the queues, and waits until
// there is room for more. It returns false if nobody wants more.
func (p *performance) hand(fresh map[*reading][]Event, each time.Duration) bool {
	p.queue.Lock()
	for f, events := range fresh {
		if len(events) > 0 && !f.closed {
			f.queued = append(f.queued, events...)
			f.work += each * time.Duration(len(events))
			p.ahead += len(events)
			tell(f.ready)
		}
		clear(events)
		fresh[f] = events[:0]
	}
	for p.ahead >= maxAhead {
		p.queue.Unlock()
		select {
		case <-p.space:
		case <-p.over:
			return false
		}
		p.queue.Lock()
	}
	p.queue.Unlock()
	select {
	case <-p.over:
		return false
	default:
		return true
	}
}

// tell leaves word for one who waits, now or later.
func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (f *reading) take(dst []Event, by time.Duration, stop <-chan struct{}) (n int, later time.Duration, ended bool) {
	f.begin()
	for ; n < len(dst); n++ {
		if f.at == len(f.mine) && (n > 0 || !f.refill(stop)) {
			return n, 0, n == 0
		}
		e := f.mine[f.at]
		if e.Due > by {
			return n, e.Due, false
		}
		dst[n] = e
		f.mine[f.at] = Event{}
		f.at++
	}
	return n, 0, false
}

// refill waits for events in the queue and takes them. It returns false at the
// end, or when stop is closed first.
func (f *reading) refill(stop <-chan struct{}) bool {
	for {
		f.queue.Lock()
		f.mine, f.queued, f.at = f.queued, f.mine[:0], 0
		f.ahead -= len(f.mine)
		ended := f.ended
		f.queue.Unlock()
		tell(f.space)
		if len(f.mine) > 0 || ended {
			return len(f.mine) > 0
		}
		start := time.Now()
		select {
		case <-f.ready:
		case <-stop:
			return false
		}
		f.idle += time.Since(start)
	}
}

func (f *reading) spent() time.Duration {
	f.queue.Lock()
	defer f.queue.Unlock()
	return f.work - f.idle
}

// close ends the reading, and with the last one the performance.
func (f *reading) close() {
	if !f.give() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.performance
	if p.open--; p.open > 0 {
		return
	}
	close(p.over)
	p.waiting = slices.DeleteFunc(p.waiting, func(other *performance) bool { return other == p })
}

// give gives up what was read ahead. It returns false if it was given up before.
func (f *reading) give() bool {
	f.queue.Lock()
	defer f.queue.Unlock()
	if f.closed {
		return false
	}
	f.closed = true
	f.ahead -= len(f.queued)
	f.queued = nil
	tell(f.space)
	return true
}
