package loadgen

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"informerlab/core/event"
)

// RecorderOptions say what a recorder does besides counting. The zero value
// stands for a handler that is told of every event, in order.
type RecorderOptions struct {
	// Stall makes the recorder block in its first call after the initial list:
	// for StallFor, or if that is 0 until Unstall.
	Stall    bool
	StallFor time.Duration
	// Latency makes it measure calls for timed events from the intended time of
	// the event: each call, or where they come faster than 50,000 a second, one
	// of 16 that stands for all; see Latency. Calls are matched with events
	// by position, which Check confirms; those of a level recorder by the state
	// that they tell, and a delete whose final state is unknown not at all. No
	// effect in a closed loop.
	Latency bool
	// Seed says by chance which of many calls are measured. It should be another
	// one for each handler.
	Seed uint64
	// Bare makes the handler that Handler returns count its calls and do nothing
	// else, to show what all the rest costs. Other options have no effect then.
	Bare bool
	// Level is for handlers that need not hear of every event, or in no order
	// known beforehand: not the calls are checked then but what the handler
	// knows after them, as a level-driven controller does. Every is for those
	// that hear of every event all the same. Late is for a handler that comes
	// when events flow already, and Resyncs for one that is told again and again
	// what it knows.
	Level, Every, Late, Resyncs bool
	// Spend is called at the end of each call; nil = the call costs nothing.
	Spend func()
	// Panics is the share of calls after the initial list that end in a panic,
	// spread evenly.
	Panics float64
	// Tell hears of the key of each call; nil = nobody does.
	Tell func(event.Key)
}

// A Recorder is the handler that measures. Each listener gets its own. A call
// costs a few nanoseconds: it counts, and chains what it was told into a
// checksum; no lock, no atomic, no allocation. Only calls that Latency has measured
// read the clock, and the Lag, which takes a lock while late events delay calls. A
// level recorder keeps the state of each key too.
//
// On its way a recorder passes three milestones: Listed, Filled and Done. It is
// there when it has had so many calls, a level recorder when it knows what the
// cache then holds. One that stalls passes Filled with Listed, and so does a
// late one.
//
// OnAdd, OnUpdate and OnDelete are for handlers of this module, which get the
// load's own objects; Add, Update and Delete are for outside contestants, which
// keep the marks. They are called by one goroutine at a time. Results may be read
// once Done is closed, or the pipeline has stopped.
type Recorder struct {
	// Two recorders run on two cores, so no cache line (nor the neighbour that
	// the prefetcher takes along) may hold parts of both.
	_ [128]byte

	sum         uint64
	calls       int
	plain       int   // the number of calls up to which each does nothing but count
	next        int   // the number of calls at the next milestone; -1 = it does not decide
	stallAt     int   // the number of calls after which the next one blocks; -1 = never
	extra       bool  // each call does more than count and be measured
	passed      int   // milestones
	view        *view // of a level recorder
	stamps      stamps
	live        int // calls for timed events that a level recorder has had
	start       time.Time
	blocked     time.Time // when the call came that blocked, which is number stallAt from 0
	options     RecorderOptions
	expect      *Expect
	milestones  [milestones]chan struct{} // closed when passed
	stalled     chan struct{}
	unstall     chan struct{}
	unstallOnce sync.Once

	_ [128]byte
}

// NewRecorder returns a recorder for one listener.
func NewRecorder(expect *Expect, o RecorderOptions) *Recorder {
	r := &Recorder{
		sum:     checksumSeed,
		next:    expect.Initial,
		stallAt: -1,
		options: o,
		expect:  expect,
		stalled: make(chan struct{}),
		unstall: make(chan struct{}),
	}
	for i := range r.milestones {
		r.milestones[i] = make(chan struct{})
	}
	if o.Bare {
		r.options = RecorderOptions{Bare: true}
		r.pass()
		return r
	}
	if o.Latency && expect.load.Open() {
		r.stamps = newStamps(expect, o)
	}
	if o.Level || o.Late || o.Resyncs {
		r.next = -1
		r.view = newView(expect, o)
		r.view.aim(listed)
	}
	if o.Late {
		r.skip()
	}
	r.extra = r.view != nil || o.Spend != nil || o.Panics > 0 || o.Tell != nil
	r.look()
	r.pass()
	return r
}

// skip passes the milestones that were before a late handler's time.
func (r *Recorder) skip() {
	for ; r.passed < done; r.passed++ {
		close(r.milestones[r.passed])
	}
	r.view.aim(done)
}

// Release tells the recorder the zero of the intended times. A recorder with
// Latency needs it before its source is released; others ignore it.
func (r *Recorder) Release(start time.Time) { r.start = start }

// Follow makes the recorder's latencies bounded by the lag of its generator: see
// Lag.Lower. Call it before Release. Without Latency, or if g is nil, it does nothing.
func (r *Recorder) Follow(g *Lag) {
	if r.stamps.latency != nil && g != nil {
		r.stamps.lag, r.stamps.handler = g, g.join()
	}
}

// OnAdd records an add of an object of the load.
func (r *Recorder) OnAdd(obj event.Object, initial bool) { r.Add(markOf(obj), initial) }

// OnUpdate records an update between two objects of the load.
func (r *Recorder) OnUpdate(old, new event.Object) {
	// Most calls are updates, and of most only the IDs matter.
	if r.count(encode(callUpdate, false, idOf(old), idOf(new))) {
		r.updated(markOf(old), markOf(new))
	}
}

// OnDelete records the deletion of an object of the load. Of a tombstone a level
// recorder takes the key.
func (r *Recorder) OnDelete(obj event.Object, finalStateUnknown bool) {
	m := markOf(obj)
	if m.key == nil && r.view != nil {
		m = r.view.markOf(event.KeyOf(obj))
	}
	r.Delete(m, finalStateUnknown)
}

// markOf returns the mark of an object of a load, and the zero Mark, which none
// has, of any other.
func markOf(obj event.Object) Mark {
	if o, ok := obj.(*Object); ok {
		return o.Mark
	}
	return Mark{}
}

func idOf(obj event.Object) uint32 {
	if o, ok := obj.(*Object); ok {
		return o.id
	}
	return 0
}

// Add records an add by the object's mark.
func (r *Recorder) Add(m Mark, initial bool) {
	if r.count(encode(callAdd, initial, 0, m.id)) {
		r.more(m, initial, func(v *view) { v.add(m, initial) })
	}
}

// Update records an update by the marks of the old and the new object.
func (r *Recorder) Update(before, m Mark) {
	if r.count(encode(callUpdate, false, before.id, m.id)) {
		r.updated(before, m)
	}
}

func (r *Recorder) updated(before, m Mark) {
	r.more(m, before.id == m.id, func(v *view) { v.update(before, m) })
}

// Delete records a deletion by the mark of the object that came with it.
func (r *Recorder) Delete(m Mark, finalStateUnknown bool) {
	if r.count(encode(callDelete, finalStateUnknown, m.id, 0)) {
		r.more(m, finalStateUnknown, func(v *view) { v.delete(m, finalStateUnknown) })
	}
}

// count counts a call, chains it into the checksum, and reports whether that is
// not all there is to do.
func (r *Recorder) count(code uint64) (more bool) {
	if more = r.calls >= r.plain; more {
		r.stop()
	}
	r.calls++
	r.sum = chain(r.sum, code)
	return more
}

// look sets up to which call there is nothing to do but count.
func (r *Recorder) look() {
	r.plain = math.MaxInt
	switch {
	case r.extra:
		r.plain = 0
		return
	case r.next >= 0:
		r.plain = r.next - 1
	}
	if r.stallAt >= r.calls {
		r.plain = min(r.plain, r.stallAt)
	}
	if r.stamps.latency != nil {
		r.plain = min(r.plain, r.expect.Filled+r.stamps.next)
	}
}

// stop blocks the call that is to block.
func (r *Recorder) stop() {
	if r.calls != r.stallAt {
		return
	}
	r.blocked = time.Now()
	close(r.stalled)
	if r.options.StallFor > 0 {
		time.Sleep(r.options.StallFor)
		return
	}
	<-r.unstall
}

// more does with a call what not all calls take. With unknown, or if nothing
// is known of the object, the call has no intended time.
func (r *Recorder) more(m Mark, unknown bool, tell func(*view)) {
	if r.stamps.latency != nil {
		r.measure(m, unknown)
	}
	switch {
	case r.view == nil:
	case m.key == nil:
		r.view.wrong("object %d: there is none, or it was never told of", m.id)
	default:
		tell(r.view)
	}
	r.finish(m)
}

// finish ends a call: it tells and spends, passes milestones, and may panic.
func (r *Recorder) finish(m Mark) {
	o := &r.options
	if o.Tell != nil && m.key != nil {
		o.Tell(m.key.Key)
	}
	if o.Spend != nil {
		o.Spend()
	}
	live := r.calls - r.expect.Initial
	if r.view != nil || r.calls == r.next {
		r.pass()
	} else {
		r.look()
	}
	if o.Panics > 0 && live > 0 && math.Floor(float64(live)*o.Panics) > math.Floor(float64(live-1)*o.Panics) {
		panic(fmt.Sprintf("loadgen: recorder: call %d, as it was asked to", r.calls))
	}
}

// measure measures a call if it is its turn.
func (r *Recorder) measure(m Mark, unknown bool) {
	position := r.calls - 1 - r.expect.Filled
	if r.view != nil {
		if unknown || r.passed < done || !r.expect.timed(m) {
			return
		}
		position = r.live
		r.live++
	}
	if position < r.stamps.next {
		return
	}
	now := r.now()
	due, timed := r.due(m, position, now)
	r.stamps.stamp(position, now, due, timed && !unknown)
}

// due returns the intended time of the event that a call at now is for.
func (r *Recorder) due(m Mark, position int, now time.Duration) (due time.Duration, timed bool) {
	switch {
	case m.due >= 0:
		return m.due, true
	case r.view != nil:
		return r.expect.dueOf(m, now)
	case uint(position) < uint(len(r.expect.due)):
		return r.expect.due[position], true
	}
	return 0, false
}

// now returns when the call came.
func (r *Recorder) now() time.Duration {
	if r.calls-1 == r.stallAt {
		return r.blocked.Sub(r.start)
	}
	return time.Since(r.start)
}

// pass passes all milestones that have been reached. Telling of one comes last:
// whoever waited for it may then read.
func (r *Recorder) pass() {
	for r.passed < milestones && r.reached() {
		at := r.passed
		r.passed++
		if at == listed && r.options.Stall {
			r.stallAt = r.calls
		}
		switch {
		case r.passed == milestones:
			r.next = -1
		case r.view != nil:
			r.view.aim(r.passed)
		default:
			r.next = r.expect.at[r.passed].calls
		}
		r.look()
		close(r.milestones[at])
	}
}

// reached reports whether the recorder is at its next milestone.
func (r *Recorder) reached() bool {
	switch {
	case r.passed == filled && r.options.Stall:
		return true // it stops before that; once it goes on, it may know more at once
	case r.view != nil:
		return r.view.differing == 0 && (!r.options.Every || r.calls >= r.expect.at[r.passed].calls)
	}
	return r.calls == r.next
}

// Listed returns a channel that is closed when the initial list has been told.
func (r *Recorder) Listed() <-chan struct{} { return r.milestones[listed] }

// Filled returns a channel that is closed when the prefill has been told too.
func (r *Recorder) Filled() <-chan struct{} { return r.milestones[filled] }

// Done returns a channel that is closed when all has been told, the sentinel
// included: the expected number of calls has come, or a level recorder knows the
// final state.
func (r *Recorder) Done() <-chan struct{} { return r.milestones[done] }

// Stalled returns a channel that is closed when the recorder blocks in its
// first call after the initial list.
func (r *Recorder) Stalled() <-chan struct{} { return r.stalled }

// Unstall lets a stalled recorder go on, now or when it would block. It may be
// called twice, and by any goroutine.
func (r *Recorder) Unstall() { r.unstallOnce.Do(func() { close(r.unstall) }) }

// Calls returns the number of calls so far, those for the initial list included.
func (r *Recorder) Calls() int { return r.calls }

// CallsAfterStall returns the number of calls that came after the one that
// blocked; 0 if none did.
func (r *Recorder) CallsAfterStall() int {
	if r.stallAt < 0 {
		return 0
	}
	return max(0, r.calls-r.stallAt-1)
}

// Checksum returns the checksum over all calls so far in their order.
func (r *Recorder) Checksum() uint64 { return r.sum }

// Latency returns the nanoseconds from intended time to call, or nil if they
// were not measured.
//
// Where calls came faster than 50,000 a second, one of each 16 in a row was
// measured, chosen by chance, and counts 16 times; every other call was measured.
// Each value is exact then, but the share of calls at or below a quantile q has a
// standard error, of at most sqrt(q·(1-q)·16/n) for n such calls (W. G. Cochran,
// Sampling Techniques, 1977, for strata of 16): at the 99.9th percentile of
// 100,000 calls 0.04 %. It is far less where calls in a row wait about as long.
// The maximum is that of the measured calls: of what holds up everything the first
// one seen may be the 31st call after it, and a single slow call may be missed.
func (r *Recorder) Latency() *hdrhistogram.Histogram { return r.stamps.latency }

// Pause returns the longest time without a call for a timed event, from the
// start to the last one; 0 without Latency. It is between measured calls: where
// not each is, it may be too long by the time that 30 calls took.
func (r *Recorder) Pause() time.Duration { return r.stamps.pause }

// Check compares what the handler was told with what it should have been, and
// tells the kind of difference: too few or too many calls, or else other ones or
// in another order. A level recorder may have missed calls unless it hears of
// every event, but those it got must fit to one another, and it must know the
// final state.
func (r *Recorder) Check() error {
	if r.view == nil || r.options.Every {
		if err := r.checkCount(); err != nil {
			return err
		}
	}
	if r.view != nil {
		if err := r.view.check(); err != nil {
			return err
		}
	} else if !r.options.Bare && r.sum != r.expect.Checksum {
		return fmt.Errorf("loadgen: recorder: checksum %#016x of %d calls: expected %#016x: "+
			"calls are swapped or carry other objects or flags", r.sum, r.calls, r.expect.Checksum)
	}
	if r.stamps.latency != nil && r.start.IsZero() {
		return errors.New("loadgen: recorder: latency was asked for but Release never told the start")
	}
	return nil
}

func (r *Recorder) checkCount() error {
	switch want := r.expect.Calls; {
	case r.calls < want:
		return fmt.Errorf("loadgen: recorder: %d of %d calls came: %d are lost", r.calls, want, want-r.calls)
	case r.calls > want:
		return fmt.Errorf("loadgen: recorder: %d calls came: expected %d", r.calls, want)
	}
	return nil
}

// Repeats returns how many calls told a level recorder the state that it knew, as
// a resync does and a relist of what is as before.
func (r *Recorder) Repeats() int {
	if r.view == nil {
		return 0
	}
	return r.view.repeats
}

// CheckCalls checks only that the calls that came fit to one another. It is for
// a handler that went before the end.
func (r *Recorder) CheckCalls() error {
	if r.view == nil {
		return nil
	}
	return r.view.err
}

// The histograms resolve 1 µs to 10 minutes to three digits; what is outside
// counts as the nearest end.
const (
	histogramLowest  = int64(time.Microsecond)
	histogramHighest = int64(10 * time.Minute)
)

// NewHistogram returns an empty histogram of nanoseconds with the range and
// resolution of all histograms of this package, so that they can be merged.
func NewHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(histogramLowest, histogramHighest, 3)
}

func record(h *hdrhistogram.Histogram, d time.Duration, times int64) {
	// Within these limits RecordValues cannot fail.
	_ = h.RecordValues(min(max(int64(d), 0), histogramHighest), times)
}
