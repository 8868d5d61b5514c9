package worker

import (
	"runtime"
	"syscall"
	"time"
)

// A usage is what the process has used up so far.
type usage struct {
	cpu    time.Duration // user and system time of all threads
	allocs uint64
	bytes  uint64
	heap   uint64     // live and not yet swept
	peak   int64      // bytes of the largest resident set
	all    Processors // with whatever program
	others float64    // only in what since returns: the share of other programs
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
		peak:   r.Maxrss,
		all:    ReadProcessors(),
	}
	if runtime.GOOS != "darwin" {
		u.peak <<= 10 // elsewhere it is in KiB
	}
	return u
}

func (u usage) since(before usage) usage {
	used := usage{
		cpu: u.cpu - before.cpu, allocs: u.allocs - before.allocs, bytes: u.bytes - before.bytes,
		peak: u.peak, others: -1,
	}
	if total := u.all.Total - before.all.Total; total > 0 {
		used.others = max(0, float64(u.all.Busy-before.all.Busy-used.cpu)/float64(total))
	}
	return used
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
