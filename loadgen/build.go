package loadgen

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"informerlab/core/event"
	"informerlab/loadgen/arrival"
	"informerlab/loadgen/cost"
	"informerlab/loadgen/population"
	"informerlab/loadgen/recorded"
)

// Open reports whether events have intended times.
func (w Workload) Open() bool {
	if w.replays() {
		return w.Speed > 0
	}
	return w.MeanRate() > 0 || w.Mix != ""
}

// MeanRate returns the events per second on average of a load that is drawn; 0 for
// a closed loop.
func (w Workload) MeanRate() float64 {
	if w.Utilization > 0 {
		return w.Utilization / 100 / w.Cost.Seconds() * float64(max(1, w.Workers))
	}
	return w.Rate
}

// Stalls reports whether the workload is about handlers that stop until the
// others are done, and what these feel of it, as its control is too: that has
// none of them but tells so in its label.
func (w Workload) Stalls() bool { return w.Stall == 0 && (w.Stalled > 0 || w.tells("stalled")) }

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
		return w.Prefill + max(1, int(w.MeanRate()*w.Seconds))
	case w.MeanRate() > 0:
		return max(1, int(2*w.MeanRate()))
	}
	return max(80_000, 400_000/(w.Listeners+1))
}

// Loads builds the workload's loads: one, or one per resource of a trace or part
// of a mix. It fails if a trace cannot be read; then the error names file and line.
func (w Workload) Loads() ([]*Load, error) {
	switch {
	case w.Name == "":
		return nil, fmt.Errorf("loadgen: workload %q: expected one of the catalogue or a file", w.Name)
	case w.replays():
		return w.recording().Loads()
	case w.Mix != "":
		return w.mix()
	}
	load, err := w.draw("objects")
	if err != nil {
		return nil, err
	}
	return []*Load{load}, nil
}

// recording returns the trace of the workload, ready to be replayed.
func (w *Workload) recording() Replay {
	r := Replay{
		Open:  func() (io.ReadCloser, error) { return io.NopCloser(recorded.Open()), nil },
		Name:  recorded.Name,
		Speed: w.Speed,
		Fresh: w.Objects == "fresh",
	}
	if path := w.Trace; path != "" {
		r.Open, r.Name = func() (io.ReadCloser, error) { return os.Open(path) }, path
	}
	return r
}

// mix builds a load per part, each with chance of its own.
func (w *Workload) mix() (loads []*Load, err error) {
	for i, name := range strings.Split(w.Mix, "+") {
		part, err := ParseWorkload(name)
		if err != nil {
			return nil, err
		}
		part.Seed, part.Objects = w.Seed+uint64(i), w.Objects
		load, err := part.draw(name)
		if err != nil {
			return nil, err
		}
		loads = append(loads, load)
	}
	return loads, nil
}

func (w *Workload) draw(resource string) (*Load, error) {
	s := Synthetic{
		Resource: resource,
		Seed:     w.Seed,
		Population: population.Population{
			Keys: w.Keys, Pick: cmp.Or(w.Pick, pickWords[0]), Skew: w.Skew, Hot: w.Hot,
			Churn: w.Churn, Grow: w.Grow, Shrink: w.Shrink,
		},
		Events:  w.EventCount(),
		Sizes:   population.Sizes{Mean: w.Size, Sigma: w.Sigma},
		Prefill: w.Prefill,
		Relists: w.Relists, Gap: w.Gap,
		Fresh: w.Objects == "fresh",
	}
	if rate := w.MeanRate(); rate > 0 {
		o := arrival.Options{PerSecond: rate, Peak: w.Peak, Period: w.Period}
		var err error
		if w.Arrival == recordedArrival {
			if o.Times, err = w.recording().times(); err != nil {
				return nil, err
			}
		}
		if s.Arrival, err = arrival.New(cmp.Or(w.Arrival, arrivalWords[0]), o); err != nil {
			return nil, err
		}
	}
	return s.Load()
}

// A Handling is what the handlers of one load have in common.
type Handling struct {
	Expect *Expect
	// Level is set if they need not hear of every event.
	Level bool
	// Bare is set for handlers that only count their calls, see RecorderOptions.
	Bare bool
	// Tell hears of the key of each call to a handler; nil = nobody does.
	Tell func(handler int, key event.Key)
}

// NewRecorders returns one recorder per listener for one of the loads, the
// stalling ones first. Those that are timed measure latency if the workload is open.
func (w Workload) NewRecorders(h Handling) []*Recorder {
	recorders := make([]*Recorder, w.Listeners)
	for i := range recorders {
		o := RecorderOptions{
			Stall: i < w.Stalled, StallFor: w.Stall, Latency: w.Open() && i >= w.Others(),
			Level: h.Level || !h.Expect.Ordered, Every: !h.Level && w.Resync == 0, Resyncs: w.Resync > 0,
			Spend: w.spend(i), Panics: w.Panics / 100,
			Seed: w.Seed + uint64(i), Bare: h.Bare,
		}
		if h.Tell != nil {
			o.Tell = func(key event.Key) { h.Tell(i, key) }
		}
		recorders[i] = NewRecorder(h.Expect, o)
	}
	return recorders
}

// NewVisitor returns the recorder of a handler that comes when events flow.
func (w Workload) NewVisitor(h Handling) *Recorder {
	return NewRecorder(h.Expect, RecorderOptions{Level: true, Late: true, Resyncs: w.Resync > 0})
}

// spend returns what a call of a handler costs, or nil.
func (w *Workload) spend(handler int) func() {
	if w.Workers > 0 || w.Slow > 0 && handler < w.Listeners-w.Slow {
		return nil
	}
	return w.NewCost(handler)
}

// NewCost returns a function that spends what the workload says of calls, or nil
// if they cost nothing. It is for one goroutine: the handler with that number,
// or where handlers fill work queues, the worker.
func (w Workload) NewCost(number int) func() {
	if w.Cost == 0 {
		return nil
	}
	c := cost.Cost{Mean: w.Cost, Law: cmp.Or(w.Costs, costWords[0]), Work: cmp.Or(w.Work, workWords[0])}
	s := c.Begin(w.Seed + uint64(number))
	return func() { s.Spend() }
}
