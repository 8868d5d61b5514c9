package buffertest

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

// Faults that only a number beyond a threshold brings out; with appends it.
const (
	swapsDeep      fault = "swaps two items, once, as the backlog passes"
	losesDeep      fault = "loses an item, once, as the backlog passes"
	leaksBytes     fault = "leaks for each push bytes, namely"
	givesBackOnce  fault = "keeps its storage after this many bursts:"
	keepsLarge     fault = "keeps the caller's slice if that is longer than"
	showsInParts   fault = "shows in two parts a push of more than"
	forgetsLarge   fault = "forgets on Close a backlog of more than"
	pinsDropped    fault = "has spare blocks refer to dropped ones; spares:"
	holdsTenthMore fault = "holds a tenth more than a capacity over"
	holdsAtMost    fault = "never holds more than"
	waitsNoMore    fault = "lets no push wait any more when its losses pass"
	readsPrefix    fault = "compares only the first bytes of a name:"
	mergesAmong    fault = "does not merge with more keys waiting than"
)

func (f fault) with(n int) fault { return f + fault(" "+strconv.Itoa(n)) }

// beyond returns the threshold of a fault of that kind, and whether it is one.
func (f fault) beyond(kind fault) (threshold int, is bool) {
	number, is := strings.CutPrefix(string(f), string(kind)+" ")
	threshold, err := strconv.Atoi(number)
	return threshold, is && err == nil
}

// A late is a twin with a fault that shows late.
type late[T any] struct {
	*twin[T]
	fault  fault
	intake sync.Mutex // held through a push
	done   bool
	leaked [][]byte
	bursts int
}

func lates(f fault) (Variant, func()) {
	v, stop := twins(sound)
	v.Name = string(f)
	v.Ints = func(p buffer.Params[uint64]) buffer.Buffer[uint64] { return newLate(f, p) }
	v.Notifications = func(p buffer.Params[notification]) buffer.Buffer[notification] { return newLate(f, p) }
	v.Boxed = func(p buffer.Params[any]) buffer.Buffer[any] { return newLate(f, p) }
	return v, stop
}

func newLate[T any](f fault, p buffer.Params[T]) *late[T] {
	return &late[T]{twin: newTwin(sound, nil, p), fault: f}
}

func (l *late[T]) Push(items []T) {
	if n, is := l.fault.beyond(showsInParts); is && len(items) > n {
		l.twin.Push(items[:n])
		l.twin.Push(items[n:])
		return
	}
	l.intake.Lock()
	if n, is := l.fault.beyond(leaksBytes); is {
		l.leaked = append(l.leaked, make([]byte, n))
	}
	if n, is := l.fault.beyond(keepsLarge); is {
		l.become(map[bool]fault{false: sound, true: aliasesSlice}[len(items) > n])
	}
	l.intake.Unlock() // the hook may push
	l.twin.Push(items)
	l.mu.Lock()
	defer l.mu.Unlock()
	last := len(l.slots) - 1
	if n, is := l.fault.beyond(swapsDeep); is && l.count > n && !l.done {
		a, b := (l.head+l.count-1)&last, (l.head+l.count-2)&last
		l.slots[a], l.slots[b] = l.slots[b], l.slots[a]
		l.done = true
	}
	if n, is := l.fault.beyond(losesDeep); is && l.count > n && !l.done {
		l.count--
		l.done = true
	}
}

func (l *late[T]) become(f fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.twin.fault = f
}

func (l *late[T]) Pop(dst []T) int {
	n := l.twin.Pop(dst)
	if most, is := l.fault.beyond(givesBackOnce); is {
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case l.count > 1024:
			l.done = true
		case l.count == 0 && l.done:
			l.done = false
			if l.bursts++; l.bursts >= most {
				l.twin.fault = keepsStorage
			}
		}
	}
	return n
}

func (l *late[T]) Close() {
	if n, is := l.fault.beyond(forgetsLarge); is && l.Len() > n {
		l.become(dropsOnClose)
	}
	l.twin.Close()
}

// A strand is storage in linked blocks, of which some are laid aside.
type strand[T any] struct {
	fault        fault
	head, tail   *knot[T]
	from, to     int // in head and in tail
	count, knots int
	shelf        buffer.Shelf[*knot[T]]
}

type knot[T any] struct {
	items [1000]T
	next  *knot[T]
}

func strands(f fault) (Variant, func()) {
	return Variant{
		Name: string(f), Traits: unboundedFIFO, KeptBytes: 96 << 10,
		Ints:          func(p buffer.Params[uint64]) buffer.Buffer[uint64] { return newStrand(f, p) },
		Notifications: func(p buffer.Params[notification]) buffer.Buffer[notification] { return newStrand(f, p) },
	}, func() {}
}

func newStrand[T any](f fault, p buffer.Params[T]) buffer.Buffer[T] {
	first := new(knot[T])
	return buffer.NewLocked(&strand[T]{fault: f, head: first, tail: first, knots: 1}, p)
}

func (s *strand[T]) Push(items []T) {
	for len(items) > 0 {
		if s.to == len(s.tail.items) {
			next, found := s.shelf.Take()
			if !found {
				next = new(knot[T])
			}
			s.tail.next, s.tail, s.to = next, next, 0
			s.knots++
		}
		n := copy(s.tail.items[s.to:], items)
		s.to += n
		s.count += n
		items = items[n:]
	}
}

func (s *strand[T]) Pop(dst []T) (n int) {
	for n < len(dst) && s.count > 0 {
		if s.from == len(s.head.items) {
			spent := s.head
			s.head, s.from = spent.next, 0
			s.knots--
			spares, pins := s.fault.beyond(pinsDropped)
			if !pins {
				spent.next, spares = nil, 100
			}
			s.shelf.Put(spent, spares)
		}
		ready := s.head.items[s.from:]
		ready = ready[:min(len(ready), s.count)]
		taken := copy(dst[n:], ready)
		clear(ready[:taken])
		n += taken
		s.from += taken
		s.count -= taken
	}
	return n
}

func (s *strand[T]) Len() int   { return s.count }
func (s *strand[T]) Bytes() int { return s.knots * int(unsafe.Sizeof(knot[T]{})) }

// changeKeys gives a fold other keys, if the fault is about keys.
func changeKeys[T any](f fault, p *buffer.Params[T]) {
	key := p.Key
	n, short := f.beyond(readsPrefix)
	switch {
	case f == ignoresNamespace:
		p.Key = func(item T) event.Key { return event.Key{Name: key(item).Name} }
	case f == joinsKey:
		p.Key = func(item T) event.Key { return event.Key{Name: key(item).Namespace + key(item).Name} }
	case short:
		p.Key = func(item T) event.Key {
			k := key(item)
			return event.Key{Namespace: k.Namespace, Name: k.Name[:min(n, len(k.Name))]}
		}
	}
}

// capacityOf returns the capacity that a gate with this fault has.
func capacityOf(f fault, capacity int) int {
	if n, is := f.beyond(holdsTenthMore); is && capacity > n {
		return capacity + capacity/10
	}
	if n, is := f.beyond(holdsAtMost); is {
		return min(capacity, n)
	}
	return capacity
}

// lateTwins are the faults with several thresholds each.
var lateTwins = []struct {
	family     family
	fault      fault
	law        string
	thresholds []int
	full       []int // too large for -short
}{
	{lates, swapsDeep, "order", []int{3000}, []int{50_000, 65_536, 70_000, 500_000, 1_000_000}},
	{lates, losesDeep, "order", nil, []int{65_536, 80_000, 700_000, 1_000_000}},
	{lates, leaksBytes, "footprint", []int{64}, []int{8}},
	{lates, givesBackOnce, "footprint", []int{1}, []int{2, 5, 9}},
	{lates, keepsLarge, "slices", []int{1000}, []int{1500, 2000, 10_000, 100_000}},
	{lates, showsInParts, "linearizable", nil, []int{60, 130, 200, 500, 1000}},
	{lates, forgetsLarge, "close drains", []int{3000}, []int{4000, 100_000, 150_000}},
	{strands, pinsDropped, "footprint", []int{1}, []int{3, 100, 1000}},
	{dropNewest, holdsTenthMore, "bound", []int{64, 100}, []int{1000, 5000}},
	{block, holdsTenthMore, "bound", []int{64, 128}, []int{1000}},
	{dropOldest, holdsAtMost, "bound", []int{64, 100, 300}, []int{1024, 10_000}},
	{blockTimeout, holdsAtMost, "bound", []int{64}, []int{5000}},
	{blockTimeout, waitsNoMore, "timeout", []int{1, 200, 3000}, []int{100_000}},
	{folds, readsPrefix, "keys", []int{0, 1, 8, 40, 60, 128, 200, 252}, nil},
	{folds, readsPrefix, "convergence", []int{40}, []int{8, 60, 200}},
	{folds, mergesAmong, "keys", []int{64, 128, 256, 1000}, []int{10_000, 60_000}},
}

// TestLateFaultsAreCaught is for faults that small numbers do not bring out.
func TestLateFaultsAreCaught(t *testing.T) {
	for _, c := range lateTwins {
		thresholds := c.thresholds
		if !testing.Short() {
			thresholds = append(slices.Clip(thresholds), c.full...)
		}
		for _, n := range thresholds {
			mustCatch(t, c.family, c.fault.with(n), c.law, 20*time.Second)
		}
	}
}
