package processor

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

// A tight is a plain bounded buffer, whose hook must not come back to it.
type tight struct {
	bell    buffer.Bell
	p       buffer.Params[event.Notification]
	waiting []event.Notification
}

func newTight(capacity int, policy buffer.Policy) func() Fanout {
	return PerListener(func(p buffer.Params[event.Notification]) buffer.Buffer[event.Notification] {
		p.Capacity, p.Policy = capacity, policy
		return &tight{p: p}
	})
}

func (b *tight) Push(items []event.Notification) {
	b.bell.Lock()
	defer b.bell.UnlockAndRing()
	for _, n := range items {
		switch {
		case b.bell.Closed():
			b.p.Discard(n, buffer.Closed)
			continue
		case len(b.waiting) < b.p.Capacity:
		case b.p.Policy == buffer.DropNewest:
			b.p.Discard(n, buffer.Overflow)
			continue
		default:
			b.p.Discard(b.waiting[0], buffer.Overflow)
			b.waiting = b.waiting[1:]
		}
		b.waiting = append(b.waiting, n)
	}
}

func (b *tight) Pop(dst []event.Notification) int {
	b.bell.Lock()
	defer b.bell.Unlock()
	for len(b.waiting) == 0 {
		if !b.bell.Wait() {
			return 0
		}
	}
	n := copy(dst, b.waiting)
	b.waiting = b.waiting[n:]
	return n
}

func (b *tight) Close() { b.bell.Close() }

func (b *tight) Len() int {
	b.bell.Lock()
	defer b.bell.Unlock()
	return len(b.waiting)
}

// A cluster is a cache of things and the only one that changes it. Versions
// grow with every change of any thing.
type cluster struct {
	p       *Processor
	cached  map[event.Key]*thing // under the publish lock
	version int
}

func (c *cluster) get(key event.Key) (event.Object, bool) {
	o, cached := c.cached[key]
	return o, cached
}

// change writes or deletes the named things and publishes that as one batch. A
// name that begins with - is deleted, if it is there; = makes a sync update.
func (c *cluster) change(names ...string) {
	c.p.Do(func(publish func([]event.Notification)) {
		var batch []event.Notification
		for _, name := range names {
			if n, does := c.apply(name); does {
				batch = append(batch, n)
			}
		}
		if len(batch) > 0 {
			publish(batch)
		}
	})
}

func (c *cluster) apply(name string) (n event.Notification, does bool) {
	verb := name[0]
	if verb == '-' || verb == '=' {
		name = name[1:]
	}
	key := event.Key{Namespace: "n", Name: name}
	old, cached := c.cached[key]
	if !cached && (verb == '-' || verb == '=') {
		return n, false
	}
	switch verb {
	case '-':
		delete(c.cached, key)
		return event.Notification{Kind: event.Delete, Old: old}, true
	case '=':
		return event.Notification{Kind: event.Update, Old: old, New: old, Round: 1}, true
	}
	c.version++
	obj := &thing{name, strconv.Itoa(c.version)}
	c.cached[key] = obj
	if !cached {
		return event.Notification{Kind: event.Add, New: obj}, true
	}
	return event.Notification{Kind: event.Update, Old: old, New: obj}, true
}

// newCluster returns a cluster and a started processor over that fan-out, in a
// bubble. The test stops it.
func newCluster(t *testing.T, o Options) *cluster {
	c := &cluster{cached: map[event.Key]*thing{}}
	o.Cache, o.Logger = c.get, slog.New(slog.DiscardHandler)
	c.p = New(o)
	c.p.Start(t.Context())
	return c
}

// A view is a level-driven handler that checks what it is told.
type view struct {
	has    map[string]int // version by name
	during func(call string)
	wrong  []string
	gaps   []event.Key
	told   func(name string, version int) // of each call; version 0 = gone
	came   func(name string)              // of each gap in what it does not have: it may have come and gone
}

func newView() *view { return &view{has: map[string]int{}} }

func versionOf(o event.Object) int {
	v, err := strconv.Atoi(o.GetResourceVersion())
	if err != nil {
		panic(err)
	}
	return v
}

func (v *view) check(ok bool, format string, a ...any) {
	if !ok && len(v.wrong) < 5 {
		v.wrong = append(v.wrong, fmt.Sprintf(format, a...))
	}
}

func (v *view) set(kind string, o event.Object, version int) {
	name := o.GetName()
	if version == 0 {
		delete(v.has, name)
	} else {
		v.check(version >= v.has[name], "%s of %s goes back from %d to %d", kind, name, v.has[name], version)
		v.has[name] = version
	}
	if v.told != nil {
		v.told(name, version)
	}
	if v.during != nil {
		v.during(kind + " " + name)
	}
}

func (v *view) OnAdd(o event.Object, _ bool) {
	had := v.has[o.GetName()]
	v.check(had == 0, "add of %s %d, which it has as %d", o.GetName(), versionOf(o), had)
	v.set("add", o, versionOf(o))
}

func (v *view) OnUpdate(old, o event.Object) {
	had := v.has[o.GetName()]
	v.check(had == versionOf(old), "update of %s from %d to %d, but it was told of %d last",
		o.GetName(), versionOf(old), versionOf(o), had)
	v.set("update", o, versionOf(o))
}

func (v *view) OnDelete(o event.Object, _ bool) {
	had := v.has[o.GetName()]
	v.check(had == versionOf(o), "delete of %s %d, but it was told of %d last", o.GetName(), versionOf(o), had)
	v.set("delete", o, 0)
}

func (v *view) OnGap(keys []event.Key) {
	v.gaps = append(v.gaps, keys...)
	for _, key := range keys {
		if v.has[key.Name] == 0 && v.came != nil {
			v.came(key.Name)
		}
	}
}

// converged checks the view against the cache, when nothing moves.
func (v *view) converged(t *testing.T, c *cluster) {
	t.Helper()
	want := map[string]int{}
	for key, o := range c.cached {
		want[key.Name] = versionOf(o)
	}
	assert.Equal(t, want, v.has)
	assert.Empty(t, v.wrong)
}

// stuck returns a view whose first call waits until go is closed.
func stuck() (v *view, goOn chan struct{}) {
	v, goOn = newView(), make(chan struct{})
	v.during = func(string) { <-goOn }
	return v, goOn
}

func TestHealing(t *testing.T) {
	for _, policy := range []buffer.Policy{buffer.DropNewest, buffer.DropOldest} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, Options{Fanout: newTight(2, policy)})
				v, goOn := stuck()
				l := join(t, c.p, v, ListenerOptions{})
				c.change("a", "b", "c", "d") // some fit
				synctest.Wait()
				c.change("a", "b", "-c", "x", "-x", "a", "e", "=b")
				close(goOn)
				s := stats(t, l)
				v.converged(t, c)
				assert.NotZero(t, s.Healed)
				assert.Zero(t, s.Gaps)
				assert.NotEmpty(t, v.gaps, "the handler hears of the gaps first")
				assert.EqualValues(t, s.Routed, s.Handled+s.Lost())

				for _, name := range []string{"a", "-b", "f"} { // nothing is lost any more
					c.change(name)
					synctest.Wait()
				}
				after := stats(t, l)
				v.converged(t, c)
				assert.Equal(t, s.Healed, after.Healed)
				assert.Equal(t, s.Lost(), after.Lost())
				c.p.Stop()
			})
		})
	}
}

// TestHealingAtTheEnd: what was lost before a drain is told before its end, and
// an abandoned listener makes no call at all.
func TestHealingAtTheEnd(t *testing.T) {
	for onStop, drained := range map[OnStop]bool{Drain: true, Abandon: false} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, Options{Fanout: newTight(1, buffer.DropNewest), OnStop: onStop})
			v, goOn := stuck()
			l := join(t, c.p, v, ListenerOptions{})
			c.change("a")
			synctest.Wait()
			c.change("b", "c", "d")
			c.p.Remove(l)
			close(goOn)
			<-l.Finished()
			if drained {
				v.converged(t, c)
			} else {
				assert.Equal(t, map[string]int{"a": 1}, v.has)
				assert.EqualValues(t, 3, stats(t, l).Gaps+stats(t, l).Discarded[buffer.Closed])
			}
			c.p.Stop()
		})
	}
}

// TestLostInitialAdds: a replay that overflows is synced at once and healed later.
func TestLostInitialAdds(t *testing.T) {
	for _, policy := range []buffer.Policy{buffer.DropNewest, buffer.DropOldest} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, Options{Fanout: newTight(2, policy)})
			names := []string{"a", "b", "c", "d", "e", "f"}
			c.change(names...)
			c.p.UpstreamSynced()
			v, goOn := stuck()
			l, err := c.p.Add(v, ListenerOptions{}, func(yield func(event.Object) bool) {
				for _, name := range names {
					if !yield(c.cached[event.Key{Namespace: "n", Name: name}]) {
						return
					}
				}
			})
			require.NoError(t, err)
			synctest.Wait()
			assert.False(t, l.HasSynced())
			close(goOn)
			<-l.Synced()
			stats(t, l)
			v.converged(t, c)
			c.p.Stop()
		})
	}
}

// TestPanicsWhileHealing: a call that panics is skipped, in OnGap too, and the
// rest is healed.
func TestPanicsWhileHealing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, Options{Fanout: newTight(1, buffer.DropNewest), Panic: SkipAndHold})
		v, goOn := stuck()
		l := join(t, c.p, panickyGaps{v}, ListenerOptions{})
		c.change("a")
		synctest.Wait()
		c.change("b", "c", "d", "e")
		v.during = func(call string) {
			if call == "add c" {
				panic(call)
			}
		}
		close(goOn)
		time.Sleep(time.Minute)
		s := stats(t, l)
		v.converged(t, c)
		assert.EqualValues(t, 3, s.Healed)
		assert.Zero(t, s.Panicked, "it is no notification's")
		c.p.Stop()
	})
}

type panickyGaps struct{ *view }

func (panickyGaps) OnGap([]event.Key) { panic("gap") }

// TestOverload drives a slow handler for ever and checks after each loss that
// the lost key's state arrives within the calls that the package promises.
func TestOverload(t *testing.T) {
	seeds := uint64(12)
	if testing.Short() {
		seeds = 2
	}
	for _, policy := range []buffer.Policy{buffer.DropNewest, buffer.DropOldest} {
		for _, capacity := range []int{1, 2, 7, 64, 300} {
			for seed := range seeds {
				t.Run(fmt.Sprintf("%d/%d/%d", policy, capacity, seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { overload(t, policy, capacity, seed) })
				})
			}
		}
	}
}

// A loss is what a handler is owed for one key: a state of at least that
// version, or none, by that number of calls.
type loss struct{ version, by int }

func overload(t *testing.T, policy buffer.Policy, capacity int, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	var books sync.Mutex // of calls and owed, between publisher and handler
	calls, owed := 0, map[string][]loss{}
	var l *Listener
	fanout := PerListener(func(p buffer.Params[event.Notification]) buffer.Buffer[event.Notification] {
		filed := p.Discard
		p.Capacity, p.Policy = capacity, policy
		p.Discard = func(n event.Notification, why buffer.Reason) {
			l.gaps.mu.Lock()
			told := l.gaps.isOvertaken(event.KeyOf(n.Object()), n.Seq)
			l.gaps.mu.Unlock()
			filed(n, why)
			books.Lock()
			defer books.Unlock()
			if name := n.Object().GetName(); why == buffer.Overflow && !told {
				due := loss{versionOf(n.Object()), calls + 1 + batchSize + capacity + healBatch + l.gaps.len()}
				if earlier := owed[name]; len(earlier) > 0 {
					due.by = max(due.by, earlier[len(earlier)-1].by)
				}
				owed[name] = append(owed[name], due)
			}
		}
		return &tight{p: p}
	})
	c := newCluster(t, Options{Fanout: func() Fanout { return fanout() }})
	v := newView()
	v.told = func(name string, version int) {
		books.Lock()
		defer books.Unlock()
		calls++
		for len(owed[name]) > 0 && (version == 0 || version >= owed[name][0].version) {
			due := owed[name][0]
			v.check(calls <= due.by, "the loss of %s was healed by call %d, due by %d", name, calls, due.by)
			owed[name] = owed[name][1:]
		}
	}
	v.came = func(name string) {
		books.Lock()
		defer books.Unlock()
		delete(owed, name)
	}
	pace := rand.New(rand.NewPCG(seed, 1))
	v.during = func(string) { time.Sleep(time.Duration(pace.IntN(3)) * time.Millisecond) }
	l = join(t, c.p, v, ListenerOptions{})
	keys := 1 + rng.IntN(200)
	for range 300 {
		names := make([]string, rng.IntN(60))
		for i := range names {
			verb := []string{"", "", "", "", "-", "="}[rng.IntN(6)]
			names[i] = verb + strconv.Itoa(rng.IntN(keys))
		}
		c.change(names...)
		time.Sleep(time.Duration(rng.IntN(25)) * time.Millisecond)
	}
	time.Sleep(time.Hour)
	s := stats(t, l)
	v.converged(t, c)
	assert.Zero(t, s.Gaps)
	if keys > 2 {
		assert.NotZero(t, s.Healed)
	}
	assert.Nil(t, l.gaps.waiting, "memory of healed gaps")
	c.p.Stop()
}
