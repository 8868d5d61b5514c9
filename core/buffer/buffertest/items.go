package buffertest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"weak"

	"informerlab/core/buffer"
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

// made returns new items with these ids.
func (i items[T]) made(ids ...uint64) []T {
	batch := make([]T, len(ids))
	for k, id := range ids {
		batch[k] = i.item(id)
	}
	return batch
}

// ids returns the ids of items.
func (i items[T]) ids(batch []T) []uint64 {
	ids := make([]uint64, len(batch))
	for k, item := range batch {
		ids[k] = i.id(item)
	}
	return ids
}

// key is the Params.Key of coalescing buffers under test, merge the Merge.
func (i items[T]) key(item T) event.Key { return keyOf(i.id(item)) }

func (i items[T]) merge(pending, next T) (T, buffer.Outcome) {
	id, outcome := merged(i.id(pending), i.id(next))
	return i.item(id), outcome
}

// A change is an item that shares its key with others: it says what became of
// the key. Its number tells it from all others pushed to the same buffer, and
// rises with the pushes of one producer.
type change struct {
	key  int        // below maxKeys
	kind event.Kind // 0 is a mark: it changes nothing and is kept apart
	// first is the number of the item itself, last that of the newest item
	// which it stands for.
	first, last uint64
}

const (
	maxKeys    = 1 << 17
	numberBits = 22 // of first and last
	maxNumber  = 1<<numberBits - 1
	kindShift  = 2 * numberBits
	keyShift   = kindShift + 2
	// keyed tells the id of a change from a plain one, which has a key of its own.
	keyed = 1 << 63
)

func (c change) id() uint64 {
	return keyed | uint64(c.key)<<keyShift | uint64(c.kind)<<kindShift | c.first<<numberBits | c.last
}

func changeOf(id uint64) (c change, isChange bool) {
	return change{
		key: int(id >> keyShift & (maxKeys - 1)), kind: event.Kind(id >> kindShift & 3),
		first: id >> numberBits & maxNumber, last: id & maxNumber,
	}, id&keyed != 0
}

// identity is what of an id stays the same when other items are merged into it.
func identity(id uint64) uint64 {
	if c, isChange := changeOf(id); isChange {
		return keyed | c.first
	}
	return id
}

// namespaces are those of the keys: each name is in both.
var namespaces = [2]string{"default", "kube-system"}

// keyOf returns the key of an item. Neighbours differ in the namespace only.
func keyOf(id uint64) event.Key {
	if c, isChange := changeOf(id); isChange {
		if names := firstNames(); c.key/2 < len(names) {
			return event.Key{Namespace: namespaces[c.key&1], Name: names[c.key/2]}
		}
		return event.Key{Namespace: namespaces[c.key&1], Name: longName(c.key / 2)}
	}
	return event.Key{Namespace: namespaces[id&1], Name: strconv.FormatUint(id/2, 10)}
}

// maxName is how long a name can be in Kubernetes, numberLen how much of a long
// name tells it from others.
const (
	maxName   = 253
	numberLen = 5
)

// numberAt is where long names have their number: at the end, where they begin,
// and between.
var numberAt = [...]int{maxName - numberLen, 0, 120, 60, 200, 30, 90}

// firstNames returns the long names that most checks need.
var firstNames = sync.OnceValue(func() []string {
	names := make([]string, 128)
	for n := range names {
		names[n] = longName(n)
	}
	return names
})

// longName returns name number n, below 100,000. Names differ in at most ten
// places, which is in the last one if the numbers differ by 1 and the first is
// even.
func longName(n int) string {
	name := []byte(strings.Repeat("x", maxName))
	at := numberAt[n/2%len(numberAt)]
	for k := at + numberLen - 1; k >= at; k-- {
		name[k] = '0' + byte(n%10)
		n /= 10
	}
	return string(name)
}

// merged is what the suite lets become of two items of a key. It has all the
// outcomes: an add that is deleted was nothing, a mark is kept, as are two plain
// items, and else the result stands for both. Items of different keys never
// reach a sound buffer's Merge: next is lost then, so that all laws see it.
func merged(pending, next uint64) (uint64, buffer.Outcome) {
	p, changes := changeOf(pending)
	n, _ := changeOf(next)
	switch {
	case p.key != n.key || !changes && pending != next:
		return pending, buffer.Merged
	case !changes || p.kind == 0 || n.kind == 0:
		return 0, buffer.Keep
	case p.kind == event.Add && n.kind == event.Delete:
		return 0, buffer.Cancel
	case p.kind == event.Delete && n.kind != event.Delete:
		p.kind = event.Update
	case n.kind == event.Delete:
		p.kind = event.Delete
	}
	p.last = n.last
	return p.id(), buffer.Merged
}

// name is an id for messages.
func name(id uint64) string {
	c, isChange := changeOf(id)
	switch {
	case !isChange && producerOf(id) == 0:
		return strconv.FormatUint(id, 10)
	case !isChange:
		return fmt.Sprintf("%d of producer %d", uint32(id), producerOf(id))
	case c.first == 0: // an identity
		return fmt.Sprintf("change %d", c.last)
	}
	kind := "mark"
	if c.kind != 0 {
		kind = c.kind.String()
	}
	if c.first == c.last {
		return fmt.Sprintf("%s %d (key %d)", kind, c.first, c.key)
	}
	return fmt.Sprintf("%s %d..%d (key %d)", kind, c.first, c.last, c.key)
}

func names(ids []uint64) []string {
	names := make([]string, len(ids))
	for k, id := range ids {
		names[k] = name(id)
	}
	return names
}

// Plain items of several producers are numbered per producer.
const producerShift = 32

func producerOf(id uint64) uint64 { return id >> producerShift }

// edges are the sizes of batches that come before, at and after the sizes at
// which rings wrap, chunks end and storage grows.
var edges = []int{0, 1, 2, 3, 7, 8, 9, 127, 128, 129, 1023, 1024, 1025}

// sizes returns sizes of all magnitudes from above least to above most: for each
// doubling one just beyond it, and one at random before the next.
func (s subject[T]) sizes(least, most int) (sizes []int) {
	rng := rand.New(rand.NewPCG(s.seed, 11))
	for n := least; n <= most; n *= 2 {
		sizes = append(sizes, n+1, n+2+rng.IntN(n))
	}
	return sizes
}

// mostly returns an edge, small ones more often.
func mostly(rng *rand.Rand) int {
	return edges[min(rng.IntN(len(edges)), rng.IntN(len(edges)))]
}
