package processor

import (
	"math"
	"reflect"
	"sync"

	"go.uber.org/atomic"

	"informerlab/core/event"
)

// A gap is what a listener remembers of one object of which its buffer has
// discarded notifications for want of room.
//
//	        file                 heal, no change under way
//	none ────────▶ lost ─────────────────────────────────▶ healed ──▶ none
//	                ▲ │ heal, during a change                ▲  │
//	                │ └───────────────▶ open ────────────────┘  │
//	                └──────────────── file ─────────────────────┘
//
// A gap also ends, from any state, as soon as the object does not exist, the handler
// knows of none, and no pending notification of it is older than its deletion. So
// objects that come and go under names that never return leave no gap behind.
type gap struct {
	state gapState
	// last is the newest notification that has been lost or superseded, and gone
	// says that it was a delete.
	gone bool
	// kept counts the pending notifications from Seq since on, of a buffer that
	// rejects; those of one that evicts are newer than all that it lost.
	kept  int32
	since uint64
	last  uint64
	first uint64 // Seq of the first notification lost; lost only
	// upTo is the Seq up to which notifications of the object are stale, because
	// the handler has received a newer state; 0 = none is. everything = as long as
	// the change under way lasts.
	upTo uint64
	// known is the state that the handler has after everything published before
	// first (lost), or that it was healed to (open, healed); nil = no object.
	known event.Object

	key        event.Key
	chain      *gap // in a gapTable
	prev, next *gap // of the same state, in a ring
}

// A gapState says what a gap is waiting for.
type gapState uint8

const (
	lost      gapState = iota // to be healed
	open                      // to be given its upTo, at the end of the change under way
	healed                    // for the last stale notification to pass
	gapStates                 // their number
)

// everything, as a Seq, is after all that will ever be published.
const everything = math.MaxUint64

// maxSlab is how many gaps are allocated at once at most: what one batch of healing
// frees. Fewer than that are kept for reuse when there is none left.
const maxSlab = healBatch

// gaps are the objects that a listener has to heal and those that it has healed.
// There is at most one for each cached key, for each key of which a notification or
// a healing call is pending or in hand, and for each deleted key whose deletion the
// handler has not received. The publisher calls file, pushed, replayed and resolve;
// the listener's goroutine calls the rest.
type gaps struct {
	mu    sync.Mutex
	table gapTable
	// rings are the gaps by state: lost by first, healed by upTo, ascending.
	rings [gapStates]gap
	waits int  // gaps that are lost
	free  *gap // for reuse, by next
	// lowest and highest are the Seqs of the first and the last notification that
	// were lost of the batch that is being pushed; 0 = none was. pushedTo is the Seq
	// up to which batches have been pushed and their kept notifications counted.
	// evicts says that the buffer makes room by evicting; until that is seen, it is
	// taken for one that rejects.
	lowest, highest, pushedTo uint64
	evicts                    bool
	// swept is true from when the listener has swept what it popped until it pops
	// again. inHand is the listener's: above 0 only if what it popped has been swept,
	// or had nothing to be swept for.
	swept  bool
	inHand *atomic.Int64
	ending []*gap // may be settled, or something else by now

	// any is false while there is no gap: all that a listener looks at while
	// nothing is lost. Written under mu.
	any atomic.Bool
}

// file records that n was lost, while everything up to now has been published or is
// being pushed. Of several losses of one object the first determines what the
// handler knows.
func (g *gaps) file(n *event.Notification, now uint64) {
	key := event.KeyOf(n.Object())
	g.mu.Lock()
	if n.Seq > g.pushedTo {
		if g.lowest == 0 || n.Seq < g.lowest {
			g.lowest = n.Seq
		}
		g.highest = max(g.highest, n.Seq)
	} else {
		g.evicts = true // n was pending
	}
	p := g.table.find(key)
	switch {
	case p == nil:
		p = g.add(key, n.Seq)
		p.known, p.since = n.Before(), now+1
		g.lose(p, n)
	case p.state == lost && n.Seq > p.last && !p.gone && n.Kind != event.Delete: // nearly always
		p.last = n.Seq
	default:
		g.lose(p, n)
	}
	g.mu.Unlock()
}

// lose records a loss in a gap.
func (g *gaps) lose(p *gap, n *event.Notification) {
	// One that is healed may be lost again; one that is lost began earlier if the
	// losses of one push are reported in another order than that of publication.
	if n.Seq > p.upTo && (p.state != lost || n.Seq < p.first) {
		p.known, p.first = n.Before(), n.Seq
		g.move(p, lost)
	}
	g.passed(p, n)
}

// pushed records that a batch has been pushed, counts what a rejecting buffer kept of
// it, and ends the gaps that its losses have settled. due says whether sync
// notifications are routed to the listener.
func (g *gaps) pushed(batch []event.Notification, due bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	routed := len(batch) - 1
	for routed > 0 && batch[routed].Round != 0 && !due {
		routed--
	}
	if g.lowest > 0 && g.highest < batch[routed].Seq {
		g.evicts = true // it lost the first of a batch and kept the last
	}
	if !g.evicts {
		g.keep(batch, due)
	}
	g.lowest, g.highest, g.pushedTo = 0, 0, batch[len(batch)-1].Seq
	g.end()
}

// replayed records that a replay has been pushed; seq was the last Seq published.
func (g *gaps) replayed(seq uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lowest, g.highest, g.pushedTo = 0, 0, seq
}

// keep counts what a buffer that rejects has kept: all before the first loss.
func (g *gaps) keep(batch []event.Notification, due bool) {
	for i := range batch {
		n := &batch[i]
		if g.lowest > 0 && n.Seq >= g.lowest {
			return
		}
		if n.Round != 0 && !due {
			continue
		}
		if p := g.table.find(event.KeyOf(n.Object())); p != nil && n.Seq >= p.since {
			p.kept++
		}
	}
}

// passed records that n, of the gap's object, will never reach the handler.
func (g *gaps) passed(p *gap, n *event.Notification) {
	if n.Seq > p.last {
		p.last, p.gone = n.Seq, n.Kind == event.Delete
	}
	if g.settled(p) {
		g.ending = append(g.ending, p)
	}
}

// end ends the gaps that are settled. While the listener may have unswept
// notifications in hand, the gaps of an evicting buffer stay, because older
// notifications of their objects may be among them. Those of a rejecting buffer stay
// until the kept part of the push that lost them has been counted.
func (g *gaps) end() {
	if g.evicts && !g.swept && g.inHand.Load() == 0 {
		return
	}
	stay := g.ending[:0]
	for _, p := range g.ending {
		switch {
		case g.table.find(p.key) != p || !g.settled(p):
		case !g.evicts && p.last > g.pushedTo:
			stay = append(stay, p)
		default:
			g.remove(p)
		}
	}
	clear(g.ending[len(stay):])
	if g.ending = stay; len(stay) == 0 && cap(stay) > maxSlab {
		g.ending = nil
	}
}

// settled reports whether the handler correctly knows of no object, and the next
// notification of it, if any, is its creation: the newest one that will never be
// delivered is a delete, and no older one is pending. An evicting buffer loses the
// oldest first; of a rejecting one the pending ones are counted.
func (g *gaps) settled(p *gap) bool {
	return p.known == nil && p.gone && (g.evicts || p.kept == 0)
}

// horizon returns a Seq above those of all gaps that are to be healed now.
func (g *gaps) horizon() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if newest := g.ring(lost).prev; newest != g.ring(lost) {
		return newest.first + 1
	}
	return 0
}

// due reports whether a gap began before that Seq.
func (g *gaps) due(before uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.firstLost() < before
}

// take marks at most n gaps that began before that Seq, oldest first, as healed to
// the state that present returns: up to the Seq upTo, or, with everything, for as long
// as the change under way lasts. Then it sweeps the hand.
func (g *gaps) take(n int, before, upTo uint64, h *hand, present func(key event.Key, known event.Object) event.Object) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for ; n > 0 && g.firstLost() < before; n-- {
		p := g.ring(lost).next
		p.known, p.upTo = present(p.key, p.known), upTo
		if upTo == everything {
			g.move(p, open)
		} else {
			g.heal(p, upTo)
		}
		g.ending = append(g.ending, p)
	}
	g.sweep(h, false)
}

// A hand is the part of a popped batch that is not yet handled.
type hand struct {
	rest  []event.Notification
	stale []event.Notification // taken out of rest, to be discarded
}

// sweep removes stale notifications from the hand, and those that will be stale
// because an older loss of the same object is yet to be healed, and ends the gaps that
// only they kept. popped means that the hand has just been popped.
func (g *gaps) sweep(h *hand, popped bool) {
	fresh := h.rest[:0]
	for i := range h.rest {
		n := &h.rest[i]
		p := g.table.find(event.KeyOf(n.Object()))
		if p != nil && popped && n.Seq >= p.since {
			p.kept--
		}
		if p == nil || n.Seq > p.upTo && (p.state != lost || n.Seq <= p.first) {
			fresh = append(fresh, *n)
			continue
		}
		g.passed(p, n)
		h.stale = append(h.stale, *n)
	}
	h.rest = fresh
	g.swept = true
	g.end()
}

// hold records whether everything in hand is swept. It is not while the listener pops.
func (g *gaps) hold(swept bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.swept = swept
}

// popped sweeps a batch that has just been popped. All notifications with a lower Seq
// have left the buffer and have been handled or discarded.
func (g *gaps) popped(h *hand) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.prune(h.rest[0].Seq)
	g.sweep(h, true)
}

// heal makes notifications of the gap's object stale up to that Seq, which is not
// below that of any gap healed before.
func (g *gaps) heal(p *gap, upTo uint64) {
	p.upTo = upTo
	g.move(p, healed)
}

// resolve gives open gaps their upTo, if the change under way has ended or the cache
// has moved on from the state that the handler received. Both locks are held.
func (g *gaps) resolve(upTo uint64, ended bool, cache func(event.Key) (event.Object, bool)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for p := g.ring(open).next; p != g.ring(open); {
		next := p.next
		if ended || !same(p.known, cached(cache, p.key)) {
			g.heal(p, upTo)
		}
		p = next
	}
}

// cached returns what the cache holds, or nil.
func cached(cache func(event.Key) (event.Object, bool), key event.Key) event.Object {
	if obj, found := cache(key); found {
		return obj
	}
	return nil
}

// same reports whether two states of an object are one: the same object or, of a type
// that cannot be compared, of one resource version.
func same(a, b event.Object) bool {
	if a == nil || b == nil {
		return a == b
	}
	if reflect.ValueOf(a).Comparable() {
		return a == b
	}
	version := a.GetResourceVersion()
	return version != "" && version == b.GetResourceVersion()
}

// ready returns how many of the first notifications of rest were published before
// all gaps that are to be healed.
func (g *gaps) ready(rest []event.Notification) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for first := g.firstLost(); n < len(rest) && rest[n].Seq <= first; {
		n++
	}
	return n
}

// firstLost returns the Seq of the first loss that is to be healed, or everything.
func (g *gaps) firstLost() uint64 {
	if g.waits == 0 {
		return everything
	}
	return g.ring(lost).next.first
}

// forget ends the gaps of which no stale notification can come: all that were
// published before that Seq have been handled or discarded.
func (g *gaps) forget(before uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.prune(before)
}

func (g *gaps) prune(before uint64) {
	for p := g.ring(healed).next; p != g.ring(healed) && p.upTo < before; p = g.ring(healed).next {
		g.remove(p)
	}
}

// counts returns how many gaps are to be healed, and how many there are.
func (g *gaps) counts() (waiting, all uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return uint64(g.waits), uint64(g.table.len)
}

// ring returns the head of the ring of that state, which is no gap.
func (g *gaps) ring(state gapState) *gap {
	head := &g.rings[state]
	if head.next == nil {
		head.prev, head.next = head, head
	}
	return head
}

// add makes a gap that is lost from that Seq on.
func (g *gaps) add(key event.Key, first uint64) *gap {
	if g.free == nil {
		slab := make([]gap, min(maxSlab, 1+g.table.len))
		for i := range slab {
			slab[i].next, g.free = g.free, &slab[i]
		}
	}
	p := g.free
	g.free = p.next
	p.key, p.first = key, first
	g.table.insert(p)
	g.link(p, lost)
	g.any.Store(true)
	return p
}

func (g *gaps) link(p *gap, state gapState) {
	after := g.ring(state).prev
	if state == lost {
		g.waits++
		for after != g.ring(lost) && after.first > p.first {
			after = after.prev
		}
	}
	p.state, p.prev, p.next = state, after, after.next
	p.prev.next, p.next.prev = p, p
}

func (g *gaps) unlink(p *gap) {
	p.prev.next, p.next.prev = p.next, p.prev
	if p.state == lost {
		g.waits--
	}
}

func (g *gaps) move(p *gap, state gapState) {
	g.unlink(p)
	g.link(p, state)
}

// remove ends a gap. The table and the free gaps stay as many as they were, so if there
// were many, all memory is dropped with the last gap.
func (g *gaps) remove(p *gap) {
	g.unlink(p)
	g.table.remove(p)
	*p = gap{next: g.free}
	g.free = p
	if g.table.len > 0 {
		return
	}
	g.any.Store(false)
	if len(g.table.buckets) >= maxSlab {
		g.table, g.free = gapTable{}, nil
	}
}
