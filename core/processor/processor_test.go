package processor

import (
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

func TestNotificationsAreNumberedAndReachEveryListener(t *testing.T) {
	eachFanout(t, Options{}, func(t *testing.T, p *Processor) {
		var one, two book
		join(t, p, &one, ListenerOptions{})
		p.Start(t.Context())
		join(t, p, &two, ListenerOptions{})
		batch := []event.Notification{added(1, 0), synced(2), {Old: &thing{"o", "3"}, Kind: event.Delete}}
		batch[2].Flags = event.FinalStateUnknown
		p.Do(func(publish func([]event.Notification)) {
			publish(batch)
			publish(batch[:1])
		})
		assert.EqualValues(t, 4, p.Seq())
		assert.EqualValues(t, []uint64{4, 2, 3}, []uint64{batch[0].Seq, batch[1].Seq, batch[2].Seq})
		want := []string{"add 1", "update 2", "delete 3 unknown", "add 1"}
		assert.Equal(t, want, one.take())
		assert.Equal(t, want, two.take())
	})
}

func TestPublishingBeforeTheStartIsAMistake(t *testing.T) {
	assert.PanicsWithValue(t, "processor: publish before Start", func() { publish(New(Options{}), added(1, 0)) })
}

// A handler that is being removed while initial adds are published was counted
// out of the start of their sync tracking but still got them, and finished more
// than it had started.
func TestRemovalWhileTheInitialListIsPublished(t *testing.T) {
	for _, f := range fanouts {
		t.Run(f.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hook := &hookedFanout{Fanout: f.make()}
				p := New(Options{Fanout: func() Fanout { return hook }})
				var h book
				l := join(t, p, &h, ListenerOptions{})
				p.Start(t.Context())
				hook.beforeClose = func() {
					hook.beforeClose = nil
					publish(p, added(1, event.Initial), added(2, event.Initial))
					synctest.Wait()
				}
				p.Remove(l)
				p.UpstreamSynced()
				stats(t, l)
				p.Stop()
			})
		})
	}
}

// A hookedFanout lets a test act in the moment in which a subscription begins, and
// in that before it is closed.
type hookedFanout struct {
	Fanout
	onSubscribe func()
	beforeClose func()
}

type hooked struct {
	Subscription
	hook *hookedFanout
}

func (c *hookedFanout) Subscribe(discard buffer.Discard[event.Notification]) Subscription {
	if c.onSubscribe != nil {
		c.onSubscribe()
	}
	return hooked{c.Fanout.Subscribe(discard), c}
}

func (h hooked) Close() {
	if f := h.hook.beforeClose; f != nil {
		f()
	}
	h.Subscription.Close()
}

// A handler may be removed in the moment in which it is subscribed; nothing of
// the subscription may be left then.
func TestRemovalWhileSubscribing(t *testing.T) {
	for _, f := range fanouts {
		t.Run(f.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hook := &hookedFanout{Fanout: f.make()}
				p := New(Options{Fanout: func() Fanout { return hook }})
				var h book
				l := join(t, p, &h, ListenerOptions{})
				hook.onSubscribe = func() { p.ShutDown(l) }
				p.Start(t.Context())
				publish(p, added(1, 0))
				assert.Empty(t, h.take())
				assert.Zero(t, stats(t, l))
				p.Stop()
			})
		})
	}
}

func TestShutDownWaitsForItsOwnListenersOnly(t *testing.T) {
	eachFanout(t, Options{}, func(t *testing.T, p *Processor) {
		gate := make(chan struct{})
		h := book{during: func(string) { <-gate }}
		mine := join(t, p, &h, ListenerOptions{})
		p.Start(t.Context())
		foreign := join(t, New(Options{}), &book{}, ListenerOptions{})
		p.ShutDown(nil)
		p.ShutDown(foreign)
		publish(p, added(1, 0))
		synctest.Wait()
		returned := make(chan struct{})
		go func() {
			defer close(returned)
			p.ShutDown(mine)
		}()
		synctest.Wait()
		select {
		case <-returned:
			t.Fatal("ShutDown returned during a call")
		default:
		}
		close(gate)
		<-returned
		<-mine.Finished()
	})
}

func TestHandlersMayCallTheProcessor(t *testing.T) {
	eachFanout(t, Options{CheckPeriod: time.Second}, func(t *testing.T, p *Processor) {
		var inner book
		var self *Listener
		outer := book{during: func(string) {
			p.ShouldResync()
			p.CheckPeriod()
			p.Seq()
			_, err := p.Add(&inner, ListenerOptions{}, slices.Values([]event.Object{&thing{"o", "7"}}))
			assert.NoError(t, err)
			p.Remove(self)
		}}
		self = join(t, p, &outer, ListenerOptions{})
		p.Start(t.Context())
		publish(p, added(1, 0))
		assert.Equal(t, []string{"add 1"}, outer.take())
		assert.Equal(t, []string{"add 7 initial"}, inner.take())
		publish(p, added(2, 0))
		assert.Empty(t, outer.take())
		assert.Equal(t, []string{"add 2"}, inner.take())
	})
}

func TestReplayComesBeforeWhatIsPublishedNext(t *testing.T) {
	eachFanout(t, Options{}, func(t *testing.T, p *Processor) {
		p.Start(t.Context())
		var cached []event.Object
		for i := range 3 * replayBatch / 2 {
			cached = append(cached, added(i, 0).New)
		}
		var h book
		l, err := p.Add(&h, ListenerOptions{}, slices.Values(cached))
		require.NoError(t, err)
		publish(p, added(9999, 0))
		calls := h.take()
		require.Len(t, calls, len(cached)+1)
		assert.Equal(t, "add 0 initial", calls[0])
		assert.Equal(t, "add 383 initial", calls[len(cached)-1])
		assert.Equal(t, "add 9999", calls[len(cached)])
		assert.False(t, l.HasSynced(), "upstream has not")
		p.UpstreamSynced()
		assert.True(t, l.HasSynced())
		s := stats(t, l)
		assert.EqualValues(t, len(cached), s.Replayed)
		assert.EqualValues(t, 1, s.Routed)
	})
}

// Stop may come while a late handler is being replayed to.
func TestStopDuringAReplay(t *testing.T) {
	for _, onStop := range []OnStop{Abandon, Drain} {
		eachFanout(t, Options{OnStop: onStop}, func(t *testing.T, p *Processor) {
			p.Start(t.Context())
			var stopping sync.WaitGroup
			var h book
			l, err := p.Add(&h, ListenerOptions{}, func(yield func(event.Object) bool) {
				for i := range 1000 {
					if i == 500 {
						synctest.Wait()
						stopping.Go(p.Stop)
						synctest.Wait()
					}
					if !yield(added(i, 0).New) {
						return
					}
				}
			})
			require.NoError(t, err)
			stopping.Wait()
			s := stats(t, l)
			assert.EqualValues(t, 1000, s.Replayed)
			assert.EqualValues(t, 1000, s.Handled+s.Lost())
			assert.NotZero(t, s.Lost())
			_, err = p.Add(&h, ListenerOptions{}, nil)
			assert.ErrorIs(t, err, ErrStopped)
		})
	}
}

func TestResyncPeriods(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name             string
		check            time.Duration // of the informer
		first, requested time.Duration // of a handler before it, and of the handler
		late             bool          // requested after the start
		want, wantCheck  time.Duration
	}{
		{"never", 10 * s, 10 * s, 0, false, 0, 10 * s},
		{"an informer without resync", 0, 0, 10 * s, false, 0, 0},
		{"the check period", 10 * s, 10 * s, 10 * s, false, 10 * s, 10 * s},
		{"longer than the check period", 10 * s, 10 * s, 15 * s, false, 15 * s, 10 * s},
		{"shorter, before the start", 10 * s, 10 * s, 4 * s, false, 4 * s, 4 * s},
		{"shorter, after the start", 10 * s, 10 * s, 4 * s, true, 10 * s, 10 * s},
		{"below the minimum", 10 * s, 10 * s, 1, false, s, s},
		{"below the minimum, check period too", s / 2, 0, 1, false, s, s / 2},
		{"longer, after the start", 10 * s, 10 * s, 15 * s, true, 15 * s, 10 * s},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := New(Options{CheckPeriod: c.check})
				defer p.Stop()
				first := join(t, p, &book{}, ListenerOptions{Resync: c.first})
				if c.late {
					p.Start(t.Context())
				}
				l := join(t, p, &book{}, ListenerOptions{Resync: c.requested})
				assert.Equal(t, c.want, l.Resync())
				assert.Equal(t, c.wantCheck, p.CheckPeriod())
				assert.Equal(t, c.first, first.Resync(), "the others keep theirs")
			})
		})
	}
}

func TestARoundGoesToThoseWhoAreDue(t *testing.T) {
	eachFanout(t, Options{CheckPeriod: time.Second}, func(t *testing.T, p *Processor) {
		var quick, slow, never book
		join(t, p, &quick, ListenerOptions{Resync: time.Second})
		join(t, p, &slow, ListenerOptions{Resync: 3 * time.Second})
		join(t, p, &never, ListenerOptions{})
		p.Start(t.Context())
		publish(p, synced(1))
		for _, h := range []*book{&quick, &slow, &never} {
			assert.Equal(t, []string{"update 1"}, h.take(), "before the first check: everybody")
		}
		assert.False(t, p.ShouldResync(), "nobody is due yet")
		publish(p, synced(2))
		for _, h := range []*book{&quick, &slow, &never} {
			assert.Empty(t, h.take())
		}
		for range 3 {
			time.Sleep(time.Second)
			assert.True(t, p.ShouldResync())
			publish(p, synced(3), added(4, 0))
		}
		assert.Equal(t, []string{"update 3", "add 4", "update 3", "add 4", "update 3", "add 4"}, quick.take())
		assert.Equal(t, []string{"add 4", "add 4", "update 3", "add 4"}, slow.take())
		assert.Equal(t, []string{"add 4", "add 4", "add 4"}, never.take())
		var late book
		join(t, p, &late, ListenerOptions{})
		publish(p, synced(5))
		assert.Equal(t, []string{"update 5"}, late.take(), "it has met no check yet")
		assert.False(t, p.ShouldResync())
		publish(p, synced(6))
		assert.Empty(t, late.take())
	})
}

// The boxes decide the bytes per pending notification, which the lab compares.
func TestBoxesHaveTheSizesOfClientGo(t *testing.T) {
	assert.EqualValues(t, 24, unsafe.Sizeof(addBox{}))
	assert.EqualValues(t, 32, unsafe.Sizeof(updateBox{}))
	assert.EqualValues(t, 24, unsafe.Sizeof(deleteBox{}))
}

func TestBoxesKeepWhatAHandlerHears(t *testing.T) {
	o, p := &thing{"o", "1"}, &thing{"o", "2"}
	for _, n := range []event.Notification{
		{New: o, Kind: event.Add},
		{New: o, Kind: event.Add, Flags: event.Initial},
		{Old: o, New: p, Kind: event.Update},
		{Old: o, Kind: event.Delete},
		{Old: o, Kind: event.Delete, Flags: event.FinalStateUnknown},
	} {
		assert.Equal(t, n, unbox(box(&n)))
	}
}

// Publishing to listeners with buffers of their own must cost the copies only.
func TestPublishingAllocatesNothing(t *testing.T) {
	fanout := PerListener(func(buffer.Params[event.Notification]) buffer.Buffer[event.Notification] { return drop{} })()
	discard := func(event.Notification, buffer.Reason) {}
	fanout.Subscribe(discard)
	fanout.Subscribe(discard).Due(1, false)
	batch := []event.Notification{added(1, 0), synced(2)}
	fanout.Publish(batch)
	assert.Zero(t, testing.AllocsPerRun(100, func() { fanout.Publish(batch) }))
}

// drop is a buffer that keeps nothing.
type drop struct{}

func (drop) Push([]event.Notification)    {}
func (drop) Pop([]event.Notification) int { return 0 }
func (drop) Close()                       {}
func (drop) Len() int                     { return 0 }

func TestAFanoutForgetsClosedSubscriptions(t *testing.T) {
	eachFanout(t, Options{}, func(t *testing.T, p *Processor) {
		p.Start(t.Context())
		for range 3 {
			p.Remove(join(t, p, &book{}, ListenerOptions{}))
		}
		publish(p, added(1, 0))
		switch f := p.fanout.(type) {
		case *reference:
			assert.Empty(t, f.subs)
		case *perListener:
			assert.Empty(t, f.subs)
		}
	})
}

func TestStatsAreHeldToTheirSentence(t *testing.T) {
	s := Stats{Replayed: 3, Routed: 4, Handled: 2, Panicked: 1, InHand: 1, Pending: 2}
	assert.ErrorContains(t, s.Check(), "7 notifications came in and 6 are accounted for")
	s.Discarded[buffer.Closed] = 1
	assert.NoError(t, s.Check())
	assert.EqualValues(t, 1, s.Lost())
}

func TestATrackerThatFinishesMoreThanItStartedPanics(t *testing.T) {
	tracker := tracker{done: make(chan struct{})}
	tracker.start(1)
	tracker.finish()
	assert.False(t, tracker.has(), "more may come")
	tracker.upstream()
	assert.True(t, tracker.has())
	assert.Panics(t, tracker.finish)
}

// Handlers join, leave and are published to from many goroutines at once; at
// rest every account must balance.
func TestConcurrentUse(t *testing.T) {
	for _, f := range fanouts {
		t.Run(f.name, func(t *testing.T) {
			p := New(Options{Fanout: f.make, CheckPeriod: time.Millisecond})
			p.Start(t.Context())
			var all sync.Map
			var work sync.WaitGroup
			for range 3 {
				work.Go(func() {
					for i := range 50 {
						l, err := p.Add(&book{}, ListenerOptions{Resync: time.Hour}, replayOf(i))
						if !assert.NoError(t, err) {
							return
						}
						all.Store(l, true)
						l.Stats()
						if i%2 == 0 {
							p.Remove(l)
						}
					}
				})
			}
			work.Go(func() {
				for i := range 200 {
					publish(p, added(i, event.Initial), synced(i), added(i, 0))
					p.ShouldResync()
				}
				p.UpstreamSynced()
			})
			work.Wait()
			p.Stop()
			all.Range(func(l, _ any) bool {
				return assert.NoError(t, l.(*Listener).Stats().Check())
			})
		})
	}
}

func replayOf(n int) iter.Seq[event.Object] {
	return func(yield func(event.Object) bool) {
		for i := range n {
			if !yield(added(i, 0).New) {
				return
			}
		}
	}
}
