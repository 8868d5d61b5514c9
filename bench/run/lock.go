package run

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// lockName is the lock of a run in its folder.
const lockName = "run.lock"

// A Lock keeps other processes from writing what this one writes. The kernel
// releases it when the process ends, however that happens.
type Lock struct{ file *os.File }

// A HeldError reports a lock that another process, or this one, holds.
type HeldError struct {
	PID int // of the holder; 0 = unknown
}

// Error implements error.
func (e *HeldError) Error() string {
	if e.PID == 0 {
		return "another process is writing it"
	}
	return fmt.Sprintf("process %d is writing it", e.PID)
}

// TakeLock takes the lock on a file, which it makes if it does not exist. If the lock
// is held, it fails with a HeldError after 200 ms. Note: Open holds the lock for a
// moment when it checks for a holder, so the first failure is not final.
func TakeLock(path string) (l *Lock, err error) {
	for try := range 20 {
		if try > 0 {
			time.Sleep(10 * time.Millisecond)
		}
		if l, err = tryLock(path); err == nil || !errors.As(err, new(*HeldError)) {
			break
		}
	}
	return l, err
}

// tryLock is TakeLock without a wait. A file that was removed meanwhile, by the release
// of its lock, counts as held.
func tryLock(path string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("run: lock: %w", err)
	}
	err = flock(file, syscall.LOCK_EX)
	if err == nil {
		locked, failed := file.Stat()
		named, gone := os.Stat(path)
		if failed == nil && (gone != nil || !os.SameFile(locked, named)) {
			return nil, errors.Join(&HeldError{}, file.Close())
		}
		err = failed
	}
	if err == nil {
		_, err = file.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0) // the line counts, not what follows
	}
	if err == nil {
		return &Lock{file}, nil
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = &HeldError{holder(file)}
	} else {
		err = fmt.Errorf("run: lock: %s: %w", path, err)
	}
	return nil, errors.Join(err, file.Close())
}

// Release removes the file and gives the lock back. l may be nil.
func (l *Lock) Release() error {
	if l == nil {
		return nil
	}
	// In this order nobody gets a lock on a file that is removed afterwards.
	return errors.Join(os.Remove(l.file.Name()), l.file.Close())
}

// locked reports whether some process holds a lock.
func locked(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }() // it was only looked at
	return errors.Is(flock(file, syscall.LOCK_SH), syscall.EWOULDBLOCK)
}

// flock locks a file without waiting.
func flock(file *os.File, how int) error {
	for {
		if err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// holder returns the process that the file names, or 0.
func holder(file *os.File) int {
	text, err := io.ReadAll(io.NewSectionReader(file, 0, 32))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return 0
	}
	return pid
}
