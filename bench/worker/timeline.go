package worker

import (
	"runtime/metrics"
	"sync"
	"time"

	"informerlab/core/processor"
)

// A Sample is one look at a run while it runs.
type Sample struct {
	AtNS     int64 `json:"at_ns"`     // since the release
	Pending  int   `json:"pending"`   // notifications waiting for all handlers; negative = not known
	OldestNS int64 `json:"oldest_ns"` // how long the oldest of them has been on its way at least
	Bytes    int64 `json:"bytes"`     // held by all buffers; 0 if they keep no gauge
	Heap     int64 `json:"heap"`      // of objects, live and not yet swept
	GCs      int   `json:"gcs"`       // collections since the release
}

// A Watched pipeline lets its backlogs be seen while it runs. Backlogs is
// called by one goroutine, at any time between Start and Stop, with times that
// do not go back.
type Watched interface {
	Backlogs(now time.Time) []processor.Backlog
}

// Samples are taken every sampleEvery, and every second one is dropped, with
// twice the distance from then on, whenever there are maxSamples: a run of any
// length gives 200 to 400 of them, as many as a figure can show. What they take is
// in what make overhead prints.
const (
	sampleEvery = 5 * time.Millisecond
	maxSamples  = 400
)

// A timeline samples a run until it is ended.
type timeline struct {
	samples []Sample // read only once ended is closed
	once    sync.Once
	quit    chan struct{}
	ended   chan struct{}
}

// watch starts to sample, unless the run is over at once: in a closed loop
// without stops.
func (r *run) watch(start time.Time) *timeline {
	if !r.Timeline || r.span == 0 && !r.workload.Stalls() {
		return nil
	}
	t := &timeline{quit: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(t.ended)
		t.sample(r, start)
	}()
	return t
}

// end stops the sampling and returns what it saw.
func (t *timeline) end() []Sample {
	if t == nil {
		return nil
	}
	t.once.Do(func() { close(t.quit) })
	<-t.ended
	return t.samples
}

func (t *timeline) sample(r *run, start time.Time) {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(heap)
	first := heap[1].Value.Uint64()
	every := sampleEvery
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		metrics.Read(heap)
		now := time.Now()
		s := Sample{
			AtNS: now.Sub(start).Nanoseconds(), Heap: int64(heap[0].Value.Uint64()),
			GCs: int(heap[1].Value.Uint64() - first),
		}
		r.look(&s, now)
		t.samples = append(t.samples, s)
		if len(t.samples) == maxSamples {
			t.samples = everySecond(t.samples)
			every *= 2
			ticker.Reset(every)
		}
		select {
		case <-t.quit:
			return
		case <-ticker.C:
		}
	}
}

// look fills in the backlogs of all pipelines.
func (r *run) look(s *Sample, now time.Time) {
	for _, p := range r.pipelines {
		watched, ok := p.(Watched)
		if !ok {
			s.Pending = -1
			return
		}
		for _, b := range watched.Backlogs(now) {
			s.Pending += int(b.Pending)
			s.OldestNS = max(s.OldestNS, b.Age.Nanoseconds())
			s.Bytes += int64(b.Bytes)
		}
	}
}

func everySecond(samples []Sample) []Sample {
	kept := samples[:0]
	for i := 0; i < len(samples); i += 2 {
		kept = append(kept, samples[i])
	}
	return kept
}
