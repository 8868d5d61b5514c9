package buffertest

import (
	"math/rand/v2"
	"strconv"
	"weak"

	"informerlab/core/event"
)

// items makes and reads items of one type. Ids start at 1, so that a zero item
// shows.
type items[T any] struct {
	item func(id uint64) T
	// id returns the id of an item, or 0 if no item function made it. It
	// reads memory written before the push, so the race detector sees a
	// buffer that hands over without synchronising.
	id func(T) uint64
	// object returns the heap object behind the item; nil if the type has none.
	object func(T) weak.Pointer[object]
}

// An object is what an item refers to.
type object struct {
	id uint64
	_  [3]*object // keeps it out of the shared blocks of tiny objects
}

func (o *object) GetNamespace() string       { return "" }
func (o *object) GetName() string            { return strconv.FormatUint(o.id, 10) }
func (o *object) GetResourceVersion() string { return "1" }

var uintItems = items[uint64]{
	item: func(id uint64) uint64 { return id },
	id:   func(v uint64) uint64 { return v },
}

var notificationItems = items[event.Notification]{
	item: func(id uint64) event.Notification {
		o := &object{id: id}
		return event.Notification{Kind: event.Update, Old: o, New: o, Seq: id}
	},
	id: func(n event.Notification) uint64 {
		o, ok := n.New.(*object)
		if !ok || n.Old != n.New || n.Seq != o.id {
			return 0
		}
		return o.id
	},
	object: func(n event.Notification) weak.Pointer[object] { return weak.Make(n.New.(*object)) },
}

var boxedItems = items[any]{
	item: func(id uint64) any { return &object{id: id} },
	id: func(v any) uint64 {
		if o, ok := v.(*object); ok {
			return o.id
		}
		return 0
	},
	object: func(v any) weak.Pointer[object] { return weak.Make(v.(*object)) },
}

// fill overwrites dst with items of consecutive ids and returns the next id.
func (i items[T]) fill(dst []T, id uint64) uint64 {
	for k := range dst {
		dst[k] = i.item(id)
		id++
	}
	return id
}

// run returns n new items with consecutive ids.
func (i items[T]) run(id uint64, n int) []T {
	batch := make([]T, n)
	i.fill(batch, id)
	return batch
}

// ids returns the ids of items, for messages.
func (i items[T]) ids(batch []T) []uint64 {
	ids := make([]uint64, len(batch))
	for k, item := range batch {
		ids[k] = i.id(item)
	}
	return ids
}

// edges are the sizes of batches that come before, at and after the sizes at
// which rings wrap, chunks end and storage grows.
var edges = []int{0, 1, 2, 3, 7, 8, 9, 127, 128, 129, 1023, 1024, 1025}

// mostly returns an edge, small ones more often.
func mostly(rng *rand.Rand) int {
	return edges[min(rng.IntN(len(edges)), rng.IntN(len(edges)))]
}
