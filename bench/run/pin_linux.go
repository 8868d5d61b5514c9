package run

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// processors returns the processors that this process may use.
func processors() (all []int) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return nil
	}
	for cpu := range len(allowed) * 64 {
		if allowed.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	return all
}

// pinned calls start so that the processes it starts run on one processor only,
// which they inherit from the thread that starts them.
func pinned(cpu int, start func() error) error {
	runtime.LockOSThread()
	var before, one unix.CPUSet
	one.Set(cpu)
	err := unix.SchedGetaffinity(0, &before)
	if err == nil {
		err = unix.SchedSetaffinity(0, &one)
	}
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("run: processor %d: %w", cpu, err)
	}
	err = start()
	if restored := unix.SchedSetaffinity(0, &before); restored != nil {
		// The thread stays locked, and ends with its goroutine.
		return errors.Join(err, fmt.Errorf("run: all processors again: %w", restored))
	}
	runtime.UnlockOSThread()
	return err
}
