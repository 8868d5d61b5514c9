package informer_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/indexer"
	"informerlab/core/informer"
	"informerlab/core/processor"
)

func TestPanics(t *testing.T) {
	tell(t, []story{
		{"stop delivery: one panic ends it", stopDelivery},
		{"restart after a minute", restartAfterMinute},
		{"skip and hold: the next one waits a second", skipAndHold},
		{"skip and hold: the second counts from when the next one is taken", skipAndHoldIdle},
		{"every panic is counted and every other item delivered", panicEveryThird},
		{"drain sits out the pause", drainAfterPanic},
		{"an index function that fails is reported", indexFunctionFails},
	})
}

// timed makes an actor note when it was called and panic where a call says so.
func timed(at *[]time.Duration, poison ...string) func(*actor) {
	begun := time.Now()
	return during(func(call string) {
		*at = append(*at, time.Since(begun))
		for _, p := range poison {
			if strings.Contains(call, p) {
				panic(p)
			}
		}
	})
}

// afterwards checks that the other handler heard of n objects without delay.
func (s *stage) afterwards(other *actor, at []time.Duration, n int) {
	s.Helper()
	assert.Len(s, other.take(), n)
	for _, d := range at {
		assert.Zero(s, d, "the others are not held up")
	}
}

func stopDelivery(s *stage) {
	s.open(informer.Options{Panic: processor.StopDelivery})
	var at, others []time.Duration
	a := s.cast(informer.HandlerOptions{}, timed(&at, "n/b"))
	a.left = true
	other := s.cast(informer.HandlerOptions{}, timed(&others))
	s.put("a", "b", "c", "d")
	s.start()
	s.afterwards(other, others, 4)
	pass(24 * time.Hour)
	s.put("a")
	assert.Len(s, a.take(), 2)
	stats := a.account()
	assert.EqualValues(s, 5, stats.Routed)
	assert.EqualValues(s, 1, stats.Handled)
	assert.EqualValues(s, 1, stats.Panicked)
	assert.EqualValues(s, 3, stats.Pending+stats.InHand, "the backlog grows on")
	s.informer.RemoveHandler(a.reg)
	stats = a.account()
	assert.Equal(s, 3, gone(stats))
	assert.True(s, isClosed(a.reg.Finished()))
}

func restartAfterMinute(s *stage) {
	s.open(informer.Options{Panic: processor.RestartAfterMinute})
	var at, others []time.Duration
	a := s.cast(informer.HandlerOptions{}, timed(&at, "n/b"))
	a.lenient = true
	other := s.cast(informer.HandlerOptions{}, timed(&others))
	s.put("a", "b", "c", "d")
	s.start()
	s.afterwards(other, others, 4)
	pass(time.Minute)
	s.put("e")
	assert.Len(s, a.take(), 5)
	assert.Equal(s, []time.Duration{0, 0, time.Minute, time.Minute, time.Minute}, at)
	assert.EqualValues(s, 1, a.account().Panicked)
}

func skipAndHold(s *stage) {
	s.open(informer.Options{Panic: processor.SkipAndHold})
	var at, others []time.Duration
	a := s.cast(informer.HandlerOptions{}, timed(&at, "n/b", "n/c"))
	other := s.cast(informer.HandlerOptions{}, timed(&others))
	s.put("a", "b", "c", "d", "e")
	s.start()
	s.afterwards(other, others, 5)
	pass(time.Minute)
	assert.Len(s, a.take(), 5)
	assert.Equal(s, []time.Duration{0, 0, time.Second, 2 * time.Second, 2 * time.Second}, at)
	assert.EqualValues(s, 2, a.account().Panicked)
	assert.EqualValues(s, 3, a.account().Handled)
}

func skipAndHoldIdle(s *stage) {
	s.open(informer.Options{Panic: processor.SkipAndHold})
	var at []time.Duration
	a := s.cast(informer.HandlerOptions{}, timed(&at, "n/a"))
	s.put("a")
	s.start()
	pass(time.Minute)
	s.put("b")
	pass(time.Second)
	s.put("c")
	assert.Len(s, a.take(), 3)
	assert.Equal(s, []time.Duration{0, time.Minute + time.Second, time.Minute + time.Second}, at)
}

func panicEveryThird(s *stage) {
	s.open(informer.Options{Panic: processor.PanicPolicy{Recover: true, Pause: time.Millisecond}})
	n := 0
	a := s.cast(informer.HandlerOptions{}, during(func(string) {
		if n++; n%3 == 0 {
			panic(errors.New("poisoned"))
		}
	}))
	a.left = true
	s.start()
	for range 300 {
		s.put("a")
	}
	pass(time.Second)
	assert.Len(s, a.take(), 300)
	stats := a.account()
	assert.EqualValues(s, 100, stats.Panicked)
	assert.EqualValues(s, 200, stats.Handled)
	assert.Zero(s, stats.Lost())
}

func drainAfterPanic(s *stage) {
	s.open(informer.Options{Panic: processor.RestartAfterMinute, OnStop: processor.Drain})
	var at []time.Duration
	a := s.cast(informer.HandlerOptions{}, timed(&at, "n/a"))
	s.put("a", "b", "c")
	s.start()
	s.cancel()
	assert.False(s, s.over())
	pass(time.Minute)
	assert.True(s, s.over())
	assert.Equal(s, []time.Duration{0, time.Minute, time.Minute}, at)
	assert.EqualValues(s, 2, a.account().Handled)
}

// An index function that fails is reported and holds up nobody.
func indexFunctionFails(s *stage) {
	var reported []error
	s.open(informer.Options{
		Panic: processor.SkipAndHold,
		Indexers: map[string]indexer.IndexFunc{"first letter": func(o event.Object, dst []string) ([]string, error) {
			if o.GetName() == "poison" {
				return nil, errors.New("poisoned")
			}
			return append(dst, o.GetName()[:1]), nil
		}},
		OnProcessError: func(err error) { reported = append(reported, err) },
	})
	a := s.cast(informer.HandlerOptions{})
	s.start()
	s.put("poison")
	synctest.Wait()
	require.Len(s, reported, 1)
	assert.ErrorContains(s, reported[0], `indexer: index "first letter" of n/poison: poisoned`)
	s.put("a")
	assert.Equal(s, []string{"add n/a ->3"}, a.take())
	assert.EqualValues(s, 1, s.informer.Rejected())
}
