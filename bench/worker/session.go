package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"informerlab/loadgen"
)

// A Session is one contestant prepared for one workload. One goroutine uses it.
type Session struct {
	// Limit is how long the events of one run may take, beyond the span of an
	// open load, before the run is an error. Prepare sets two minutes.
	Limit time.Duration

	contestant Contestant
	spec       string
	workload   loadgen.Workload
	loads      []*loadgen.Load
	expects    []*loadgen.Expect // of loads, by index
	events     int
	span       time.Duration // the last intended time; 0 in a closed loop
}

// Prepare builds the load of w for the contestant c, spelled spec.
func Prepare(c Contestant, spec string, w loadgen.Workload) (*Session, error) {
	loads, err := w.Loads()
	if err != nil {
		return nil, err
	}
	s := &Session{Limit: 2 * time.Minute, contestant: c, spec: spec, workload: w, loads: loads}
	for _, load := range loads {
		s.expects = append(s.expects, load.Expect())
		s.events += load.Len()
		s.span = max(s.span, load.Duration())
	}
	return s, nil
}

// Run builds a fresh pipeline per load, all on one clock, releases the events,
// waits for the last call, measures, checks and stops. An error means that no
// figure of the run can be trusted.
func (s *Session) Run() (*Result, error) { return s.run(hooks{}) }

// Warm runs without measuring, so that code, heap and scheduler are in the
// state that later runs find. Long workloads are warmed by a short closed loop.
func (s *Session) Warm() error {
	if s.workload.Name == "saturate" {
		_, err := s.Run()
		return err
	}
	w, err := loadgen.ParseWorkload(fmt.Sprintf("saturate:listeners=%d,events=20000", s.workload.Listeners))
	if err != nil {
		return err
	}
	short, err := Prepare(s.contestant, s.spec, w)
	if err != nil {
		return err
	}
	_, err = short.Run()
	return err
}

// hooks let a profiler look into a run. Nil hooks are not called.
type hooks struct {
	before  func() error // everything is ready, nothing has been released
	after   func() error // the timed window has ended; stalled handlers still stall
	drained func() error // stalled handlers have drained
}

func call(f func() error) error {
	if f == nil {
		return nil
	}
	return f()
}

// A run is one set of pipelines.
type run struct {
	*Session
	pipelines []Pipeline            // by load
	recorders [][]*loadgen.Recorder // by load, then handler
	deadline  <-chan time.Time
}

// stopGrace is how long a failed run waits for its pipelines to stop. What
// failed may well hang, and its process is about to end anyway.
const stopGrace = 5 * time.Second

func (s *Session) run(h hooks) (result *Result, err error) {
	labels := pprof.Labels("buffer", s.spec, "workload", s.workload.BenchName())
	pprof.Do(context.Background(), labels, func(ctx context.Context) {
		r := &run{Session: s}
		if result, err = r.play(ctx, h); err != nil {
			r.unstall()
			stopped := make(chan struct{})
			go func() { defer close(stopped); r.stop() }()
			select {
			case <-stopped:
				// Handlers can be read now: what they had says more.
				err = errors.Join(err, r.checkHandlers())
			case <-time.After(stopGrace):
			}
			return
		}
		r.stop()
		err = r.checkHandlers()
	})
	if err != nil {
		return nil, fmt.Errorf("worker: %s: %s: %w", s.spec, s.workload.String(), err)
	}
	return result, nil
}

// play runs the pipelines up to the last call and checks the caches.
func (r *run) play(ctx context.Context, h hooks) (*Result, error) {
	if err := r.build(ctx); err != nil {
		return nil, err
	}
	timer := time.NewTimer(r.span + r.Limit)
	defer timer.Stop()
	r.deadline = timer.C
	result, err := r.measure(h)
	if err != nil {
		return nil, err
	}
	for i, p := range r.pipelines {
		err = errors.Join(err, r.expects[i].CheckCache(p.Each))
	}
	return result, err
}

// build makes and starts one pipeline per load.
func (r *run) build(ctx context.Context) error {
	for i, load := range r.loads {
		p, err := r.contestant.New(load, Options{Context: ctx, Spec: r.spec})
		if err != nil {
			return fmt.Errorf("%s: new: %w", load.Resource, err)
		}
		r.pipelines = append(r.pipelines, p)
		recorders := r.workload.NewRecorders(r.expects[i])
		for _, rec := range recorders {
			p.AddHandler(rec)
		}
		r.recorders = append(r.recorders, recorders)
	}
	for i, p := range r.pipelines {
		if err := p.Start(); err != nil {
			return fmt.Errorf("%s: start: %w", r.loads[i].Resource, err)
		}
	}
	return nil
}

// measure takes the figures of one run; the pipelines are started.
func (r *run) measure(h hooks) (*Result, error) {
	stall := r.workload.Name == "stall"
	runtime.GC()
	runtime.GC()
	if err := call(h.before); err != nil {
		return nil, err
	}
	before := take()
	start := time.Now()
	for _, recorders := range r.recorders {
		for _, rec := range recorders {
			rec.Release(start)
		}
	}
	for _, p := range r.pipelines {
		p.Release(start)
	}
	from := 0
	if stall {
		// Not the first, also when nobody stalls, so that the control times the
		// same handlers.
		from = min(max(1, r.workload.Stalled), r.workload.Listeners-1)
	}
	if err := r.wait(from); err != nil {
		return nil, err
	}
	wall := time.Since(start)
	used := take().since(before)
	result := &Result{
		Calls:     r.calls(),
		Events:    r.events,
		Listeners: r.workload.Listeners,
		WallNS:    wall.Nanoseconds(),
		CPUNS:     used.cpu.Nanoseconds(),
		Allocs:    used.allocs,
		Bytes:     used.bytes,
	}
	if r.workload.Stalled > 0 {
		return result, r.drain(result, before.heap, h)
	}
	if err := call(h.after); err != nil {
		return nil, err
	}
	if err := r.wait(0); err != nil {
		return nil, err
	}
	if stall {
		result.Stall = &Stalled{RetainedBytes: int64(liveHeap()) - int64(before.heap)}
	}
	r.latencies(result)
	return result, nil
}

// drain measures the backlog of stalled handlers, ends their stall, and waits
// until they have caught up.
func (r *run) drain(result *Result, heapBefore uint64, h hooks) error {
	full := liveHeap()
	if err := call(h.after); err != nil {
		return err
	}
	stalled := &Stalled{
		Told:      r.pipelines[0].Pending(0),
		HeapBytes: int64(full) - int64(heapBefore),
	}
	for _, load := range r.loads {
		// The first live call of each stalled handler is in its hands.
		stalled.Pending += r.workload.Stalled * (load.Len() - 1)
	}
	start := time.Now()
	r.unstall()
	if err := r.wait(0); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	stalled.DrainNS = time.Since(start).Nanoseconds()
	stalled.RetainedBytes = int64(liveHeap()) - int64(heapBefore)
	result.Stall = stalled
	return call(h.drained)
}

// calls returns how many handler calls the load makes of all handlers; the check
// at the end holds every handler to its share.
func (r *run) calls() (calls int) {
	for _, expect := range r.expects {
		calls += expect.Calls * r.workload.Listeners
	}
	return calls
}

func (r *run) unstall() {
	for _, recorders := range r.recorders {
		for _, rec := range recorders[:min(len(recorders), r.workload.Stalled)] {
			rec.Unstall()
		}
	}
}

// pollEvery is how often a run without handlers looks for the last event in the
// cache. At 50 µs the looking costs under 1 % of a core and its error is lost in
// runs of 20 ms.
const pollEvery = 50 * time.Microsecond

// wait returns when all handlers from number from on have had their last call.
// Without handlers it waits for the last event to reach the caches.
func (r *run) wait(from int) error {
	for i, p := range r.pipelines {
		for listener, rec := range r.recorders[i] {
			if listener < from {
				continue
			}
			select {
			case <-rec.Done():
			case <-r.deadline:
				return fmt.Errorf("%s: handler %d had not had all its calls after %v",
					r.loads[i].Resource, listener, r.span+r.Limit)
			}
		}
		if len(r.recorders[i]) > 0 {
			continue
		}
		for !p.Has(loadgen.End) {
			select {
			case <-r.deadline:
				return fmt.Errorf("%s: the last event had not reached the cache after %v",
					r.loads[i].Resource, r.span+r.Limit)
			case <-time.After(pollEvery):
			}
		}
	}
	return nil
}

// latencies merges what recorders and generators measured in an open load.
func (r *run) latencies(result *Result) {
	var latency, lateness []*hdrhistogram.Histogram
	for i, p := range r.pipelines {
		lateness = append(lateness, p.Lateness())
		for _, rec := range r.recorders[i] {
			latency = append(latency, rec.Latency())
		}
	}
	result.Latency, result.Lateness = quantilesOf(latency), quantilesOf(lateness)
}

// checkHandlers compares every handler's calls with what the load makes of
// them. The pipelines have stopped, so a call after the last one shows too.
func (r *run) checkHandlers() error {
	var errs []error
	for i, recorders := range r.recorders {
		for listener, rec := range recorders {
			if err := rec.Check(); err != nil {
				errs = append(errs, fmt.Errorf("%s: handler %d: %w", r.loads[i].Resource, listener, err))
			}
		}
		if a, keeps := r.pipelines[i].(Auditor); keeps {
			if err := a.Audit(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", r.loads[i].Resource, err))
			}
		}
	}
	return errors.Join(errs...)
}

// stop ends all pipelines.
func (r *run) stop() {
	for _, p := range r.pipelines {
		p.Stop()
	}
}
