package variants_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/core/processor"
)

// A wild buffer keeps the laws of buffers that may lose, and is as unpleasant beside
// them as it can be.
type wild struct {
	bell    buffer.Bell
	p       buffer.Params[event.Notification]
	evicts  bool // else it rejects
	cap     int
	waiting []event.Notification
	telling bool
	told    chan struct{}
	slow    bool
	block   bool
	room    chan struct{}
}

func (b *wild) Push(items []event.Notification) {
	for b.block {
		b.bell.Lock()
		if b.bell.Closed() || len(b.waiting)+len(items) <= b.cap || len(b.waiting) == 0 {
			break
		}
		b.bell.Unlock()
		select {
		case <-b.room:
		case <-time.After(time.Second): // also for Close
		}
	}
	if !b.block {
		b.bell.Lock()
	}
	if b.bell.Closed() {
		b.bell.Unlock()
		b.p.Discarded(items, buffer.Closed)
		return
	}
	if b.block {
		b.waiting = append(b.waiting, items...)
		b.bell.UnlockAndRing()
		return
	}
	var lost []event.Notification
	if b.evicts {
		all := append(append([]event.Notification{}, b.waiting...), items...)
		n := max(0, len(all)-b.cap)
		lost, b.waiting = append(lost, all[:n]...), append([]event.Notification{}, all[n:]...)
	} else {
		fits := min(len(items), max(0, b.cap-len(b.waiting)))
		if rand.IntN(10) == 0 { // rejects without need
			fits = rand.IntN(fits + 1)
			if fits == 0 && len(b.waiting) == 0 {
				fits = 1
			}
		}
		b.waiting = append(b.waiting, items[:fits]...)
		lost = append(lost, items[fits:]...)
	}
	b.telling = true
	b.bell.Unlock()
	slow := b.slow && len(lost) > 0 && rand.IntN(20) == 0
	for i, n := range lost {
		if slow && i%7 == 0 {
			time.Sleep(time.Millisecond)
		}
		b.p.Discard(n, buffer.Overflow)
	}
	b.bell.Lock()
	b.telling = false
	select {
	case b.told <- struct{}{}:
	default:
	}
	b.bell.UnlockAndRing()
}

func (b *wild) Pop(dst []event.Notification) int {
	b.bell.Lock()
	for len(b.waiting) == 0 || b.telling {
		if b.telling {
			b.bell.Unlock()
			<-b.told
			b.bell.Lock()
			continue
		}
		if !b.bell.Wait() {
			b.bell.Unlock()
			return 0
		}
	}
	n := copy(dst, b.waiting)
	b.waiting = append([]event.Notification{}, b.waiting[n:]...)
	wait := b.slow && rand.IntN(10) == 0
	b.bell.Unlock()
	select {
	case b.room <- struct{}{}:
	default:
	}
	if wait {
		time.Sleep(20 * time.Millisecond) // taken, and not yet returned
	}
	return n
}

func (b *wild) Close() { b.bell.Close() }

func (b *wild) Len() int {
	b.bell.Lock()
	defer b.bell.Unlock()
	return len(b.waiting)
}

// A panicky handler panics now and then.
type panicky struct{ *shopper }

func (h panicky) maybe() {
	if rand.IntN(50) == 0 {
		panic("now and then")
	}
}
func (h panicky) OnAdd(o event.Object, i bool)    { h.shopper.OnAdd(o, i); h.maybe() }
func (h panicky) OnUpdate(old, o event.Object)    { h.shopper.OnUpdate(old, o); h.maybe() }
func (h panicky) OnDelete(o event.Object, u bool) { h.shopper.OnDelete(o, u); h.maybe() }
func (h panicky) OnGap(keys []event.Key)          { h.shopper.OnGap(keys); h.maybe() }

// TestWildBuffers heals over buffers that only keep the laws, with handlers that
// join, leave and panic, and several writes in one change.
func TestWildBuffers(t *testing.T) {
	seeds := uint64(40)
	if testing.Short() {
		seeds = 3
	}
	for _, evicts := range []bool{true, false} {
		for seed := range seeds {
			t.Run(fmt.Sprintf("evicts=%t/seed=%d", evicts, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { wildBuffers(t, evicts, seed) })
			})
		}
	}
}

// A wildShop is a shop with handlers behind wild buffers.
type wildShop struct {
	*shop
	t        *testing.T
	rng      *rand.Rand
	evicts   bool
	blocking bool // the next buffer blocks
	clients  []*wildClient
}

type wildClient struct {
	glass   *glass
	handler *shopper
	l       *processor.Listener
	removed bool
	// moving: its buffer may be in the middle of something when all goroutines
	// wait, so that nothing is exact.
	moving bool
}

func newWildShop(t *testing.T, evicts bool, seed uint64) *wildShop {
	rng := rand.New(rand.NewPCG(seed, 7))
	w := &wildShop{shop: newShop(rng, nil), t: t, rng: rng, evicts: evicts}
	w.processor = processor.New(processor.Options{
		Fanout: processor.PerListener(w.newBuffer), OnStop: processor.OnStop(rng.IntN(2)), CheckPeriod: time.Second,
		Panic:  processor.PanicPolicy{Recover: true, Pause: 10 * time.Millisecond, Hold: rng.IntN(2) == 0},
		Logger: slog.New(slog.DiscardHandler),
		Cache: func(key event.Key) (event.Object, bool) {
			o, cached := w.cache[key]
			return o, cached
		},
	})
	w.processor.Start(t.Context())
	return w
}

// newBuffer makes the buffer of the client that joins.
func (w *wildShop) newBuffer(p buffer.Params[event.Notification]) buffer.Buffer[event.Notification] {
	c := w.clients[len(w.clients)-1]
	discard := p.Discard
	p.Discard = func(n event.Notification, why buffer.Reason) {
		c.glass.note(&n, -1)
		discard(n, why)
	}
	slow := w.rng.IntN(2) == 0
	c.moving = slow || w.blocking
	c.glass.Buffer = &wild{
		p: p, evicts: w.evicts, cap: []int{1, 2, 5, 40, 200}[w.rng.IntN(5)], slow: slow,
		block: w.blocking, told: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
	return c.glass
}

func (w *wildShop) join() {
	c := &wildClient{glass: &glass{pending: map[event.Key]int{}, most: []int{1, 5, 128}[w.rng.IntN(3)]}}
	c.handler = &shopper{t: w.t, knows: map[event.Key]*state{}, during: func() {
		wait := time.Duration(rand.IntN(3)) * time.Millisecond
		if rand.IntN(100) == 0 {
			wait = time.Second
		}
		time.Sleep(wait)
	}}
	w.clients = append(w.clients, c)
	var o processor.ListenerOptions
	if w.rng.IntN(2) == 0 {
		o.Resync = time.Second
	}
	var err error
	c.l, err = w.processor.Add(panicky{c.handler}, o, func(yield func(event.Object) bool) {
		for _, key := range w.keys {
			if !yield(w.cache[key]) {
				return
			}
		}
	})
	require.NoError(w.t, err)
}

// step makes a change of several writes, each published before the next.
func (w *wildShop) step(alive int) {
	if w.rng.IntN(20) == 0 {
		w.processor.ShouldResync()
	}
	few := func() { w.change(w.rng.IntN(3)*w.rng.IntN(20), alive) }
	w.publish(1+w.rng.IntN(100), func() {
		switch w.rng.IntN(20) {
		case 0:
			w.relist(alive)
		case 1:
			w.resync()
		case 2:
			w.change(w.rng.IntN(20), alive)
			w.resync()
		default:
			w.change(w.rng.IntN(100), alive)
		}
	}, few, few)
}

// check compares the accounts and the gaps of clients that are exact now. One that
// blocks the publisher keeps the gaps of the others from being counted.
func (w *wildShop) check() {
	for k, c := range w.clients {
		if c.removed || c.moving {
			continue
		}
		s := c.l.Stats()
		if err := s.Check(); err != nil {
			w.t.Errorf("client %d: %v", k, err)
		}
		if allowed := w.allowed(c.glass, c.handler); s.Tracked > uint64(allowed) && !w.clients[1].moving {
			w.t.Errorf("client %d: %d gaps, allowed are %d", k, s.Tracked, allowed)
		}
	}
}

func wildBuffers(t *testing.T, evicts bool, seed uint64) {
	w := newWildShop(t, evicts, seed)
	w.join()
	w.blocking = w.rng.IntN(2) == 0
	w.join()
	w.blocking = false
	alive := 1 + w.rng.IntN(60)
	for range 120 {
		w.step(alive)
		synctest.Wait()
		w.check()
		if w.rng.IntN(30) == 0 && len(w.clients) < 6 {
			w.join()
		}
		if w.rng.IntN(60) == 0 {
			c := w.clients[w.rng.IntN(len(w.clients))]
			c.removed = true
			w.processor.Remove(c.l)
		}
		time.Sleep(time.Duration(w.rng.IntN(100)) * time.Millisecond)
	}
	time.Sleep(time.Hour)
	synctest.Wait()
	for k, c := range w.clients {
		if c.removed {
			continue
		}
		assert.NoError(t, w.differs(c.handler), "client %d", k)
		assert.NoError(t, c.l.Stats().Check(), "client %d", k)
		if tracked, allowed := c.l.Stats().Tracked, w.allowed(c.glass, c.handler); tracked > uint64(allowed) {
			t.Errorf("client %d: %d gaps at the end, allowed are %d", k, tracked, allowed)
		}
	}
	w.processor.Stop()
}
