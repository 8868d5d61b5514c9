package variants_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/core/processor"
	"informerlab/variants"
)

// A state is one state of an object; its version is unique. As large as a small
// real object, it makes the heap of a soak that of its cache.
type state struct {
	name    string
	version int
	_       [512]byte
}

func (s *state) GetNamespace() string       { return "n" }
func (s *state) GetName() string            { return s.name }
func (s *state) GetResourceVersion() string { return fmt.Sprint(s.version) }

// A shop is a cache of objects that come and go, most of them under names that
// never return, and a processor that publishes the changes.
type shop struct {
	processor *processor.Processor
	cache     map[event.Key]*state
	keys      []event.Key // of cache
	rng       *rand.Rand
	version   int
	batch     []event.Notification
}

func newShop(rng *rand.Rand, fanout func() processor.Fanout) *shop {
	s := &shop{cache: map[event.Key]*state{}, rng: rng}
	s.processor = processor.New(processor.Options{Fanout: fanout, Cache: func(key event.Key) (event.Object, bool) {
		o, cached := s.cache[key]
		return o, cached
	}})
	return s
}

// write adds or updates an object.
func (s *shop) write(key event.Key) {
	s.version++
	o := &state{name: key.Name, version: s.version}
	n := event.Notification{New: o, Kind: event.Add}
	if old, cached := s.cache[key]; cached {
		n.Old, n.Kind = old, event.Update
	} else {
		s.keys = append(s.keys, key)
	}
	s.cache[key] = o
	s.batch = append(s.batch, n)
}

// remove deletes the object with that index.
func (s *shop) remove(i int) {
	key := s.keys[i]
	s.keys[i] = s.keys[len(s.keys)-1]
	s.keys = s.keys[:len(s.keys)-1]
	s.batch = append(s.batch, event.Notification{Old: s.cache[key], Kind: event.Delete})
	delete(s.cache, key)
}

// change makes n random changes, keeping about that many objects alive.
func (s *shop) change(n, alive int) {
	for range n {
		switch {
		case s.rng.IntN(3) == 0 && len(s.keys) > 0:
			s.write(s.keys[s.rng.IntN(len(s.keys))])
		case s.rng.IntN(2*alive) < len(s.keys):
			s.remove(s.rng.IntN(len(s.keys)))
		case s.rng.IntN(4) == 0: // a name that returns
			s.write(event.Key{Namespace: "n", Name: fmt.Sprint("again-", s.rng.IntN(alive))})
		default:
			s.write(event.Key{Namespace: "n", Name: fmt.Sprint("once-", s.version)})
		}
	}
}

// relist replaces a part of the cache at once; resync publishes all of it again.
func (s *shop) relist(alive int) {
	for i := len(s.keys) - 1; i >= 0; i-- {
		if s.rng.IntN(2) == 0 {
			s.remove(i)
		}
	}
	s.change(alive, alive)
}

func (s *shop) resync() {
	s.processor.ShouldResync()
	for _, key := range s.keys {
		o := s.cache[key]
		s.batch = append(s.batch, event.Notification{Old: o, New: o, Kind: event.Update, Round: 1})
	}
}

// publish makes changes and publishes them in batches of at most that size.
func (s *shop) publish(size int, changes ...func()) {
	s.processor.Do(func(publish func([]event.Notification)) {
		for _, change := range changes {
			change()
			for rest := s.batch; len(rest) > 0; rest = rest[min(size, len(rest)):] {
				publish(rest[:min(size, len(rest))])
			}
			s.batch = s.batch[:0]
		}
	})
}

// A shopper is a handler that knows what it was told.
type shopper struct {
	t      *testing.T
	during func()
	mu     sync.Mutex
	knows  map[event.Key]*state
	healed []event.Key // that it is being told
}

func (h *shopper) told(old, now event.Object) {
	h.mu.Lock()
	object := now
	if now == nil {
		object = old
	}
	key := event.KeyOf(object)
	known := h.knows[key]
	switch {
	case old == nil && known != nil:
		h.t.Errorf("add of %s at %s: it was told %s last", key, now.GetResourceVersion(), known.GetResourceVersion())
	case old != nil && known == nil:
		h.t.Errorf("%s at %s: it knows of none", key, object.GetResourceVersion())
	case now != nil && known != nil && now.(*state).version < known.version:
		h.t.Errorf("%s goes back from %d to %s", key, known.version, now.GetResourceVersion())
	case now != nil && old != nil && old.(*state) != known:
		h.t.Errorf("update of %s from %s: it was told %d last", key, old.GetResourceVersion(), known.version)
	}
	if now == nil {
		delete(h.knows, key)
	} else {
		h.knows[key] = now.(*state)
	}
	h.mu.Unlock()
	h.during()
}

func (h *shopper) OnAdd(o event.Object, _ bool)    { h.told(nil, o) }
func (h *shopper) OnUpdate(old, o event.Object)    { h.told(old, o) }
func (h *shopper) OnDelete(o event.Object, _ bool) { h.told(o, nil) }

func (h *shopper) OnGap(keys []event.Key) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.healed = slices.Clone(keys)
}

// A glass is a buffer that can be looked into.
type glass struct {
	buffer.Buffer[event.Notification]
	most    int // notifications per Pop
	mu      sync.Mutex
	pending map[event.Key]int
	hand    []event.Key
}

func (g *glass) note(n *event.Notification, by int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := event.KeyOf(n.Object())
	if g.pending[key] += by; g.pending[key] == 0 {
		delete(g.pending, key)
	}
}

func (g *glass) Push(items []event.Notification) {
	for i := range items {
		g.note(&items[i], 1)
	}
	g.Buffer.Push(items)
}

func (g *glass) Pop(dst []event.Notification) int {
	n := g.Buffer.Pop(dst[:min(len(dst), g.most)])
	for i := range n {
		g.note(&dst[i], -1)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hand = g.hand[:0]
	for i := range n {
		g.hand = append(g.hand, event.KeyOf(dst[i].Object()))
	}
	return n
}

// allowed returns how many gaps a listener may have: one for each cached key, for
// each key of which a notification or a healing call is pending or in hand, and for
// each deleted key whose deletion the handler has not been told.
func (s *shop) allowed(g *glass, h *shopper) int {
	keys := map[event.Key]struct{}{}
	for key := range s.cache {
		keys[key] = struct{}{}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for key := range g.pending {
		keys[key] = struct{}{}
	}
	for _, key := range g.hand {
		keys[key] = struct{}{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for key := range h.knows {
		keys[key] = struct{}{}
	}
	for _, key := range h.healed {
		keys[key] = struct{}{}
	}
	return len(keys)
}

// differs says where what a handler knows differs from the cache. Nothing may move.
func (s *shop) differs(h *shopper) error {
	for key, o := range s.cache {
		if h.knows[key] != o {
			return fmt.Errorf("the cache has %s at %d, the handler does not know it", key, o.version)
		}
	}
	if len(h.knows) > len(s.cache) {
		return fmt.Errorf("the handler knows %d objects, the cache has %d", len(h.knows), len(s.cache))
	}
	return nil
}

// TestHealingIsBounded: whatever overload, names that never return, stuck
// handlers, relists and resyncs do, a listener remembers no more keys than its
// package promises, the handler is only told what fits to what it knows, and it
// ends at the cache's state.
func TestHealingIsBounded(t *testing.T) {
	seeds := uint64(40)
	if testing.Short() {
		seeds = 1
	}
	for _, spec := range []string{"drop-oldest", "drop-newest", "block-timeout,timeout=3ms"} {
		for _, capacity := range []int{1, 3, 64, 300} {
			for seed := range seeds {
				name := fmt.Sprintf("bounded:%s,cap=%d", spec, capacity)
				t.Run(fmt.Sprintf("%s/seed=%d", name, seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { healingIsBounded(t, name, seed) })
				})
			}
		}
	}
}

func healingIsBounded(t *testing.T, name string, seed uint64) {
	rng, pace := rand.New(rand.NewPCG(seed, 2)), rand.New(rand.NewPCG(seed, 3))
	v, err := variants.Find[event.Notification](name)
	require.NoError(t, err)
	g := &glass{pending: map[event.Key]int{}, most: []int{1, 5, 128}[rng.IntN(3)]}
	newGlass := func(p buffer.Params[event.Notification]) buffer.Buffer[event.Notification] {
		discard := p.Discard
		p.Discard = func(n event.Notification, why buffer.Reason) {
			g.note(&n, -1)
			discard(n, why)
		}
		g.Buffer = v.New(p)
		return g
	}
	s := newShop(rng, processor.PerListener(newGlass))
	h := &shopper{t: t, knows: map[event.Key]*state{}, during: func() {
		wait := time.Duration(pace.IntN(3)) * time.Millisecond
		if pace.IntN(100) == 0 {
			wait = time.Second // stuck for long
		}
		time.Sleep(wait)
	}}
	l, err := s.processor.Add(h, processor.ListenerOptions{Resync: time.Second}, nil)
	require.NoError(t, err)
	s.processor.Start(t.Context())
	alive := 1 + rng.IntN(100)
	for step := range 150 {
		size := 1 + rng.IntN(100)
		s.publish(size, func() {
			switch rng.IntN(30) {
			case 0:
				s.relist(alive)
			case 1:
				s.resync()
			default:
				s.change(rng.IntN(200), alive)
			}
		}, func() { s.change(rng.IntN(3)*rng.IntN(20), alive) })
		synctest.Wait()
		if tracked, allowed := l.Stats().Tracked, s.allowed(g, h); tracked > uint64(allowed) {
			t.Errorf("step %d: %d gaps, allowed are %d", step, tracked, allowed)
			break
		}
		time.Sleep(time.Duration(rng.IntN(100)) * time.Millisecond)
	}
	time.Sleep(time.Hour)
	synctest.Wait()
	assert.NoError(t, s.differs(h))
	assert.NoError(t, l.Stats().Check())
	assert.Zero(t, l.Stats().Tracked)
	s.processor.Stop()
}

// TestHealingDoesNotWaitForAPublisher: after a handler has stalled once, a
// publisher that then holds the publish lock for long, waiting for room in that
// listener's buffer, and a healing listener do not wait for each other.
func TestHealingDoesNotWaitForAPublisher(t *testing.T) {
	for _, capacity := range []int{1, 100, 1024} {
		for _, timeout := range []time.Duration{100 * time.Millisecond, time.Hour} {
			spec := fmt.Sprintf("bounded:block-timeout,cap=%d,timeout=%s", capacity, timeout)
			t.Run(spec, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { stallOnce(t, spec, capacity, timeout) })
			})
		}
	}
}

func stallOnce(t *testing.T, spec string, capacity int, timeout time.Duration) {
	const stall = 300 * time.Millisecond
	fanout, _, err := variants.Fanout(spec)
	require.NoError(t, err)
	s := newShop(rand.New(rand.NewPCG(1, 0)), fanout)
	calls := 0
	h := &shopper{t: t, knows: map[event.Key]*state{}, during: func() {
		if calls++; calls == 1 {
			time.Sleep(stall)
		}
		time.Sleep(time.Microsecond)
	}}
	l, err := s.processor.Add(h, processor.ListenerOptions{}, nil)
	require.NoError(t, err)
	s.processor.Start(t.Context())
	overflow := func() uint64 { return l.Stats().Discarded[buffer.Overflow] }
	fresh := func(n int) func() {
		return func() {
			for range n {
				s.write(event.Key{Namespace: "n", Name: fmt.Sprint(s.version)})
			}
		}
	}
	began := time.Now()
	s.publish(1000, fresh(2*capacity+200))
	if timeout < stall {
		require.NotZero(t, overflow(), "some are lost during the stall")
	}
	lost := overflow()
	time.Sleep(stall + 150*time.Microsecond - time.Since(began))
	resumed := time.Now()
	s.publish(1000, fresh(20_000))
	assert.Less(t, time.Since(resumed), time.Second)
	time.Sleep(2 * timeout)
	synctest.Wait()
	assert.Equal(t, lost, overflow(), "the handler keeps up")
	assert.NoError(t, s.differs(h))
	s.processor.Stop()
}
