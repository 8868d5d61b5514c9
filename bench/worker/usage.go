package worker

import (
	"math"
	"runtime/metrics"
	"time"

	"informerlab/bench/process"
)

// A usage is what the process and the machine have used up so far.
type usage struct {
	cpu     time.Duration // user and system time of all threads
	allocs  uint64
	bytes   uint64
	heap    uint64 // live and not yet swept
	peak    int64  // bytes of the largest resident set
	at      time.Time
	all     process.Processors // with whatever program
	waiting time.Duration      // in which some task of the machine waited for a processor; negative = not known
	runtime []metrics.Sample
}

// takeBefore reads everything, in such an order that no reading is in the figures.
func takeBefore() (u usage) {
	u.readMachine()
	u.readMemory()
	u.readProcess()
	return u
}

// takeAfter reads everything in the opposite order.
func takeAfter() (u usage) {
	u.readProcess()
	u.readMemory()
	u.readMachine()
	return u
}

func (u *usage) readProcess() { u.cpu, u.peak = process.CPU(), process.PeakRSS() }

func (u *usage) readMemory() { u.allocs, u.bytes, u.heap = process.Heap() }

// The metrics of the runtime that a run is charged with.
const (
	collections = iota
	schedulerLatency
	mutexWait
)

func (u *usage) readMachine() {
	u.at, u.all, u.waiting = time.Now(), process.ReadProcessors(), process.Waiting()
	u.runtime = []metrics.Sample{
		collections:      {Name: "/gc/cycles/total:gc-cycles"},
		schedulerLatency: {Name: "/sched/latencies:seconds"},
		mutexWait:        {Name: "/sync/mutex/wait/total:seconds"},
	}
	metrics.Read(u.runtime)
}

// charge writes into a result what was used between two readings.
func (r *Result) charge(before, after usage) {
	r.CPUNS = (after.cpu - before.cpu).Nanoseconds()
	r.Allocs, r.Bytes = after.allocs-before.allocs, after.bytes-before.bytes
	r.PeakBytes = after.peak
	r.OthersCPU, r.Steal, r.Pressure = -1, -1, -1
	if total := after.all.Total - before.all.Total; total > 0 {
		busy := after.all.Busy - before.all.Busy
		r.OthersCPU = max(0, float64(busy-(after.cpu-before.cpu))/float64(total))
		r.Steal = float64(after.all.Steal-before.all.Steal) / float64(total)
	}
	if span := after.at.Sub(before.at); span > 0 && before.waiting >= 0 && after.waiting >= 0 {
		r.Pressure = min(1, float64(after.waiting-before.waiting)/float64(span))
	}
	r.GCs = after.runtime[collections].Value.Uint64() - before.runtime[collections].Value.Uint64()
	wait := after.runtime[mutexWait].Value.Float64() - before.runtime[mutexWait].Value.Float64()
	r.MutexWaitNS = int64(wait * 1e9)
	r.SchedulerP99NS, r.Wakeups = scheduled(before.runtime[schedulerLatency].Value.Float64Histogram(),
		after.runtime[schedulerLatency].Value.Float64Histogram())
}

// trackingPeriod is one in how many times that a goroutine becomes ready to run
// the runtime measures how long it waits (gTrackingPeriod in runtime/runtime2.go).
const trackingPeriod = 8

// scheduled returns the 99th percentile of the time that goroutines waited to be
// run between two readings, as the upper edge of its bucket, and about how many
// times that was.
func scheduled(before, after *metrics.Float64Histogram) (p99NS int64, times uint64) {
	n := uint64(0)
	for i := range after.Counts {
		n += after.Counts[i] - before.Counts[i]
	}
	left := n - n*99/100
	for i := len(after.Counts) - 1; i >= 0 && n > 0; i-- {
		if c := after.Counts[i] - before.Counts[i]; c < left {
			left -= c
			continue
		}
		edge := after.Buckets[i+1]
		if math.IsInf(edge, 0) {
			edge = after.Buckets[i]
		}
		return int64(edge * 1e9), n * trackingPeriod
	}
	return 0, n * trackingPeriod
}
