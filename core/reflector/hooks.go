package reflector

import (
	"errors"
	"fmt"
	"io"

	"informerlab/core/event"
	"informerlab/core/source"
)

// This file holds the calls of the user's functions.

// guard calls a function of the user. With Options.Recover it logs a panic.
func (r *Reflector) guard(name string, f func()) {
	if r.o.Recover {
		defer func() {
			if value := recover(); value != nil {
				r.log.Error("panic in "+name, "err", event.Recovered(value))
			}
		}()
	}
	f()
}

// failed reports an error of a list or of a watch.
func (r *Reflector) failed(err error) {
	switch {
	case r.o.OnWatchError != nil:
		r.guard("OnWatchError", func() { r.o.OnWatchError(err) })
	case source.HasReason(err, source.Expired):
		r.log.Debug("watch closed", "err", err)
	case errors.As(err, new(*ListError)):
		r.log.Error("list failed", "err", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		r.log.Info("watch closed unexpectedly", "err", err)
	case errors.Is(err, io.EOF): // closed normally
	default:
		r.log.Error("watch failed", "err", err)
	}
}

// resyncDue reports whether the store is to be resynced. A panic means no.
func (r *Reflector) resyncDue() (due bool) {
	if r.o.ShouldResync == nil {
		return true
	}
	r.guard("ShouldResync", func() { due = r.o.ShouldResync() })
	return due
}

// accepts reports whether o is an object, and one that Accept takes.
func (r *Reflector) accepts(o event.Object) bool {
	if o == nil {
		r.log.Error("event or item without object skipped")
		return false
	}
	if r.o.Accept == nil {
		return true
	}
	rejection := r.check(o)
	switch {
	case rejection == nil:
		return true
	case r.o.OnReject != nil:
		r.guard("OnReject", func() { r.o.OnReject(rejection) })
	default:
		r.log.Error("object skipped", "key", rejection.Key, "version", rejection.Version,
			"type", fmt.Sprintf("%T", o), "err", rejection.Err)
	}
	return false
}

// check calls Accept. Key and version are read before, since Accept may change o.
func (r *Reflector) check(o event.Object) (rejection *event.Rejection) {
	var key event.Key
	var version string
	if r.o.Recover {
		defer func() {
			if value := recover(); value != nil {
				rejection = event.Reject(key, version, event.Recovered(value))
			}
		}()
	}
	key, version = event.KeyOf(o), o.GetResourceVersion()
	if err := r.o.Accept(o); err != nil {
		return event.Reject(key, version, err)
	}
	return nil
}
