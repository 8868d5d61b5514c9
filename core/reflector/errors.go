package reflector

import (
	"errors"
	"fmt"
)

// ErrNoBookmark is passed to OnWatchError when the bookmark that ends a streaming
// initial list does not arrive and a plain list follows: there was no event for
// Options.BookmarkTimeout (kubernetes/kubernetes#135895). If the stream ended
// without it three times in a row (kubernetes/kubernetes#140890), an error that
// wraps ErrNoBookmark is passed.
var ErrNoBookmark = errors.New("reflector: streaming initial list: its last bookmark did not arrive")

var (
	errUnfinished = fmt.Errorf("%w: the stream ended before, %d times in a row or more", ErrNoBookmark, maxUnfinished)
	errStopped    = errors.New("reflector: stopped")
	// errVeryShortWatch ends a stream that was closed within shortWatch and
	// without an event: only a list can show whether its version is usable.
	errVeryShortWatch = errors.New("reflector: very short watch: closed within a second, no event")
	errNothing        = errors.New("reflector: the source returned neither a result nor an error")
	errSamePage       = errors.New("the source returned the same page token twice")
)

// A ListError is an error of a list: Err says whether a request or the store's
// Replace failed. All other errors that OnWatchError receives are of watches.
type ListError struct{ Err error }

// Error returns the text of the cause.
func (e *ListError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *ListError) Unwrap() error { return e.Err }

// A VersionRewindError says that the server's resource versions went back, as
// they do when its database is restored from a backup
// (kubernetes/kubernetes#107457). A list at the newest version follows.
type VersionRewindError struct {
	Last string // the version seen last
	Got  string // the lower one that followed
}

// Error returns both versions.
func (e *VersionRewindError) Error() string {
	return fmt.Sprintf("reflector: resource version %s after %s: versions went back", e.Got, e.Last)
}
