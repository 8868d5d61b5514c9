package source

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"informerlab/core/event"
)

// A stream is one open watch of a Server. Everything in it is guarded by the
// server's mutex.
type stream struct {
	server  *Server
	arrived sync.Cond  // pending grew, or the stream ended; its lock is the server's
	pending []outgoing // not yet read
	held    *Event     // waits for the next change, to be swapped with it
	ended   bool       // nothing is added to pending any more
	// bookmarks: the client wants them.
	bookmarks bool
	// initialEnd: a streaming initial list whose end has not been marked yet.
	initialEnd bool
	// left counts the events until the stream is cut; negative = it is not.
	left    int
	cutErr  error
	release func() // gives the timer and the context hook back
}

// An outgoing event waits to be read.
type outgoing struct {
	event Event
	// glued to the event before it: a disconnect does not part the two,
	// because a client that saw only the first would resume after both.
	glued bool
}

// Watch opens a stream. A version that was compacted is answered by an error
// event in the stream, as the API server does, not by a failing call.
func (s *Server) Watch(ctx context.Context, opts WatchOptions) (Watch, error) {
	fault, err := s.admit(ctx, Request{Watch: &opts})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	initial, from, err := s.watchVersion(opts)
	if err != nil {
		return nil, err
	}
	w := &stream{server: s, arrived: sync.Cond{L: &s.mu}, bookmarks: opts.AllowBookmarks, left: -1}
	if fault.Cut {
		w.left, w.cutErr = fault.CutAfter, fault.CutErr
	}
	w.open(ctx, opts.Timeout)
	if initial {
		for _, o := range sorted(s.stateAt(from)) {
			w.send(Event{Type: Added, Object: o})
		}
		w.initialEnd = opts.SendInitialEvents && s.o.Streaming != StreamingIgnored
		if w.initialEnd && !s.faults.holdBookmarks {
			w.mark(from)
		}
	}
	if from < s.compacted {
		w.send(Event{Type: Failed, Err: expired(from, s.compacted)})
		w.end()
	}
	for _, c := range s.log {
		if c.version > from {
			w.offer(c.event, false)
		}
	}
	if w.left == 0 {
		w.cut()
	}
	return w, nil
}

// watchVersion decides whether a stream starts with synthetic events, and
// after which version its changes start.
func (s *Server) watchVersion(opts WatchOptions) (initial bool, from uint64, err error) {
	if opts.SendInitialEvents && s.o.Streaming == StreamingInvalid {
		return false, 0, &Error{Reason: Invalid, Message: "sendInitialEvents is forbidden for watch"}
	}
	switch opts.ResourceVersion {
	case "":
		return true, s.version, nil
	case "0":
		return true, s.cached(), nil
	}
	from, err = strconv.ParseUint(opts.ResourceVersion, 10, 64)
	if err != nil {
		return false, 0, invalid("resource version %q", opts.ResourceVersion)
	}
	if !opts.SendInitialEvents {
		return false, from, nil
	}
	cached := s.cached()
	if from > cached {
		return false, 0, tooLarge(from, cached)
	}
	return true, cached, nil
}

// open registers the stream and arranges its end by context or timeout.
func (w *stream) open(ctx context.Context, timeout time.Duration) {
	w.server.streams = append(w.server.streams, w)
	stopHook := context.AfterFunc(ctx, w.Stop)
	w.release = func() { stopHook() }
	if timeout > 0 {
		timer := time.AfterFunc(timeout, func() {
			w.server.mu.Lock()
			defer w.server.mu.Unlock()
			w.end()
		})
		w.release = func() { stopHook(); timer.Stop() }
	}
}

// Next waits for events and moves them into dst.
func (w *stream) Next(dst []Event) int {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	for len(w.pending) == 0 && !w.ended {
		w.arrived.Wait()
	}
	n := 0
	for n < len(dst) && n < len(w.pending) {
		dst[n] = w.pending[n].event
		n++
	}
	w.pending = slices.Delete(w.pending, 0, n)
	return n
}

// Stop ends the stream; what was not read is lost.
func (w *stream) Stop() {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	w.pending = nil
	w.end()
}

// end lets the client read what is pending, and nothing after it.
func (w *stream) end() {
	if w.ended {
		return
	}
	w.ended, w.held = true, nil
	w.release()
	s := w.server
	s.streams = slices.DeleteFunc(s.streams, func(o *stream) bool { return o == w })
	w.arrived.Signal()
}

// disconnect ends the stream as a broken connection does: what was not read is lost.
func (w *stream) disconnect() {
	keep := 0
	for keep < len(w.pending) && w.pending[keep].glued {
		keep++
	}
	w.pending = w.pending[:keep]
	w.end()
}

// cut ends the stream because a Fault said so.
func (w *stream) cut() {
	if w.cutErr != nil {
		w.left = -1
		w.send(Event{Type: Failed, Err: w.cutErr})
	}
	w.end()
}

// offer sends a change; with swap set it waits for the next change, and the
// two change places unless they are about the same key.
func (w *stream) offer(e Event, swap bool) {
	held := w.held
	switch {
	case held == nil && swap:
		w.held = &e
	case held == nil:
		w.send(e)
	case event.KeyOf(held.Object) == event.KeyOf(e.Object) || w.left == 1:
		w.flush()
		w.send(e)
	default:
		w.held = nil
		w.send(e)
		w.send(*held)
		if len(w.pending) > 0 && !w.ended {
			w.pending[len(w.pending)-1].glued = true
		}
	}
}

// flush sends the change that waits to be swapped.
func (w *stream) flush() {
	if held := w.held; held != nil {
		w.held = nil
		w.send(*held)
	}
}

// mark sends a bookmark, after everything that it vouches for.
func (w *stream) mark(version uint64) {
	w.flush()
	w.send(Event{
		Type:             Bookmark,
		Object:           Version(strconv.FormatUint(version, 10)),
		InitialEventsEnd: w.initialEnd,
	})
	w.initialEnd = false
}

// send queues one event and counts towards the cut.
func (w *stream) send(e Event) {
	if w.ended || w.left == 0 {
		return
	}
	w.pending = append(w.pending, outgoing{event: e})
	w.arrived.Signal()
	if w.left > 0 {
		w.left--
		if w.left == 0 {
			w.cut()
		}
	}
}

// publish shows a change to all streams.
func (s *Server) publish(e Event) {
	copies := 1
	if s.faults.duplicate > 0 {
		s.faults.duplicate--
		copies = 2
	}
	swap := s.faults.swap > 0
	if swap {
		s.faults.swap--
	}
	for _, w := range slices.Clone(s.streams) {
		for range copies {
			w.offer(e, swap)
		}
	}
}

// bookmark sends a bookmark to every stream that wants one and has none due
// later.
func (s *Server) bookmark() {
	if s.faults.holdBookmarks {
		return
	}
	for _, w := range slices.Clone(s.streams) {
		if w.bookmarks || w.initialEnd {
			w.mark(s.version)
		}
	}
}
