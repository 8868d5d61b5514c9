package loadgen

import (
	"fmt"
	"io"
	"os"

	"informerlab/loadgen/recorded"
)

// Open reports whether events have intended times.
func (w Workload) Open() bool { return w.Rate > 0 || w.Speed > 0 }

// Stalls reports whether the workload is about stopped handlers and what the
// others feel of them, as its control is too.
func (w Workload) Stalls() bool {
	return w.Stalled > 0 || w.tells("stalled")
}

// Others returns the number of the first handler that a workload times. One that
// Stalls leaves out those that stop, and its control, so that it times the same
// handlers, the first.
func (w Workload) Others() int {
	if !w.Stalls() {
		return 0
	}
	return min(max(1, w.Stalled), max(0, w.Listeners-1))
}

// EventCount returns the number of events of a synthetic load, the sentinel not
// counted. Unless Events or Seconds say it, an open load lasts two seconds, and a closed
// one has as many as take the fastest contestants some 20 ms and the slowest
// one to three seconds: with many listeners enough that the first growth of
// their buffers is not most of what is allocated.
func (w Workload) EventCount() int {
	switch {
	case w.Events > 0:
		return w.Events
	case w.Seconds > 0:
		return w.Prefill + max(1, int(w.Rate*w.Seconds))
	case w.Rate > 0:
		return max(1, int(2*w.Rate))
	}
	return max(80_000, 400_000/(w.Listeners+1))
}

// Loads builds the workload's loads: one, or one per resource of a trace. It
// fails if a trace cannot be read; then the error names file and line.
func (w Workload) Loads() ([]*Load, error) {
	switch {
	case w.Name == "":
		return nil, fmt.Errorf("loadgen: workload %q: expected one of the catalogue", w.Name)
	case w.replays():
		return w.replay()
	}
	load, err := Synthetic{
		Seed: w.Seed, Keys: w.Keys, Events: w.EventCount(), ObjectSize: w.Size, Rate: w.Rate, Prefill: w.Prefill,
		DeleteShare: w.Churn / 200, AddShare: w.Churn / 200,
	}.Load()
	if err != nil {
		return nil, err
	}
	return []*Load{load}, nil
}

func (w *Workload) replay() ([]*Load, error) {
	var input io.Reader = recorded.Open()
	name := recorded.Name
	if w.Trace != "" {
		file, err := os.Open(w.Trace)
		if err != nil {
			return nil, fmt.Errorf("loadgen: replay: %w", err)
		}
		defer func() { _ = file.Close() }() // it was only read
		input, name = file, w.Trace
	}
	t, err := ReadTrace(input, name)
	if err != nil {
		return nil, err
	}
	return t.Loads(w.Speed), nil
}

// NewRecorders returns one recorder per listener for one of the loads, the
// stalling ones first; lossy ones if the handlers need not hear of every event.
// Those that are timed measure latency if the workload is open.
func (w Workload) NewRecorders(e *Expect, lossy bool) []*Recorder {
	recorders := make([]*Recorder, w.Listeners)
	for i := range recorders {
		recorders[i] = NewRecorder(e, RecorderOptions{
			Stall: i < w.Stalled, Latency: w.Open() && i >= w.Others(), Lossy: lossy,
		})
	}
	return recorders
}
