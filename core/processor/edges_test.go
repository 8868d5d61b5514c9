package processor_test

import (
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

func comeAndGo(c *processortest.Cluster, objects ...int) {
	for _, o := range objects {
		c.Change(false, processortest.Change{Object: o}, processortest.Change{Object: o, Verb: processortest.Delete})
	}
}

// TestAccountWhileHealing: the account holds while a healing call in the middle of a batch is stuck.
func TestAccountWhileHealing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := processortest.NewCluster(200, processor.Options{Fanout: newTight(129, buffer.DropNewest, nil)})
		c.Processor.Start(t.Context())
		v, gate := processortest.NewView(c), make(chan struct{})
		stop := map[int]bool{1: true, 2: true, 131: true}
		v.During = func(calls int) {
			if stop[calls] {
				<-gate
			}
		}
		l, err := c.Join(v)
		require.NoError(t, err)
		c.Change(false, writes(0)...)
		synctest.Wait() // stuck in call 1
		var all []int
		for k := 1; k <= 130; k++ { // 129 wait, the last one is lost
			all = append(all, k)
		}
		c.Change(false, writes(all...)...)
		gate <- struct{}{}
		synctest.Wait() // stuck in call 2, with 128 in hand; one waits
		c.Change(false, writes(131)...)
		require.NoError(t, l.Stats().Check())
		gate <- struct{}{}
		synctest.Wait() // stuck in the call that heals object 130: call 131
		assert.NoError(t, l.Stats().Check())
		close(gate)
		settled(t, l)
		c.Processor.Stop()
	})
}

// TestAStuckHealingCallKeepsNothing: names that never return come and go while a healing call made when idle is stuck.
func TestAStuckHealingCallKeepsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		c := processortest.NewCluster(n+10, processor.Options{Fanout: newTight(1, buffer.DropNewest, nil)})
		c.Processor.Start(t.Context())
		v, gate := processortest.NewView(c), make(chan struct{})
		v.During = func(calls int) {
			if calls == 2 || calls == 4 {
				<-gate
			}
		}
		l, err := c.Join(v)
		require.NoError(t, err)
		c.Change(false, writes(0)...)
		synctest.Wait()
		c.Change(false, writes(1)...) // stuck in call 2
		synctest.Wait()
		c.Change(false, writes(2)...)                                                // waits
		c.Change(false, processortest.Change{Object: 0, Verb: processortest.Delete}) // lost
		gate <- struct{}{}
		synctest.Wait() // stuck in call 4, the healing delete of object 0
		require.Equal(t, 4, v.Calls())
		c.Change(false, writes(3)...) // waits: the buffer is full
		for k := range n {
			comeAndGo(c, 10+k) // all lost
		}
		synctest.Wait()
		assert.LessOrEqual(t, l.Stats().Tracked, uint64(5))
		comeAndGo(c, 5)
		for range n {
			comeAndGo(c, 5)
		}
		close(gate)
		settled(t, l)
		assert.NoError(t, c.Err(v))
		c.Processor.Stop()
	})
}

// TestAPauseAfterAPanicKeepsNothing: the same after a panic that ended delivery, or during a pause.
func TestAPauseAfterAPanicKeepsNothing(t *testing.T) {
	for _, policy := range []processor.PanicPolicy{processor.StopDelivery, processor.RestartAfterMinute} {
		synctest.Test(t, func(t *testing.T) {
			const n = 1000
			c := processortest.NewCluster(n+10, processor.Options{
				Fanout: newTight(1, buffer.DropNewest, nil), Panic: policy,
			})
			c.Processor.Start(t.Context())
			v := processortest.NewView(c)
			v.During = func(calls int) {
				if calls == 1 {
					panic("first")
				}
			}
			l, err := c.Join(v)
			require.NoError(t, err)
			c.Change(false, writes(0)...)
			synctest.Wait()
			c.Change(false, writes(1)...) // waits
			for k := range n {
				comeAndGo(c, 10+k) // all lost
			}
			synctest.Wait()
			assert.LessOrEqual(t, l.Stats().Tracked, uint64(5))
			for range n {
				comeAndGo(c, 5)
			}
			assert.LessOrEqual(t, processor.EndingGaps(l), 256)
			time.Sleep(time.Hour)
			c.Processor.Stop()
		})
	}
}

// TestLossesOfAReplayAndOfTheNextPush: both a replay and the push after it overflow.
func TestLossesOfAReplayAndOfTheNextPush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := processortest.NewCluster(6, processor.Options{Fanout: newTight(1, buffer.DropNewest, nil)})
		c.Processor.Start(t.Context())
		c.Change(false, writes(0, 1, 2, 3)...)
		v, l, goOn := stuck(t, c)
		synctest.Wait()
		assert.NotPanics(t, func() { c.Change(false, writes(4, 5)...) })
		close(goOn)
		settled(t, l)
		assert.NoError(t, c.Err(v))
		c.Processor.Stop()
	})
}

// TestLostInTheReplayThenUpdatedThenDeleted: of an object that was lost in a replay
// the update is kept and the delete is lost.
func TestLostInTheReplayThenUpdatedThenDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := processortest.NewCluster(6, processor.Options{Fanout: newTight(1, buffer.DropNewest, nil)})
		c.Processor.Start(t.Context())
		c.Change(false, writes(0, 1)...)
		v, l, goOn := stuck(t, c)
		synctest.Wait()                                                              // stuck with 0 in hand; 1 was lost
		c.Change(false, writes(1)...)                                                // waits
		c.Change(false, processortest.Change{Object: 1, Verb: processortest.Delete}) // lost
		close(goOn)
		settled(t, l)
		assert.NoError(t, c.Err(v))
		c.Processor.Stop()
	})
}

// TestOverflowBeforeASyncForOthers: batches overflow and end with a sync notification that the listener is not due for.
func TestOverflowBeforeASyncForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := processortest.NewCluster(6, processor.Options{
			Fanout: newTight(1, buffer.DropNewest, nil), CheckPeriod: time.Second,
		})
		c.Processor.Start(t.Context())
		v, gate := processortest.NewView(c), make(chan struct{})
		v.During = func(calls int) {
			if calls == 2 || calls == 3 {
				<-gate
			}
		}
		l, err := c.Join(v)
		require.NoError(t, err)
		c.Processor.ShouldResync() // nobody is due
		sync := processortest.Change{Object: 0, Verb: processortest.Sync}
		c.Change(false, writes(0)...)
		synctest.Wait()
		c.Change(false, writes(1)...) // call 2: stuck
		synctest.Wait()
		c.Change(false, writes(2)...)                          // waits
		c.Change(false, processortest.Change{Object: 3}, sync) // 3 is lost
		gate <- struct{}{}                                     // call 3: stuck with 2 in hand, so that there is room
		synctest.Wait()
		c.Change(false, writes(3)...)                                                      // waits
		c.Change(false, processortest.Change{Object: 3, Verb: processortest.Delete}, sync) // lost
		close(gate)
		settled(t, l)
		assert.NoError(t, c.Err(v))
		c.Processor.Stop()
	})
}

// slowly takes its time, as if another listener's buffer were full.
type slowly struct{ processor.Fanout }

func (s slowly) Publish(batch []event.Notification) {
	s.Fanout.Publish(batch)
	time.Sleep(20 * time.Second)
}

type recorder struct {
	told   *[]string
	during func()
}

func (r recorder) OnAdd(o event.Object, _ bool) {
	r.note("add " + o.GetName() + o.GetResourceVersion())
}
func (r recorder) OnUpdate(old, o event.Object) {
	r.note("update " + o.GetName() + old.GetResourceVersion() + ">" + o.GetResourceVersion())
}
func (r recorder) OnDelete(o event.Object, _ bool) { r.note("delete " + o.GetName()) }
func (r recorder) note(s string)                   { *r.told = append(*r.told, s); r.during() }

// TestNoGapStaysWhileTheListenerSleeps: another listener holds up the publisher until this one sleeps.
func TestNoGapStaysWhileTheListenerSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := processortest.NewCluster(500, processor.Options{Fanout: func() processor.Fanout {
			return slowly{newTight(1, buffer.DropNewest, nil)()}
		}})
		c.Processor.Start(t.Context())
		v := processortest.NewView(c)
		v.During = func(calls int) {
			if calls == 1 {
				time.Sleep(25 * time.Second)
			}
		}
		l, err := c.Join(v)
		require.NoError(t, err)
		c.Change(false, writes(0)...)
		all := writes(1)
		for k := 2; k < 400; k++ { // come and go
			gone := processortest.Change{Object: k, Verb: processortest.Delete}
			all = append(all, processortest.Change{Object: k}, gone)
		}
		c.Change(false, all...)
		time.Sleep(time.Hour)
		settled(t, l)
		assert.NoError(t, c.Err(v))
		assert.LessOrEqual(t, l.Stats().Tracked, uint64(2), "two objects are cached, and all has been told")
		c.Processor.Stop()
	})
}

// TestAnEmptyBatchIsNoPublication: publishing nothing changes nothing, also after a loss.
func TestAnEmptyBatchIsNoPublication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := processortest.NewCluster(6, processor.Options{Fanout: newTight(1, buffer.DropNewest, nil)})
		c.Processor.Start(t.Context())
		_, l, goOn := stuck(t, c)
		c.Change(false, writes(0, 1, 2)...)
		synctest.Wait()
		c.Change(false, writes(3, 4)...)
		assert.NotPanics(t, func() { c.Processor.Do(func(publish func([]event.Notification)) { publish(nil) }) })
		close(goOn)
		settled(t, l)
		c.Processor.Stop()
	})
}

// A value is an object that cannot be compared.
type value struct {
	name, version string
	labels        []string
}

func (o value) GetNamespace() string       { return "n" }
func (o value) GetName() string            { return o.name }
func (o value) GetResourceVersion() string { return o.version }

// TestHealingKnowsObjectsThatCannotBeCompared: the state that was healed to is recognized by its version.
func TestHealingKnowsObjectsThatCannotBeCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := map[event.Key]event.Object{}
		p := processor.New(processor.Options{
			Fanout: func() processor.Fanout { return slowly{newTight(1, buffer.DropNewest, nil)()} },
			Cache: func(key event.Key) (event.Object, bool) {
				o, cached := cache[key]
				return o, cached
			},
		})
		p.Start(t.Context())
		var told []string
		_, err := p.Add(recorder{told: &told, during: func() {
			if len(told) == 1 {
				time.Sleep(70 * time.Second)
			}
		}}, processor.ListenerOptions{}, nil)
		require.NoError(t, err)
		write := func(name, version string) event.Notification {
			o := value{name, version, nil}
			old, cached := cache[event.KeyOf(o)]
			cache[event.KeyOf(o)] = o
			if !cached {
				return event.Notification{New: o, Kind: event.Add}
			}
			return event.Notification{Old: old, New: o, Kind: event.Update}
		}
		for _, name := range []string{"x", "y", "a"} { // stuck, waits, lost
			p.Do(func(publish func([]event.Notification)) { publish([]event.Notification{write(name, "1")}) })
		}
		p.Do(func(publish func([]event.Notification)) {
			z, a := write("z", "1"), write("a", "2")
			publish([]event.Notification{z}) // lost; meanwhile a is healed to 2
			publish([]event.Notification{a})
		})
		time.Sleep(time.Hour)
		assert.NotContains(t, told, "update a1>2", told)
		p.Stop()
	})
}

// TestHandlersAddHandlersOverTheDirectFanout: handlers that are called under the publish lock add handlers.
func TestHandlersAddHandlersOverTheDirectFanout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := processortest.NewCluster(20, processor.Options{Fanout: processor.Direct})
		c.Processor.Start(t.Context())
		var views []*processortest.View
		var add func()
		add = func() {
			v := processortest.NewView(c)
			views = append(views, v)
			v.During = func(int) {
				if len(views) < 40 {
					add()
				}
			}
			_, err := c.Join(v)
			require.NoError(t, err)
		}
		add()
		c.Change(false, writes(1, 2, 3, 4, 5)...)
		synctest.Wait()
		c.Change(false, writes(1, 6)...)
		synctest.Wait()
		assert.Len(t, views, 40)
		for _, v := range views {
			assert.NoError(t, c.Err(v))
		}
		c.Processor.Stop()
	})
}
