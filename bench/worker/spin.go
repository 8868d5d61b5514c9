package worker

import (
	"runtime"
	"time"

	"informerlab/bench/process"
)

// spin keeps one processor busy until the timed window that began with before
// has become percent longer: by processor time if there is one processor for the
// process, so that the effect on CPU time is known however busy the machine is,
// else by the clock. It is how a comparison's control gets a slowdown whose size
// is known by construction.
func spin(percent float64, before usage, start time.Time) {
	if percent <= 0 {
		return
	}
	passed := func() time.Duration { return time.Since(start) }
	if runtime.GOMAXPROCS(0) == 1 {
		passed = func() time.Duration { return process.CPU() - before.cpu }
	}
	until := time.Duration(float64(passed()) * (1 + percent/100))
	for passed() < until {
		// Nothing else: passed itself takes the time.
	}
}
