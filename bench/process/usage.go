package process

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// CPU returns the user and system time that all threads of this process have used.
func CPU() time.Duration {
	r := own()
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// PeakRSS returns the bytes of the largest resident set that this process has had.
func PeakRSS() int64 {
	if runtime.GOOS == "darwin" {
		return own().Maxrss
	}
	return own().Maxrss << 10 // elsewhere it is in KiB
}

func own() (r syscall.Rusage) {
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // of the own process it fails only for a bad argument
	return r
}

// Heap returns how many objects and bytes this process has allocated so far, and the
// bytes of objects that are live or not yet swept. It stops the world for a moment.
func Heap() (objects, bytes, live uint64) {
	m := memory()
	return m.Mallocs, m.TotalAlloc, m.HeapAlloc
}

// Stacks returns the bytes that stacks of goroutines take.
func Stacks() uint64 { return memory().StackInuse }

func memory() (m runtime.MemStats) {
	runtime.ReadMemStats(&m)
	return m
}

// LiveHeap returns the bytes of reachable objects. The second collection frees
// what the first one only finalized or took out of pools.
func LiveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	_, _, live := Heap()
	return live
}

// Waiting returns the time in which at least one task of the machine waited for a
// processor, which Linux keeps in /proc/pressure/cpu (Documentation/accounting/psi.rst),
// or a negative time where it is not known.
func Waiting() time.Duration {
	content, err := os.ReadFile("/proc/pressure/cpu")
	if err != nil {
		return -1
	}
	some, _, _ := strings.Cut(string(content), "\n")
	_, total, _ := strings.Cut(some, "total=")
	us, err := strconv.ParseInt(total, 10, 64)
	if err != nil {
		return -1
	}
	return time.Duration(us) * time.Microsecond
}

// Processors tells how all processors of the machine together have spent their
// time since it was started.
type Processors struct {
	Total time.Duration // idle or not; 0 = not known
	Busy  time.Duration // with whatever program, or taken away by a hypervisor
	Steal time.Duration // taken away by a hypervisor
}

// ReadProcessors reads them from the first line of Linux's /proc/stat (man 5
// proc_stat), which counts in hundredths of a second. Where there is none, or it
// is not understood, it returns zeros. Any goroutine may call it.
func ReadProcessors() (p Processors) {
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		return p
	}
	first, _, _ := strings.Cut(string(content), "\n")
	fields := strings.Fields(first)
	const idle, iowait, steal, guest = 4, 5, 8, 9 // columns; what guests use is in that of the user too
	for i := 1; i < min(len(fields), guest); i++ {
		hundredths, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return Processors{}
		}
		d := time.Duration(hundredths) * time.Second / 100
		p.Total += d
		if i != idle && i != iowait {
			p.Busy += d
		}
		if i == steal {
			p.Steal = d
		}
	}
	return p
}
