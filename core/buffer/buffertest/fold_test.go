package buffertest

import (
	"container/list"
	"sync"
	"unsafe"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

const (
	neverMerges      fault = "lets all items of a key wait"
	mergesInHand     fault = "merges into an item that has been popped"
	jumpsAhead       fault = "puts a key last when it changes"
	discardsPending  fault = "discards the pending item where next is superseded"
	keepsCancelled   fault = "delivers what was cancelled if nothing follows"
	losesDeletes     fault = "takes any delete for a cancel"
	leavesGraves     fault = "leaves a dead entry for what is cancelled"
	keepsAbsorbed    fault = "keeps a reference to what was superseded"
	mergesUncounted  fault = "does not count what it merges"
	supersedesAsLost fault = "says of what is superseded that it has overflowed"
	ignoresNamespace fault = "ignores the namespace of a key"
	joinsKey         fault = "joins namespace and name without a border"
)

// A fold is a coalescing twin: a list of entries and a map of the newest ones.
type fold[T any] struct {
	fault  fault
	params buffer.Params[T]

	mu       sync.Mutex
	changed  *sync.Cond
	waiting  *list.List // of *entry[T]
	newest   map[event.Key]*list.Element
	count    int
	closed   bool
	absorbed []T // keepsAbsorbed

	asleep    bool
	highWater int
	merged    uint64
	wakeUps   uint64
}

type entry[T any] struct {
	item T
	dead bool // leavesGraves
}

func folds(f fault) (Variant, func()) {
	return Variant{
		Name: string(f), Traits: buffer.Traits{
			Order: buffer.PerKey, Loss: buffer.Coalesces, Bound: buffer.ByKeys, Producers: buffer.Many,
		},
		Ints:          func(p buffer.Params[uint64]) buffer.Buffer[uint64] { return newFold(f, p) },
		Notifications: func(p buffer.Params[notification]) buffer.Buffer[notification] { return newFold(f, p) },
		Boxed:         func(p buffer.Params[any]) buffer.Buffer[any] { return newFold(f, p) },
	}, func() {}
}

func newFold[T any](f fault, p buffer.Params[T]) *fold[T] {
	changeKeys(f, &p)
	t := &fold[T]{fault: f, params: p, waiting: list.New(), newest: map[event.Key]*list.Element{}}
	t.changed = sync.NewCond(&t.mu)
	return t
}

func (f *fold[T]) Push(items []T) {
	type loss struct {
		item T
		why  buffer.Reason
	}
	var lost []loss
	f.mu.Lock()
	for _, item := range items {
		if f.closed {
			lost = append(lost, loss{item, buffer.Closed})
			continue
		}
		key := f.params.Key(item)
		element := f.newest[key]
		most, overwhelmed := f.fault.beyond(mergesAmong)
		if element == nil || f.fault == neverMerges || overwhelmed && f.count > most {
			f.add(key, item)
			continue
		}
		pending := element.Value.(*entry[T])
		merged, outcome := f.params.Merge(pending.item, item)
		if f.fault == losesDeletes && isDelete(f.params.Merge, pending.item, item) {
			outcome = buffer.Cancel
		}
		switch {
		case outcome == buffer.Keep:
			f.add(key, item)
		case outcome == buffer.Merged:
			loser, why := item, buffer.Superseded
			if f.fault == discardsPending {
				loser = pending.item
			}
			if f.fault == supersedesAsLost {
				why = buffer.Overflow
			}
			lost = append(lost, loss{loser, why})
			pending.item = merged
			f.merged++
			if f.fault == jumpsAhead {
				f.waiting.MoveToBack(element)
			}
			if f.fault == keepsAbsorbed {
				f.absorbed = append(f.absorbed, item)
			}
		default:
			lost = append(lost, loss{pending.item, buffer.Annihilated}, loss{item, buffer.Annihilated})
			if f.fault == keepsCancelled {
				continue
			}
			delete(f.newest, key)
			f.count--
			if f.fault == leavesGraves {
				*pending = entry[T]{dead: true}
			} else {
				f.waiting.Remove(element)
			}
		}
	}
	f.highWater = max(f.highWater, f.count)
	if f.count > 0 {
		f.wake()
	}
	f.mu.Unlock()
	for _, l := range lost {
		f.params.Discarded([]T{l.item}, l.why)
	}
}

// isDelete reports whether an item is one whose merge with an add is a cancel.
func isDelete[T any](merge func(a, b T) (T, buffer.Outcome), pending, next T) bool {
	_, outcome := merge(pending, next)
	c, isChange := changeOf(idOf(next))
	return outcome == buffer.Merged && isChange && c.kind == event.Delete
}

// idOf returns the id of an item of any type.
func idOf(item any) uint64 {
	switch item := item.(type) {
	case uint64:
		return item
	case event.Notification:
		return notificationItems.id(item)
	}
	return boxedItems.id(item)
}

func (f *fold[T]) add(key event.Key, item T) {
	f.newest[key] = f.waiting.PushBack(&entry[T]{item: item})
	f.count++
	f.highWater = max(f.highWater, f.count)
}

func (f *fold[T]) wake() {
	if f.asleep {
		f.asleep = false
		f.wakeUps++
	}
	f.changed.Broadcast()
}

func (f *fold[T]) Pop(dst []T) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.count == 0 {
		if f.closed {
			return 0
		}
		f.asleep = true
		f.changed.Wait()
	}
	for n < len(dst) && f.count > 0 {
		front := f.waiting.Front()
		e := f.waiting.Remove(front).(*entry[T])
		if e.dead {
			continue
		}
		dst[n] = e.item
		n++
		f.count--
		if key := f.params.Key(e.item); f.newest[key] == front && f.fault != mergesInHand {
			delete(f.newest, key)
		}
	}
	return n
}

func (f *fold[T]) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.wake()
}

func (f *fold[T]) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

func (f *fold[T]) Gauges() buffer.Gauges {
	f.mu.Lock()
	defer f.mu.Unlock()
	const mapped = 40 // bytes that a map takes for a key and a pointer, or more
	each := int(unsafe.Sizeof(list.Element{})+unsafe.Sizeof(entry[T]{})) + 2*mapped
	g := buffer.Gauges{Bytes: f.waiting.Len() * each, HighWater: f.highWater, Merged: f.merged, WakeUps: f.wakeUps}
	if f.fault == mergesUncounted {
		g.Merged = 0
	}
	return g
}
