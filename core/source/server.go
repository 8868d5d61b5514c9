package source

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"informerlab/core/event"
)

// Server is a Source in memory. It serves as a Kubernetes API server does, and
// misbehaves when told to (faults.go):
//
//	Create, Update, Delete ──▶ state + log of changes ──▶ List, Watch
//	                              ▲            │
//	                           Compact      Faults: refuse, hang, cut, lag, duplicate, swap
//
// It starts no goroutine of its own and waits only on channels, conditions and
// timers, so that it runs inside a testing/synctest bubble. All its methods may
// be called concurrently. Note: it keeps every change until Compact and every
// request until the end, and copies its whole state for each list: it is made
// for tests, not for load.
type Server struct {
	o ServerOptions

	mu        sync.Mutex
	state     map[event.Key]event.Object
	version   uint64   // of the newest change
	compacted uint64   // changes up to this version are forgotten
	log       []change // the changes after compacted, ascending
	changes   int      // ever made
	streams   []*stream
	requests  []Request
	faults    faults
}

var (
	_ Source           = (*Server)(nil)
	_ WatchListRefuser = (*Server)(nil)
)

// Streaming says how a Server answers the wish for a streaming initial list.
type Streaming uint8

// The ways to answer it.
const (
	StreamingServed  Streaming = iota // as a current API server
	StreamingInvalid                  // refuses with reason Invalid, as an old server
	StreamingIgnored                  // streams, but never marks the end, as many fake clients
	StreamingRefused                  // says through RefusesWatchList that one need not ask
)

// ServerOptions configure a Server. The zero value is a well-behaved one.
type ServerOptions struct {
	// Stamp returns a copy of an object with the given resource version. Nil
	// knows *Item only.
	Stamp func(o event.Object, version string) event.Object
	// Streaming is how the wish for a streaming initial list is answered.
	Streaming Streaming
	// Uncached honours a page limit in every list, as a server without watch
	// cache does. Otherwise only consistent reads (version "") are paged.
	Uncached bool
	// BookmarkEvery sends a bookmark after so many changes; 0 = only when
	// SendBookmarks is called.
	BookmarkEvery int
}

// A change is one entry of the log.
type change struct {
	event   Event
	before  event.Object // the state it replaced; nil for an Added
	version uint64
}

// A Request is what the server was asked, kept for tests to look at.
type Request struct {
	At    time.Time
	List  *ListOptions  // set exactly for a list
	Watch *WatchOptions // set exactly for a watch
}

// NewServer returns an empty server at version 1.
func NewServer(o ServerOptions) *Server {
	if o.Stamp == nil {
		o.Stamp = stampItem
	}
	return &Server{
		o:         o,
		state:     map[event.Key]event.Object{},
		version:   1,
		compacted: 1,
		faults:    faults{healed: make(chan struct{})},
	}
}

// RefusesWatchList reports whether reflectors should list in the classic way.
func (s *Server) RefusesWatchList() bool { return s.o.Streaming == StreamingRefused }

// Create adds an object and returns it as stored. An object without resource
// version gets the next one; one that brings its own keeps it, which must be
// decimal and above the server's. It fails if the key exists.
func (s *Server) Create(o event.Object) (event.Object, error) {
	return s.write(Added, o)
}

// Update replaces an object and returns it as stored, under the rules of
// Create. It fails if the key does not exist.
func (s *Server) Update(o event.Object) (event.Object, error) {
	return s.write(Modified, o)
}

// Delete removes the object under the key and returns its last state, stamped
// with the version of the deletion. It fails if the key does not exist.
func (s *Server) Delete(key event.Key) (event.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.state[key]
	if last == nil {
		return nil, fmt.Errorf("source: deleted %s: exists: false", key)
	}
	return s.stampAndCommit(Deleted, last)
}

// DeleteAs removes the object that has the key of final, the state that
// watchers get to see, under the rules of Create.
func (s *Server) DeleteAs(final event.Object) (event.Object, error) {
	return s.write(Deleted, final)
}

// write checks one change, finds its version, and makes it.
func (s *Server) write(t EventType, o event.Object) (event.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := event.KeyOf(o)
	if _, exists := s.state[key]; exists == (t == Added) {
		return nil, fmt.Errorf("source: %s %s: exists: %t", strings.ToLower(t.String()), key, exists)
	}
	own := o.GetResourceVersion()
	if own == "" {
		return s.stampAndCommit(t, o)
	}
	version, err := strconv.ParseUint(own, 10, 64)
	if err != nil || version <= s.version {
		return nil, fmt.Errorf("source: version %q of %s: expected a number above %d", own, key, s.version)
	}
	s.commit(t, o, version)
	return o, nil
}

// stampAndCommit makes one change at the next version.
func (s *Server) stampAndCommit(t EventType, o event.Object) (event.Object, error) {
	version := s.version + 1
	stamped := s.o.Stamp(o, strconv.FormatUint(version, 10))
	if stamped == nil {
		return nil, fmt.Errorf("source: version of %s: cannot stamp a %T", event.KeyOf(o), o)
	}
	s.commit(t, stamped, version)
	return stamped, nil
}

// commit makes one change and shows it to all streams.
func (s *Server) commit(t EventType, o event.Object, version uint64) {
	key := event.KeyOf(o)
	before := s.state[key]
	if t == Deleted {
		delete(s.state, key)
	} else {
		s.state[key] = o
	}
	s.version = version
	s.log = append(s.log, change{event: Event{Type: t, Object: o}, before: before, version: version})
	s.publish(Event{Type: t, Object: o})
	s.changes++
	if s.o.BookmarkEvery > 0 && s.changes%s.o.BookmarkEvery == 0 {
		s.bookmark()
	}
}

// Objects returns the state, sorted by key: the truth that a cache must reach.
func (s *Server) Objects() []event.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sorted(s.state)
}

// ResourceVersion returns the version of the newest change.
func (s *Server) ResourceVersion() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strconv.FormatUint(s.version, 10)
}

// Requests returns all requests so far, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Compact forgets all changes so far, as etcd does after five minutes: a watch
// from an older version, or the next page of an older list, is Expired.
func (s *Server) Compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log, s.compacted = nil, s.version
}

// List returns a page of the collection, objects in order of their keys.
func (s *Server) List(ctx context.Context, opts ListOptions) (*List, error) {
	if _, err := s.admit(ctx, Request{List: &opts}); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	version, offset, err := s.listVersion(opts)
	if err != nil {
		return nil, err
	}
	items := sorted(s.stateAt(version))
	if offset > len(items) {
		return nil, invalid("continue token %q: beyond the end", opts.Continue)
	}
	items = items[offset:]
	list := &List{ResourceVersion: strconv.FormatUint(version, 10)}
	paged := s.o.Uncached || opts.Continue != "" || opts.ResourceVersion == ""
	if limit := opts.Limit; paged && limit > 0 && int64(len(items)) > limit {
		items = items[:limit]
		list.Continue = fmt.Sprintf("%d/%d", version, offset+int(limit))
	}
	list.Items = items
	return list, nil
}

// listVersion decides which version a list shows and where its page starts.
func (s *Server) listVersion(opts ListOptions) (version uint64, offset int, err error) {
	if opts.Continue != "" {
		n, err := fmt.Sscanf(opts.Continue, "%d/%d", &version, &offset)
		if n != 2 || err != nil || version > s.version || offset < 0 {
			return 0, 0, invalid("continue token %q", opts.Continue)
		}
		if version < s.compacted {
			return 0, 0, expired(version, s.compacted)
		}
		return version, offset, nil
	}
	cached := s.cached()
	switch opts.ResourceVersion {
	case "":
		return s.version, 0, nil
	case "0":
		return cached, 0, nil
	}
	wanted, err := strconv.ParseUint(opts.ResourceVersion, 10, 64)
	switch {
	case err != nil:
		return 0, 0, invalid("resource version %q", opts.ResourceVersion)
	case wanted > cached:
		return 0, 0, tooLarge(wanted, cached)
	case opts.Match != MatchExact:
		return cached, 0, nil
	case wanted < s.compacted:
		return 0, 0, expired(wanted, s.compacted)
	}
	return wanted, 0, nil
}

// cached returns the version that reads not asking for consistency see.
func (s *Server) cached() uint64 {
	behind := min(s.faults.lag, s.version)
	return max(s.version-behind, s.compacted)
}

// stateAt returns the state as of a version that is not below compacted: the
// present one with the later changes undone, newest first.
func (s *Server) stateAt(version uint64) map[event.Key]event.Object {
	state := maps.Clone(s.state)
	for _, c := range slices.Backward(s.log) {
		if c.version <= version {
			break
		}
		key := event.KeyOf(c.event.Object)
		if c.before == nil {
			delete(state, key)
		} else {
			state[key] = c.before
		}
	}
	return state
}

// sorted returns the objects in order of their keys.
func sorted(state map[event.Key]event.Object) []event.Object {
	return slices.SortedFunc(maps.Values(state), func(a, b event.Object) int {
		return cmp.Or(
			strings.Compare(a.GetNamespace(), b.GetNamespace()),
			strings.Compare(a.GetName(), b.GetName()))
	})
}

// admit records a request and lets it meet the fault that waits for it.
func (s *Server) admit(ctx context.Context, req Request) (Fault, error) {
	s.mu.Lock()
	req.At = time.Now()
	s.requests = append(s.requests, req)
	fault := s.faults.take(req)
	healed := s.faults.healed
	s.mu.Unlock()
	if fault.Hang || fault.Delay > 0 {
		var elapsed <-chan time.Time // never, if the request hangs
		if !fault.Hang {
			timer := time.NewTimer(fault.Delay)
			defer timer.Stop()
			elapsed = timer.C
		}
		select {
		case <-ctx.Done():
		case <-healed:
		case <-elapsed:
		}
	}
	if err := ctx.Err(); err != nil {
		return fault, err
	}
	return fault, fault.Err
}

func invalid(format string, args ...any) *Error {
	return &Error{Reason: Invalid, Message: fmt.Sprintf(format, args...)}
}

func expired(version, oldest uint64) *Error {
	return &Error{Reason: Expired, Message: fmt.Sprintf("too old resource version: %d (%d)", version, oldest)}
}

func tooLarge(version, newest uint64) *Error {
	return &Error{
		Reason:  TooLargeVersion,
		Message: fmt.Sprintf("too large resource version: %d, current: %d", version, newest),
	}
}
