package source

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"
)

// A Fault is what happens to one request. The zero Fault is none.
type Fault struct {
	Delay time.Duration // wait so long before answering
	Hang  bool          // wait until Heal or the end of the request's context
	Err   error         // refuse with this error, after the wait
	// Cut ends the stream that a watch opens after CutAfter events: with CutErr
	// as its last event, or just so if that is nil. 0 events make the very
	// short watch that a reflector must not repeat for ever.
	Cut      bool
	CutAfter int
	CutErr   error
}

// faults are those ordered and not yet met.
type faults struct {
	lists, watches  []Fault // head = for the next request
	lag             uint64
	duplicate, swap int
	holdBookmarks   bool
	healed          chan struct{} // closed by Heal, then replaced
}

// take removes the fault that a request has to meet.
func (f *faults) take(req Request) Fault {
	queue := &f.lists
	if req.Watch != nil {
		queue = &f.watches
	}
	if len(*queue) == 0 {
		return Fault{}
	}
	head := (*queue)[0]
	*queue = (*queue)[1:]
	return head
}

// NextLists makes each of the next n list requests meet the fault, after those
// ordered before.
func (s *Server) NextLists(n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.lists = append(s.faults.lists, slices.Repeat([]Fault{f}, n)...)
}

// NextWatches makes each of the next n watch requests meet the fault, after
// those ordered before.
func (s *Server) NextWatches(n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.watches = append(s.faults.watches, slices.Repeat([]Fault{f}, n)...)
}

// Disconnect closes all open streams; what they had not yet sent is lost to them.
func (s *Server) Disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range slices.Clone(s.streams) {
		w.disconnect()
	}
}

// EndStreams closes all open streams with err as their last event.
func (s *Server) EndStreams(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range slices.Clone(s.streams) {
		w.flush()
		w.send(Event{Type: Failed, Err: err})
		w.end()
	}
}

// Streams returns the number of open streams.
func (s *Server) Streams() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.streams)
}

// SetLag makes reads that do not ask for consistency (version "0" or a number)
// see a state so many versions old, as from a server whose watch cache is
// behind. A number above that state is refused as too large.
func (s *Server) SetLag(versions uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.lag = versions
}

// SendBookmarks sends a bookmark with the present version to all streams that
// allow them, unless bookmarks are held.
func (s *Server) SendBookmarks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bookmark()
}

// HoldBookmarks keeps back all bookmarks, also the one that ends a streaming
// initial list. Releasing them sends the ends that are due.
func (s *Server) HoldBookmarks(hold bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.holdBookmarks = hold
	if !hold {
		s.endInitial()
	}
}

// endInitial marks the end of the streaming initial lists that wait for it.
func (s *Server) endInitial() {
	for _, w := range slices.Clone(s.streams) {
		if w.initialEnd {
			w.mark(s.version)
		}
	}
}

// DuplicateNext sends each of the next n changes twice in a row.
func (s *Server) DuplicateNext(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.duplicate += n
}

// SwapNext holds each of the next n changes back until the one after it and
// sends the later one first, if they are about different keys. To a client that
// compares versions it looks as if they went back.
func (s *Server) SwapNext(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.swap += n
}

// Heal withdraws all faults that were ordered, answers the requests that hang,
// and sends what was held back. Streams stay open; compacted versions stay lost.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.faults.healed)
	s.faults = faults{healed: make(chan struct{})}
	for _, w := range slices.Clone(s.streams) {
		w.left = -1
		w.flush()
	}
	s.endInitial()
}

// Misbehave orders one fault, chosen by r, and returns its description. Any
// sequence of them, followed by Heal, leaves a correct reflector able to reach
// the server's state.
func (s *Server) Misbehave(r *rand.Rand) string {
	n := 1 + r.IntN(2)
	err := randomError(r)
	delay := time.Duration(r.Int64N(int64(20 * time.Second)))
	after := r.IntN(4)
	switch r.IntN(14) {
	case 0:
		s.Disconnect()
		return "disconnect"
	case 1:
		s.EndStreams(err)
		return fmt.Sprintf("end streams: %v", err)
	case 2:
		s.NextLists(n, Fault{Err: err})
		return fmt.Sprintf("refuse %d lists: %v", n, err)
	case 3:
		s.NextWatches(n, Fault{Err: err})
		return fmt.Sprintf("refuse %d watches: %v", n, err)
	case 4:
		s.NextLists(n, Fault{Delay: delay})
		return fmt.Sprintf("delay %d lists by %v", n, delay)
	case 5:
		s.NextWatches(n, Fault{Delay: delay})
		return fmt.Sprintf("delay %d watches by %v", n, delay)
	case 6:
		s.NextWatches(n, Fault{Cut: true, CutAfter: after})
		return fmt.Sprintf("cut %d streams after %d events", n, after)
	case 7:
		s.NextWatches(n, Fault{Cut: true, CutAfter: after, CutErr: err})
		return fmt.Sprintf("cut %d streams after %d events: %v", n, after, err)
	case 8:
		s.Compact()
		s.Disconnect()
		return "compact and disconnect"
	case 9:
		s.SetLag(uint64(r.IntN(20)))
		return "lag"
	case 10:
		s.SendBookmarks()
		return "bookmarks"
	case 11:
		hold := r.IntN(2) == 0
		s.HoldBookmarks(hold)
		return fmt.Sprintf("hold bookmarks: %t", hold)
	case 12:
		s.DuplicateNext(n)
		return fmt.Sprintf("duplicate %d", n)
	}
	s.SwapNext(n)
	return fmt.Sprintf("swap %d", n)
}

// randomError returns one of the errors that reflectors tell apart.
func randomError(r *rand.Rand) error {
	errs := []error{
		&Error{Reason: Expired, Message: "ordered"},
		&Error{Reason: TooLargeVersion, Message: "ordered"},
		&Error{Reason: TooManyRequests, Message: "ordered"},
		&Error{Reason: Internal, Message: "ordered"},
		&Error{Reason: Invalid, Message: "ordered"},
		&Error{Reason: ServiceUnavailable, Message: "ordered"},
		syscall.ECONNREFUSED,
		syscall.ECONNRESET,
		io.ErrUnexpectedEOF,
		context.DeadlineExceeded,
	}
	return errs[r.IntN(len(errs))]
}
