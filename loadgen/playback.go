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
//	trace ─▶ playback: one goroutine reads ahead ─┬─▶ replayFeed of pods
//	                                              ├─▶ replayFeed of nodes
//	                                              └─▶ …
//
// The feeds of one run share a playback, which begins when the first of them is
// read. Resources without a feed by then are skipped, and a feed that is opened
// later gets a playback of its own.
type recording struct {
	Replay
	first   int64 // t of the first event after an initial list; -1 = none yet
	mu      sync.Mutex
	waiting []*playback // that have not begun; guarded by mu
}

// open returns a feed of one resource's events.
func (r *replay) open() feed {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.waiting, func(p *playback) bool { return p.feeds[r.resource] == nil })
	if i < 0 {
		i = len(r.waiting)
		r.waiting = append(r.waiting, &playback{
			recording: r.recording, feeds: map[string]*replayFeed{},
			space: make(chan struct{}, 1), over: make(chan struct{}),
		})
	}
	p := r.waiting[i]
	f := &replayFeed{playback: p, of: r, tracker: tracker{live: map[string]*tracked{}}, ready: make(chan struct{}, 1)}
	p.feeds[r.resource] = f
	p.open++
	return f
}

// A playback is one pass over a trace that feeds the streams of one run.
type playback struct {
	*recording
	feeds map[string]*replayFeed // by resource; fixed once it has begun
	begun bool                   // guarded by recording.mu, as is open
	open  int                    // feeds that are not closed
	space chan struct{}          // told when less is read ahead
	over  chan struct{}          // closed when all feeds are

	queue sync.Mutex
	ahead int // events read and not taken yet; guarded by queue
}

// maxAhead is how many events a playback reads ahead at most: enough for a short
// stop of the reader, and a few MB.
const maxAhead = 16 << 10

// chunk is how many records are read before they are handed on.
const chunk = 256

// A replayFeed is a playback's feed of one resource. One goroutine takes from it.
type replayFeed struct {
	*playback
	tracker
	of    *replay
	ready chan struct{} // told when there is more
	mine  []Event       // taken out of the queue, and handed out from at on
	at    int
	idle  time.Duration // that take has waited

	// Guarded by playback.queue.
	queued []Event
	ended  bool // all is queued
	closed bool // nobody takes more
	work   time.Duration
}

// begin starts the playback at the first call.
func (p *playback) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.begun {
		return
	}
	p.begun = true
	p.waiting = slices.DeleteFunc(p.waiting, func(other *playback) bool { return other == p })
	go p.run()
}

// run reads the trace to its end, or until all feeds are closed.
func (p *playback) run() {
	err := p.read()
	p.queue.Lock()
	defer p.queue.Unlock()
	for _, f := range p.feeds {
		if err != nil {
			f.of.fail(fmt.Errorf("loadgen: replay: %s, which was read before: %w", p.Name, err))
		}
		f.ended = true
		tell(f.ready)
	}
}

func (p *playback) read() error {
	r, err := p.reader()
	if err != nil {
		return err
	}
	defer r.Close()
	fresh := map[*replayFeed][]Event{}
	for end := false; !end; {
		start, n := time.Now(), 0
		for ; n < chunk && !end; n++ {
			var record trace.Record
			if err := r.Next(&record); errors.Is(err, io.EOF) {
				end = true
			} else if err != nil {
				return err
			} else if f := p.feeds[string(record.Resource)]; f != nil {
				fresh[f] = f.event(fresh[f], &record)
			}
		}
		if end {
			for _, f := range p.feeds {
				fresh[f] = append(fresh[f], f.sentinel())
			}
		}
		if !p.hand(fresh, time.Since(start)/time.Duration(n)) {
			return nil
		}
	}
	return nil
}

// event appends the event that a record stands for, unless it is one of the
// initial list.
func (f *replayFeed) event(events []Event, record *trace.Record) []Event {
	if record.Initial {
		if record.Type != source.Bookmark {
			f.apply(record, notTimed)
		}
		return events
	}
	due := scaled(record.T, f.first, f.of.speed)
	o, _ := f.apply(record, due)
	return append(events, Event{o, due, record.Type})
}

// sentinel returns the last event.
func (f *replayFeed) sentinel() Event {
	due := notTimed
	if f.of.speed > 0 {
		due = f.of.span
	}
	m := Mark{key: &key{End, unnumbered}, due: due, id: f.ids + 1}
	return Event{&Object{Mark: m, version: strconv.FormatUint(f.of.newest+1, 10)}, due, source.Added}
}

// hand puts events, which took so long each, into the queues, and waits until
// there is room for more. It returns false if nobody wants more.
func (p *playback) hand(fresh map[*replayFeed][]Event, each time.Duration) bool {
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

func (f *replayFeed) take(
	dst []Event, by time.Duration, stop <-chan struct{},
) (n int, later time.Duration, ended bool) {
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
func (f *replayFeed) refill(stop <-chan struct{}) bool {
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

func (f *replayFeed) spent() time.Duration {
	f.queue.Lock()
	defer f.queue.Unlock()
	return f.work - f.idle
}

// close ends the feed, and with the last one the playback.
func (f *replayFeed) close() {
	if !f.give() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.playback
	if p.open--; p.open > 0 {
		return
	}
	close(p.over)
	p.waiting = slices.DeleteFunc(p.waiting, func(other *playback) bool { return other == p })
}

// give gives up what was read ahead. It returns false if it was given up before.
func (f *replayFeed) give() bool {
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
