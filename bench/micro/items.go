package micro

import (
	"fmt"

	"go.uber.org/atomic"

	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/core/processor"
)

// A kind is a type of items, all of which refer to stamps.
type kind[T any] struct {
	name  string
	item  func(*stamp) T
	see   func(*ledger, []T)
	key   func(T) event.Key
	merge func(pending, next T) (T, buffer.Outcome)
}

// boxed are items of 16 bytes: pointers in interfaces, as client-go queues them.
var boxed = kind[any]{
	name: "any",
	item: func(s *stamp) any { return s },
	see: func(l *ledger, items []any) {
		for _, item := range items {
			l.see(item.(*stamp))
		}
	},
	key:   func(item any) event.Key { return event.KeyOf(item.(*stamp)) },
	merge: func(_, next any) (any, buffer.Outcome) { return next, buffer.Merged },
}

// notifications are what the pipeline queues: 48 bytes, with two references.
var notifications = kind[event.Notification]{
	name: "notification",
	item: func(s *stamp) event.Notification {
		return event.Notification{Kind: event.Update, Old: s, New: s, Seq: 1}
	},
	see: func(l *ledger, items []event.Notification) {
		for k := range items {
			l.see(items[k].New.(*stamp))
		}
	},
	key:   func(n event.Notification) event.Key { return event.KeyOf(n.New) },
	merge: processor.Merge,
}

// A stamp is an object that tells where its item belongs. A producer's items
// refer to its stamps in turn, so that a run allocates nothing of its own.
type stamp struct {
	event.Key
	producer, turn int
}

func (s *stamp) GetNamespace() string     { return s.Namespace }
func (s *stamp) GetName() string          { return s.Name }
func (*stamp) GetResourceVersion() string { return "1" }

// turns is how many items a producer has, unless keys are what is measured: few
// enough to stay in the CPU's cache, and a multiple of every batch.
const turns = 1024

// items returns a producer's items, of that many keys.
func (k kind[T]) items(producer, keys int) []T {
	items := make([]T, keys)
	for turn := range items {
		key := event.Key{
			Namespace: fmt.Sprintf("tenant-%d-%d", producer, turn%16),
			Name:      fmt.Sprintf("frontend-7d4b9c6f8-%05d", turn),
		}
		items[turn] = k.item(&stamp{key, producer, turn})
	}
	return items
}

// A ledger checks what comes out. It belongs to the consumer, but for discards.
type ledger struct {
	turns  int   // of each producer
	next   []int // the turn that is due, by producer
	popped int
	wrong  int // items out of turn

	discarded atomic.Int64
}

func (l *ledger) see(s *stamp) {
	if s.turn != l.next[s.producer] {
		l.wrong++
	}
	next := s.turn + 1
	if next == l.turns {
		next = 0
	}
	l.next[s.producer] = next
	l.popped++
}

// settle returns what is wrong once everything has been pushed and popped.
func (l *ledger) settle(pushed int, t buffer.Traits) error {
	lost := int(l.discarded.Load())
	if l.popped+lost != pushed {
		return fmt.Errorf("pushed %d, popped %d, discarded %d", pushed, l.popped, lost)
	}
	if t.Loss == buffer.Lossless && lost+l.wrong > 0 {
		return fmt.Errorf("of %d items %d were discarded and %d came out of turn", pushed, lost, l.wrong)
	}
	return nil
}

// A subject is a contestant as a measurement sees it.
type subject[T any] struct {
	Contestant[T]
	kind  kind[T]
	count int // items to push, or queues to make
}

// open returns a new queue, and the ledger for what comes out of it.
func (s subject[T]) open(producers, keys int) (Queue[T], *ledger) {
	l := &ledger{turns: keys, next: make([]int, producers)}
	return s.New(buffer.Params[T]{
		Key: s.kind.key, Merge: s.kind.merge,
		Discard: func(T, buffer.Reason) { l.discarded.Inc() },
	}), l
}
