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
	// ServiceUnavailable: nobody serves the request at the moment (503).
	ServiceUnavailable Reason = "ServiceUnavailable"
	// Timeout: the request was not answered in time (504).
	Timeout Reason = "Timeout"
	// ServerTimeout: the server did not finish in time and asks to try again (500).
	ServerTimeout Reason = "ServerTimeout"
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

// IsTransient reports whether err says nothing about the request itself, so that
// the same request may succeed later: the way to the server failed, or the
// server is overloaded or not available. An err that is no *Error is a failure
// of the transport; see Source.
func IsTransient(err error) bool {
	var refusal *Error
	if !errors.As(err, &refusal) {
		return err != nil
	}
	switch refusal.Reason {
	case TooManyRequests, ServiceUnavailable, Timeout, ServerTimeout:
		return true
	}
	return false
}
