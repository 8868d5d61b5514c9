package processor

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/buffer/buffertest"
	"informerlab/core/event"
)

// TestBacklogAge stops a handler and looks on while its backlog grows old.
func TestBacklogAge(t *testing.T) {
	eachFanout(t, Options{}, func(t *testing.T, p *Processor) {
		var quick, slow book
		perCall := 10 * time.Second
		slow.during = func(string) { time.Sleep(perCall) }
		p.Start(t.Context())
		join(t, p, &quick, ListenerOptions{})
		l := join(t, p, &slow, ListenerOptions{})
		sampler := p.NewSampler()
		sample := func() Backlog {
			synctest.Wait()
			all := sampler.Sample(time.Now())
			require.Len(t, all, 2)
			assert.Zero(t, all[0].Age, "the quick one has no backlog")
			assert.Same(t, l, all[1].Listener)
			return all[1]
		}
		assert.Zero(t, sample().Age)
		publish(p, added(1, 0))
		assert.Zero(t, sample().Age, "just come")
		for second := 1; second <= 9; second++ { // one event a second
			time.Sleep(time.Second)
			b := sample()
			assert.Equal(t, time.Duration(second)*time.Second, b.Age)
			assert.EqualValues(t, second, b.Pending+b.InHand)
			publish(p, added(1+second, 0))
		}
		for b := sample(); b.Pending+b.InHand > 0; b = sample() {
			time.Sleep(time.Second)
		}
		assert.Zero(t, sample().Age)
		p.Remove(l)
		assert.Len(t, sampler.Sample(time.Now()), 1)
		assert.Empty(t, sampler.marks)
	})
}

// TestBacklogAgeOfSteadyBacklog: a handler that is always the same time behind
// has a backlog of that age, not of the time since it had none.
func TestBacklogAgeOfSteadyBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{})
		var slow book
		slow.during = func(string) { time.Sleep(time.Second) }
		join(t, p, &slow, ListenerOptions{})
		p.Start(t.Context())
		sampler := p.NewSampler()
		for i := range 20 {
			publish(p, added(i+1, 0))
		}
		for i := range 300 {
			synctest.Wait()
			b := sampler.Sample(time.Now())[0]
			if i > 50 {
				assert.InDelta(t, 20, b.Age.Seconds(), 2, "second %d", i)
			}
			time.Sleep(time.Second)
			publish(p, added(21+i, 0))
		}
		p.Stop()
	})
}

func TestMarksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{})
		goOn := make(chan struct{})
		var stuck book
		stuck.during = func(string) { <-goOn }
		join(t, p, &stuck, ListenerOptions{})
		p.Start(t.Context())
		publish(p, added(1, 0))
		synctest.Wait()
		sampler, start := p.NewSampler(), time.Now()
		for range 10_000 {
			b := sampler.Sample(time.Now())[0]
			require.Equal(t, time.Since(start), b.Age)
			require.LessOrEqual(t, len(sampler.marks[b.Listener]), maxMarks)
			time.Sleep(time.Second)
		}
		close(goOn)
		p.Stop()
	})
}

// TestGaugesOfTheBuffer: what the buffer tells comes through.
func TestGaugesOfTheBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{Fanout: PerListener(buffertest.NewPlain[event.Notification])})
		goOn := make(chan struct{})
		var b book
		b.during = func(string) { <-goOn }
		join(t, p, &b, ListenerOptions{})
		p.Start(t.Context())
		synctest.Wait()
		publish(p, added(1, 0))
		synctest.Wait()
		publish(p, added(2, 0), added(3, 0))
		seen := p.NewSampler().Sample(time.Now())[0]
		assert.EqualValues(t, 2, seen.Pending)
		assert.Equal(t, 2, seen.HighWater)
		assert.EqualValues(t, 1, seen.WakeUps)
		assert.Positive(t, seen.Bytes)
		close(goOn)
		p.Stop()
	})
}
