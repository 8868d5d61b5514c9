package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"informerlab/bench/process"
	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/loadgen"
)

// A Session is one contestant prepared for one workload. One goroutine uses it.
type Session struct {
	// Limit is how long the events of one run may take, beyond the span of an
	// open load, before the run is an error. Prepare sets two minutes.
	Limit time.Duration
	// Spin makes each run longer by so many percent: see OpRun.
	Spin float64
	// Timeline lets runs of an open load, or with stops, tell their Timeline.
	Timeline bool
	// Bare makes handlers count their calls and do nothing else, so that nothing
	// but the number of calls is checked of them: to show what the rest costs. It
	// is for lossless contestants of this module without stops.
	Bare bool

	contestant Contestant
	workload   loadgen.Workload
	loads      []*loadgen.Load
	expects    []*loadgen.Expect // of loads, by index
	events     int               // that are timed
	span       time.Duration     // the last intended time; 0 in a closed loop
}

// Prepare builds the load of w for the contestant. It fails if the two do not
// fit, or if the load cannot be built.
func Prepare(c Contestant, w loadgen.Workload) (*Session, error) {
	if err := Fits(c.Traits, w); err != nil {
		return nil, fmt.Errorf("worker: buffer %s: %w", c.Name, err)
	}
	loads, err := w.Loads()
	if err != nil {
		return nil, err
	}
	s := &Session{Limit: 2 * time.Minute, contestant: c, workload: w, loads: loads}
	for _, load := range loads {
		s.expects = append(s.expects, load.Expect())
		s.events += load.Len() - load.Prefill
		s.span = max(s.span, load.Duration())
	}
	return s, nil
}

// Run builds a fresh pipeline per load, all on one clock, releases the events,
// waits for the last call, measures, checks and stops. An error means that no
// figure of the run can be trusted.
func (s *Session) Run() (*Result, error) { return s.run(hooks{}) }

// Warm runs without measuring, so that code, heap and scheduler are in the
// state that later runs find: by a short closed loop of as many handlers.
func (s *Session) Warm() error {
	w, err := loadgen.ParseWorkload(fmt.Sprintf("saturate:listeners=%d,events=20000", s.workload.Listeners))
	if err != nil {
		return err
	}
	short, err := Prepare(s.contestant, w)
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
	pipelines   []Pipeline            // by load
	recorders   [][]*loadgen.Recorder // by load, then handler
	controllers [][]*controller       // by load, then handler; none unless handlers fill work queues
	visitors    visitors
	deadline    <-chan time.Time
}

// stopGrace is how long a failed run waits for its pipelines to stop. What
// failed may well hang, and its process is about to end anyway.
const stopGrace = 5 * time.Second

func (s *Session) run(h hooks) (result *Result, err error) {
	labels := pprof.Labels("buffer", s.contestant.Name, "workload", s.workload.BenchName())
	pprof.Do(context.Background(), labels, func(ctx context.Context) {
		r := &run{Session: s}
		if result, err = r.play(ctx, h); err != nil {
			r.unstall()
			err = errors.Join(err, r.unread())
			stopped := make(chan struct{})
			go func() { defer close(stopped); r.stop() }()
			select {
			case <-stopped:
				// Handlers can be read now: what they had says more.
				err = errors.Join(err, r.check())
			case <-time.After(stopGrace):
			}
			return
		}
		r.stop()
		r.settle(result)
		err = r.check()
	})
	if err != nil {
		return nil, fmt.Errorf("worker: %s: %s: %w", s.contestant.Name, s.workload.String(), err)
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
		err = errors.Join(err, r.checkCache(i, p, result))
	}
	return result, err
}

// build makes and starts one pipeline per load.
func (r *run) build(ctx context.Context) error {
	for i, load := range r.loads {
		p, err := r.contestant.New(ctx, load)
		if err != nil {
			return fmt.Errorf("%s: new: %w", load.Resource, err)
		}
		r.pipelines = append(r.pipelines, p)
		h := r.handling(i)
		if r.workload.Workers > 0 {
			controllers := newControllers(r.workload, p)
			r.controllers = append(r.controllers, controllers)
			h.Tell = func(handler int, key event.Key) { controllers[handler].queue.Add(key) }
		}
		r.recorders = append(r.recorders, nil)
		for _, rec := range r.workload.NewRecorders(h) {
			if err := p.AddHandler(rec, r.workload.Resync); err != nil {
				return fmt.Errorf("%s: add handler: %w", load.Resource, err)
			}
			r.recorders[i] = append(r.recorders[i], rec)
		}
	}
	for i, p := range r.pipelines {
		if err := p.Start(); err != nil {
			return fmt.Errorf("%s: start: %w", r.loads[i].Resource, err)
		}
		lag := p.Pace().Lag
		for _, rec := range r.recorders[i] {
			rec.Follow(lag)
		}
	}
	return nil
}

func (r *run) handling(load int) loadgen.Handling {
	return loadgen.Handling{Expect: r.expects[load], Level: r.contestant.Traits.Loss != buffer.Lossless, Bare: r.Bare}
}

// measure takes the figures of one run; the pipelines are started.
func (r *run) measure(h hooks) (*Result, error) {
	filled, err := r.fill()
	if err != nil {
		return nil, err
	}
	r.visitors.make(r)
	runtime.GC()
	runtime.GC()
	if err := call(h.before); err != nil {
		return nil, err
	}
	before := takeBefore()
	start := time.Now()
	for _, recorders := range r.recorders {
		for _, rec := range recorders {
			rec.Release(start)
		}
	}
	r.release(start)
	watch := r.watch(start)
	defer func() { watch.end() }()
	r.visitors.begin(r, start)
	err = r.wait(r.workload.Others())
	spin(r.Spin, before, start)
	wall := time.Since(start)
	if err = errors.Join(err, r.visitors.end()); err != nil {
		return nil, err
	}
	result := &Result{
		Events: r.events, Listeners: r.workload.Listeners, WallNS: wall.Nanoseconds(),
		SpanNS: r.span.Nanoseconds(), Processors: runtime.GOMAXPROCS(0),
	}
	result.charge(before, takeAfter())
	if r.workload.Stalls() {
		result.Stall = &Stalled{Handlers: r.workload.Stalled * len(r.loads), Before: filled}
	}
	if result.Stall != nil && r.workload.Stalled > 0 {
		err = r.drain(result.Stall, before.heap, h)
	} else {
		err = r.rest(result, before.heap, h)
	}
	result.Timeline = watch.end()
	if err == nil {
		err = r.settleQueues(result)
	}
	if err != nil {
		return nil, err
	}
	return result, r.latencies(result)
}

// fill waits until the handlers know the initial list, also what had to be
// healed of it, then releases the prefill and waits until the handlers that are
// timed know that too. It returns how much then waits for the stalled ones.
func (r *run) fill() (pending int, err error) {
	if r.contestant.Traits.Loss == buffer.DropsEvery {
		return 0, nil
	}
	if err := r.await("the initial list", 0, (*loadgen.Recorder).Listed); err != nil {
		return 0, err
	}
	if r.workload.Prefill == 0 {
		return 0, nil
	}
	r.release(time.Now())
	if err := r.await("the prefill", r.workload.Others(), (*loadgen.Recorder).Filled); err != nil {
		return 0, err
	}
	return r.pending(func(e *loadgen.Expect) int { return e.Filled })
}

// release lets the next part of each load flow.
func (r *run) release(start time.Time) {
	for _, p := range r.pipelines {
		p.Release(start)
	}
}

// rest ends a run without stalled handlers: those that were not timed, in the
// control of one with them, may not have had all yet.
func (r *run) rest(result *Result, heapBefore uint64, h hooks) error {
	if err := call(h.after); err != nil {
		return err
	}
	if err := r.wait(0); err != nil {
		return err
	}
	if result.Stall != nil {
		result.Stall.RetainedBytes = int64(process.LiveHeap()) - int64(heapBefore)
	}
	return nil
}

// drain measures the backlog of stalled handlers, ends their stall, and waits
// until they have caught up.
func (r *run) drain(stalled *Stalled, heapBefore uint64, h hooks) (err error) {
	full := process.LiveHeap()
	stalled.HeapBytes = int64(full) - int64(heapBefore)
	if stalled.Pending, err = r.pending(func(e *loadgen.Expect) int { return e.Calls }); err != nil {
		return err
	}
	if err := call(h.after); err != nil {
		return err
	}
	start := time.Now()
	r.unstall()
	if err := r.wait(0); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	stalled.DrainNS = time.Since(start).Nanoseconds()
	stalled.RetainedBytes = int64(process.LiveHeap()) - int64(heapBefore)
	return call(h.drained)
}

// pending returns how many notifications wait for all stalled handlers, beside
// the one in the hands of each: what the accounts tell, or without accounts, as
// then nothing is lost, all that the handler was owed by then but those.
func (r *run) pending(owed func(*loadgen.Expect) int) (n int, err error) {
	for i, p := range r.pipelines {
		for listener, rec := range r.stalledOf(i) {
			select {
			case <-rec.Stalled():
			case <-r.deadline:
				return 0, r.late(i, listener, "its first event")
			}
		}
		accounts := p.Accounts()
		if accounts == nil {
			n += len(r.stalledOf(i)) * (owed(r.expects[i]) - r.expects[i].Initial - 1)
			continue
		}
		for _, stats := range accounts[:len(r.stalledOf(i))] {
			n += int(stats.Pending + max(stats.InHand, 1) - 1) // a call that heals is in no account
		}
	}
	return n, nil
}

func (r *run) unstall() {
	for _, recorders := range r.recorders {
		for _, rec := range recorders[:min(len(recorders), r.workload.Stalled)] {
			rec.Unstall()
		}
	}
}

// wait returns when all handlers from number from on know all. Where no handler
// is told anything it waits for the last event to reach the caches.
func (r *run) wait(from int) error {
	if r.workload.Listeners == 0 || r.contestant.Traits.Loss == buffer.DropsEvery {
		return r.waitForCaches()
	}
	return r.await("all events", from, (*loadgen.Recorder).Done)
}

// await waits for a milestone of all handlers from number from on.
func (r *run) await(what string, from int, milestone func(*loadgen.Recorder) <-chan struct{}) error {
	for i, recorders := range r.recorders {
		for listener := from; listener < len(recorders); listener++ {
			select {
			case <-milestone(recorders[listener]):
			case <-r.loads[i].Broken():
				return fmt.Errorf("%s: the events cannot be read any more", r.loads[i].Resource) // unread tells why
			case <-r.deadline:
				return r.late(i, listener, what)
			}
		}
	}
	return nil
}

func (r *run) late(load, listener int, what string) error {
	return fmt.Errorf("%s: handler %d had not been told of %s after %v",
		r.loads[load].Resource, listener, what, r.span+r.Limit)
}

// pollEvery is how often a run without handlers looks for the last event in the
// cache. At 50 µs the looking costs under 1 % of a core and its error is lost in
// runs of 20 ms.
const pollEvery = 50 * time.Microsecond

// waitForCaches waits until the caches hold the last event and every
// notification of it has been discarded.
func (r *run) waitForCaches() error {
	for i, p := range r.pipelines {
		for !r.ended(p) || r.discarded(i) < r.expects[i].Calls*len(r.recorders[i]) {
			select {
			case <-r.deadline:
				return fmt.Errorf("%s: the last event had not reached the cache, or the account, after %v",
					r.loads[i].Resource, r.span+r.Limit)
			case <-time.After(pollEvery):
			}
		}
	}
	return nil
}

// ended reports whether a cache holds the last event.
func (r *run) ended(p Pipeline) bool {
	_, held := p.Get(loadgen.End)
	return held
}

// discarded returns how many notifications of a load no handler will get.
func (r *run) discarded(load int) (n int) {
	for _, stats := range r.pipelines[load].Accounts() {
		n += int(stats.Lost())
	}
	return n
}

// latencies merges what recorders and generators measured.
func (r *run) latencies(result *Result) error {
	var latency, lower, lateness, gaps []*hdrhistogram.Histogram
	var work time.Duration
	events, late := 0, false
	for i, p := range r.pipelines {
		pace := p.Pace()
		lateness, gaps = append(lateness, pace.Lateness), append(gaps, pace.GapError)
		work, events = work+pace.Work, events+pace.Events
		var own []*hdrhistogram.Histogram
		for _, rec := range r.recorders[i][r.workload.Others():] {
			own = append(own, rec.Latency())
			result.PauseNS = max(result.PauseNS, rec.Pause().Nanoseconds())
		}
		upper := merged(own)
		bound := pace.Lag.Lower(upper)
		late = late || bound != nil
		latency, lower = append(latency, upper), append(lower, cmp.Or(bound, upper))
	}
	all := merged(latency)
	result.Latency, result.Neighbours = quantilesOf(all), r.neighbours()
	if late {
		result.Lower = quantilesOf(merged(lower))
	}
	result.Lateness, result.GapError = quantilesOf(merged(lateness)), quantilesOf(merged(gaps))
	result.GeneratorNS = float64(work.Nanoseconds()) / float64(max(events, 1))
	if all == nil {
		return nil
	}
	encoded, err := all.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return fmt.Errorf("encode latencies: %w", err)
	}
	result.Histogram = string(encoded)
	return nil
}

// settle adds to a result what is exact only now that the pipelines have stopped.
func (r *run) settle(result *Result) {
	lossy := r.contestant.Traits.Loss != buffer.Lossless
	if lossy {
		result.Losses = &Losses{Loss: r.contestant.Traits.Loss}
	}
	for i, p := range r.pipelines {
		for _, rec := range r.recorders[i] {
			result.Calls += rec.Calls()
		}
		for _, rec := range r.stalledOf(i) {
			result.Stall.DrainCalls += rec.CallsAfterStall()
		}
		if lossy {
			result.Losses.add(p.Accounts())
		}
	}
}

// stalledOf returns the recorders of a load that stop until the others are done.
func (r *run) stalledOf(load int) []*loadgen.Recorder {
	if !r.workload.Stalls() {
		return nil
	}
	return r.recorders[load][:r.workload.Stalled]
}

// unread returns why loads that are read meanwhile could not be read.
func (r *run) unread() (err error) {
	for _, load := range r.loads {
		err = errors.Join(err, load.Err())
	}
	return err
}

// stop ends all pipelines and work queues.
func (r *run) stop() {
	for _, p := range r.pipelines {
		p.Stop()
	}
	for _, controllers := range r.controllers {
		for _, c := range controllers {
			c.stop()
		}
	}
}
