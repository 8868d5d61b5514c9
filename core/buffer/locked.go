package buffer

// A Store is passive storage that Locked turns into a Buffer. It is called
// under one lock, so it needs none of its own, and must not block.
type Store[T any] interface {
	// Push takes the items, oldest first, and copies what it keeps.
	Push(items []T)
	// Pop moves the oldest items into dst and returns their number, which is
	// 0 only if Len is 0. It keeps no reference to them and writes nothing
	// beyond them. dst is not empty.
	Pop(dst []T) int
	// Len returns the number of items held.
	Len() int
	// Bytes returns the memory that it has allocated for items, used or not.
	Bytes() int
}

// Locked is a Buffer made of a Store and a Bell: the shortest way to a new
// lossless variant. It promises what the Store promises of order and memory,
// takes any number of producers, and never blocks a push for longer than the
// Store works.
//
//	Push ──▶ [ mutex: Store ] ──▶ Pop
//	   └─ signals only if Pop waits
type Locked[T any] struct {
	params    Params[T]
	bell      Bell
	store     Store[T] // guarded by bell, as is what follows
	highWater int
}

// NewLocked returns a buffer over the store, which belongs to it from now on.
func NewLocked[T any](store Store[T], p Params[T]) *Locked[T] {
	return &Locked[T]{params: p, store: store}
}

// Push implements Buffer.
func (l *Locked[T]) Push(items []T) {
	if len(items) == 0 {
		return
	}
	l.bell.Lock()
	if l.bell.Closed() {
		l.bell.Unlock()
		l.params.Discarded(items, Closed)
		return
	}
	l.store.Push(items)
	l.highWater = max(l.highWater, l.store.Len())
	l.bell.UnlockAndRing()
}

// Pop implements Buffer.
func (l *Locked[T]) Pop(dst []T) int {
	mustHaveRoom(dst)
	l.bell.Lock()
	defer l.bell.Unlock()
	for l.store.Len() == 0 {
		if !l.bell.Wait() {
			return 0
		}
	}
	return l.store.Pop(dst)
}

// Close implements Buffer.
func (l *Locked[T]) Close() { l.bell.Close() }

// Len implements Buffer. It is exact at the moment it is taken.
func (l *Locked[T]) Len() int {
	l.bell.Lock()
	defer l.bell.Unlock()
	return l.store.Len()
}

// Gauges implements Gauged.
func (l *Locked[T]) Gauges() Gauges {
	l.bell.Lock()
	defer l.bell.Unlock()
	return Gauges{Bytes: l.store.Bytes(), HighWater: l.highWater, WakeUps: l.bell.WakeUps()}
}

// mustHaveRoom panics if dst is empty: the 0 that Pop would have to return
// means something else.
func mustHaveRoom[T any](dst []T) {
	if len(dst) == 0 {
		panic("buffer: Pop: empty dst")
	}
}

var (
	_ Buffer[int] = (*Locked[int])(nil)
	_ Gauged      = (*Locked[int])(nil)
)
