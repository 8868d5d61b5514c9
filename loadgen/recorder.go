package loadgen

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"informerlab/core/event"
)

// RecorderOptions say what a recorder does besides counting.
type RecorderOptions struct {
	// Stall makes the recorder block in its first call after the initial list
	// until Unstall.
	Stall bool
	// Latency makes it measure each call for a timed event from the intended
	// time of that event: one clock read a call. Calls are matched with events
	// by position, which Check confirms; those of a lossy handler by the state
	// that they tell, and a delete whose final state is unknown not at all. No
	// effect in a closed loop.
	Latency bool
	// Lossy is for handlers that need not hear of every event: not the calls
	// are checked then but what the handler knows after them.
	Lossy bool
}

// A Recorder is the handler that measures. Each listener gets its own. A call
// costs a few nanoseconds: it counts, and chains what it was told into a
// checksum; no lock, no atomic, no allocation and, without Latency, no clock.
// One for a lossy handler keeps the state of each key instead, in an array.
//
// On its way a recorder passes three milestones: Listed, Filled and Done. A
// lossless handler is there when it has had so many calls, a lossy one when it
// knows what the cache then holds. One that stalls passes Filled with Listed.
//
// OnAdd, OnUpdate and OnDelete are for handlers of this module, which get the
// load's own objects; Add, Update and Delete are for outside contestants, which
// know the IDs. They are called by one goroutine at a time. Results may be read
// once Done is closed, or the pipeline has stopped.
type Recorder struct {
	// Two recorders run on two cores, so no cache line (nor the neighbour that
	// the prefetcher takes along) may hold parts of both.
	_ [128]byte

	sum         uint64
	calls       int
	next        int  // the number of calls at the next milestone; -1 = it does not decide
	stallAt     int  // the number of calls after which the next one blocks; -1 = never
	looks       bool // at each call: there is a view or a latency
	stalls      bool
	passed      int   // milestones
	view        *view // nil for a lossless handler
	latency     *hdrhistogram.Histogram
	start       time.Time
	heard       time.Duration // when the last timed call came
	pause       time.Duration
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
		stalls:  o.Stall,
		expect:  expect,
		stalled: make(chan struct{}),
		unstall: make(chan struct{}),
	}
	for i := range r.milestones {
		r.milestones[i] = make(chan struct{})
	}
	if o.Latency && expect.due != nil {
		r.latency = NewHistogram()
	}
	if o.Lossy {
		r.next = -1
		r.view = newView(expect)
	}
	r.looks = r.latency != nil || r.view != nil
	r.pass()
	return r
}

// Release tells the recorder the zero of the intended times. A recorder with
// Latency needs it before its source is released; others ignore it.
func (r *Recorder) Release(start time.Time) { r.start = start }

// OnAdd records an add of an object of the load.
func (r *Recorder) OnAdd(obj event.Object, initial bool) { r.Add(idOf(obj), initial) }

// OnUpdate records an update between two objects of the load.
func (r *Recorder) OnUpdate(old, new event.Object) { r.Update(idOf(old), idOf(new)) }

// OnDelete records the deletion of an object of the load. Of a tombstone a lossy
// recorder takes the key.
func (r *Recorder) OnDelete(obj event.Object, finalStateUnknown bool) {
	id := idOf(obj)
	if id == 0 && r.view != nil {
		id = r.view.heldOf(event.KeyOf(obj))
	}
	r.Delete(id, finalStateUnknown)
}

// idOf returns the ID of an object of a load, and 0, which none has, for any other.
func idOf(obj event.Object) uint64 {
	if o, ok := obj.(*Object); ok {
		return o.ID
	}
	return 0
}

// Add records an add by the object's ID.
func (r *Recorder) Add(id uint64, initial bool) { r.call(encode(callAdd, initial, 0, id)) }

// Update records an update by the IDs of the old and the new object.
func (r *Recorder) Update(oldID, newID uint64) { r.call(encode(callUpdate, false, oldID, newID)) }

// Delete records a deletion by the ID of the object that came with it.
func (r *Recorder) Delete(id uint64, finalStateUnknown bool) {
	r.call(encode(callDelete, finalStateUnknown, id, 0))
}

func (r *Recorder) call(code uint64) {
	if r.calls == r.stallAt {
		r.block()
	}
	r.calls++
	r.sum = chain(r.sum, code)
	if r.looks {
		r.look(code)
	}
	if r.calls == r.next {
		r.pass()
	}
}

func (r *Recorder) block() {
	close(r.stalled)
	<-r.unstall
}

// look does with a call what not all recorders do.
func (r *Recorder) look(code uint64) {
	if r.latency != nil {
		r.measure(code)
	}
	if r.view != nil {
		r.view.tell(code)
		r.pass()
	}
}

func (r *Recorder) measure(code uint64) {
	position := r.calls - 1 - r.expect.Filled
	if r.view == nil && uint(position) >= uint(len(r.expect.due)) || r.view != nil && r.passed < done {
		return
	}
	now := time.Since(r.start)
	due, timed := time.Duration(0), true
	if r.view == nil {
		due = r.expect.due[position]
	} else if due, timed = r.view.dueOf(code, now); !timed {
		return
	}
	record(r.latency, now-due)
	r.pause = max(r.pause, now-r.heard)
	r.heard = now
}

// pass passes all milestones that have been reached. Telling of one comes last:
// whoever waited for it may then read.
func (r *Recorder) pass() {
	for r.passed < milestones && r.reached() {
		at := r.passed
		r.passed++
		if at == listed && r.stalls {
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
		close(r.milestones[at])
	}
}

// reached reports whether the recorder is at its next milestone.
func (r *Recorder) reached() bool {
	switch {
	case r.passed == filled && r.stalls:
		return true // it stops before that; once it goes on, it may know more at once
	case r.view != nil:
		return r.view.differing == 0
	}
	return r.calls == r.next
}

// Listed returns a channel that is closed when the initial list has been told.
func (r *Recorder) Listed() <-chan struct{} { return r.milestones[listed] }

// Filled returns a channel that is closed when the prefill has been told too.
func (r *Recorder) Filled() <-chan struct{} { return r.milestones[filled] }

// Done returns a channel that is closed when all has been told, the sentinel
// included: the expected number of calls has come, or a lossy handler knows the
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
func (r *Recorder) Latency() *hdrhistogram.Histogram { return r.latency }

// Pause returns the longest time without a call for a timed event, from the
// start to the last one; 0 without Latency.
func (r *Recorder) Pause() time.Duration { return r.pause }

// Check compares what the handler was told with what it should have been. Of a
// lossless one it tells the kind of difference: too few or too many calls, or
// else other ones or in another order. A lossy one may have missed calls, but
// those it got must fit to one another, and it must know the final state.
func (r *Recorder) Check() error {
	if r.view == nil {
		if err := r.checkCalls(); err != nil {
			return err
		}
	} else if err := r.view.check(); err != nil {
		return err
	}
	if r.latency != nil && r.start.IsZero() {
		return errors.New("loadgen: recorder: latency was asked for but Release never told the start")
	}
	return nil
}

func (r *Recorder) checkCalls() error {
	want := r.expect
	switch {
	case r.calls < want.Calls:
		return fmt.Errorf("loadgen: recorder: %d of %d calls came: %d are lost",
			r.calls, want.Calls, want.Calls-r.calls)
	case r.calls > want.Calls:
		return fmt.Errorf("loadgen: recorder: %d calls came: expected %d", r.calls, want.Calls)
	case r.sum != want.Checksum:
		return fmt.Errorf("loadgen: recorder: checksum %#016x of %d calls: expected %#016x: "+
			"calls are swapped or carry other objects or flags", r.sum, r.calls, want.Checksum)
	}
	return nil
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

func record(h *hdrhistogram.Histogram, d time.Duration) {
	// Within these limits RecordValue cannot fail.
	_ = h.RecordValue(min(max(int64(d), 0), histogramHighest))
}
