package processor_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/core/processor"
	"informerlab/core/processor/processortest"
)

// A tight is a plain bounded buffer, whose hook must not come back to it.
type tight struct {
	bell    buffer.Bell
	p       buffer.Params[event.Notification]
	waiting []event.Notification
}

// A hook changes the Discard hook of a buffer; nil = leaves it as it is.
type hook func(buffer.Discard[event.Notification]) buffer.Discard[event.Notification]

func newTight(capacity int, policy buffer.Policy, h hook) func() processor.Fanout {
	return processor.PerListener(func(p buffer.Params[event.Notification]) buffer.Buffer[event.Notification] {
		p.Capacity, p.Policy = capacity, policy
		if h != nil {
			p.Discard = h(p.Discard)
		}
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

var dropping = map[string]buffer.Policy{"newest": buffer.DropNewest, "oldest": buffer.DropOldest}

// stuck adds a view whose first call waits until goOn is closed.
func stuck(t *testing.T, c *processortest.Cluster) (
	v *processortest.View, l *processor.Listener, goOn chan struct{},
) {
	v, goOn = processortest.NewView(c), make(chan struct{})
	v.During = func(int) { <-goOn }
	l, err := c.Join(v)
	require.NoError(t, err)
	return v, l, goOn
}

// writes are those objects, as changes.
func writes(objects ...int) (all []processortest.Change) {
	for _, object := range objects {
		all = append(all, processortest.Change{Object: object})
	}
	return all
}

// settled returns the account of a listener, when nothing moves.
func settled(t *testing.T, l *processor.Listener) processor.Stats {
	t.Helper()
	synctest.Wait()
	s := l.Stats()
	require.NoError(t, s.Check())
	assert.Zero(t, s.Gaps)
	return s
}

func TestHealing(t *testing.T) {
	for name, policy := range dropping {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := processortest.NewCluster(6, processor.Options{Fanout: newTight(2, policy, nil)})
				c.Processor.Start(t.Context())
				v, l, goOn := stuck(t, c)
				c.Change(false, writes(0, 1, 2, 3)...)
				synctest.Wait()
				c.Change(false, append(writes(0, 1, 4),
					processortest.Change{Object: 4, Verb: processortest.Delete}, // came and went
					processortest.Change{Object: 2, Verb: processortest.Delete},
					processortest.Change{Object: 1, Verb: processortest.Sync})...)
				c.Change(false, writes(5)...)
				close(goOn)
				lossy := settled(t, l)
				assert.NoError(t, c.Err(v))
				assert.NotZero(t, lossy.Healed)
				assert.NotZero(t, v.Gaps(), "the handler hears of the gaps first")
				for object := range 5 { // one at a time: nothing is lost any more
					c.Change(false, writes(object)...)
					synctest.Wait()
				}
				after := settled(t, l)
				assert.NoError(t, c.Err(v))
				assert.Equal(t, lossy.Healed, after.Healed)
				assert.Equal(t, lossy.Lost(), after.Lost())
				c.Processor.Stop()
			})
		})
	}
}

// TestHealingAtTheEnd: what was lost before a drain is told before its end, and
// an abandoned listener makes no call at all.
func TestHealingAtTheEnd(t *testing.T) {
	for _, onStop := range []processor.OnStop{processor.Drain, processor.Abandon} {
		synctest.Test(t, func(t *testing.T) {
			c := processortest.NewCluster(4, processor.Options{
				Fanout: newTight(1, buffer.DropNewest, nil), OnStop: onStop,
			})
			c.Processor.Start(t.Context())
			v, l, goOn := stuck(t, c)
			c.Change(false, writes(0)...)
			synctest.Wait()
			c.Change(false, writes(1, 2, 3)...)
			c.Processor.Remove(l)
			close(goOn)
			<-l.Finished()
			if onStop == processor.Drain {
				assert.NoError(t, c.Err(v))
			} else {
				assert.Equal(t, 1, v.Calls())
				assert.EqualValues(t, 2, l.Stats().Gaps)
			}
			assert.NoError(t, l.Stats().Check())
			c.Processor.Stop()
		})
	}
}

// TestLostInitialAdds: a handler has synced as soon as all of a replay has been
// handled or lost, and hears of the rest too.
func TestLostInitialAdds(t *testing.T) {
	for _, policy := range dropping {
		synctest.Test(t, func(t *testing.T) {
			c := processortest.NewCluster(6, processor.Options{Fanout: newTight(2, policy, nil)})
			c.Processor.Start(t.Context())
			c.Change(true, writes(0, 1, 2, 3, 4, 5)...)
			c.Processor.UpstreamSynced()
			v, l, goOn := stuck(t, c)
			synctest.Wait()
			assert.False(t, l.HasSynced())
			close(goOn)
			<-l.Synced()
			settled(t, l)
			assert.NoError(t, c.Err(v))
			c.Processor.Stop()
		})
	}
}

// TestPanicsWhileHealing: a call that panics is skipped, in OnGap too, and the
// rest is healed.
func TestPanicsWhileHealing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := processortest.NewCluster(5, processor.Options{
			Fanout: newTight(1, buffer.DropNewest, nil), Panic: processor.SkipAndHold,
		})
		c.Processor.Start(t.Context())
		v, goOn := processortest.NewView(c), make(chan struct{})
		v.During = func(calls int) {
			<-goOn
			if calls == 4 {
				panic("the second one healed")
			}
		}
		l, err := c.Join(panickyGaps{v})
		require.NoError(t, err)
		c.Change(false, writes(0)...)
		synctest.Wait()
		c.Change(false, writes(1, 2, 3, 4)...)
		close(goOn)
		time.Sleep(time.Minute)
		s := settled(t, l)
		assert.NoError(t, c.Err(v))
		assert.EqualValues(t, 3, s.Healed)
		assert.Zero(t, s.Panicked, "it is no notification's")
		c.Processor.Stop()
	})
}

type panickyGaps struct{ *processortest.View }

func (panickyGaps) OnGap([]event.Key) { panic("gap") }

// TestOverload drives a slow handler for long and checks after each loss that
// the object's state arrives within the calls that the package promises.
func TestOverload(t *testing.T) {
	seeds := uint64(12)
	if testing.Short() {
		seeds = 2
	}
	for name, policy := range dropping {
		for _, capacity := range []int{1, 2, 7, 64, 300} {
			for seed := range seeds {
				t.Run(fmt.Sprintf("%s/cap=%d/seed=%d", name, capacity, seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { overload(t, policy, capacity, seed) })
				})
			}
		}
	}
}

func overload(t *testing.T, policy buffer.Policy, capacity int, seed uint64) {
	rng, pace := rand.New(rand.NewPCG(seed, 0)), rand.New(rand.NewPCG(seed, 1))
	var l *processor.Listener
	var v *processortest.View
	fanout := newTight(capacity, policy, func(d buffer.Discard[event.Notification]) buffer.Discard[event.Notification] {
		return v.Owe(d, func() int { return processor.WithinCalls(l, capacity) })
	})
	objects := 1 + rng.IntN(200)
	c := processortest.NewCluster(objects, processor.Options{Fanout: fanout})
	v = processortest.NewView(c)
	v.During = func(int) { time.Sleep(time.Duration(pace.IntN(3)) * time.Millisecond) }
	l, err := c.Join(v)
	require.NoError(t, err)
	c.Processor.Start(t.Context())
	for range 300 {
		c.Change(false, c.Random(rng, rng.IntN(60))...)
		time.Sleep(time.Duration(rng.IntN(25)) * time.Millisecond)
	}
	time.Sleep(time.Hour)
	s := settled(t, l)
	assert.NoError(t, c.Err(v))
	assert.Zero(t, v.Owed())
	if objects > 2 {
		assert.NotZero(t, s.Healed)
	}
	assert.False(t, processor.KeepsGaps(l), "memory of healed gaps")
	c.Processor.Stop()
}
