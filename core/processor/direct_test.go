package processor

import (
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

// directly runs a test in a bubble with a started processor without buffers.
func directly(t *testing.T, o Options, test func(p *Processor)) {
	synctest.Test(t, func(t *testing.T) {
		o.Fanout, o.Logger = Direct, slog.New(slog.DiscardHandler)
		p := New(o)
		p.Start(t.Context())
		test(p)
		p.Stop()
	})
}

func TestDirectCallsBeforePublishReturns(t *testing.T) {
	directly(t, Options{}, func(p *Processor) {
		var one, two book
		first, second := join(t, p, &one, ListenerOptions{}), join(t, p, &two, ListenerOptions{})
		p.ShouldResync() // nobody is due from now on
		publish(p, added(1, 0), synced(1), event.Notification{Kind: event.Delete, Old: &thing{"o", "1"}})
		want := []string{"add 1", "delete 1"}
		assert.Equal(t, want, one.calls, "without waiting for anything")
		assert.Equal(t, want, two.calls)
		assert.EqualValues(t, 2, stats(t, first).Handled)
		p.Remove(first)
		publish(p, added(2, 0))
		assert.Equal(t, want, one.take())
		assert.Equal(t, append(want, "add 2"), two.take())
		assert.EqualValues(t, 2, stats(t, first).Routed, "nothing after the removal")
		assert.EqualValues(t, 3, stats(t, second).Handled)
	})
}

func TestDirectReplaysAndSyncs(t *testing.T) {
	directly(t, Options{}, func(p *Processor) {
		p.UpstreamSynced()
		var b book
		l, err := p.Add(&b, ListenerOptions{}, func(yield func(event.Object) bool) {
			_ = yield(&thing{"o", "1"}) && yield(&thing{"p", "2"})
		})
		require.NoError(t, err)
		assert.True(t, l.HasSynced())
		assert.Equal(t, []string{"add 1 initial", "add 2 initial"}, b.take())
		assert.EqualValues(t, 2, stats(t, l).Replayed)
	})
}

// TestDirectHoldsUpEverything is what its contract says: a stuck handler stops
// the publisher, and the removal of that handler lets it go on.
func TestDirectHoldsUpEverything(t *testing.T) {
	directly(t, Options{}, func(p *Processor) {
		goOn := make(chan struct{})
		var b, other book
		b.during = func(string) { <-goOn }
		l := join(t, p, &b, ListenerOptions{})
		join(t, p, &other, ListenerOptions{})
		published := make(chan struct{})
		go func() { defer close(published); publish(p, added(1, 0), added(2, 0)) }()
		assert.Empty(t, other.take())
		p.Remove(l)
		synctest.Wait()
		select {
		case <-l.Finished():
			t.Error("finished during its last call")
		default:
		}
		close(goOn)
		<-l.Finished()
		<-published
		assert.Equal(t, []string{"add 1"}, b.take())
		assert.Equal(t, []string{"add 1", "add 2"}, other.take())
		assert.EqualValues(t, 1, stats(t, l).Discarded[buffer.Closed])
	})
}

func TestDirectHandlerMayRemoveItselfAndPanic(t *testing.T) {
	directly(t, Options{Panic: SkipAndHold}, func(p *Processor) {
		var b book
		var l *Listener
		b.during = func(call string) {
			if call == "add 3" {
				p.Remove(l)
			}
			if call == "add 1" {
				panic(call)
			}
		}
		l = join(t, p, &b, ListenerOptions{})
		publish(p, added(1, 0), added(2, 0), added(3, 0), added(4, 0))
		<-l.Finished()
		assert.Equal(t, []string{"add 1", "add 2", "add 3"}, b.take())
		s := stats(t, l)
		assert.EqualValues(t, 1, s.Panicked)
		assert.EqualValues(t, 1, s.Lost())
	})
}
