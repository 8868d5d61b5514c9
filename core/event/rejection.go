package event

import (
	"fmt"
	"runtime/debug"
)

// A Rejection reports one object that was left out because a function of the
// user refused it, failed on it or panicked on it. Everything else that arrived
// with the object is applied.
type Rejection struct {
	Key Key
	// Version is the resource version of the object as received; where an index
	// function rejected it, after the Transform. "" = it had none.
	Version string
	Err     error // the cause; it wraps a *PanicError if the function panicked
}

// Reject returns a Rejection of an object with this key and version.
func Reject(key Key, version string, err error) *Rejection {
	return &Rejection{Key: key, Version: version, Err: err}
}

// RejectObject returns a Rejection with the key and version of an object. They
// are blank if obj is nil or its methods panic, as those of a typed nil pointer do.
func RejectObject(obj Object, err error) *Rejection {
	r := &Rejection{Err: err}
	if obj != nil {
		_ = Try(func() { r.Key, r.Version = KeyOf(obj), obj.GetResourceVersion() })
	}
	return r
}

// Error returns key, version and cause.
func (r *Rejection) Error() string {
	return fmt.Sprintf("object %s at version %q left out: %v", r.Key, r.Version, r.Err)
}

// Unwrap returns the cause.
func (r *Rejection) Unwrap() error { return r.Err }

// A PanicError is a recovered panic of a function of the user.
type PanicError struct {
	Value any    // what the function panicked with
	Stack []byte // of the panicking goroutine; nil if it was not kept
}

// Recovered turns the value that recover returned into an error. It must be
// called by the deferred function itself, while the stack still shows the panic.
func Recovered(value any) *PanicError { return &PanicError{Value: value, Stack: debug.Stack()} }

// Try calls f and returns its panic, or nil if f returned.
func Try(f func()) (p *PanicError) {
	defer func() {
		if value := recover(); value != nil {
			p = Recovered(value)
		}
	}()
	f()
	return nil
}

// Error returns the value and, on the lines after it, the stack.
func (p *PanicError) Error() string { return fmt.Sprintf("panic: %v\n%s", p.Value, p.Stack) }

// Unwrap returns the value if it is an error.
func (p *PanicError) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}
