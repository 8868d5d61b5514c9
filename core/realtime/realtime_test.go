package realtime

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestLateness makes some of the timers late.
func TestLateness(t *testing.T) {
	for _, c := range []struct {
		every int // how many timers there are for a late one; 0 = none is late
		by    time.Duration
		want  time.Duration
	}{
		{0, 0, 0},
		{1, 21 * time.Millisecond, 21 * time.Millisecond},
		{200, time.Second / 4, 0},
		{20, 25 * time.Millisecond, 25 * time.Millisecond},
		{1, time.Hour, time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			begun, n := time.Now(), 0
			late := lateness(time.Now, func(d time.Duration) {
				if n++; c.every > 0 && n%c.every == 0 {
					d += c.by
				}
				time.Sleep(d)
			})
			assert.Equal(t, c.want, late, c)
			assert.GreaterOrEqual(t, time.Since(begun), Window)
		})
	}
}

// A recorder notes what a test is told to do.
type recorder struct {
	testing.TB
	skipped, failed int
	logged          int
}

func (r *recorder) Helper()               {}
func (r *recorder) Log(...any)            { r.logged++ }
func (r *recorder) Skipf(string, ...any)  { r.skipped++ }
func (r *recorder) Fatalf(string, ...any) { r.failed++ }

// TestAttempt watches the machine before each attempt, in simulated time, where no
// timer is late.
func TestAttempt(t *testing.T) {
	for want, attempts := range map[recorder][]error{
		{}:                     {nil},
		{logged: 2}:            {errors.New("a"), errors.New("b"), nil},
		{logged: 3, failed: 1}: {errors.New("a"), errors.New("b"), errors.New("c")},
	} {
		synctest.Test(t, func(t *testing.T) {
			var got recorder
			begun, n := time.Now(), 0
			Attempt(&got, 3, func(late time.Duration) error {
				assert.Zero(t, late)
				n++
				return attempts[n-1]
			})
			assert.Equal(t, want, got)
			assert.Len(t, attempts, n)
			assert.Equal(t, time.Duration(n)*Window, time.Since(begun))
		})
	}
}
