package processor

import (
	"iter"
	"slices"

	"go.uber.org/atomic"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

// replayBatch is how many replayed adds are pushed at once: enough to make
// locking cheap, few enough (12 KiB) to need no slice of the cache's size.
const replayBatch = 256

// PerListener returns a maker of fan-outs that give each listener a buffer of
// its own and copy every batch into each, as client-go's design has it. The
// cost of an event grows with the number of listeners.
func PerListener(newBuffer func(buffer.Params[event.Notification]) buffer.Buffer[event.Notification]) func() Fanout {
	return func() Fanout { return &perListener{newBuffer: newBuffer} }
}

type perListener struct {
	newBuffer func(buffer.Params[event.Notification]) buffer.Buffer[event.Notification]
	subs      []*buffered
	due       []event.Notification // a batch without the items that a listener is not due for
}

// buffered is the subscription of perListener.
type buffered struct {
	buffer.Buffer[event.Notification]
	routing
}

// routing is what a subscription with a buffer of its own knows about what to
// put into it.
type routing struct {
	closed atomic.Bool
	routed atomic.Uint64 // written under the publish lock
	notDue bool          // written and read under the publish lock
}

func (r *routing) Due(_ uint32, due bool) { r.notDue = !due }
func (r *routing) Routed() uint64         { return r.routed.Load() }
func (r *routing) isClosed() bool         { return r.closed.Load() }

func (b *buffered) Close() {
	b.closed.Store(true)
	b.Buffer.Close()
}

// Gauges implements buffer.Gauged; all are 0 if the buffer has none.
func (b *buffered) Gauges() buffer.Gauges {
	if g, gauged := b.Buffer.(buffer.Gauged); gauged {
		return g.Gauges()
	}
	return buffer.Gauges{}
}

func (f *perListener) Subscribe(discard buffer.Discard[event.Notification]) Subscription {
	b := &buffered{Buffer: f.newBuffer(buffer.Params[event.Notification]{
		Discard: discard, Key: keyOf, Merge: Merge,
	})}
	f.subs = append(openOf(f.subs), b)
	return b
}

func (b *buffered) Replay(initial iter.Seq[event.Notification]) { batches(initial, b.Push) }

// batches pushes what all yields in slices that are valid during the call.
func batches(all iter.Seq[event.Notification], push func([]event.Notification)) {
	batch := make([]event.Notification, 0, replayBatch)
	for n := range all {
		batch = append(batch, n)
		if len(batch) == cap(batch) {
			push(batch)
			batch = batch[:0]
		}
	}
	if len(batch) > 0 {
		push(batch)
	}
}

func (f *perListener) Publish(batch []event.Notification) {
	routed, split := batch, hasSync(batch)
	if split {
		f.due = withoutSync(f.due, batch)
		routed = f.due
	}
	anyClosed := false
	for _, b := range f.subs {
		if b.closed.Load() {
			anyClosed = true
			continue
		}
		items := batch
		if split && b.notDue {
			items = routed
		}
		if len(items) > 0 {
			b.routed.Add(uint64(len(items)))
			b.Push(items)
		}
	}
	if split {
		clear(f.due)
	}
	if anyClosed {
		f.subs = openOf(f.subs)
	}
}

// openOf removes the closed subscriptions from a fan-out's list, in place.
func openOf[S interface{ isClosed() bool }](subs []S) []S {
	return slices.DeleteFunc(subs, S.isClosed)
}

// hasSync reports whether some of the batch goes only to those who are due.
func hasSync(batch []event.Notification) bool {
	for i := range batch {
		if batch[i].Round != 0 {
			return true
		}
	}
	return false
}

// withoutSync returns the items of batch that go to everyone, in the storage of dst.
func withoutSync(dst, batch []event.Notification) []event.Notification {
	dst = dst[:0]
	for _, n := range batch {
		if n.Round == 0 {
			dst = append(dst, n)
		}
	}
	return dst
}
