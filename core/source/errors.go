package source

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Reason is why a server refused a request or ended a stream.
type Reason string

// The reasons that a reflector treats differently from one another.
const (
	// Expired: the resource version is too old to list or watch from (410).
	Expired Reason = "Expired"
	// TooLargeVersion: the resource version is newer than the server's (504).
	TooLargeVersion Reason = "ResourceVersionTooLarge"
	// TooManyRequests: the server is busy; wait and ask again (429).
	TooManyRequests Reason = "TooManyRequests"
	// Internal: something broke inside the server (500).
	Internal Reason = "InternalError"
	// Invalid: the server does not understand the request (422), as an old
	// one answers to a streaming initial list.
	Invalid Reason = "Invalid"
)

// An Error is a server's refusal.
type Error struct {
	Reason     Reason
	Message    string
	RetryAfter time.Duration // a hint; 0 = none
}

// Error returns the reason and the message.
func (e *Error) Error() string { return fmt.Sprintf("source: %s: %s", e.Reason, e.Message) }

// HasReason reports whether err is, or wraps, an *Error with the given reason.
func HasReason(err error, r Reason) bool {
	var e *Error
	return errors.As(err, &e) && e.Reason == r
}

// IsConnectionRefused reports whether err says that nobody listens at the
// server's address.
func IsConnectionRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
