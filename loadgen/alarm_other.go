//go:build !linux

package loadgen

import "time"

// An alarm is more precise than a Go timer on Linux only; elsewhere timers do
// all waiting.
type alarm struct{ frozen bool }

func (a *alarm) wait(time.Duration) bool {
	a.frozen = true
	return false
}

func (a *alarm) close() {}
