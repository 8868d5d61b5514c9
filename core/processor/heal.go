package processor

import (
	"informerlab/core/buffer"
	"informerlab/core/event"
)

// A GapHandler is a Handler that is notified of losses. Before a listener heals
// objects it calls OnGap with their keys, from the goroutine of all other calls;
// the slice is valid only during the call.
type GapHandler interface {
	Handler
	OnGap(keys []event.Key)
}

// healBatch is how many objects are read from the cache under one hold of the
// cache lock: a few microseconds of look-ups, which publishers wait for.
const healBatch = 128

// A healer is the scratch space for healing. Only the listener's goroutine uses it.
type healer struct {
	hand
	swept bool // since the last pop
	keys  []event.Key
	calls []event.Notification
}

// popped takes a batch in hand, discards what of it is stale, and returns the rest.
func (l *Listener) popped(batch []event.Notification) (rest []event.Notification) {
	if !l.gaps.any.Load() {
		l.inHand.Store(int64(len(batch)))
		return batch
	}
	l.healer.rest, l.healer.swept = batch, true
	l.gaps.popped(&l.healer.hand)
	rest = l.supersede()
	l.healer.rest = nil
	return rest
}

// atRest heals what it can before the listener pops again. It is called when nothing
// is in hand.
func (l *Listener) atRest() {
	if l.gaps.any.Load() {
		l.healIfIdle()
	}
	if l.healer.swept {
		l.healer.swept = false
		l.gaps.hold(false)
	}
}

// ready heals what was lost before the first notification in hand, discards what
// that makes stale, and returns the rest and how many of it may be delivered before
// it has to be asked again. 0 means that nothing is left, or that the listener is to
// abandon.
func (l *Listener) ready(hand []event.Notification) (rest []event.Notification, n int) {
	if !l.gaps.any.Load() {
		return hand, len(hand)
	}
	l.healer.rest = hand
	l.heal(hand[0].Seq)
	rest, l.healer.rest = l.healer.rest, nil
	return rest, l.gaps.ready(rest)
}

// supersede discards what a sweep took out of hand, and counts and returns the rest.
func (l *Listener) supersede() (rest []event.Notification) {
	for _, n := range l.healer.stale {
		l.discarded(n, buffer.Superseded)
	}
	clear(l.healer.stale)
	l.healer.stale = l.healer.stale[:0]
	l.inHand.Store(int64(len(l.healer.rest)))
	return l.healer.rest
}

// healIfIdle heals everything if nothing is pending for this listener, which must
// have nothing in hand. The order of the steps counts: if nothing is pending after
// both, then nothing older is that was lost before the first or pushed before the
// second.
func (l *Listener) healIfIdle() {
	lost := l.gaps.horizon()
	if l.sub.Len() > 0 {
		return
	}
	l.heal(lost)
	pushed := l.p.pushed.Load()
	if l.sub.Len() == 0 {
		l.gaps.forget(pushed + 1)
	}
}

// heal calls the handler with the present state of each object of which something
// published before that Seq was lost. All that was published before must have been
// delivered, so that what a gap says the handler knows is what it knows.
func (l *Listener) heal(before uint64) {
	for l.gaps.due(before) && !l.abandon.Load() {
		l.healer.swept = true
		l.p.readCache(func(upTo uint64) { l.healer.prepare(&l.gaps, before, upTo, l.p.o.Cache) })
		l.supersede()
		l.announce()
		l.deliverHealed()
	}
}

// prepare takes gaps and notes the calls that close them. The cache lock is held.
func (h *healer) prepare(g *gaps, before, upTo uint64, cache func(event.Key) (event.Object, bool)) {
	h.keys, h.calls = h.keys[:0], h.calls[:0]
	g.take(healBatch, before, upTo, &h.hand, func(key event.Key, known event.Object) event.Object {
		now := cached(cache, key)
		h.keys = append(h.keys, key)
		h.note(known, now)
		return now
	})
}

// note adds the call that tells a handler that knows one state the present one,
// if one is needed. nil stands for no object.
func (h *healer) note(known, now event.Object) {
	n := event.Notification{Old: known, New: now, Kind: event.Update}
	switch {
	case known == nil && now == nil:
		return // it came and went
	case known == nil:
		n.Kind = event.Add
	case now == nil:
		n.Kind, n.Flags = event.Delete, event.FinalStateUnknown
	}
	h.calls = append(h.calls, n)
}

// announce tells a GapHandler the keys that are about to be healed.
func (l *Listener) announce() {
	handler, wants := l.handler.(GapHandler)
	if !wants || len(l.healer.keys) == 0 {
		return
	}
	if l.p.o.Panic.Recover {
		defer func() {
			if r := recover(); r != nil {
				l.logPanic("handler panicked in OnGap", r)
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
		l.healing.Store(int64(len(calls)))
		done, failed := l.deliver(calls)
		l.healed.Add(uint64(done))
		calls = calls[done:]
		if failed {
			l.healed.Inc()
			calls = calls[1:]
			l.afterPanic()
		}
	}
	l.healing.Store(0)
	clear(l.healer.calls)
	clear(l.healer.keys)
}
