package loadgen

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// An alarm ends waits of a few milliseconds more precisely than a Go timer,
// without holding a processor meanwhile. It reads from a kernel timer with a
// read deadline at the same time, so that whichever is served first ends the
// wait: the kernel timer wakes an idle process through epoll, where a Go timer
// is late by up to a millisecond, and the deadline, a Go timer, is seen by the
// scheduler of a busy one, which looks at epoll too rarely. BenchmarkAlarm
// prints the lateness of both.
type alarm struct {
	file *os.File // nil until the first wait
	// frozen says that alarms are of no use here: time stands still while the
	// kernel's runs, as in a testing/synctest bubble, or there is no timer.
	frozen bool
}

// wait returns after about d, or false, perhaps at once, if alarms are of no
// use here. It may end early; the caller looks at the clock.
func (a *alarm) wait(d time.Duration) bool {
	if a.frozen || !a.open() {
		return false
	}
	before := time.Now()
	if a.set(d) != nil || a.file.SetReadDeadline(before.Add(d)) != nil {
		a.close()
		a.frozen = true
		return false
	}
	var expirations [8]byte
	_, _ = a.file.Read(expirations[:]) // that it returned is all it has to tell
	a.frozen = time.Since(before) == 0
	return !a.frozen
}

func (a *alarm) open() bool {
	if a.file != nil {
		return true
	}
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		a.frozen = true
		return false
	}
	a.file = os.NewFile(uintptr(fd), "timerfd")
	return true
}

func (a *alarm) set(d time.Duration) error {
	conn, err := a.file.SyscallConn()
	if err != nil {
		return err
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	var failed error
	err = conn.Control(func(fd uintptr) { failed = unix.TimerfdSettime(int(fd), 0, &spec, nil) })
	if err != nil {
		return err
	}
	return failed
}

// close gives the kernel timer back; the next wait opens another. An alarm that
// is dropped unclosed is closed with its file by the garbage collector.
func (a *alarm) close() {
	if a.file != nil {
		_ = a.file.Close()
		a.file = nil
	}
}
