package cost

import (
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"informerlab/core/realtime"
)

func processorTime(t *testing.T, who int) time.Duration {
	var usage syscall.Rusage
	require.NoError(t, syscall.Getrusage(who, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// The bounds are wide, because on a shared machine a processor's speed varies.
func TestSpinBurnsItsTime(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s := Cost{Mean: 20 * time.Millisecond, Law: "fixed", Work: "spin"}.Begin(1)
	realtime.Attempt(t, 5, func(time.Duration) error {
		before := processorTime(t, unix.RUSAGE_THREAD)
		d := s.Spend()
		burnt := float64(processorTime(t, unix.RUSAGE_THREAD)-before) / float64(d)
		t.Logf("burnt %.3f of what was drawn", burnt)
		if burnt < 0.4 || burnt > 3 {
			return fmt.Errorf("burnt %.3f of what was drawn, expected 0.4 to 3", burnt)
		}
		return nil
	})
}

// Eight handlers per processor all burn what they have drawn; if spinning ended
// by the clock, they would burn an eighth.
func TestSpinBurnsItsTimeThoughPreempted(t *testing.T) {
	c := Cost{Mean: 10 * time.Millisecond, Law: "fixed", Work: "spin"}
	n := 8 * runtime.GOMAXPROCS(0)
	spenders := make([]*Spender, n)
	for i := range spenders {
		spenders[i] = c.Begin(uint64(i))
	}
	realtime.Attempt(t, 5, func(time.Duration) error {
		before := processorTime(t, unix.RUSAGE_SELF)
		var handlers sync.WaitGroup
		for _, s := range spenders {
			handlers.Go(func() { s.Spend() })
		}
		handlers.Wait()
		burnt := float64(processorTime(t, unix.RUSAGE_SELF)-before) / float64(time.Duration(n)*c.Mean)
		t.Logf("burnt %.3f of what was drawn", burnt)
		if burnt < 0.4 {
			return fmt.Errorf("burnt %.3f of what was drawn, expected 0.4 at least", burnt)
		}
		return nil
	})
}
