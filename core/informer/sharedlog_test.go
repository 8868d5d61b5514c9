package informer_test

import (
	"iter"
	"maps"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/core/processor"
	"informerlab/core/source"
)

// A sharedLog is a Fanout that stores each notification once for all listeners:
// the plainest one there can be, under one mutex. It is no contestant. It shows
// that the seam bears a fan-out without any buffer per listener.
//
//	Publish ─▶ log:  [ 7 | 8 | 9 | 10 | 11 ]
//	                   ▲       ▲         ▲
//	                   └ trimmed below   └ cursors, one per subscription
type sharedLog struct {
	mu      sync.Mutex
	arrived sync.Cond
	log     []event.Notification
	base    uint64 // position of log[0]; positions count up for ever
	cursors map[*cursor]struct{}
}

// A cursor is one subscription. All is guarded by the log's mutex.
type cursor struct {
	log     *sharedLog
	discard buffer.Discard[event.Notification]
	replay  []event.Notification // comes before the log
	next    uint64               // position of the next notification to look at
	end     uint64               // with closed: the first position that is not for this cursor
	closed  bool
	routed  uint64
	waiting int // in the log, unread and wanted

	// Rounds: before the first Due all were routed here; since then those in due.
	firstDue uint32 // the round of the first Due; 0 = none came yet
	due      map[uint32]bool
}

func newSharedLog() processor.Fanout {
	l := &sharedLog{cursors: map[*cursor]struct{}{}}
	l.arrived.L = &l.mu
	return l
}

func (l *sharedLog) tail() uint64 { return l.base + uint64(len(l.log)) }

func (l *sharedLog) Subscribe(discard buffer.Discard[event.Notification]) processor.Subscription {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &cursor{log: l, discard: discard, next: l.tail(), due: map[uint32]bool{}}
	l.cursors[c] = struct{}{}
	return c
}

func (l *sharedLog) Publish(batch []event.Notification) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log = append(l.log, batch...)
	for c := range l.cursors {
		if c.closed {
			continue
		}
		for i := range batch {
			if c.wants(&batch[i]) {
				c.routed++
				c.waiting++
			}
		}
	}
	l.trim()
	l.arrived.Broadcast()
}

// trim drops what all cursors have passed.
func (l *sharedLog) trim() {
	passed := l.tail()
	for c := range l.cursors {
		passed = min(passed, c.next)
	}
	if n := passed - l.base; n > 0 {
		l.log = append([]event.Notification(nil), l.log[n:]...)
		l.base = passed
	}
}

func (c *cursor) wants(n *event.Notification) bool {
	return n.Round == 0 || c.firstDue == 0 || n.Round < c.firstDue || c.due[n.Round]
}

func (c *cursor) Replay(initial iter.Seq[event.Notification]) {
	for n := range initial {
		c.log.mu.Lock()
		closed := c.closed
		if !closed {
			c.replay = append(c.replay, n)
			c.log.arrived.Broadcast()
		}
		c.log.mu.Unlock()
		if closed {
			c.discard(n, buffer.Closed)
		}
	}
}

func (c *cursor) Pop(dst []event.Notification) int {
	l := c.log
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		n := copy(dst, c.replay)
		c.replay = c.replay[n:]
		n += c.read(dst[n:])
		l.trim()
		if n > 0 {
			return n
		}
		if c.closed {
			delete(l.cursors, c)
			l.trim()
			return 0
		}
		l.arrived.Wait()
	}
}

// read moves what is wanted into dst and the cursor past what is not.
func (c *cursor) read(dst []event.Notification) (n int) {
	limit := c.log.tail()
	if c.closed {
		limit = c.end
	}
	for n < len(dst) && c.next < limit {
		item := &c.log.log[c.next-c.log.base]
		c.next++
		if c.wants(item) {
			dst[n] = *item
			n++
			c.waiting--
		}
		if item.Round != 0 { // rounds come in order: the earlier ones are over
			maps.DeleteFunc(c.due, func(round uint32, _ bool) bool { return round < item.Round })
		}
	}
	return n
}

func (c *cursor) Close() {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	if c.closed {
		return
	}
	c.closed, c.end = true, c.log.tail()
	if c.next == c.end && len(c.replay) == 0 {
		delete(c.log.cursors, c) // perhaps nobody pops any more
	}
	c.log.arrived.Broadcast()
}

func (c *cursor) Len() int {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	return len(c.replay) + c.waiting
}

func (c *cursor) Due(round uint32, due bool) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	if c.firstDue == 0 {
		c.firstDue = round
	}
	if due {
		c.due[round] = true
	}
}

func (c *cursor) Routed() uint64 {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	return c.routed
}

// item returns a notification about an object of the given version, for all or
// for a resync round.
func item(version int, round uint32) event.Notification {
	o := &source.Item{Name: "o", ResourceVersion: strconv.Itoa(version)}
	return event.Notification{Old: o, New: o, Kind: event.Update, Round: round}
}

// take pops the given number of notifications and returns their versions.
func take(sub processor.Subscription, want int) (versions []int) {
	var dst [4]event.Notification
	for len(versions) < want {
		n := sub.Pop(dst[:])
		if n == 0 {
			break
		}
		for _, item := range dst[:n] {
			v, _ := strconv.Atoi(item.New.GetResourceVersion())
			versions = append(versions, v)
		}
	}
	return versions
}

const everything = 1 << 30 // until the subscription is closed and drained

func noDiscard(event.Notification, buffer.Reason) { panic("discarded") }

// Every fan-out must route rounds in the same way, whether the listener is
// quick or far behind.
func TestFanoutsRouteRounds(t *testing.T) {
	for name, newFanout := range fanouts {
		t.Run(name, func(t *testing.T) {
			fanout := newFanout()
			quick, slow := fanout.Subscribe(noDiscard), fanout.Subscribe(noDiscard)
			publish := func(items ...event.Notification) { fanout.Publish(items) }
			publish(item(1, 0), item(2, 1)) // before the first check: everybody
			assert.Equal(t, []int{1, 2}, take(quick, 2))
			quick.Due(2, true)
			slow.Due(2, false)
			publish(item(3, 2), item(4, 0))
			quick.Due(3, false)
			slow.Due(3, true)
			assert.Equal(t, []int{3, 4}, take(quick, 2), "routed under the round in which it was published")
			publish(item(5, 3), item(6, 3), item(7, 0))
			assert.Equal(t, []int{7}, take(quick, 1))
			assert.Zero(t, quick.Len())
			assert.EqualValues(t, 5, quick.Routed())
			assert.Equal(t, 6, slow.Len(), "what is skipped is not waiting")
			assert.EqualValues(t, 6, slow.Routed())
			late := fanout.Subscribe(noDiscard)
			publish(item(8, 3), item(9, 0))
			quick.Close()
			publish(item(10, 0))
			slow.Close()
			late.Close()
			publish(item(11, 0))
			assert.Equal(t, []int{9}, take(quick, everything))
			assert.Equal(t, []int{1, 2, 4, 5, 6, 7, 8, 9, 10}, take(slow, everything))
			assert.Equal(t, []int{8, 9, 10}, take(late, everything), "it has met no check yet")
			for sub, routed := range map[processor.Subscription]int{quick: 6, slow: 9, late: 3} {
				assert.EqualValues(t, routed, sub.Routed())
				assert.Zero(t, sub.Len())
				sub.Close()
				assert.Empty(t, take(sub, everything), "closed and drained for ever")
			}
		})
	}
}

func TestSharedLogIsTrimmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newSharedLog().(*sharedLog)
		quick, slow := log.Subscribe(noDiscard), log.Subscribe(noDiscard)
		for v := range 10 {
			log.Publish([]event.Notification{item(v, 0)})
		}
		assert.Len(t, take(quick, 10), 10)
		assert.Len(t, log.log, 10, "the slow one still needs it")
		assert.Len(t, take(slow, 10), 10)
		assert.Empty(t, log.log)
		quick.Close()
		log.Publish([]event.Notification{item(10, 0), item(11, 0)})
		assert.Len(t, log.log, 2)
		go slow.Close()
		synctest.Wait()
		assert.Equal(t, []int{10, 11}, take(slow, everything), "what was published before the close is drained")
		assert.Empty(t, log.log)
		assert.Empty(t, log.cursors)
	})
}
