package buffertest

import (
	"runtime"
	"sync/atomic"
	"unsafe"

	"informerlab/core/buffer"
)

const (
	parksBlindly  fault = "parks without a second look"
	showsEarly    fault = "shows a place before it has written to it"
	losesAtClose  fault = "puts items behind the end if Close comes amid a push"
	linksBackward fault = "links the items of a batch in the wrong order"
)

// A chain is a lock-free twin: D. Vyukov's queue of linked nodes, with a count of
// the pushes in flight for the sake of Close.
type chain[T any] struct {
	fault  fault
	params buffer.Params[T]
	bell   chan struct{}

	tail   atomic.Pointer[link[T]]
	head   *link[T]     // the consumer's, spent
	state  atomic.Int64 // 2 for each push in flight, and 1 once closed
	parked atomic.Bool
	// For Len and Gauges.
	pushed, popped, highWater atomic.Int64
	wakeUps                   atomic.Uint64
	parks                     atomic.Uint64
}

type link[T any] struct {
	next atomic.Pointer[link[T]]
	item atomic.Pointer[T]
}

func chains(f fault) (Variant, func()) {
	perProducer := unboundedFIFO
	perProducer.Order = buffer.PerProducer
	return Variant{
		Name: string(f), Traits: perProducer, KeptBytes: 24 << 10, // the last batch
		Ints:          func(p buffer.Params[uint64]) buffer.Buffer[uint64] { return newChain(f, p) },
		Notifications: func(p buffer.Params[notification]) buffer.Buffer[notification] { return newChain(f, p) },
		Boxed:         func(p buffer.Params[any]) buffer.Buffer[any] { return newChain(f, p) },
	}, func() {}
}

func newChain[T any](f fault, p buffer.Params[T]) *chain[T] {
	c := &chain[T]{fault: f, params: p, bell: make(chan struct{}, 1), head: new(link[T])}
	c.tail.Store(c.head)
	return c
}

func (c *chain[T]) Push(items []T) {
	if len(items) == 0 {
		return
	}
	if c.fault == losesAtClose {
		if c.state.Load() != 0 {
			c.params.Discarded(items, buffer.Closed)
			return
		}
		runtime.Gosched() // gives Close time to come
	} else if c.state.Add(2)&1 != 0 {
		c.land()
		c.params.Discarded(items, buffer.Closed)
		return
	}
	links := make([]link[T], len(items))
	for k := range items {
		at := k
		if c.fault == linksBackward {
			at = len(items) - 1 - k
		}
		if item := items[k]; c.fault != showsEarly {
			links[at].item.Store(&item)
		}
		if k > 0 {
			links[k-1].next.Store(&links[k])
		}
	}
	waiting := c.pushed.Add(int64(len(items))) - c.popped.Load()
	for high := c.highWater.Load(); waiting > high; high = c.highWater.Load() {
		c.highWater.CompareAndSwap(high, waiting)
	}
	c.tail.Swap(&links[len(items)-1]).next.Store(&links[0])
	if c.fault == showsEarly {
		runtime.Gosched()
		for k, item := range items {
			links[k].item.Store(&item)
		}
	}
	if c.fault == losesAtClose {
		c.ring()
	} else {
		c.land()
	}
}

// land ends a push that took off with state.Add(2).
func (c *chain[T]) land() {
	c.state.Add(-2)
	c.ring()
}

func (c *chain[T]) ring() {
	if c.parked.CompareAndSwap(true, false) {
		c.wakeUps.Add(1)
		c.bell <- struct{}{}
	}
}

func (c *chain[T]) Pop(dst []T) int {
	for {
		if n := c.take(dst); n > 0 {
			c.popped.Add(int64(n))
			return n
		}
		if c.ended() {
			return 0
		}
		c.parks.Add(1)
		c.parked.Store(true)
		if c.fault != parksBlindly && (c.head.next.Load() != nil || c.ended()) && c.parked.CompareAndSwap(true, false) {
			continue
		}
		<-c.bell
	}
}

func (c *chain[T]) take(dst []T) (n int) {
	for n < len(dst) {
		next := c.head.next.Load()
		if next == nil {
			break
		}
		if item := next.item.Swap(nil); item != nil {
			dst[n] = *item
		}
		c.head = next
		n++
	}
	return n
}

// ended reports whether the queue is closed, no push is in flight, and nothing is
// left; in this order.
func (c *chain[T]) ended() bool { return c.state.Load() == 1 && c.head.next.Load() == nil }

func (c *chain[T]) Close() {
	c.state.Or(1)
	c.ring()
}

func (c *chain[T]) Len() int {
	popped := c.popped.Load()
	return int(c.pushed.Load() - popped)
}

func (c *chain[T]) Gauges() buffer.Gauges {
	return buffer.Gauges{
		Bytes:     bytesOf[T](c.Len()) + c.Len()*int(unsafe.Sizeof(link[T]{})),
		HighWater: int(c.highWater.Load()), WakeUps: c.wakeUps.Load(),
	}
}
