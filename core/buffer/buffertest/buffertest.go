// Package buffertest holds a listener buffer to the laws of package buffer.
//
//	func TestRing(t *testing.T) { buffertest.Run(t, buffertest.Variant{Name: "ring", ...}) }
//	func FuzzRing(f *testing.F) { buffertest.Fuzz(f, buffertest.Variant{Name: "ring", ...}) }
//
// Each law has a name, an explanation, and a check that returns an error
// instead of failing a test, so that the suite can itself be tested: its own
// tests show that each law catches a broken buffer by its name, and that each
// class of buffers has several broken ones that are caught.
//
//	Variant ──▶ Law: order ──────▶ checked with uint64 items,
//	            Law: wake-up        48-byte notifications
//	            ...                 and boxed pointers
//
// # Classes
//
// The traits of a variant say which laws it is under, and how it must be made:
// the suite gives it the Params, so its constructor must take Capacity, Timeout,
// Key and Merge from there. Policy follows from the traits.
//
//	                      Loss          Bound     Blocks   laws beside the general ones
//	unbounded             lossless      unbounded no
//	drop-newest, -oldest  drops ...     capacity  no       bound, policy, loss order, ...
//	block                 lossless      capacity  yes      bound, blocking
//	block-timeout         drops newest  capacity  yes      bound, policy, blocking, timeout, ...
//	coalescing            coalesces     keys      no       merge table, keys, position, convergence, ...
//	null                  drops all     nothing   no       nothing held; few of the general ones
//
// The general laws give a bounded buffer more room than it needs and a
// coalescing one a key for each item: then all buffers that hold anything are
// FIFO and lossless. The others give them next to no room, and few keys.
//
// # What is proved how
//
// What a buffer does to one goroutine is compared with a model, a slice and some
// twenty lines for each class: histories, policy, merge table. A history that
// fails is shrunk to a shortest one and told. Calls that overlap are recorded
// and must be explained by the same model, in some order that fits their times:
// linearizable, checked by porcupine (Horn and Kroening, Faster Linearizability
// Checking via P-compositionality, 2015, is its method). Fuzz has bytes decide
// on histories of either kind.
//
// Faults that only large numbers bring out are looked for with sizes of all
// magnitudes: of backlogs up to a million, batches, bursts, capacities, losses, keys
// and the length of their names. With -short they are smaller.
//
// What blocks, what is idle and what time it takes is proved in testing/synctest
// bubbles. What only parallel threads can show runs outside them, bounded by
// wall time. With -short everything is smaller.
//
// # Limits
//
// Merge is called with the items of this package only: how notifications merge
// is tested in package processor.
package buffertest

import (
	"fmt"
	"testing"
	"time"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

// A Variant is a buffer to be checked. Instantiate the same constructor three
// times; a type left nil is not checked, and one at least must be there.
type Variant struct {
	Name   string
	Traits buffer.Traits

	Ints          func(buffer.Params[uint64]) buffer.Buffer[uint64]
	Notifications func(buffer.Params[event.Notification]) buffer.Buffer[event.Notification]
	Boxed         func(buffer.Params[any]) buffer.Buffer[any]

	// KeptBytes is the most that a buffer promises to hold once it has been
	// drained, whatever it held before; 0 makes no promise.
	KeptBytes int
	// Patience is the wall time after which something is called stuck;
	// 0 means 10 s. Only broken buffers ever take it.
	Patience time.Duration
	// Seed starts the random choices; 0 means 1. Errors that depend on it
	// tell it.
	Seed uint64
}

// A Law is one promise of a buffer.
type Law struct {
	Name        string
	Explanation string // what a user loses when the law is broken
	applies     func(buffer.Traits) bool
	check       func(t *testing.T, v Variant) error
}

// Applies reports whether buffers of these traits are under the law.
func (l Law) Applies(traits buffer.Traits) bool { return l.applies(traits) }

// Check returns how the variant breaks the law, or nil, also if the law does
// not apply. It does not fail t, which only lends its name to the bubbles. It
// may change GOMAXPROCS for a while, so nothing else should run in parallel. A
// broken buffer may leave goroutines behind.
func (l Law) Check(t *testing.T, v Variant) error {
	if !l.applies(v.Traits) {
		return nil
	}
	if err := l.check(t, v); err != nil {
		return fmt.Errorf("%s: %s: %w", v.Name, l.Name, err)
	}
	return nil
}

// Run checks every law that applies, as a subtest named after it.
func Run(t *testing.T, v Variant) {
	t.Helper()
	for _, l := range Laws() {
		if !l.applies(v.Traits) {
			continue
		}
		t.Run(l.Name, func(t *testing.T) {
			if err := l.Check(t, v); err != nil {
				t.Errorf("%v\nthe law: %s", err, l.Explanation)
			}
		})
	}
}

// Laws returns all laws, the simplest first.
func Laws() []Law {
	ints, notifications, boxed := laws[uint64](), laws[event.Notification](), laws[any]()
	all := make([]Law, len(ints))
	for i, l := range ints {
		all[i] = Law{l.name, l.explanation, l.applies, func(t *testing.T, v Variant) error {
			if err := checkAs("uint64", l, subjectOf(t, v, v.Ints, uintItems)); err != nil {
				return err
			}
			notified := subjectOf(t, v, v.Notifications, notificationItems)
			if err := checkAs("notification", notifications[i], notified); err != nil {
				return err
			}
			return checkAs("any", boxed[i], subjectOf(t, v, v.Boxed, boxedItems))
		}}
	}
	return all
}

// Find returns the law of that name.
func Find(name string) (Law, error) {
	for _, l := range Laws() {
		if l.Name == name {
			return l, nil
		}
	}
	return Law{}, fmt.Errorf("buffertest: no law is named %q", name)
}

func checkAs[T any](typ string, l law[T], s subject[T]) error {
	if s.create == nil {
		return nil
	}
	if err := l.check(s); err != nil {
		return fmt.Errorf("with %s items: %w", typ, err)
	}
	return nil
}
