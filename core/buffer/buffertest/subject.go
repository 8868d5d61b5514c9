package buffertest

import (
	"cmp"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"informerlab/core/buffer"
)

// A subject is a variant for one item type, with what the checks need.
type subject[T any] struct {
	items[T]
	host     *testing.T
	create   func(buffer.Params[T]) buffer.Buffer[T]
	traits   buffer.Traits
	kept     int
	patience time.Duration
	timeout  time.Duration // of buffers that block for some time
	seed     uint64
}

func subjectOf[T any](
	t *testing.T, v Variant, create func(buffer.Params[T]) buffer.Buffer[T], i items[T],
) subject[T] {
	return subject[T]{
		items: i, host: t, create: create, traits: v.Traits, kept: v.KeptBytes,
		patience: cmp.Or(v.Patience, 10*time.Second),
		timeout:  time.Minute, // in bubbles; storms shorten it
		seed:     cmp.Or(v.Seed, 1),
	}
}

// roomy is the capacity of bounded buffers where a check does not mean to fill
// them: no check holds as many items waiting.
const roomy = 1 << 21

// tiny are the capacities, and numbers of keys, where it does.
var tiny = []int{1, 2, 3, 7, 64}

// open returns a new buffer with room for everything, which tells the hook,
// which may be nil, of discards.
func (s subject[T]) open(hook buffer.Discard[T]) buffer.Buffer[T] { return s.tight(0, hook) }

// tight returns a new buffer with room for limit items; 0 is enough for all.
// Items of few keys are what makes a coalescing buffer tight.
func (s subject[T]) tight(limit int, hook buffer.Discard[T]) buffer.Buffer[T] {
	p := buffer.Params[T]{Discard: hook}
	if bounded(s.traits) {
		p.Capacity = cmp.Or(limit, roomy)
		switch {
		case givesUp(s.traits):
			p.Policy, p.Timeout = buffer.BlockTimeout, s.timeout
		case s.traits.Blocks:
			p.Policy = buffer.Block
		case s.traits.Loss == buffer.DropsOld:
			p.Policy = buffer.DropOldest
		default:
			p.Policy = buffer.DropNewest
		}
	}
	if coalesces(s.traits) {
		p.Key, p.Merge = s.key, s.merge
	}
	return s.create(p)
}

// holds reports whether the buffer is none that drops all.
func (s subject[T]) holds() bool { return holds(s.traits) }

// waitsForRoom reports whether a push to a full buffer can wait for ever.
func (s subject[T]) waitsForRoom() bool { return blocks(s.traits) && !givesUp(s.traits) }

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

// largePatience multiplies the patience where a sound buffer has millions of items
// to move, which takes some seconds on a busy machine.
const largePatience = 6

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
