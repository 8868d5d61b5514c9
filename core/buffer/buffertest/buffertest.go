// Package buffertest holds a listener buffer to the laws of package buffer.
//
//	func TestRing(t *testing.T) { buffertest.Run(t, buffertest.Variant{Name: "ring", ...}) }
//	func FuzzRing(f *testing.F) { buffertest.Fuzz(f, buffertest.Variant{Name: "ring", ...}) }
//
// Each law has a name, an explanation, and a check that returns an error
// instead of failing a test, so that the suite can itself be tested: its own
// tests show that some twenty broken buffers are each caught, by the law they
// break.
//
//	Variant ──▶ Law: order ──────▶ checked with uint64 items,
//	            Law: wake-up        48-byte notifications
//	            ...                 and boxed pointers
//
// What blocks, and what is idle, is proved in testing/synctest bubbles. What
// only parallel threads can show runs outside them, bounded by wall time.
// Laws that a variant's traits exempt it from are skipped; with -short
// everything is smaller.
//
// Limits: most laws are about what every buffer promises or what lossless ones
// do. What a lossy buffer may lose, and how one coalesces, is not covered, but
// for the accounting.
package buffertest

import (
	"cmp"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
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
	check       func(t *testing.T, v Variant) error
}

// Check returns how the variant breaks the law, or nil. It does not fail t,
// which only lends its name to the bubbles. It may change GOMAXPROCS for a
// while, so nothing else should run in parallel. A broken buffer may leave
// goroutines behind.
func (l Law) Check(t *testing.T, v Variant) error {
	if err := l.check(t, v); err != nil {
		return fmt.Errorf("%s: %s: %w", v.Name, l.Name, err)
	}
	return nil
}

// Run checks every law as a subtest named after it.
func Run(t *testing.T, v Variant) {
	t.Helper()
	for _, l := range Laws() {
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
		all[i] = Law{l.name, l.explanation, func(t *testing.T, v Variant) error {
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

// A law is a Law for one item type.
type law[T any] struct {
	name        string
	check       func(subject[T]) error
	explanation string
}

func laws[T any]() []law[T] {
	return []law[T]{
		{"order", subject[T].order,
			"Items leave in the order of their pushes, whatever the batch sizes, across wraps and growth."},
		{"histories", subject[T].histories,
			"Whatever is done to it, a buffer answers as a plain slice would."},
		{"batch", subject[T].batch,
			"When Push returns, all its items can be popped without any further push."},
		{"slices", subject[T].slices,
			"Push only reads its slice and keeps nothing of it; Pop writes only the items it returns."},
		{"length", subject[T].length,
			"Len is exact at rest, and never negative or beyond what was pushed while in use."},
		{"two doors", subject[T].twoDoors,
			"Every pushed item leaves once, by Pop or by Discard; a lossless one discards only when closed."},
		{"producers", subject[T].orderAmongProducers,
			"Each producer's items stay in order among others'; pushes that do not overlap stay in order."},
		{"wake-up", subject[T].wakeUp,
			"A push ends a waiting Pop unaided, also if it comes as the consumer goes to sleep."},
		{"isolation", subject[T].isolation,
			"Push waits for the consumer only if the traits say so: a slow handler holds up no others."},
		{"re-entrancy", subject[T].reentrancy,
			"The consumer may push, close and ask between two pops, and so may a Discard hook."},
		{"silence", subject[T].silence,
			"An idle buffer runs nothing, sets no timer and allocates nothing."},
		{"close releases", subject[T].closeReleases,
			"Close ends a waiting Pop and a blocked Push, at any time, also unused and twice."},
		{"close drains", subject[T].closeDrains,
			"What was pushed before Close is still popped, all of it, in order."},
		{"close ends intake", subject[T].closeEndsIntake,
			"A push after Close is discarded as closed; nothing is popped behind where Close cut one."},
		{"end", subject[T].end,
			"Once Pop has returned 0 it returns 0 for ever and touches nothing."},
		{"no leak", subject[T].noLeak,
			"When a closed buffer has been drained, no goroutine of it is left."},
		{"collectability", subject[T].collectability,
			"No item that has left is reachable through the buffer, also while it is idle or others wait."},
		{"footprint", subject[T].footprint,
			"A drained buffer keeps no more memory than its Variant promises."},
	}
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

// A subject is a variant for one item type, with what the checks need.
type subject[T any] struct {
	items[T]
	host     *testing.T
	create   func(buffer.Params[T]) buffer.Buffer[T]
	traits   buffer.Traits
	kept     int
	patience time.Duration
	seed     uint64
}

func subjectOf[T any](
	t *testing.T, v Variant, create func(buffer.Params[T]) buffer.Buffer[T], i items[T],
) subject[T] {
	s := subject[T]{
		items: i, host: t, create: create,
		traits: v.Traits, kept: v.KeptBytes, patience: v.Patience, seed: v.Seed,
	}
	if s.patience == 0 {
		s.patience = 10 * time.Second
	}
	if s.seed == 0 {
		s.seed = 1
	}
	return s
}

// roomy is the capacity of bounded buffers where a check does not mean to fill
// them: no check holds as many items waiting.
const roomy = 1 << 21

// open returns a new buffer that tells the hook, which may be nil, of discards.
func (s subject[T]) open(hook buffer.Discard[T]) buffer.Buffer[T] {
	p := buffer.Params[T]{Discard: hook}
	if s.traits.Bound == buffer.ByCapacity {
		p.Capacity, p.Policy = roomy, buffer.Block
	}
	return s.create(p)
}

func (s subject[T]) lossless() bool { return s.traits.Loss == buffer.Lossless }

// inOrder reports whether one goroutine's pushes come out in order.
func (s subject[T]) inOrder() bool { return s.traits.Order != buffer.PerKey }

// bubble runs f in a synctest bubble. It returns f's error, or one that says
// that the bubble could not end: a goroutine was left blocked, or one spins or
// waits for a mutex for ever.
func (s subject[T]) bubble(f func() error) error {
	result := make(chan error, 1)
	err := s.within(func() error {
		synctest.Test(s.host, func(*testing.T) { result <- caught(f) })
		return nil
	})
	select {
	case own := <-result:
		return cmp.Or(own, err) // what f saw explains more than what it left behind
	default:
		return err
	}
}

var errStuck = errors.New("stuck: something spins or waits for ever")

// within runs f in a goroutine and returns its error, or errStuck when the
// variant's patience has ended. A panic of f is an error too.
func (s subject[T]) within(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- caught(f) }()
	timer := time.NewTimer(s.patience)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("%w (waited %v)", errStuck, s.patience)
	}
}

func caught(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return f()
}

// scaled is how much of something a check does.
func scaled(short, long int) int {
	if testing.Short() {
		return short
	}
	return long
}
