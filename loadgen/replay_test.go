package loadgen

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/buffer/buffertest"
	"informerlab/core/event"
	"informerlab/core/source"
	"informerlab/loadgen/recorded"
	"informerlab/loadgen/trace"
)

func replayOf(path string) Replay {
	return Replay{Open: func() (io.ReadCloser, error) { return os.Open(path) }, Name: path}
}

func small(t testing.TB, speed float64, fresh bool) []*Load {
	t.Helper()
	r := replayOf("testdata/small.ndjson")
	r.Speed, r.Fresh = speed, fresh
	loads, err := r.Loads()
	require.NoError(t, err)
	return loads
}

// drain takes all events of loads that are played together.
func drain(t testing.TB, loads ...*Load) [][]Event {
	t.Helper()
	all := make([][]Event, len(loads))
	feeds := make([]feed, len(loads))
	for i, l := range loads {
		feeds[i] = l.open()
	}
	var playing sync.WaitGroup
	for i, f := range feeds {
		playing.Go(func() {
			defer f.close()
			dst := make([]Event, 7)
			for ended := false; !ended; {
				var n int
				n, _, ended = f.take(dst, always, nil)
				all[i] = append(all[i], dst[:n]...)
			}
		})
	}
	playing.Wait()
	for i, l := range loads {
		require.Len(t, all[i], l.Len(), l.Resource)
	}
	return all
}

func TestReplay(t *testing.T) {
	loads := small(t, 1, false)
	require.Len(t, loads, 2)
	for _, l := range loads {
		checkLoad(t, l)
		assert.True(t, l.Open())
		assert.False(t, l.Fresh())
	}
	nodes, pods := loads[0], loads[1]
	assert.Equal(t, "nodes", nodes.Resource)
	assert.Equal(t, "pods", pods.Resource)
	assert.Equal(t, []time.Duration{0, 0}, nodes.Due)
	assert.Equal(t, []time.Duration{1000, 1500, 2000, 3000, 3000}, pods.Due)
	assert.Equal(t, []time.Duration{100, 150, 200, 300, 300}, small(t, 10, false)[1].Due)
	assert.Nil(t, small(t, 0, false)[1].Due)
	assert.Empty(t, nodes.Lists[0].Objects)
	assert.Equal(t, "7", nodes.Lists[0].Version)
	require.Len(t, pods.Lists[0].Objects, 1)
	assert.Equal(t, "9", pods.Lists[0].Version)
	var events []string
	for _, e := range pods.Events() {
		events = append(events, fmt.Sprint(e.Type, " ", event.KeyOf(e.Object), " ", e.Object.version))
	}
	assert.Equal(t, []string{"MODIFIED default/a 13", "BOOKMARK  13", "DELETED default/a 15",
		"ADDED default/a 16", "ADDED loadgen-end 17"}, events)
	assert.Equal(t, event.Key{Name: "node-1"}, event.KeyOf(nodes.Event(0).Object))
	assert.Len(t, small(t, 1e-300, false), 2, "times are capped")
	assert.PanicsWithValue(t, "loadgen: replay at speed -1: expected 0 or more", func() { small(t, -1, false) })
}

// openRecorded opens the recorded trace: all of it, or where tests are short as much of
// its beginning as has events of all resources.
func openRecorded() (io.ReadCloser, error) {
	if !testing.Short() {
		return io.NopCloser(recorded.Open()), nil
	}
	text, err := beginning()
	return io.NopCloser(bytes.NewReader(text)), err
}

var beginning = sync.OnceValues(func() ([]byte, error) {
	var text bytes.Buffer
	whole := func() (*trace.Reader, error) { return trace.NewReader(recorded.Open(), recorded.Name) }
	_, err := trace.Cut(whole, &text, trace.Plain, trace.CutOptions{To: 100 * time.Second})
	return text.Bytes(), err
})

// readRecorded reads the recorded trace once for all tests, built and fresh.
var readRecorded = sync.OnceValues(func() (loads [2][]*Load, err error) {
	for i := range loads {
		r := Replay{Open: openRecorded, Name: recorded.Name, Speed: 1, Fresh: i == 1}
		if loads[i], err = r.Loads(); err != nil {
			return loads, err
		}
	}
	return loads, nil
})

// A load that is read while it is replayed has the events of one that was built
// beforehand, and the same is expected of it.
func TestFreshReplayIsTheSame(t *testing.T) {
	recorded, err := readRecorded()
	require.NoError(t, err)
	ones, twos := append(small(t, 1, false), recorded[0]...), append(small(t, 1, true), recorded[1]...)
	before, after := drain(t, ones...), drain(t, twos...)
	for i, built := range ones {
		fresh := twos[i]
		require.True(t, fresh.Fresh())
		require.Equal(t, built.Len(), fresh.Len(), built.Resource)
		require.Equal(t, built.Duration(), fresh.Duration())
		require.Equal(t, built.Lists[0].Version, fresh.Lists[0].Version)
		require.Equal(t, len(built.Lists[0].Objects), len(fresh.Lists[0].Objects))
		for j, o := range built.Lists[0].Objects {
			require.Equal(t, text(o), text(fresh.Lists[0].Objects[j]))
		}
		for j, one := range before[i] {
			two := after[i][j]
			if one.Due != two.Due || one.Type != two.Type || two.Due != two.Object.due ||
				text(one.Object) != text(two.Object) {
				t.Fatalf("%s: event %d: %+v built, %+v fresh", built.Resource, j, one, two)
			}
		}
		want, got := built.Expect(), fresh.Expect()
		assert.Equal(t, want.Calls, got.Calls)
		assert.Equal(t, want.Initial, got.Initial)
		assert.Equal(t, want.Filled, got.Filled)
		assert.Equal(t, want.Checksum, got.Checksum)
		assert.Equal(t, want.Final(), got.Final())
	}
}

func text(o *Object) string {
	return fmt.Sprint(o.ID(), " ", event.KeyOf(o), " ", o.version, " ", len(o.Payload()))
}

// The objects of a trace that has them come as payload, whichever way.
func TestReplayBringsTheObjects(t *testing.T) {
	object := `{"metadata":{"namespace":"a","name":"b","uid":"u","resourceVersion":"%d","generation":1}}`
	lines := `{"trace":"informerlab","version":1,"objects":true}` + "\n" +
		`{"t":1,"resource":"pods","type":"BOOKMARK","initial":true,"rv":"1"}` + "\n" +
		`{"t":2,"resource":"pods","type":"ADDED","object":` + fmt.Sprintf(object, 2) + "}\n"
	for _, fresh := range []bool{false, true} {
		r := Replay{Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(lines)), nil },
			Name: "x", Fresh: fresh}
		loads, err := r.Loads()
		require.NoError(t, err)
		events := drain(t, loads[0])[0]
		assert.Equal(t, fmt.Sprintf(object, 2), string(events[0].Object.Payload()))
		assert.Equal(t, event.Key{Namespace: "a", Name: "b"}, event.KeyOf(events[0].Object))
		assert.Nil(t, events[1].Object.Payload())
	}
}

func TestReplayRefusesTheKeyThatEndsALoad(t *testing.T) {
	lines := `{"t":1,"resource":"pods","type":"BOOKMARK","initial":true,"rv":"1"}` + "\n" +
		`{"t":2,"resource":"pods","type":"ADDED","key":"loadgen-end","rv":"2"}` + "\n"
	r := Replay{Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(lines)), nil }, Name: "x"}
	_, err := r.Loads()
	assert.EqualError(t, err,
		`x:2:47: found key loadgen-end, expected any other, as this one marks the end of a load`)
}

func TestReplayTellsWhatItCannotRead(t *testing.T) {
	_, err := replayOf("nowhere.ndjson").Loads()
	assert.ErrorContains(t, err, "nowhere.ndjson")
	content, err := os.ReadFile("testdata/small.ndjson")
	require.NoError(t, err)
	r := Replay{Name: "x", Fresh: true, Speed: 1, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}}
	loads, err := r.Loads()
	require.NoError(t, err)
	content = bytes.Replace(content, []byte("MODIFIED"), []byte("PATCHED"), 1)
	_, err = r.Loads()
	var where *trace.Error
	require.ErrorAs(t, err, &where)
	assert.Equal(t, "x", where.File)
	// What was right when the loads were made, and is not any more, ends the stream.
	assert.NoError(t, loads[1].Err())
	s := NewStream(loads[1], started(time.Now()))
	assert.Zero(t, s.Next(make([]Event, 4)))
	assert.ErrorContains(t, loads[1].Err(), "x, which was read before: ")
	assert.NoError(t, small(t, 1, false)[0].Err())
}

// Streams that end early hold up nobody, and what nobody opened is passed over.
func TestFreshReplayCanBeLeftEarly(t *testing.T) {
	recorded, err := readRecorded()
	require.NoError(t, err)
	loads := recorded[1]
	past := func() <-chan time.Time { return started(time.Now().Add(-time.Hour)) } // all is due
	var streams []*Stream
	for _, load := range loads[3:] {
		streams = append(streams, NewStream(load, past()))
	}
	dst := make([]Event, 100)
	for i, s := range streams {
		if i%2 == 0 {
			require.Positive(t, s.Next(dst), loads[3+i].Resource)
		}
		s.Stop()
	}
	for _, s := range streams {
		assert.Zero(t, s.Next(dst))
	}
	unread := NewStream(loads[0], past())
	unread.Stop()
	late := NewStream(loads[1], past()) // would be the second of the same, had it begun
	for n := 0; n < loads[1].Len(); {
		got := late.Next(dst)
		require.Positive(t, got)
		n += got
	}
	assert.Empty(t, loads[0].replay.waiting)
}

// While others play on, nothing piles up for one who left.
func TestFreshReplayKeepsNothingForThoseWhoLeft(t *testing.T) {
	loads := small(t, 1, true)
	left, stays := loads[0].open().(*replayFeed), loads[1].open().(*replayFeed)
	left.close()
	fresh := map[*replayFeed][]Event{left: make([]Event, 3), stays: make([]Event, 3)}
	assert.True(t, left.hand(fresh, time.Nanosecond))
	assert.Empty(t, fresh[left])
	assert.Empty(t, left.queued)
	assert.Len(t, stays.queued, 3)
	stays.close()
	assert.False(t, left.hand(fresh, time.Nanosecond))
}

func TestBookmarksAreForThoseWhoAsk(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		load := small(t, 0, fresh)[1]
		assert.Equal(t, 1+4, load.Expect().Calls, "handlers hear nothing of a bookmark")
		for _, wanted := range []bool{true, false} {
			s := NewSource(load)
			s.Release(time.Now())
			w, err := s.Watch(t.Context(), source.WatchOptions{ResourceVersion: "9", AllowBookmarks: wanted})
			require.NoError(t, err)
			var types []source.EventType
			for len(types) == 0 || types[len(types)-1] != source.Added || len(types) < 4 {
				types = append(types, read(t, w, 1, 1)[0].Type)
			}
			assert.Equal(t, wanted, slices.Contains(types, source.Bookmark))
			w.Stop()
		}
	}
}

func TestRecordedTrace(t *testing.T) {
	recorded, err := readRecorded()
	require.NoError(t, err)
	var resources []string
	count := map[source.EventType]int{}
	initial, calls, span := 0, 0, time.Duration(0)
	for _, load := range recorded[0] {
		checkLoad(t, load)
		resources = append(resources, load.Resource)
		initial += len(load.Lists[0].Objects)
		calls += load.Expect().Calls
		span = max(span, load.Duration())
		for _, e := range load.Events() {
			count[e.Type]++
		}
	}
	assert.Equal(t, []string{"cronjobs", "daemonsets", "deployments", "endpointslices", "events", "jobs",
		"leases", "namespaces", "nodes", "pods", "replicasets", "services", "statefulsets"}, resources)
	assert.Equal(t, 10, initial)
	if testing.Short() {
		assert.InDelta(t, 100, span.Seconds(), 5)
		return
	}
	assert.InDelta(t, 15*60, span.Seconds(), 30)
	assert.Equal(t, map[source.EventType]int{
		source.Added:    62_840 + 13,
		source.Modified: 113_780,
		source.Deleted:  11_062,
		source.Bookmark: 183 - 13,
	}, count, "and 13 sentinels; the bookmarks that end the lists are not events")
	assert.Equal(t, 187_692+13, calls)
}

// The recording, on one clock: 15 minutes of it, in no time in the bubble.
func TestRecordedTraceReplays(t *testing.T) {
	recorded, err := readRecorded()
	require.NoError(t, err)
	for i, loads := range recorded {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now().Add(time.Second)
			done := make(chan error)
			length := time.Duration(0)
			for _, load := range loads {
				length = max(length, load.Duration())
				go func() {
					expect, s := load.Expect(), NewSource(load)
					r := NewRecorder(expect, RecorderOptions{Latency: true})
					level := NewRecorder(expect, RecorderOptions{Latency: true, Level: true, Every: true})
					r.Release(start)
					level.Release(start)
					s.Release(start)
					cache := follow(t, s, both{r, level}, level.Done())
					held := func(yield func(event.Key, uint64)) {
						for key, o := range cache {
							yield(key, o.ID())
						}
					}
					done <- errors.Join(r.Check(), level.Check(), expect.CheckCache(held))
					assert.Equal(t, r.Latency().TotalCount(), level.Latency().TotalCount())
					assert.Less(t, r.Latency().Max(), int64(time.Microsecond), load.Resource)
					assert.Less(t, s.Pace().GapError.Max(), int64(time.Microsecond), load.Resource)
				}()
			}
			for range loads {
				assert.NoError(t, <-done)
			}
			assert.InDelta(t, length.Seconds(), time.Since(start).Seconds(), 1e-3, "fresh: %t", i == 1)
		})
	}
}

// both passes calls on to two handlers.
type both [2]handler

func (b both) OnAdd(o event.Object, initial bool) {
	b[0].OnAdd(o, initial)
	b[1].OnAdd(o, initial)
}

func (b both) OnUpdate(old, new event.Object) {
	b[0].OnUpdate(old, new)
	b[1].OnUpdate(old, new)
}

func (b both) OnDelete(o event.Object, unknown bool) {
	b[0].OnDelete(o, unknown)
	b[1].OnDelete(o, unknown)
}

func BenchmarkReplay(b *testing.B) {
	for _, fresh := range []bool{false, true} {
		b.Run(fmt.Sprintf("fresh=%t", fresh), func(b *testing.B) {
			recorded, err := readRecorded()
			require.NoError(b, err)
			loads := recorded[0]
			if fresh {
				loads = recorded[1]
			}
			events := 0
			b.ReportAllocs()
			for b.Loop() {
				for _, all := range drain(b, loads...) {
					events += len(all)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
		})
	}
}

// repeats is how often TestFreshReplayMemory plays the recording end to end.
var repeats = flag.Int("repeats", 3, "of the recording in TestFreshReplayMemory")

// However long a trace is, what reads and plays it keeps only what exists. The
// limit is for the live heap; the collector lets it grow to twice as much.
func TestFreshReplayMemory(t *testing.T) {
	times, least := *repeats, 187_000
	if testing.Short() {
		times, least = 1, 20_000
	}
	path := filepath.Join(t.TempDir(), "long.ndjson.gz")
	file, err := os.Create(path)
	require.NoError(t, err)
	again := func() (*trace.Reader, error) {
		from, err := openRecorded()
		if err != nil {
			return nil, err
		}
		return trace.NewReader(from, recorded.Name)
	}
	_, err = trace.Cut(again, file, trace.CompressionOf(path), trace.CutOptions{Repeat: times})
	require.NoError(t, err)
	require.NoError(t, file.Close())
	before := int64(buffertest.LiveBytes())
	r := replayOf(path)
	r.Fresh = true
	loads, err := r.Loads()
	require.NoError(t, err)
	start := make(chan time.Time)
	close(start)
	var playing sync.WaitGroup
	var most atomic.Int64
	events := 0
	for _, load := range loads {
		events += load.Len()
		s := NewStream(load, start)
		playing.Go(func() {
			dst := make([]Event, 256)
			next := 0
			for n, all := s.Next(dst), 0; n > 0; n = s.Next(dst) {
				if all += n; all > next && load.Resource == "events" {
					next += load.Len() / 10
					most.Store(max(most.Load(), int64(buffertest.LiveBytes())-before)) // by this goroutine alone
				}
			}
		})
	}
	playing.Wait()
	t.Logf("%d events: live heap at most %.1f MB", events, float64(most.Load())/1e6)
	assert.Less(t, most.Load(), int64(45e6))
	assert.Greater(t, events, times*least)
}
