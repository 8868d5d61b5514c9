// Package source is the contract between the pipeline and whatever it watches:
// list a collection at a version, then watch what changes from there.
//
//	Source.List ──▶ items at a version ──▶ Source.Watch from that version ──▶ events
//
// It follows the Kubernetes list/watch protocol (resource versions, paging,
// bookmarks, the streaming initial list, 410 Gone, 429), with two deliberate
// differences: events are pulled in batches instead of one at a time through a
// channel, and errors are Go values instead of Status objects. Server is an
// in-memory implementation for tests that can be told to misbehave.
package source

import (
	"context"
	"time"

	"informerlab/core/event"
)

// A Source can be listed and watched. Its methods may be called concurrently.
type Source interface {
	// List returns one page of the collection. Errors are *Error where the
	// server refused, also of Watch; anything else is a failure of the transport.
	List(ctx context.Context, opts ListOptions) (*List, error)
	// Watch opens a stream of the changes after opts.ResourceVersion. The
	// stream outlives ctx's use in this call only until ctx ends.
	Watch(ctx context.Context, opts WatchOptions) (Watch, error)
}

// A WatchListRefuser is a Source that may be unable to serve a streaming
// initial list. Reflectors then list in the classic way without asking.
type WatchListRefuser interface {
	RefusesWatchList() bool
}

// A VersionReuser is a Source whose streams may send a lower version after a
// higher one although nothing is wrong with it, for instance because states come
// again. Otherwise reflectors take that for a database that was restored.
type VersionReuser interface {
	ReusesVersions() bool
}

// Match says how a resource version in a request is to be read.
type Match string

// The matches of the Kubernetes API.
const (
	MatchUnset        Match = ""
	MatchNotOlderThan Match = "NotOlderThan"
	MatchExact        Match = "Exact"
)

// ListOptions are the parameters of a list request.
type ListOptions struct {
	// ResourceVersion "" asks for a consistent read, "0" for any cached state
	// however old, and another for a state not older than it.
	ResourceVersion string
	Match           Match
	Limit           int64  // items per page; 0 = no paging
	Continue        string // the token of the previous page
}

// A List is one page of a collection.
type List struct {
	ResourceVersion string
	Continue        string // token for the next page; "" = this is the last
	Items           []event.Object
}

// WatchOptions are the parameters of a watch request.
type WatchOptions struct {
	// ResourceVersion is the version after which changes are wanted. "" and
	// "0" start with a synthetic Added for each object that exists.
	ResourceVersion string
	Match           Match
	AllowBookmarks  bool
	// SendInitialEvents asks for a streaming initial list: an Added for each
	// object, then a Bookmark with InitialEventsEnd, then the changes.
	SendInitialEvents bool
	// Timeout is how long the server should keep the stream open; 0 = as it likes.
	Timeout time.Duration
}

// A Watch is one open stream of events. One goroutine calls Next; any may call Stop.
type Watch interface {
	// Next waits for at least one event, puts as many as there are and dst
	// has room for into dst, and returns their number. It returns 0 once the
	// stream has ended or Stop was called; then every later call does too.
	Next(dst []Event) int
	// Stop ends the stream and releases a blocked Next. It may be called twice.
	Stop()
}

// EventType is what a watch event says.
type EventType uint8

// The event types of the Kubernetes watch protocol. The zero EventType is none of them.
const (
	Added EventType = iota + 1
	Modified
	Deleted
	Bookmark // only the resource version of Object means anything
	Failed   // Err says why; the stream ends here ("ERROR" on the wire)
)

// String returns the type as the wire protocol spells it.
func (t EventType) String() string {
	switch t {
	case Added:
		return "ADDED"
	case Modified:
		return "MODIFIED"
	case Deleted:
		return "DELETED"
	case Bookmark:
		return "BOOKMARK"
	case Failed:
		return "ERROR"
	}
	return "UNKNOWN"
}

// An Event is one message of a watch stream.
type Event struct {
	Object event.Object // nil exactly for Failed
	Err    error        // set exactly for Failed
	Type   EventType
	// InitialEventsEnd marks the bookmark that closes a streaming initial list.
	InitialEventsEnd bool
}

// Version is the Object of a Bookmark: it has a resource version and no key.
type Version string

// GetNamespace returns the empty string.
func (Version) GetNamespace() string { return "" }

// GetName returns the empty string.
func (Version) GetName() string { return "" }

// GetResourceVersion returns the version itself.
func (v Version) GetResourceVersion() string { return string(v) }
