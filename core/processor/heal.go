package processor

import (
	"fmt"
	"math"
	"sync"

	"go.uber.org/atomic"

	"informerlab/core/event"
)

// A GapHandler is a Handler that wants to hear of losses. Before a listener
// heals objects it calls OnGap with their keys, from the goroutine of all other
// calls; the slice is valid only during the call.
type GapHandler interface {
	Handler
	OnGap(keys []event.Key)
}

// healBatch is how many objects are read from the cache under one hold of the
// publish lock: a few microseconds of looking up, which publishers wait for.
const healBatch = 128

// A gap is one object of which a buffer has discarded notifications for want of
// room, since the handler was told of it last.
type gap struct {
	key event.Key
	// seen is the state that the handler will have been told of when it has
	// handled all that was published before seq; nil = of none.
	seen event.Object
	seq  uint64 // of the first notification lost
}

// gaps are the objects that a listener has to heal and those that it has healed.
// Whoever discards files, under the publish lock; the listener's goroutine
// takes, under it too.
type gaps struct {
	mu      sync.Mutex
	waiting []gap                  // at most one a key, in the order of their seq
	keys    map[event.Key]struct{} // of waiting
	// overtaken tells, by key, up to which Seq the handler needs no
	// notification any more, because it has been told of a newer state; last is
	// the greatest of these. nil = nothing that waits or is in hand was overtaken.
	overtaken map[event.Key]uint64
	last      uint64
	// any is false while waiting is empty and overtaken is nil: all that a
	// listener looks at while nothing is lost. Written under mu.
	any atomic.Bool
}

// file notes that n was lost. Of several losses of one object the first counts:
// it says what the handler knows. What was overtaken before is no loss.
func (g *gaps) file(n *event.Notification) {
	key := event.KeyOf(n.Object())
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, again := g.keys[key]; again || g.isOvertaken(key, n.Seq) {
		return
	}
	if g.keys == nil {
		g.keys = map[event.Key]struct{}{}
	}
	g.keys[key] = struct{}{}
	g.waiting = append(g.waiting, gap{key, n.Before(), n.Seq})
	g.any.Store(true)
}

// take moves at most len(dst) gaps with a seq below before into dst and notes
// that what their objects were up to now, the Seq published last, is overtaken.
func (g *gaps) take(dst []gap, before, now uint64) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for n < len(dst) && n < len(g.waiting) && g.waiting[n].seq < before {
		dst[n] = g.waiting[n]
		delete(g.keys, dst[n].key)
		if g.overtaken == nil {
			g.overtaken = map[event.Key]uint64{}
		}
		g.overtaken[dst[n].key] = now
		g.last = now
		n++
	}
	clear(g.waiting[:n])
	g.waiting = g.waiting[n:]
	if len(g.waiting) == 0 {
		g.waiting, g.keys = nil, nil // however many there were
	}
	return n
}

// due reports whether a gap has a seq below before.
func (g *gaps) due(before uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting) > 0 && g.waiting[0].seq < before
}

// ready returns how many of the first notifications of rest were published
// before all gaps and are not overtaken. All with a lower Seq have left the
// buffer and the listener's hands.
func (g *gaps) ready(rest []event.Notification) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := uint64(math.MaxUint64)
	if len(g.waiting) > 0 {
		next = g.waiting[0].seq
	}
	for n < len(rest) && rest[n].Seq <= next {
		if rest[n].Seq > g.last {
			g.overtaken = nil // nothing that old will ever come
		} else if g.isOvertaken(event.KeyOf(rest[n].Object()), rest[n].Seq) {
			break
		}
		n++
	}
	g.any.Store(g.overtaken != nil || len(g.waiting) > 0)
	return n
}

// forget drops what was overtaken.
func (g *gaps) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.overtaken = nil
	g.any.Store(len(g.waiting) > 0)
}

func (g *gaps) isOvertaken(key event.Key, seq uint64) bool {
	to, healed := g.overtaken[key]
	return healed && seq <= to
}

func (g *gaps) len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting)
}

// A healer is the scratch space for healing. The listener's goroutine uses it, or
// waits while prepare does.
type healer struct {
	taken []gap
	keys  []event.Key
	calls []event.Notification
}

// ready heals what was lost before the first notification of rest, and returns
// how many notifications may be delivered before it has to be asked again. 0
// means that the first one is superseded, or that the listener is to abandon.
func (l *Listener) ready(rest []event.Notification) int {
	if !l.gaps.any.Load() {
		return len(rest)
	}
	l.heal(rest[0].Seq)
	return l.gaps.ready(rest)
}

// healIfIdle heals everything if nothing waits for this listener and it has
// nothing in hand. If still nothing waits then, nothing that was overtaken can
// come any more: all that is published from now on is newer.
func (l *Listener) healIfIdle() {
	if !l.gaps.any.Load() || l.sub.Len() > 0 {
		return
	}
	l.heal(everything)
	done := make(chan struct{})
	l.p.under(func() {
		defer close(done)
		if l.sub.Len() == 0 {
			l.gaps.forget()
		}
	})
	<-done
}

// everything, instead of a Seq, is after all that was ever published.
const everything = math.MaxUint64

// heal tells the handler the present state of each object of which something
// published before was lost. All that was published before must have been
// delivered, so that what a gap says the handler has seen is what it has seen.
func (l *Listener) heal(before uint64) {
	for l.gaps.due(before) && !l.abandon.Load() && l.missed(before) {
		l.announce()
		l.deliverHealed()
	}
}

// missed takes gaps and prepares the calls that close them. It returns false if
// there is nothing to heal after all: with everything, if something has come to
// wait in the meantime.
func (l *Listener) missed(before uint64) (found bool) {
	done := make(chan struct{})
	l.p.under(func() {
		defer close(done)
		if before < everything || l.sub.Len() == 0 {
			l.healer.prepare(&l.gaps, before, l.p.seq.Load(), l.p.o.Cache)
			found = true
		}
	})
	<-done // not a mutex, which a goroutine in a test's bubble must not wait for long
	return found
}

// prepare needs the publish lock, which keeps the cache at what was published
// last, at now, and gaps from being filed.
func (h *healer) prepare(g *gaps, before, now uint64, cache func(event.Key) (event.Object, bool)) {
	if h.taken == nil {
		h.taken = make([]gap, healBatch)
	}
	n := g.take(h.taken, before, now)
	h.keys, h.calls = h.keys[:0], h.calls[:0]
	for _, gap := range h.taken[:n] {
		h.keys = append(h.keys, gap.key)
		h.note(gap, now, cache)
	}
	clear(h.taken[:n])
}

// note adds the call that closes a gap, if one is needed.
func (h *healer) note(g gap, now uint64, cache func(event.Key) (event.Object, bool)) {
	n := event.Notification{Old: g.seen, Kind: event.Update, Seq: now}
	obj, cached := cache(g.key)
	switch {
	case cached && g.seen == nil:
		n.Kind, n.New = event.Add, obj
	case cached:
		n.New = obj
	case g.seen != nil:
		n.Kind, n.Flags = event.Delete, event.FinalStateUnknown
	default:
		return // it came and went
	}
	h.calls = append(h.calls, n)
}

// announce tells a GapHandler the keys that are about to be healed.
func (l *Listener) announce() {
	handler, wants := l.handler.(GapHandler)
	if !wants {
		return
	}
	if l.p.o.Panic.Recover {
		defer func() {
			if r := recover(); r != nil {
				l.p.o.Logger.Error("handler panicked in OnGap", "panic", fmt.Sprint(r))
			}
		}()
	}
	handler.OnGap(l.healer.keys)
}

// deliverHealed makes the prepared calls. They are counted as healed, whether
// they return or panic, and are in nobody's account of notifications.
func (l *Listener) deliverHealed() {
	calls := l.healer.calls
	for len(calls) > 0 && !l.abandon.Load() {
		done, failed := l.deliver(calls)
		l.healed.Add(uint64(done))
		calls = calls[done:]
		if failed {
			l.healed.Inc()
			calls = calls[1:]
			l.afterPanic()
		}
	}
	clear(l.healer.calls)
}
