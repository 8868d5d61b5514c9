package buffertest

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"informerlab/core/buffer"
)

const (
	dropsWrongOne    fault = "drops the second oldest item"
	dropsWholePush   fault = "drops all of a push that does not fit in whole"
	holdsOneMore     fault = "holds one item more than its capacity"
	holdsOneLess     fault = "is full one item too early"
	forgetsToCount   fault = "does not discard every third item that it drops"
	hooksAfterwards  fault = "shows the later items before it discards"
	staysFull        fault = "does not wake a pusher for whom there is room"
	deafToClose      fault = "does not release pushers on Close"
	ignoresTimeout   fault = "waits longer than its timeout"
	countsTimeAnew   fault = "starts the timeout anew when an item has found room"
	timesEveryPush   fault = "sets a timer for each push"
	keepsDropped     fault = "keeps a reference to what it dropped"
	refusesAsDropped fault = "says of what Close cuts off that it has overflowed"
	losesNewestFirst fault = "discards the newest first of what a push loses"
	losesAmidPush    fault = "loses items from the middle of a push"
	keepsLastOfPush  fault = "keeps the last of a push and what waited before"
	hidesBehindHook  fault = "does not count pending items while the hook is called"
)

// A gate is a bounded twin: a slice, one lock and one condition for all.
type gate[T any] struct {
	fault  fault
	params buffer.Params[T]

	mu       sync.Mutex
	changed  *sync.Cond
	items    []T // a part of storage
	storage  []T
	closed   bool
	evicting int // pushes that are calling the hook, for what they have dropped
	dropped  []T // keepsDropped
	drops    atomic.Int64
	lost     int

	asleep    bool
	highWater int
	wakeUps   uint64
}

// gates returns a maker of variants with a policy.
func gates(traits buffer.Traits) func(fault) (Variant, func()) {
	traits.Order, traits.Bound, traits.Producers = buffer.FIFO, buffer.ByCapacity, buffer.Many
	return func(f fault) (Variant, func()) {
		return Variant{
			Name: string(f), Traits: traits,
			Ints:          func(p buffer.Params[uint64]) buffer.Buffer[uint64] { return newGate(f, p) },
			Notifications: func(p buffer.Params[notification]) buffer.Buffer[notification] { return newGate(f, p) },
			Boxed:         func(p buffer.Params[any]) buffer.Buffer[any] { return newGate(f, p) },
		}, func() {}
	}
}

var (
	dropNewest   = gates(buffer.Traits{Loss: buffer.DropsNew})
	dropOldest   = gates(buffer.Traits{Loss: buffer.DropsOld})
	block        = gates(buffer.Traits{Loss: buffer.Lossless, Blocks: true})
	blockTimeout = gates(buffer.Traits{Loss: buffer.DropsNew, Blocks: true})
)

func newGate[T any](f fault, p buffer.Params[T]) *gate[T] {
	switch f {
	case holdsOneMore:
		p.Capacity++
	case holdsOneLess:
		p.Capacity = max(1, p.Capacity-1)
	case ignoresTimeout:
		p.Timeout *= 2
	}
	p.Capacity = capacityOf(f, p.Capacity)
	g := &gate[T]{fault: f, params: p}
	g.changed = sync.NewCond(&g.mu)
	return g
}

func (g *gate[T]) full() bool { return len(g.items) >= g.params.Capacity }

func (g *gate[T]) Push(items []T) {
	g.mu.Lock()
	var lost []T
	why := buffer.Overflow
	switch {
	case g.closed:
		lost, why = items, buffer.Closed
	case g.params.Policy == buffer.DropOldest:
		lost = g.evict(items)
	case g.params.Policy == buffer.DropNewest:
		room := min(len(items), g.params.Capacity-len(g.items))
		if g.fault == keepsLastOfPush {
			items = slices.Concat(items[len(items)-room:], items[:len(items)-room])
		}
		if kept := 1; g.fault == losesAmidPush && room > kept && room+kept < len(items) {
			items = slices.Concat(items[:room-kept], items[len(items)-kept:], items[room-kept:len(items)-kept])
		}
		if g.fault == dropsWholePush && room < len(items) {
			room = 0
		}
		g.put(items[:room]...)
		lost = items[room:]
	case len(items)+len(g.items) <= g.params.Capacity && g.fault != timesEveryPush:
		g.put(items...)
	default:
		lost = items[g.wait(items):]
		if g.closed && g.fault != refusesAsDropped {
			why = buffer.Closed
		}
	}
	if g.fault == keepsDropped && why == buffer.Overflow {
		g.dropped = append(g.dropped, lost...)
	}
	if g.fault == losesNewestFirst {
		lost = slices.Clone(lost)
		slices.Reverse(lost)
	}
	g.lost += len(lost)
	g.evicting++
	g.wake()
	g.mu.Unlock()
	if g.fault == hooksAfterwards {
		time.Sleep(time.Millisecond)
	}
	for _, item := range lost {
		if g.fault != forgetsToCount || g.drops.Add(1)%3 > 0 {
			g.params.Discarded([]T{item}, why)
		}
	}
	g.mu.Lock()
	g.evicting--
	g.changed.Broadcast()
	g.mu.Unlock()
}

func (g *gate[T]) put(items ...T) {
	if cap(g.items) < len(g.items)+len(items) {
		g.storage = slices.Grow(slices.Clone(g.items), len(items))
		g.items = g.storage[:len(g.items)]
	}
	g.items = append(g.items, items...)
	g.highWater = max(g.highWater, len(g.items))
}

// evict puts the items in and returns what they leave no room for.
func (g *gate[T]) evict(items []T) (lost []T) {
	for _, item := range items {
		if g.full() {
			if g.fault == dropsWrongOne && len(g.items) > 1 {
				g.items[0], g.items[1] = g.items[1], g.items[0]
			}
			lost = append(lost, g.items[0])
			g.take(make([]T, 1))
		}
		g.put(item)
	}
	return lost
}

// wait puts the items in as there is room and returns how many found some.
func (g *gate[T]) wait(items []T) (n int) {
	var timer *time.Timer
	most, hasty := g.fault.beyond(waitsNoMore)
	late := hasty && g.lost > most
	start := func() {
		if timer == nil && g.params.Policy == buffer.BlockTimeout {
			timer = time.AfterFunc(g.params.Timeout, func() {
				g.mu.Lock()
				defer g.mu.Unlock()
				late = true
				g.changed.Broadcast()
			})
		}
	}
	if g.fault == timesEveryPush {
		start()
	}
	for n < len(items) {
		switch {
		case g.closed && g.fault != deafToClose:
			return n
		case !g.full():
			g.put(items[n])
			n++
			g.wake()
			if g.fault == countsTimeAnew && timer != nil {
				timer.Reset(g.params.Timeout)
			}
			continue
		case late:
			return n
		}
		start()
		g.changed.Wait()
	}
	if timer != nil {
		timer.Stop()
	}
	return n
}

// wake wakes whoever waits.
func (g *gate[T]) wake() {
	if g.asleep && (len(g.items) > 0 || g.closed) {
		g.asleep = false
		g.wakeUps++
	}
	g.changed.Broadcast()
}

func (g *gate[T]) take(dst []T) int {
	n := copy(dst, g.items)
	clear(g.items[:n])
	if g.items = g.items[n:]; len(g.items) == 0 {
		g.items = g.storage[:0]
	}
	return n
}

func (g *gate[T]) Pop(dst []T) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.items) == 0 || g.evicting > 0 && g.fault != hooksAfterwards {
		if len(g.items) == 0 && g.closed {
			return 0
		}
		g.asleep = len(g.items) == 0
		g.changed.Wait()
	}
	was := len(g.items)
	n := g.take(dst)
	if g.fault != staysFull || was < 3 {
		g.changed.Broadcast()
	}
	return n
}

func (g *gate[T]) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.wake()
}

func (g *gate[T]) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fault == hidesBehindHook && g.evicting > 0 {
		return 0
	}
	return len(g.items)
}

func (g *gate[T]) Gauges() buffer.Gauges {
	g.mu.Lock()
	defer g.mu.Unlock()
	return buffer.Gauges{Bytes: bytesOf[T](cap(g.storage)), HighWater: g.highWater, WakeUps: g.wakeUps}
}
