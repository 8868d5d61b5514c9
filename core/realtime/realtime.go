// Package realtime decides whether a test that depends on the machine's clock can run.
//
// Tests use simulated time where they can. A test that cannot calls Require first: it
// skips on a machine whose timers are late, and has to pass on every other one. So its
// limits allow for timers that are late by Limit. A limit that only ends a hanging test
// needs no Require, and is a minute or more.
package realtime

import (
	"slices"
	"testing"
	"time"
)

// Limit is how late a timer of Wait may be, at the 99th percentile of a Window.
const (
	Limit  = 20 * time.Millisecond
	Wait   = time.Millisecond
	Window = time.Second
)

// Require skips the test if timers of Wait were late by more than Limit, at the 99th
// percentile, in the Window that it watches them, and says so. Else it returns how
// late they were.
func Require(t testing.TB) (late time.Duration) {
	t.Helper()
	if late = lateness(time.Now, time.Sleep); late > Limit {
		t.Skipf("realtime: a timer of %v was late by %v at p99 in the last %v, more than %v",
			Wait, late, Window, Limit)
	}
	return late
}

// Attempt calls try until it returns nil, at most n times, each time after Require,
// with what that returns. If no call succeeds, the test fails with the last error.
func Attempt(t testing.TB, n int, try func(late time.Duration) error) {
	t.Helper()
	var err error
	for range n {
		if err = try(Require(t)); err == nil {
			return
		}
		t.Log(err)
	}
	t.Fatalf("none of %d attempts succeeded, the last: %v", n, err)
}

// lateness returns the 99th percentile of how late waits are that follow each other
// for a Window.
func lateness(now func() time.Time, sleep func(time.Duration)) time.Duration {
	var late []time.Duration
	for begun, last := now(), now(); last.Sub(begun) < Window; {
		sleep(Wait)
		woken := now()
		late, last = append(late, woken.Sub(last)-Wait), woken
	}
	slices.Sort(late)
	return late[(len(late)-1)*99/100]
}
