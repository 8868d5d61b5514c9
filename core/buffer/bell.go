package buffer

import "sync"

// A Bell is the lock of a buffer together with what its one consumer sleeps on.
// The zero Bell is ready for use; it must not be copied. It keeps the two
// promises that are easy to break: a busy consumer costs the producers no
// signal, and a sleeping one costs them exactly one.
//
//	producer   Lock, change, UnlockAndRing
//	consumer   Lock, while there is nothing: Wait, take, Unlock
type Bell struct {
	sync.Mutex
	// rung has room for the one token that a consumer can be owed; made when
	// one first waits. To receive it takes less than to wait for a sync.Cond
	// (BenchmarkWake in bench/micro).
	rung chan struct{}
	// waiting is set by the consumer before it waits and cleared by whoever
	// wakes it.
	waiting bool
	closed  bool
	wakeUps uint64
}

// Wait unlocks, sleeps until the next UnlockAndRing, and locks again. The lock
// must be held, by the one consumer. It returns false, without waiting, once
// Close has been called.
func (b *Bell) Wait() bool {
	if b.closed {
		return false
	}
	if b.rung == nil {
		b.rung = make(chan struct{}, 1)
	}
	rung := b.rung
	b.waiting = true
	b.Mutex.Unlock()
	<-rung
	b.Mutex.Lock()
	return true
}

// UnlockAndRing ends a change that the consumer may be waiting for. The lock
// must be held. The signal comes after the unlock: the woken consumer would
// only run into the lock.
func (b *Bell) UnlockAndRing() {
	wake, rung := b.waiting, b.rung
	if wake {
		b.waiting = false
		b.wakeUps++
	}
	b.Mutex.Unlock()
	if wake {
		rung <- struct{}{}
	}
}

// Close makes Closed true and wakes the consumer. The lock must not be held.
// Any goroutine may call it, more than once.
func (b *Bell) Close() {
	b.Lock()
	b.closed = true
	b.UnlockAndRing()
}

// Closed reports whether Close has been called. The lock must be held.
func (b *Bell) Closed() bool { return b.closed }

// WakeUps returns how often a sleeping consumer was woken. The lock must be held.
func (b *Bell) WakeUps() uint64 { return b.wakeUps }
