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

func (b *buffered) Close() {
	b.closed.Store(true)
	b.Buffer.Close()
}

func (f *perListener) Subscribe(discard buffer.Discard[event.Notification]) Subscription {
	b := &buffered{Buffer: f.newBuffer(buffer.Params[event.Notification]{
		Discard: discard, Key: keyOf, Merge: Merge,
	})}
	f.forgetClosed()
	f.subs = append(f.subs, b)
	return b
}

func (b *buffered) Replay(initial iter.Seq[event.Notification]) {
	batch := make([]event.Notification, 0, replayBatch)
	for n := range initial {
		batch = append(batch, n)
		if len(batch) == cap(batch) {
			b.Push(batch)
			batch = batch[:0]
		}
	}
	if len(batch) > 0 {
		b.Push(batch)
	}
}

func (f *perListener) Publish(batch []event.Notification) {
	routed, split := batch, false
	for i := range batch {
		if batch[i].Round != 0 {
			routed, split = f.withoutSync(batch), true
			break
		}
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
		f.forgetClosed()
	}
}

func (f *perListener) forgetClosed() {
	f.subs = slices.DeleteFunc(f.subs, func(b *buffered) bool { return b.closed.Load() })
}

// withoutSync returns the items of batch that go to everyone, in a slice that
// is valid until its next call.
func (f *perListener) withoutSync(batch []event.Notification) []event.Notification {
	f.due = f.due[:0]
	for _, n := range batch {
		if n.Round == 0 {
			f.due = append(f.due, n)
		}
	}
	return f.due
}
