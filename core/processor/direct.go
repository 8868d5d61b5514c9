package processor

import (
	"iter"
	"sync"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

// Direct returns a fan-out without any buffer: Publish calls every handler
// itself, one after the other, under the publish lock. A slow handler holds up
// the cache and all others.
// It is no contestant: it shows what a pipeline costs without a hand-over, and
// how much of client-go's own cost is one.
func Direct() Fanout { return &direct{} }

type direct struct {
	subs []*inline
	due  []event.Notification // a batch without the items that a listener is not due for
}

// inline is the subscription of direct. Its listener's goroutine only waits for
// the end.
type inline struct {
	routing
	discard buffer.Discard[event.Notification]
	call    func(batch []event.Notification) // set by bind
	idle    chan struct{}                    // holds a token while no call is made
	closing sync.Once
	ended   chan struct{} // closed by Close
}

// bind gives the subscription the function that makes the calls, which must
// come before anything is published.
func (s *inline) bind(call func(batch []event.Notification)) { s.call = call }

func (f *direct) Subscribe(discard buffer.Discard[event.Notification]) Subscription {
	s := &inline{discard: discard, idle: make(chan struct{}, 1), ended: make(chan struct{})}
	s.idle <- struct{}{}
	f.subs = append(openOf(f.subs), s)
	return s
}

func (f *direct) Publish(batch []event.Notification) {
	routed := batch
	if hasSync(batch) {
		f.due = withoutSync(f.due, batch)
		routed = f.due
	}
	for _, s := range f.subs {
		items := batch
		if s.notDue {
			items = routed
		}
		if !s.closed.Load() && len(items) > 0 {
			s.routed.Add(uint64(len(items)))
			s.deliver(items)
		}
	}
	clear(f.due)
	f.subs = openOf(f.subs)
}

func (s *inline) Replay(initial iter.Seq[event.Notification]) {
	batches(initial, s.deliver)
}

// deliver makes the calls, or discards what comes after Close.
func (s *inline) deliver(batch []event.Notification) {
	<-s.idle
	defer func() { s.idle <- struct{}{} }()
	if !s.closed.Load() {
		s.call(batch)
		return
	}
	for _, n := range batch {
		s.discard(n, buffer.Closed)
	}
}

// Pop waits for Close and for the call in progress.
func (s *inline) Pop([]event.Notification) int {
	<-s.ended
	<-s.idle
	s.idle <- struct{}{}
	return 0
}

// Close does not wait, so a handler may remove itself.
func (s *inline) Close() {
	s.closing.Do(func() {
		s.closed.Store(true)
		close(s.ended)
	})
}

// Len returns 0: nothing ever waits.
func (s *inline) Len() int { return 0 }
