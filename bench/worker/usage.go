package worker

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A usage is what the process has used up so far.
type usage struct {
	cpu    time.Duration // user and system time of all threads
	allocs uint64
	bytes  uint64
	heap   uint64        // live and not yet swept
	busy   time.Duration // of all processors and programs; 0 = not known
	total  time.Duration // of all processors, idle or not
	others float64       // only in what since returns: the share of other programs
}

func take() usage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var r syscall.Rusage
	// Getrusage of the own process fails only for a bad argument.
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	u := usage{
		cpu:    time.Duration(r.Utime.Nano() + r.Stime.Nano()),
		allocs: m.Mallocs,
		bytes:  m.TotalAlloc,
		heap:   m.HeapAlloc,
	}
	u.busy, u.total = processors()
	return u
}

func (u usage) since(before usage) usage {
	used := usage{cpu: u.cpu - before.cpu, allocs: u.allocs - before.allocs, bytes: u.bytes - before.bytes, others: -1}
	if total := u.total - before.total; total > 0 {
		used.others = max(0, float64(u.busy-before.busy-used.cpu)/float64(total))
	}
	return used
}

// peak returns the largest resident set that the process has had, in bytes.
func peak() int64 {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // as above
	if runtime.GOOS == "darwin" {
		return r.Maxrss // there in bytes
	}
	return r.Maxrss << 10
}

// processors returns how long all processors together have been busy, with this
// program or others or taken away by a hypervisor, and how long they have been
// there. Both are 0 where the system does not tell: it does in the first line of
// Linux's /proc/stat (man 5 proc_stat), in hundredths of a second.
func processors() (busy, total time.Duration) {
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(content), "\n")
	const idle, iowait, guest = 4, 5, 9 // columns; what guests use is in that of the user too
	for i, field := range strings.Fields(line) {
		hundredths, err := strconv.ParseInt(field, 10, 64)
		if i == 0 || i >= guest || err != nil {
			continue
		}
		d := time.Duration(hundredths) * time.Second / 100
		total += d
		if i != idle && i != iowait {
			busy += d
		}
	}
	return busy, total
}

// liveHeap returns the bytes of reachable objects. The second collection frees
// what the first one only finalized or took out of pools.
func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
