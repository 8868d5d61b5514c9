package buffer

import "sync"

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
}

// Locked is a Buffer made of a Store, a mutex and a condition: the shortest way
// to a new lossless variant. It promises what the Store promises of order and
// memory, takes any number of producers, and never blocks a push for longer
// than the Store works.
//
//	Push ──▶ [ mutex: Store ] ──▶ Pop
//	   └─ signals only if Pop waits
type Locked[T any] struct {
	params Params[T]

	mu      sync.Mutex
	arrived sync.Cond // the one consumer waits here, for an item or for Close
	store   Store[T]
	closed  bool
	// waiting is set by the consumer before it waits and cleared by whoever
	// wakes it, so that a busy consumer costs the producers no signal and a
	// sleeping one costs them exactly one.
	waiting bool
}

// NewLocked returns a buffer over the store, which belongs to it from now on.
func NewLocked[T any](store Store[T], p Params[T]) *Locked[T] {
	l := &Locked[T]{params: p, store: store}
	l.arrived.L = &l.mu
	return l
}

// Push implements Buffer.
func (l *Locked[T]) Push(items []T) {
	if len(items) == 0 {
		return
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		l.params.Discarded(items, Closed)
		return
	}
	l.store.Push(items)
	l.unlockAndWake()
}

// Pop implements Buffer.
func (l *Locked[T]) Pop(dst []T) int {
	mustHaveRoom(dst)
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.store.Len() == 0 {
		if l.closed {
			return 0
		}
		l.waiting = true
		l.arrived.Wait()
	}
	return l.store.Pop(dst)
}

// Close implements Buffer.
func (l *Locked[T]) Close() {
	l.mu.Lock()
	l.closed = true
	l.unlockAndWake()
}

// Len implements Buffer. It is exact at the moment it is taken.
func (l *Locked[T]) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.store.Len()
}

// unlockAndWake ends a change that the consumer may be waiting for. The signal
// comes after the unlock: the woken consumer would only run into the lock.
func (l *Locked[T]) unlockAndWake() {
	wake := l.waiting
	l.waiting = false
	l.mu.Unlock()
	if wake {
		l.arrived.Signal()
	}
}

// mustHaveRoom panics if dst is empty: the 0 that Pop would have to return
// means something else.
func mustHaveRoom[T any](dst []T) {
	if len(dst) == 0 {
		panic("buffer: Pop: empty dst")
	}
}

var _ Buffer[int] = (*Locked[int])(nil)
