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
	heap   uint64 // live and not yet swept
}

func take() usage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var r syscall.Rusage
	// Getrusage of the own process fails only for a bad argument.
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return usage{
		cpu:    time.Duration(r.Utime.Nano() + r.Stime.Nano()),
		allocs: m.Mallocs,
		bytes:  m.TotalAlloc,
		heap:   m.HeapAlloc,
	}
}

func (u usage) since(before usage) usage {
	return usage{cpu: u.cpu - before.cpu, allocs: u.allocs - before.allocs, bytes: u.bytes - before.bytes}
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
