package run

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Processors returns the numbers of the processors that this process may use, or
// none where processes cannot be pinned. Any goroutine may call it.
func Processors() (all []int) {
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

// Pinned calls do on one processor. The processes that do starts stay there, as they
// inherit it from the thread that starts them. It returns the error of do, or one of
// the system calls. Any number of goroutines may call it.
func Pinned(cpu int, do func() error) error {
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
	err = do()
	if restored := unix.SchedSetaffinity(0, &before); restored != nil {
		// The thread stays locked: no other goroutine may run on it.
		return errors.Join(err, fmt.Errorf("run: all processors again: %w", restored))
	}
	runtime.UnlockOSThread()
	return err
}
