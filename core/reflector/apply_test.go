package reflector

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/queue"
	"informerlab/core/source"
)

// A sink takes everything and keeps nothing.
type sink struct{ deltas, bookmarks int }

func (s *sink) Add(deltas []queue.Delta) error     { s.deltas += len(deltas); return nil }
func (*sink) Replace([]event.Object, string) error { return nil }
func (*sink) Resync() error                        { return nil }
func (s *sink) Bookmark(string) error              { s.bookmarks++; return nil }

// A loop is a source whose stream repeats one batch a number of times.
type loop struct {
	batch []source.Event
	left  int
}

func (l *loop) Next(dst []source.Event) int {
	if l.left == 0 {
		return 0
	}
	l.left--
	return copy(dst, l.batch)
}

func (*loop) Stop() {}

func batch(n int) []source.Event {
	types := []source.EventType{source.Added, source.Modified, source.Deleted}
	events := make([]source.Event, n)
	for i := range events {
		events[i] = source.Event{Type: types[i%3], Object: &source.Item{Name: "a", ResourceVersion: "7"}}
	}
	return events
}

func TestWatchLoopDoesNotAllocate(t *testing.T) {
	events := batch(batchSize)
	events[100] = source.Event{Type: source.Bookmark, Object: source.Version("7")}
	accept := func(event.Object) error { return nil }
	for name, o := range map[string]Options{
		"all objects":       {},
		"client-go":         {Faithful: true},
		"checked objects":   {Accept: accept},
		"recovering checks": {Accept: accept, Recover: true},
	} {
		t.Run(name, func(t *testing.T) {
			store := &sink{}
			r := New(nil, store, o)
			in := newInterrupt(t.Context())
			defer in.close()
			w := &loop{batch: events}
			s := &stream{watch: w, settled: true}
			allocs := testing.AllocsPerRun(100, func() {
				w.left = 10
				require.NoError(t, r.consume(in, s))
			})
			assert.Zero(t, allocs)
			assert.Equal(t, 101*10*255, store.deltas)
			assert.Equal(t, 101*10, store.bookmarks)
			assert.Equal(t, "7", r.LastSyncResourceVersion())
		})
	}
}

// TestIdleReflectorKeepsNoObject: the reused buffers are empty between batches.
func TestIdleReflectorKeepsNoObject(t *testing.T) {
	r := New(nil, &sink{}, Options{})
	in := newInterrupt(t.Context())
	defer in.close()
	for _, n := range []int{1, 2, 255, batchSize} {
		require.NoError(t, r.consume(in, &stream{watch: &loop{batch: batch(n), left: 1}, opened: time.Now()}))
		assert.Equal(t, [batchSize]source.Event{}, r.events, n)
		assert.Equal(t, [batchSize]queue.Delta{}, r.deltas, n)

		initial := batch(n)
		_, err := r.collect(in, &stream{watch: &loop{batch: initial, left: 2}})
		require.NoError(t, err)
		assert.Equal(t, [batchSize]source.Event{}, r.events, n)
		for _, last := range []source.Event{
			{Type: source.Bookmark, Object: source.Version("1"), InitialEventsEnd: true},
			{Type: source.Failed},
		} {
			initial[n-1] = last
			_, err = r.collect(in, &stream{watch: &loop{batch: initial, left: 1}})
			assert.Equal(t, last.Type == source.Failed, err != nil)
			assert.Equal(t, [batchSize]source.Event{}, r.events, n)
		}
	}
}

func TestPacerResetsByItsOwnAge(t *testing.T) {
	start := time.Now()
	p := pacer{Backoff: Backoff{}.withDefaults()}
	p.start(start)
	var waits []time.Duration
	for _, at := range []time.Duration{0, time.Minute, 2 * time.Minute, 2*time.Minute + 1, 3 * time.Minute} {
		waits = append(waits, p.next(start.Add(at), 0))
	}
	ms := time.Millisecond
	assert.Equal(t, []time.Duration{800 * ms, 1600 * ms, 3200 * ms, 800 * ms, 1600 * ms}, waits)
}

func TestLower(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"1", "2", true}, {"2", "1", false}, {"2", "2", false},
		{"9", "10", true}, {"10", "9", false}, {"99", "100", true},
		{"18446744073709551615", "18446744073709551616", true},
		{"18446744073709551616", "18446744073709551615", false},
		{"123456789012345678901234567890", "1234567890123456789012345678901", true},
		{"", "1", false}, {"1", "", false}, {"", "", false},
		{"0", "1", false}, {"01", "12", false}, {"1", "012", false},
		{"1", "1a", false}, {"a", "bb", false}, {"-1", "10", false}, {" 1", "10", false}, {"1/2", "1/3", false},
	} {
		assert.Equal(t, test.want, lower(test.a, test.b), "%q and %q", test.a, test.b)
	}
	assert.Zero(t, testing.AllocsPerRun(100, func() { lower("123456788", "123456789") }))
}

// TestMeter: ten at once, then one per second, and never more than ten saved up.
func TestMeter(t *testing.T) {
	start := time.Now()
	var m meter
	ask := func(at time.Duration, n int) (waits []time.Duration) {
		for range n {
			waits = append(waits, max(0, m.next(start.Add(at))))
		}
		return waits
	}
	assert.Equal(t, append(make([]time.Duration, 10), time.Second, 2*time.Second), ask(0, 12))
	assert.Equal(t, []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond}, ask(2500*time.Millisecond, 2))
	assert.Equal(t, append(make([]time.Duration, 10), time.Second), ask(time.Hour, 11))
}

// TestInterruptBeforeAttach: a stream opened while the context ends is stopped too.
func TestInterruptBeforeAttach(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	in := newInterrupt(ctx)
	cancel()
	in.close()
	s := source.NewServer(source.ServerOptions{})
	w, err := s.Watch(t.Context(), source.WatchOptions{ResourceVersion: "1"})
	require.NoError(t, err)
	in.attach(w)
	assert.Zero(t, w.Next(make([]source.Event, 1)))
	assert.ErrorIs(t, in.cause(), errStopped)
}

// BenchmarkWatchLoop is the cost of one event between Watch.Next and Store.Add.
func BenchmarkWatchLoop(b *testing.B) {
	r := New(nil, &sink{}, Options{})
	in := newInterrupt(b.Context())
	defer in.close()
	w := &loop{batch: batch(batchSize), left: b.N/batchSize + 1}
	for i := range w.batch {
		w.batch[i].Object.(*source.Item).ResourceVersion = fmt.Sprint(123456789) // equal, not identical
	}
	b.ReportAllocs()
	if err := r.consume(in, &stream{watch: w, settled: true}); err != nil {
		b.Fatal(err)
	}
}
