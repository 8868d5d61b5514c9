package processor

import (
	"container/list"
	"sync"

	"go.uber.org/atomic"
)

// A turnLock is a mutex that is handed over in the order of arrival and waits on
// channels, so that a goroutine that waits for a long time is idle also in a
// testing/synctest bubble. The zero turnLock is free. Free, it costs one atomic
// operation to enter and one to leave.
type turnLock struct {
	state   atomic.Int32 // free, held or contended
	mu      sync.Mutex   // guards waiting; held for a few instructions only
	waiting []chan struct{}
}

const (
	free      = iota
	held      // nobody waits
	contended // somebody may wait: leave has to look
)

// enter takes the lock when all who came before have had it.
func (l *turnLock) enter() {
	if turn := l.reserve(); turn != nil {
		<-turn
	}
}

// reserve takes the lock if it is free, and returns nil, or takes a place behind all
// who came before, and returns the channel that is closed when the lock is handed
// over. Whoever waits for that may be another goroutine.
func (l *turnLock) reserve() (turn chan struct{}) {
	if l.tryEnter() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.Swap(contended) == free {
		return nil
	}
	turn = make(chan struct{})
	l.waiting = append(l.waiting, turn)
	return turn
}

// tryEnter takes the lock if it is free.
func (l *turnLock) tryEnter() bool { return l.state.CompareAndSwap(free, held) }

// leave hands the lock to the goroutine that has waited longest, or frees it.
func (l *turnLock) leave() {
	if l.state.CompareAndSwap(held, free) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.state.Store(free)
		return
	}
	close(l.waiting[0])
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
}

// joinsPerHold is how many joins are served under one hold of the publish lock. A
// publisher therefore waits for at most that many replays, and the n-th join in the
// queue for n/joinsPerHold holds by the server, before each of which everyone who
// contends for the lock has it once at most.
const joinsPerHold = 8

// A publishLock is the lock under which notifications are published, together
// with the joins that wait for it. Its rules:
//
//   - It goes to publishers and to the server of joins in the order of arrival. A
//     publisher that a full buffer blocks holds it for as long as that lasts.
//   - A join runs on its caller's goroutine if the lock is free. Otherwise it is
//     queued and its caller goes on: no caller waits for a publisher, and none runs
//     the joins of others.
//   - Queued joins run on one server goroutine, which exists while there are any,
//     oldest first, and at most joinsPerHold of them under one hold. Its place in the
//     order of arrival is that of the first of them.
//   - A join can be cancelled until it runs, and none runs after close.
type publishLock struct {
	turnLock
	mu      sync.Mutex    // guards the rest; held for a few instructions only
	joins   list.List     // of *pendingJoin, oldest first
	serving chan struct{} // closed when the server ends; nil = there is none
	closed  bool
}

// A pendingJoin is work to be done once under the publish lock. It is reserved for one
// lock by the first call of publishLock.join.
type pendingJoin struct {
	run    func()
	queued *list.Element // nil = not queued; guarded by publishLock.mu
}

// join runs j under the lock: before it returns if the lock is free, otherwise
// later on the server's goroutine. After close it does nothing.
func (p *publishLock) join(j *pendingJoin) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	if p.serving == nil && p.tryEnter() {
		p.mu.Unlock()
		defer p.leave()
		j.run()
		return
	}
	defer p.mu.Unlock()
	j.queued = p.joins.PushBack(j)
	if p.serving == nil {
		p.serving = make(chan struct{})
		go p.serve(p.reserve(), p.serving)
	}
}

// cancel keeps a queued join from running. It does nothing to one that runs or
// has run.
func (p *publishLock) cancel(j *pendingJoin) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if j.queued != nil {
		p.joins.Remove(j.queued)
		j.queued = nil
	}
}

// serve runs queued joins, when its turn comes, until none is left.
func (p *publishLock) serve(turn, ended chan struct{}) {
	defer close(ended)
	for {
		if turn != nil {
			<-turn
		}
		for range joinsPerHold {
			j := p.next()
			if j == nil {
				break
			}
			j.run()
		}
		p.mu.Lock()
		if p.joins.Len() == 0 {
			p.serving = nil
			p.mu.Unlock()
			p.leave()
			return
		}
		turn = p.reserve()
		p.mu.Unlock()
		p.leave()
	}
}

// next takes the oldest queued join, or returns nil.
func (p *publishLock) next() *pendingJoin {
	p.mu.Lock()
	defer p.mu.Unlock()
	front := p.joins.Front()
	if front == nil {
		return nil
	}
	j := p.joins.Remove(front).(*pendingJoin)
	j.queued = nil
	return j
}

// close cancels all queued joins, refuses later ones, and waits until the server
// has ended.
func (p *publishLock) close() {
	p.mu.Lock()
	p.closed = true
	for e := p.joins.Front(); e != nil; e = p.joins.Front() {
		p.joins.Remove(e).(*pendingJoin).queued = nil
	}
	serving := p.serving
	p.mu.Unlock()
	if serving != nil {
		<-serving
	}
}
