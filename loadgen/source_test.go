package loadgen

import (
	"context"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/source"
)

func openWatch(t testing.TB, s *Source, version string) source.Watch {
	t.Helper()
	opts := source.WatchOptions{ResourceVersion: version, AllowBookmarks: true}
	w, err := s.Watch(context.Background(), opts)
	require.NoError(t, err)
	return w
}

// read takes n events in reads of at most chunk.
func read(t testing.TB, w source.Watch, n, chunk int) []source.Event {
	t.Helper()
	var all []source.Event
	dst := make([]source.Event, chunk)
	for len(all) < n {
		got := w.Next(dst[:min(chunk, n-len(all))])
		require.NotZero(t, got)
		all = append(all, dst[:got]...)
	}
	return all
}

func checkEvents(t testing.TB, load *Load, from int, got []source.Event) {
	t.Helper()
	for i, e := range got {
		want := load.Event(from + i)
		if want.Type == source.Failed {
			require.True(t, source.HasReason(e.Err, source.Expired), "event %d", from+i)
			continue
		}
		require.Equal(t, source.Event{Object: want.Object, Type: want.Type}, e, "event %d", from+i)
	}
}

// TestReusedVersions: versions fall exactly in the loads whose source says that
// they may, so no reflector takes a load for a server that was restored.
func TestReusedVersions(t *testing.T) {
	for _, d := range []drawn{
		{Keys: 20, Events: 1000}, {Keys: 20, Events: 1000, Churn: 20, Relists: 3, Gap: 10},
		{Keys: 20, Events: 1000, Versions: 1000}, {Keys: 20, Events: 1000, Versions: 1000, Churn: 20, Prefill: 100},
		{Keys: 1, Events: 62}, {Keys: 1, Events: 64},
	} {
		load := mustLoad(t, d)
		last, falls := number(t, load.Lists[0].Version), false
		for i := range load.Len() {
			if e := load.Event(i); e.Type != source.Failed {
				version := number(t, e.Object.GetResourceVersion())
				falls = falls || version < last
				last = version
			}
		}
		assert.Equal(t, falls, NewSource(load).ReusesVersions(), "%+v", d)
	}
}

func number(t *testing.T, version string) int {
	n, err := strconv.Atoi(version)
	require.NoError(t, err)
	return n
}

func TestSourceListsTheInitialObjects(t *testing.T) {
	load := mustLoad(t, drawn{Keys: 5, Events: 5})
	s := NewSource(load)
	assert.True(t, s.RefusesWatchList())
	for _, opts := range []source.ListOptions{{}, {ResourceVersion: "0"}, {Limit: 2}} {
		list, err := s.List(context.Background(), opts)
		require.NoError(t, err)
		assert.Equal(t, load.Lists[0].Version, list.ResourceVersion)
		assert.Empty(t, list.Continue)
		require.Len(t, list.Items, 5)
		for i, item := range list.Items {
			assert.Same(t, load.Lists[0].Objects[i], item)
		}
		list.Items[0] = nil // the list is the caller's
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := s.List(ended, source.ListOptions{})
	assert.ErrorIs(t, err, context.Canceled)
	_, err = s.Watch(ended, source.WatchOptions{ResourceVersion: load.Lists[0].Version})
	assert.ErrorIs(t, err, context.Canceled)
}

func TestSourceStreamsAllEvents(t *testing.T) {
	for _, chunk := range []int{1, 2, 3, 7, 8, 9, 127, 128, 129, 256, 1000} {
		load := mustLoad(t, drawn{Keys: 50, Events: 999, Churn: 20})
		s := NewSource(load)
		s.Release(time.Now())
		s.Release(time.Now().Add(time.Hour)) // does not count
		w := openWatch(t, s, load.Lists[0].Version)
		checkEvents(t, load, 0, read(t, w, load.Len(), chunk))
		w.Stop()
		assert.Nil(t, s.Pace().Lateness)
	}
}

func TestSourceWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := mustLoad(t, drawn{Keys: 5, Events: 3})
		s := NewSource(load)
		w := openWatch(t, s, load.Lists[0].Version)
		dst := make([]source.Event, 10)
		next := make(chan int)
		go func() {
			for {
				n := w.Next(dst)
				next <- n
				if n == 0 {
					return
				}
			}
		}()
		synctest.Wait()
		select {
		case <-next:
			t.Fatal("events came before the release")
		default:
		}
		s.Release(time.Now())
		assert.Equal(t, 4, <-next)
		synctest.Wait()
		select {
		case <-next:
			t.Fatal("the stream ended with the load")
		default:
		}
		w.Stop()
		w.Stop()
		assert.Zero(t, <-next)
		assert.Zero(t, w.Next(dst))
	})
}

// A prefill flows as fast as it is read once it is released, and what comes after
// it waits for a release of its own, also for a reader that opens its watch anew.
func TestSourceReleasesAPrefillByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, rate := range []float64{0, 1000} {
			load := mustLoad(t, drawn{Keys: 5, Events: 150, Prefill: 100, Rate: rate})
			assert.Equal(t, 2, load.Parts())
			s := NewSource(load)
			w := openWatch(t, s, load.Lists[0].Version)
			s.Release(time.Now())
			checkEvents(t, load, 0, read(t, w, 100, 30))
			w.Stop()
			w = openWatch(t, s, load.Event(92).Object.GetResourceVersion())
			checkEvents(t, load, 93, read(t, w, 7, 100))

			dst := make([]source.Event, 100)
			next := make(chan int)
			go func() { next <- w.Next(dst) }()
			time.Sleep(time.Hour)
			select {
			case <-next:
				t.Fatal("the rest came before its release")
			default:
			}
			start := time.Now().Add(time.Second)
			s.Release(start)
			s.Release(start.Add(time.Hour)) // there is no third part
			checkEvents(t, load, 100, dst[:<-next])
			assert.Equal(t, time.Duration(0), time.Since(start))
			if rate > 0 {
				checkEvents(t, load, 101, read(t, w, 50, 1))
				assert.Equal(t, load.Duration(), time.Since(start))
				assert.EqualValues(t, 51, s.Pace().Lateness.TotalCount(), "the prefill is never late")
			}
			w.Stop()
		}
	})
}

func TestSourceKeepsTheIntendedTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := mustLoad(t, drawn{Keys: 5, Events: 50, Rate: 1000})
		s := NewSource(load)
		w := openWatch(t, s, load.Lists[0].Version)
		start := time.Now().Add(time.Second)
		s.Release(start)
		for i := range load.Len() {
			checkEvents(t, load, i, read(t, w, 1, 100))
			assert.Equal(t, load.Due[i], time.Since(start))
		}
		assert.EqualValues(t, 51, s.Pace().Lateness.TotalCount())
		assert.Less(t, s.Pace().Lateness.Max(), int64(time.Microsecond))
		w.Stop()
	})
}

func TestSourceStopBeforeRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := mustLoad(t, drawn{Keys: 5, Events: 3})
		for name, stop := range map[string]func(source.Watch, context.CancelFunc){
			"by Stop":    func(w source.Watch, _ context.CancelFunc) { w.Stop() },
			"by context": func(_ source.Watch, cancel context.CancelFunc) { cancel() },
		} {
			s := NewSource(load)
			ctx, cancel := context.WithCancel(context.Background())
			w, err := s.Watch(ctx, source.WatchOptions{ResourceVersion: load.Lists[0].Version})
			require.NoError(t, err)
			ended := make(chan int)
			go func() { ended <- w.Next(make([]source.Event, 4)) }()
			synctest.Wait()
			stop(w, cancel)
			assert.Zero(t, <-ended, name)
			s.Release(time.Now())
			assert.Zero(t, w.Next(make([]source.Event, 4)), "%s: a stopped watch stays stopped", name)
			again := openWatch(t, s, load.Lists[0].Version)
			checkEvents(t, load, 0, read(t, again, load.Len(), 4))
			again.Stop()
			cancel()
		}
	})
}

func TestSourceGoesOnWhereTheLastWatchEnded(t *testing.T) {
	load := mustLoad(t, drawn{Keys: 3, Events: 2000}) // states repeat
	s := NewSource(load)
	s.Release(time.Now())
	version, at := load.Lists[0].Version, 0
	for _, n := range []int{1, 2, 500, 700, 3} {
		w := openWatch(t, s, version)
		events := read(t, w, n, 64)
		checkEvents(t, load, at, events)
		at += n
		version = events[n-1].Object.GetResourceVersion()
		w.Stop()
	}
	// A reader that threw some of what it read last away gets it again.
	w := openWatch(t, s, load.Event(at-3).Object.GetResourceVersion())
	checkEvents(t, load, at-2, read(t, w, 20, 64))
	at += 18
	// A new watch ends the old one, whose reader must not take its events.
	again := openWatch(t, s, load.Event(at-9).Object.GetResourceVersion())
	assert.Zero(t, w.Next(make([]source.Event, 1)))
	checkEvents(t, load, at-8, read(t, again, load.Len()-at+8, 64))
	again.Stop()
	_, err := s.Watch(t.Context(), source.WatchOptions{ResourceVersion: load.Lists[0].Version})
	assert.True(t, source.HasReason(err, source.Expired), "it goes back no further: %v", err)
}

func TestSourceRefuses(t *testing.T) {
	s := NewSource(mustLoad(t, drawn{Keys: 3, Events: 3}))
	for _, tc := range []struct {
		opts   source.WatchOptions
		reason source.Reason
	}{
		{source.WatchOptions{}, source.Invalid},
		{source.WatchOptions{ResourceVersion: "0"}, source.Invalid},
		{source.WatchOptions{ResourceVersion: "4", SendInitialEvents: true}, source.Invalid},
		{source.WatchOptions{ResourceVersion: "99"}, source.Expired},
		{source.WatchOptions{ResourceVersion: "5"}, source.Expired}, // not handed out yet
	} {
		_, err := s.Watch(context.Background(), tc.opts)
		assert.True(t, source.HasReason(err, tc.reason), "%+v: %v", tc.opts, err)
	}
}

func TestSourceStopAtAnyMoment(t *testing.T) {
	load := mustLoad(t, drawn{Keys: 100, Events: 3000, Rate: 1e6})
	s := NewSource(load)
	s.Release(time.Now())
	version, at := load.Lists[0].Version, 0
	for at < load.Len() {
		w := openWatch(t, s, version)
		dst := make([]source.Event, 10)
		yields := at % 7
		go func() {
			for range yields {
				runtime.Gosched()
			}
			w.Stop()
		}()
		for range 50 {
			n := w.Next(dst)
			if n == 0 {
				break
			}
			checkEvents(t, load, at, dst[:n])
			at += n
			version = dst[n-1].Object.GetResourceVersion()
			if at == load.Len() {
				break
			}
		}
		w.Stop()
	}
}

// follow is the least that an informer does: it keeps a cache and calls a handler.
func follow(t testing.TB, s *Source, h handler, done <-chan struct{}) map[event.Key]*Object {
	t.Helper()
	cache := map[event.Key]*Object{}
	list, err := s.List(context.Background(), source.ListOptions{})
	require.NoError(t, err)
	for _, item := range list.Items {
		cache[event.KeyOf(item)] = item.(*Object)
		h.OnAdd(item, true)
	}
	w := openWatch(t, s, list.ResourceVersion)
	dst := make([]source.Event, 256)
	for {
		select {
		case <-done:
			w.Stop()
		default:
		}
		n := w.Next(dst)
		if n == 0 {
			return cache
		}
		for _, e := range dst[:n] {
			old, exists := cache[event.KeyOf(e.Object)]
			switch {
			case e.Type == source.Bookmark:
			case e.Type == source.Deleted:
				delete(cache, event.KeyOf(e.Object))
				h.OnDelete(e.Object, false)
			case exists:
				cache[event.KeyOf(e.Object)] = e.Object.(*Object)
				h.OnUpdate(old, e.Object)
			default:
				cache[event.KeyOf(e.Object)] = e.Object.(*Object)
				h.OnAdd(e.Object, false)
			}
		}
	}
}

func TestSourceToRecorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, rate := range []float64{0, 5000} {
			load := mustLoad(t, drawn{
				Seed: 5, Keys: 40, Events: 5000, Churn: 20, Rate: rate,
			})
			expect, s := load.Expect(), NewSource(load)
			r := NewRecorder(expect, RecorderOptions{Latency: true})
			start := time.Now()
			r.Release(start)
			s.Release(start)
			cache := follow(t, s, r, r.Done())
			require.NoError(t, r.Check())
			require.NoError(t, expect.CheckCache(func(yield func(event.Key, uint64)) {
				for key, o := range cache {
					yield(key, o.ID())
				}
			}))
			assert.Equal(t, load.Duration(), time.Since(start))
			assert.Equal(t, rate > 0, r.Latency() != nil)
		}
	})
}

// Handing out objects that are built allocates nothing, however it is read and
// whether or not events have intended times.
func TestSourceAllocatesNothing(t *testing.T) {
	for _, rate := range []float64{0, 1e6} {
		for _, batch := range []int{1, 7, 256} {
			load := mustLoad(t, drawn{Keys: 10, Events: 50_000, Rate: rate})
			s := NewSource(load)
			s.Release(time.Now().Add(-time.Hour))
			w := openWatch(t, s, load.Lists[0].Version)
			dst := make([]source.Event, batch)
			n := 0
			perRead := testing.AllocsPerRun(100, func() { n += w.Next(dst) })
			w.Stop()
			assert.Zero(t, perRead, "rate %v, batch %d", rate, batch)
			assert.Equal(t, 101*batch, n)
		}
	}
}
