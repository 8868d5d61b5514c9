package buffertest

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

// A fault is what is wrong with a twin. Without one it keeps all laws.
type fault string

const (
	sound                fault = "sound"
	losesOneInThousand   fault = "loses one item in 1,000"
	doublesOnGrowth      fault = "delivers an item twice when it grows"
	reordersAcrossWrap   fault = "reorders a pop that wraps"
	losesWhenFilled      fault = "loses the last item of a push that fills it exactly"
	overtakesOnCollision fault = "puts a push first that met another one"
	aliasesSlice         fault = "keeps the caller's slice"
	scribblesDst         fault = "clears what it did not fill of dst"
	publishesLate        fault = "shows the last item of a batch with the next push"
	miscountsLen         fault = "says 0 when it is full"
	wakesForOneOnly      fault = "forgets the wake-up after a batch of several"
	sleepsTooLate        fault = "looks, then falls asleep without looking again"
	waitsForConsumer     fault = "blocks a push at 4,096 items, undeclared"
	locksWhileInHand     fault = "blocks a push until the popped batch is given back"
	discardsUnderLock    fault = "calls the Discard hook with its lock held"
	spinsWhenIdle        fault = "spins when it is empty"
	pollsWhenIdle        fault = "looks every second when it is empty"
	sleepsThroughClose   fault = "does not wake the consumer on Close"
	dropsOnClose         fault = "forgets its items on Close, uncounted"
	takesAfterClose      fault = "accepts pushes after Close"
	saysOverflow         fault = "gives the wrong reason for a discard"
	losesAfterClose      fault = "does not count a push after Close"
	deliversAfterEnd     fault = "delivers its last item again after Pop returned 0"
	leaksGoroutine       fault = "leaves a goroutine when closed"
	keepsReference       fault = "does not clear popped slots"
	keepsStorage         fault = "does not shrink as it promised"
	pushesOneByOne       fault = "pushes its batches item by item"
	saysFewBytes         fault = "says that it holds half of the bytes that it does"
	forgetsPeak          fault = "says that the present backlog is the longest that there was"
	countsBusyWakeUps    fault = "counts a wake-up for each push"
)

// A twin is a plain buffer, mutex and growing ring, with room for one fault.
type twin[T any] struct {
	fault   fault
	stopped *atomic.Bool // ends what would spin or poll for ever
	params  buffer.Params[T]

	mu      sync.Mutex
	changed *sync.Cond
	slots   []T
	head    int
	count   int
	pushes  int
	closed  bool
	ended   bool
	asleep  bool // the consumer waits
	inHand  bool // locksWhileInHand: the consumer has not come back yet
	lent    []T  // aliasesSlice: the caller's slice, popped first
	late    []T  // publishesLate: the last item of the last push
	last    T    // deliversAfterEnd: the item popped last

	highWater int
	wakeUps   uint64
}

type notification = event.Notification

var unboundedFIFO = buffer.Traits{
	Order: buffer.FIFO, Loss: buffer.Lossless, Bound: buffer.Unbounded, Producers: buffer.Many,
}

// twins returns a variant with one fault and a function to call after its check,
// which ends what it may have left running.
func twins(f fault) (v Variant, stop func()) {
	stopped := new(atomic.Bool)
	v = Variant{
		Name: string(f), Traits: unboundedFIFO, KeptBytes: 48 << 10,
		Ints: func(p buffer.Params[uint64]) buffer.Buffer[uint64] { return newTwin(f, stopped, p) },
		Notifications: func(p buffer.Params[notification]) buffer.Buffer[notification] {
			return newTwin(f, stopped, p)
		},
		Boxed: func(p buffer.Params[any]) buffer.Buffer[any] { return newTwin(f, stopped, p) },
	}
	return v, func() { stopped.Store(true) }
}

func newTwin[T any](f fault, stopped *atomic.Bool, p buffer.Params[T]) *twin[T] {
	t := &twin[T]{fault: f, stopped: stopped, params: p, slots: make([]T, 16)}
	t.changed = sync.NewCond(&t.mu)
	if f == leaksGoroutine {
		go func() { select {} }()
	}
	return t
}

func (t *twin[T]) Push(items []T) {
	if t.fault != pushesOneByOne {
		t.push(items)
		return
	}
	for k := range items {
		t.push(items[k : k+1])
		runtime.Gosched()
	}
}

func (t *twin[T]) push(items []T) {
	met := !t.mu.TryLock()
	if met {
		runtime.Gosched()
		t.mu.Lock()
	}
	for t.fault == locksWhileInHand && t.inHand ||
		t.fault == waitsForConsumer && t.count > 4096 && !t.closed {
		t.changed.Wait()
	}
	if t.closed && t.fault != takesAfterClose {
		t.refuse(items)
		return
	}
	defer t.mu.Unlock()
	if t.fault == overtakesOnCollision {
		runtime.Gosched() // gives others time to collide
		if met {
			waiting := make([]T, t.count)
			t.take(waiting)
			defer t.put(waiting)
		}
	}
	if t.fault == aliasesSlice && t.count == 0 && len(t.lent) == 0 {
		t.lent = items
	} else {
		t.put(items)
	}
	if t.fault == publishesLate && len(items) > 1 {
		t.count--
		t.late = append(t.late, t.slots[(t.head+t.count)%len(t.slots)])
	}
	t.highWater = max(t.highWater, t.count+len(t.lent))
	if t.fault != wakesForOneOnly || len(items) == 1 {
		t.wake()
	}
}

// wake wakes whoever waits.
func (t *twin[T]) wake() {
	if t.asleep || t.fault == countsBusyWakeUps {
		t.asleep = false
		t.wakeUps++
	}
	t.changed.Broadcast()
}

// refuse discards items and unlocks.
func (t *twin[T]) refuse(items []T) {
	t.changed.Broadcast()
	if t.fault == discardsUnderLock {
		defer t.mu.Unlock()
	} else {
		t.mu.Unlock()
	}
	switch t.fault {
	case losesAfterClose:
	case saysOverflow:
		t.params.Discarded(items, buffer.Overflow)
	default:
		t.params.Discarded(items, buffer.Closed)
	}
}

// put appends items to the ring.
func (t *twin[T]) put(items []T) {
	late := t.late
	t.late = nil
	for _, item := range append(late, items...) {
		if t.pushes++; t.fault == losesOneInThousand && t.pushes%1000 == 0 {
			continue
		}
		if t.count == len(t.slots) {
			t.grow()
		}
		t.slots[(t.head+t.count)%len(t.slots)] = item
		t.count++
	}
	if t.fault == losesWhenFilled && len(items) > 0 && t.count == len(t.slots) {
		t.count--
	}
}

func (t *twin[T]) grow() {
	slots := make([]T, 2*len(t.slots))
	n := copy(slots, t.slots[t.head:])
	copy(slots[n:], t.slots[:t.head])
	if t.fault == doublesOnGrowth {
		slots[t.count] = slots[t.count-1]
		t.count++
	}
	t.slots, t.head = slots, 0
}

// take moves the oldest items to dst.
func (t *twin[T]) take(dst []T) int {
	n := min(len(dst), t.count)
	var zero T
	for k := range n {
		slot := (t.head + k) % len(t.slots)
		if wrapped := t.head + n - len(t.slots); t.fault == reordersAcrossWrap && wrapped > 0 {
			slot = (t.head + (k+n-wrapped)%n) % len(t.slots)
		}
		dst[k] = t.slots[slot]
		if t.fault != keepsReference {
			t.slots[slot] = zero
		}
	}
	t.head = (t.head + n) % len(t.slots)
	t.count -= n
	if t.count == 0 && t.fault != keepsReference && t.fault != keepsStorage && len(t.slots) > 1024 {
		t.slots, t.head = make([]T, 16), 0
	}
	return n
}

func (t *twin[T]) Pop(dst []T) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inHand = false
	t.changed.Broadcast()
	for t.count == 0 && len(t.lent) == 0 {
		if t.closed {
			t.put(nil) // what publishesLate held back
			if t.count > 0 {
				break
			}
			return t.atEnd(dst)
		}
		t.wait()
	}
	if n := copy(dst, t.lent); n > 0 {
		t.lent = t.lent[n:]
		return n
	}
	n := t.take(dst)
	if t.fault == deliversAfterEnd {
		t.last = dst[n-1]
	}
	if t.fault == scribblesDst {
		clear(dst[n:])
	}
	t.inHand = true
	t.changed.Broadcast()
	return n
}

// wait waits for a change of an empty buffer, as badly as the fault has it.
func (t *twin[T]) wait() {
	switch t.fault {
	case spinsWhenIdle, pollsWhenIdle, sleepsTooLate:
		t.mu.Unlock()
		if t.fault == pollsWhenIdle {
			time.Sleep(time.Second)
		}
		runtime.Gosched()
		t.mu.Lock()
		if t.stopped.Load() {
			t.closed = true
		}
		if t.fault == sleepsTooLate && !t.closed {
			t.changed.Wait()
		}
	default:
		t.asleep = true
		t.changed.Wait()
	}
}

func (t *twin[T]) atEnd(dst []T) int {
	if t.fault == deliversAfterEnd && t.ended {
		dst[0] = t.last
		return 1
	}
	t.ended = true
	return 0
}

func (t *twin[T]) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.fault == dropsOnClose {
		t.count = 0
		clear(t.slots)
	}
	if t.fault != sleepsThroughClose {
		t.wake()
	}
}

func (t *twin[T]) Gauges() buffer.Gauges {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := buffer.Gauges{Bytes: bytesOf[T](len(t.slots)), HighWater: t.highWater, WakeUps: t.wakeUps}
	switch t.fault {
	case saysFewBytes:
		g.Bytes /= 2
	case forgetsPeak:
		g.HighWater = t.count
	}
	return g
}

func bytesOf[T any](slots int) int {
	var item T
	return slots * int(unsafe.Sizeof(item))
}

func (t *twin[T]) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fault == miscountsLen {
		return t.count % len(t.slots)
	}
	return t.count + len(t.lent) + len(t.late)
}
