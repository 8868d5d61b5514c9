package processor

import (
	"iter"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

// Reference returns client-go's own fan-out, the yardstick of the lab: each
// notification is boxed once into an interface value that all listeners share,
// and then handed to one listener after the other, event by event, each through
// a buffer.Reference. It keeps neither Seq nor Round, as client-go has neither
// (processorListener and sharedProcessor.distribute in shared_informer.go).
func Reference() Fanout { return &reference{initial: buffer.InitialSlots} }

// ReferenceSized returns a maker of the same fan-out whose buffers begin with
// another number of slots: see buffer.NewReferenceSized.
func ReferenceSized(initial int) func() Fanout {
	return func() Fanout { return &reference{initial: initial} }
}

type reference struct {
	initial int // slots of each buffer
	subs    []*boxed
}

// The boxes have the sizes of client-go's: 32 bytes for an update, 24 for an
// add, and for a delete 24 where client-go takes 16 and a second box for a
// tombstone.
type (
	addBox struct {
		obj     event.Object
		initial bool
	}
	updateBox struct{ old, new event.Object }
	deleteBox struct {
		obj     event.Object
		unknown bool
	}
)

func box(n *event.Notification) any {
	switch n.Kind {
	case event.Add:
		return addBox{n.New, n.Flags&event.Initial != 0}
	case event.Update:
		return updateBox{n.Old, n.New}
	default:
		return deleteBox{n.Old, n.Flags&event.FinalStateUnknown != 0}
	}
}

func unbox(item any) event.Notification {
	switch b := item.(type) {
	case addBox:
		n := event.Notification{New: b.obj, Kind: event.Add}
		if b.initial {
			n.Flags = event.Initial
		}
		return n
	case updateBox:
		return event.Notification{Old: b.old, New: b.new, Kind: event.Update}
	default:
		d := item.(deleteBox)
		n := event.Notification{Old: d.obj, Kind: event.Delete}
		if d.unknown {
			n.Flags = event.FinalStateUnknown
		}
		return n
	}
}

// boxed is the subscription of reference.
type boxed struct {
	*buffer.Reference[any]
	routing
	popped [1]any // owned by the one goroutine that pops
}

func (b *boxed) Close() {
	b.closed.Store(true)
	b.Reference.Close()
}

// Pop takes one notification at a time, as client-go's listener does.
func (b *boxed) Pop(dst []event.Notification) int {
	n := b.Reference.Pop(b.popped[:])
	if n > 0 {
		dst[0] = unbox(b.popped[0])
		b.popped[0] = nil
	}
	return n
}

func (f *reference) Subscribe(discard buffer.Discard[event.Notification]) Subscription {
	b := &boxed{Reference: buffer.NewReferenceSized(f.initial, buffer.Params[any]{
		Discard: func(item any, why buffer.Reason) { discard(unbox(item), why) },
	})}
	f.subs = append(openOf(f.subs), b)
	return b
}

func (b *boxed) Replay(initial iter.Seq[event.Notification]) {
	var one [1]any
	for n := range initial {
		one[0] = box(&n)
		b.Push(one[:])
	}
}

func (f *reference) Publish(batch []event.Notification) {
	var one [1]any
	anyClosed := false
	for i := range batch {
		n := &batch[i]
		if len(f.subs) == 0 {
			return
		}
		one[0] = box(n)
		for _, b := range f.subs {
			switch {
			case b.closed.Load():
				anyClosed = true
			case n.Round == 0 || !b.notDue:
				b.routed.Inc()
				b.Push(one[:])
			}
		}
	}
	if anyClosed {
		f.subs = openOf(f.subs)
	}
}
