package buffertest

import "runtime"

// LiveBytes returns the bytes of all reachable objects of the process. The
// second collection frees what the first only took out of pools.
func LiveBytes() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// AllocatedBytes returns the bytes that the process allocates while f runs, which
// should be many: other goroutines' count in.
func AllocatedBytes(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}
