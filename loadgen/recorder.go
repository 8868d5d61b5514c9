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
	// Latency makes it measure each call after the initial list from the
	// intended time of its event: one clock read a call. Calls are matched with
	// events by position, which Check confirms. No effect in a closed loop.
	Latency bool
}

// A Recorder is the handler that measures. Each listener gets its own. A call
// costs a few nanoseconds: it counts, and chains what it was told into a
// checksum; no lock, no atomic, no allocation and, without Latency, no clock.
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
	total       int // calls expected
	stallAt     int // the number of calls after which the next one blocks; -1 = never
	latency     *hdrhistogram.Histogram
	start       time.Time
	expect      *Expect
	done        chan struct{}
	stalled     chan struct{}
	unstall     chan struct{}
	unstallOnce sync.Once

	_ [128]byte
}

// NewRecorder returns a recorder for one listener.
func NewRecorder(expect *Expect, o RecorderOptions) *Recorder {
	r := &Recorder{
		sum:     checksumSeed,
		total:   expect.Calls,
		stallAt: -1,
		expect:  expect,
		done:    make(chan struct{}),
		stalled: make(chan struct{}),
		unstall: make(chan struct{}),
	}
	if o.Stall {
		r.stallAt = expect.Initial
	}
	if o.Latency && expect.due != nil {
		r.latency = NewHistogram()
	}
	return r
}

// Release tells the recorder the zero of the intended times. A recorder with
// Latency needs it before its source is released; others ignore it.
func (r *Recorder) Release(start time.Time) { r.start = start }

// OnAdd records an add of an object of the load.
func (r *Recorder) OnAdd(obj event.Object, initial bool) { r.Add(idOf(obj), initial) }

// OnUpdate records an update between two objects of the load.
func (r *Recorder) OnUpdate(old, new event.Object) { r.Update(idOf(old), idOf(new)) }

// OnDelete records the deletion of an object of the load.
func (r *Recorder) OnDelete(obj event.Object, finalStateUnknown bool) {
	r.Delete(idOf(obj), finalStateUnknown)
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
	if r.latency != nil {
		r.measure()
	}
	if r.calls == r.total {
		close(r.done)
	}
}

func (r *Recorder) block() {
	close(r.stalled)
	<-r.unstall
}

func (r *Recorder) measure() {
	if i := r.calls - 1 - r.expect.Initial; uint(i) < uint(len(r.expect.due)) {
		record(r.latency, time.Since(r.start)-r.expect.due[i])
	}
}

// Done returns a channel that is closed when the expected number of calls has come.
func (r *Recorder) Done() <-chan struct{} { return r.done }

// Stalled returns a channel that is closed when the recorder blocks in its
// first call after the initial list.
func (r *Recorder) Stalled() <-chan struct{} { return r.stalled }

// Unstall lets a stalled recorder go on, now or when it would block. It may be
// called twice, and by any goroutine.
func (r *Recorder) Unstall() { r.unstallOnce.Do(func() { close(r.unstall) }) }

// Calls returns the number of calls so far, those for the initial list included.
func (r *Recorder) Calls() int { return r.calls }

// Checksum returns the checksum over all calls so far in their order.
func (r *Recorder) Checksum() uint64 { return r.sum }

// Latency returns the nanoseconds from intended time to call, or nil if they
// were not measured.
func (r *Recorder) Latency() *hdrhistogram.Histogram { return r.latency }

// Check compares the calls with the expected ones. It tells the kind of
// difference: too few or too many, or else other ones or in another order.
func (r *Recorder) Check() error {
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
	case r.latency != nil && r.start.IsZero():
		return errors.New("loadgen: recorder: latency was asked for but Release never told the start")
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
