package loadgen

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/source"
	"informerlab/loadgen/recorded"
)

func readFile(t testing.TB, path string) (*Trace, error) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return ReadTrace(bytes.NewReader(text), filepath.Base(path))
}

// badTraces returns what testdata/bad.txt says of the files in testdata/bad.
func badTraces(t testing.TB) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/bad.txt")
	require.NoError(t, err)
	messages := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if file, _, found := strings.Cut(line, ":"); found && !strings.HasPrefix(line, "#") {
			messages[file] = strings.TrimSpace(line)
		}
	}
	return messages
}

func TestReadTraceSaysWhereAndWhatIsBad(t *testing.T) {
	files, err := os.ReadDir("testdata/bad")
	require.NoError(t, err)
	messages := badTraces(t)
	require.Len(t, messages, len(files), "each file has its message")
	for _, f := range files {
		t.Run(f.Name(), func(t *testing.T) {
			require.Contains(t, messages, f.Name())
			trace, err := readFile(t, filepath.Join("testdata/bad", f.Name()))
			require.Nil(t, trace)
			require.Error(t, err)
			assert.True(t, strings.HasPrefix(err.Error(), messages[f.Name()]), err)
			assert.NotContains(t, err.Error(), "\n")
			var where *TraceError
			assert.ErrorAs(t, err, &where)
		})
	}
}

func TestReadTraceTellsAFailedRead(t *testing.T) {
	small, err := os.ReadFile("testdata/small.ndjson")
	require.NoError(t, err)
	broken := errors.New("disk on fire")
	_, err = ReadTrace(io.MultiReader(bytes.NewReader(small[:150]), iotest.ErrReader(broken)), "x")
	assert.ErrorIs(t, err, broken)
	assert.EqualError(t, err, "x:2: found a failure to read (disk on fire), expected the rest of the file")
	// A wrong line is told for what it is, though the failure was met while
	// reading ahead.
	text := strings.Replace(string(small), "MODIFIED", "PATCHED", 1)
	_, err = ReadTrace(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), "x")
	assert.ErrorContains(t, err, `x:5: found type "PATCHED"`)
}

func TestReadTrace(t *testing.T) {
	plain, err := os.ReadFile("testdata/small.ndjson")
	require.NoError(t, err)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err = w.Write(plain)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	for name, r := range map[string]io.Reader{
		"plain":           bytes.NewReader(plain),
		"gzip":            &packed,
		"byte by byte":    iotest.OneByteReader(bytes.NewReader(plain)),
		"windows":         strings.NewReader(strings.ReplaceAll(string(plain), "\n", "\r\n")),
		"no last newline": bytes.NewReader(bytes.TrimSpace(plain)),
	} {
		t.Run(name, func(t *testing.T) {
			trace, err := ReadTrace(r, name)
			require.NoError(t, err)
			assert.Equal(t, []string{"nodes", "pods"}, trace.Resources())
			assert.Equal(t, 3000*time.Nanosecond, trace.Duration())
			loads := trace.Loads(1)
			for _, l := range loads {
				checkLoad(t, l)
			}
			assert.Equal(t, []time.Duration{0, 0}, loads[0].Due)
			assert.Equal(t, []time.Duration{1000, 1500, 2000, 3000, 3000}, loads[1].Due)
			assert.Equal(t, []time.Duration{100, 150, 200, 300, 300}, trace.Loads(10)[1].Due)
			assert.Nil(t, trace.Loads(0)[1].Due)
			assert.Empty(t, loads[0].Initial)
			assert.Equal(t, "7", loads[0].InitialVersion)
			require.Len(t, loads[1].Initial, 1)
			assert.Equal(t, "9", loads[1].InitialVersion)
			var events []string
			for _, e := range loads[1].Events() {
				events = append(events, fmt.Sprint(e.Type, " ", event.KeyOf(e.Object), " ", e.Object.version))
			}
			assert.Equal(t, []string{"MODIFIED default/a 13", "BOOKMARK  13", "DELETED default/a 15",
				"ADDED default/a 16", "ADDED loadgen-end 17"}, events)
			assert.Equal(t, event.Key{Name: "node-1"}, event.KeyOf(loads[0].Event(0).Object))
		})
	}
}

func TestLoadsPanicsAtASpeedThatIsNone(t *testing.T) {
	trace, err := readFile(t, "testdata/small.ndjson")
	require.NoError(t, err)
	assert.PanicsWithValue(t, "loadgen: replay at speed -1: expected 0 or more", func() { trace.Loads(-1) })
	assert.Len(t, trace.Loads(1e-300), 2, "times are capped")
}

func TestBookmarksAreForThoseWhoAsk(t *testing.T) {
	trace, err := readFile(t, "testdata/small.ndjson")
	require.NoError(t, err)
	load := trace.Loads(0)[1]
	expect := load.Expect()
	assert.Equal(t, 1+4, expect.Calls, "handlers hear nothing of a bookmark")
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

// readRecorded reads the recorded trace once for all tests.
var readRecorded = sync.OnceValues(func() (*Trace, error) {
	return ReadTrace(recorded.Open(), recorded.Name)
})

func TestRecordedTrace(t *testing.T) {
	trace, err := readRecorded()
	require.NoError(t, err)
	assert.Equal(t, []string{"cronjobs", "daemonsets", "deployments", "endpointslices", "events", "jobs",
		"leases", "namespaces", "nodes", "pods", "replicasets", "services", "statefulsets"},
		trace.Resources())
	assert.InDelta(t, 15*60, trace.Duration().Seconds(), 30)
	count := map[source.EventType]int{}
	initial, calls := 0, 0
	for _, load := range trace.Loads(100) {
		checkLoad(t, load)
		initial += len(load.Initial)
		calls += load.Expect().Calls
		for _, e := range load.Events() {
			count[e.Type]++
		}
	}
	assert.Equal(t, 10, initial)
	assert.Equal(t, map[source.EventType]int{
		source.Added:    62_840 + 13,
		source.Modified: 113_780,
		source.Deleted:  11_062,
		source.Bookmark: 183 - 13,
	}, count, "and 13 sentinels; the bookmarks that end the lists are not events")
	assert.Equal(t, 187_692+13, calls)
}

// The whole recording, on one clock: 15 minutes of it, in no time in the bubble.
func TestRecordedTraceReplays(t *testing.T) {
	trace, err := readRecorded()
	require.NoError(t, err)
	loads := trace.Loads(1)
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().Add(time.Second)
		done := make(chan error)
		for _, load := range loads {
			go func() {
				expect, s := load.Expect(), NewSource(load)
				r := NewRecorder(expect, RecorderOptions{Latency: true})
				r.Release(start)
				s.Release(start)
				cache := follow(t, s, r, r.Done())
				done <- errors.Join(r.Check(), expect.CheckCache(func(yield func(event.Key, uint64)) {
					for key, o := range cache {
						yield(key, o.ID)
					}
				}))
			}()
		}
		for range loads {
			assert.NoError(t, <-done)
		}
		assert.InDelta(t, 15*60, time.Since(start).Seconds(), 30)
	})
}

func TestScanReadsWhatJSONReads(t *testing.T) {
	lines := []string{
		"", "{}", "{", "null", `{"t":1}`, `{"t":01}`, `{"t":1.5}`, `{"t":-1}`, `{"T":1}`, `{"t":1,"t":2}`,
		`{"t":999999999999999999}`, `{"t":9999999999999999999}`, `{"key":"a\"b"}`, `{"key":"ä"}`,
		"{\"key\":\"\x01\"}", `{"initial":false}`, `{"initial":true}`, `{"initial":1}`, `{"t":1}}`,
		`{"t":1,}`, `{"t":1 }`, `{"uid":5}`, `{"size":5,"gen":6}`,
	}
	for _, line := range lines {
		checkScan(t, []byte(line))
	}
	scanned := 0
	l, err := newLineReader(recorded.Open(), recorded.Name)
	require.NoError(t, err)
	for l.scanner.Scan() && scanned < 2000 {
		var line traceLine
		require.True(t, line.scan(l.scanner.Bytes()), "the recorded form is read the fast way")
		checkScan(t, l.scanner.Bytes())
		scanned++
	}
}

// checkScan holds the fast reader to encoding/json wherever it claims a line.
func checkScan(t testing.TB, text []byte) {
	t.Helper()
	var fast, slow traceLine
	if !fast.scan(text) {
		return
	}
	require.NoError(t, slow.unmarshal(text), "%q", text)
	show := func(l traceLine) string {
		return fmt.Sprintf("%d %q %q %q %q %t", l.t, l.resource, l.typ, l.key, l.rv, l.initial)
	}
	require.Equal(t, show(slow), show(fast), "%q", text)
}

func FuzzScanLine(f *testing.F) {
	f.Add([]byte(`{"t":17891876,"resource":"events","type":"ADDED","initial":true,"key":"a/b"}`))
	f.Add([]byte(`{"key":"a/b","uid":"u","rv":"206","size":1120}`))
	f.Add([]byte(`{"t":0,"gen":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if json.Valid(text) || !bytes.ContainsAny(text, "\r\n") {
			checkScan(t, text)
		}
	})
}

func FuzzReadTrace(f *testing.F) {
	for _, pattern := range []string{"testdata/*.ndjson", "testdata/bad/*"} {
		files, err := filepath.Glob(pattern)
		require.NoError(f, err)
		for _, file := range files {
			if text, err := os.ReadFile(file); assert.NoError(f, err) {
				f.Add(text)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		trace, err := ReadTrace(bytes.NewReader(text), "fuzz")
		if err != nil {
			require.Regexp(t, `^fuzz:\d+: found (?s:.*), expected (?s:.*)$`, err.Error())
			require.NotContains(t, err.Error(), "\n")
			return
		}
		for _, load := range trace.Loads(3) {
			checkLoad(t, load)
			calls, _ := naiveCalls(load)
			require.NoError(t, makeCalls(load.Expect(), calls))
		}
	})
}

func BenchmarkReadTrace(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, err := ReadTrace(recorded.Open(), recorded.Name)
		require.NoError(b, err)
	}
}

func BenchmarkScanLine(b *testing.B) {
	text := []byte(`{"t":909714961242,"resource":"leases","type":"MODIFIED","key":"kube-node-lease/node-0225",` +
		`"uid":"5bbd1cff-0716-49f4-9046-ea881ed3c269","rv":"200083","size":801}`)
	var line traceLine
	b.Run("by=scan", func(b *testing.B) {
		for b.Loop() {
			if !line.scan(text) {
				b.Fatal("not scanned")
			}
		}
	})
	b.Run("by=json", func(b *testing.B) {
		for b.Loop() {
			if err := line.unmarshal(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}
