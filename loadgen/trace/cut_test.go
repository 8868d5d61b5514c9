package trace

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/buffer/buffertest"
	"informerlab/core/source"
)

func opener(text string) func() (*Reader, error) {
	return func() (*Reader, error) { return NewReader(strings.NewReader(text), "x") }
}

// cut cuts and reads the result, which makes sure that it is legal.
func cut(t *testing.T, open func() (*Reader, error), o CutOptions) (Header, []*Record) {
	t.Helper()
	var out bytes.Buffer
	n, err := Cut(open, &out, Zstd, o)
	require.NoError(t, err)
	header, records, err := readAll(&out, "cut")
	require.NoError(t, err)
	require.Len(t, records, n)
	return header, records
}

func TestCutOfNothingIsACopy(t *testing.T) {
	for _, text := range []string{small, withObjects} {
		_, want, err := readAll(strings.NewReader(text), "x")
		require.NoError(t, err)
		header, got := cut(t, opener(text), CutOptions{})
		assert.Equal(t, describe(want), describe(got))
		assert.Equal(t, want[0].Object != nil, header.Objects)
	}
}

func TestCutMakesInitialLists(t *testing.T) {
	_, got := cut(t, opener(small), CutOptions{From: 2000, To: 3000})
	assert.Equal(t, []string{
		`0 nodes ADDED true "node-1" "n1" 12 12 gen=3 size=5000 `,
		`0 nodes BOOKMARK true "" "" 12 12 gen=0 size=0 `,
		`0 pods ADDED true "default/a" "u1" 5 5 gen=0 size=900 `,
		`0 pods BOOKMARK true "" "" 9 9 gen=0 size=0 `,
		`0 pods MODIFIED false "default/a" "u1" 13 13 gen=0 size=900 `,
		`500 pods BOOKMARK false "" "" 13 13 gen=0 size=100 `,
	}, describe(got))
	_, got = cut(t, opener(small), CutOptions{From: 3500, Resources: []string{"pods"}})
	assert.Equal(t, []string{
		`0 pods BOOKMARK true "" "" 15 15 gen=0 size=0 `,
		`500 pods ADDED false "default/a" "" 16 16 gen=0 size=0 `,
	}, describe(got), "what was deleted is not listed")
	_, got = cut(t, opener(small), CutOptions{To: 11})
	assert.Equal(t, []string{
		`10 pods ADDED true "default/a" "u1" 5 5 gen=0 size=900 `,
		`10 nodes BOOKMARK true "" "" 7 7 gen=0 size=100 `,
		`10 pods BOOKMARK true "" "" 5 5 gen=0 size=0 `,
	}, describe(got), "a list that the cut ends in is ended")
	_, got = cut(t, opener(small), CutOptions{From: 11, To: 12})
	assert.Equal(t, []string{
		`0 nodes BOOKMARK true "" "" 7 7 gen=0 size=0 `,
		`0 pods ADDED true "default/a" "u1" 5 5 gen=0 size=900 `,
		`0 pods BOOKMARK true "" "" 9 9 gen=0 size=100 `,
	}, describe(got), "a list that the cut begins in goes on")
	header, got := cut(t, opener(withObjects), CutOptions{From: 3, Compact: true})
	assert.Equal(t, Header{Version: 1, Compression: Zstd}, header)
	assert.Equal(t, `0 pods ADDED true "default/a" "u1" 5 5 gen=2 size=133 `, describe(got)[0])
}

func TestRepeatIsLegal(t *testing.T) {
	_, got := cut(t, opener(small), CutOptions{Repeat: 2})
	assert.Equal(t, []string{
		`4000 nodes DELETED false "node-1" "n1" 17 17 gen=3 size=5000 `,
		`4000 pods DELETED false "default/a" "" 18 18 gen=0 size=0 `,
		`4010 pods ADDED false "default/a" "u1" 19 19 gen=0 size=900 `,
		`4010 nodes BOOKMARK false "" "" 26 26 gen=0 size=100 `,
		`4011 pods BOOKMARK false "" "" 28 28 gen=0 size=100 `,
		`5000 nodes ADDED false "node-1" "n1" 31 31 gen=3 size=5000 `,
	}, describe(got)[8:14])
	header, got := cut(t, opener(withObjects), CutOptions{Repeat: 3})
	assert.True(t, header.Objects)
	assert.Len(t, got, 3*4+2)
	assert.Equal(t, uint64(10), got[4].Version)
	assert.Equal(t, source.Deleted, got[4].Type)
	assert.NotEmpty(t, got[4].Object)

	// A list may end while another has not begun, and versions may be alike.
	const late = `{"t":1,"resource":"a","type":"ADDED","initial":true,"key":"x","rv":"1"}
{"t":1,"resource":"a","type":"BOOKMARK","initial":true,"rv":"1"}
{"t":2,"resource":"a","type":"MODIFIED","key":"x","rv":"70"}
{"t":3,"resource":"b","type":"ADDED","initial":true,"key":"x","rv":"1"}
{"t":3,"resource":"b","type":"ADDED","initial":true,"key":"y","rv":"1"}
{"t":4,"resource":"b","type":"BOOKMARK","initial":true,"rv":"1"}
`
	_, got = cut(t, opener(late), CutOptions{Repeat: 4})
	assert.Len(t, got, 4*6+3*3)
}

// TestCutOfTheRecording cuts the recording anywhere: the cuts are legal, and
// what exists at the end is what exists at the end of the recording.
func TestCutOfTheRecording(t *testing.T) {
	open := recording(t)
	length := time.Duration(0)
	eachRecord(t, open, func(rec *Record) { length = time.Duration(rec.T) })
	for _, from := range []time.Duration{20 * time.Millisecond, length / 3, length * 99 / 100} {
		var part bytes.Buffer
		n, err := Cut(open, &part, Plain, CutOptions{From: from})
		require.NoError(t, err)
		cutOut := func() (*Reader, error) { return NewReader(&part, "cut") }
		wantEnd, wantEvents, _ := outcome(t, open, from)
		gotEnd, gotEvents, records := outcome(t, cutOut, 0)
		assert.Equal(t, wantEnd, gotEnd, "from %v", from)
		assert.Equal(t, wantEvents, gotEvents, "from %v", from)
		assert.Equal(t, n, records)
	}
}

// outcome returns what exists at the end of a trace, and how many events it has from a
// time on.
func outcome(t *testing.T, open func() (*Reader, error), from time.Duration) (
	end map[string]string, events, records int,
) {
	end = map[string]string{}
	eachRecord(t, open, func(rec *Record) {
		records++
		if rec.T >= int64(from) && !rec.Initial {
			events++
		}
		switch name := string(rec.Resource) + " " + string(rec.Key); rec.Type {
		case source.Deleted:
			delete(end, name)
		case source.Added, source.Modified:
			end[name] = string(rec.UID) + " " + string(rec.RV)
		}
	})
	return end, events, records
}

// The recording repeated takes no more memory to read than once.
func TestRepeatedRecordingIsReadInConstantMemory(t *testing.T) {
	open := recording(t)
	var records int
	var length time.Duration
	eachRecord(t, open, func(rec *Record) { records, length = records+1, time.Duration(rec.T) })
	times := 3
	if testing.Short() {
		times = 2
	}
	path := filepath.Join(t.TempDir(), "repeated.ndjson.zst")
	file, err := os.Create(path)
	require.NoError(t, err)
	_, err = Cut(open, file, Zstd, CutOptions{Repeat: times})
	require.NoError(t, err)
	require.NoError(t, file.Close())
	file, err = os.Open(path)
	require.NoError(t, err)
	defer func() { assert.NoError(t, file.Close()) }()
	var highest int
	var end time.Duration
	n := 0
	eachRecord(t, func() (*Reader, error) { return NewReader(file, "repeated") }, func(rec *Record) {
		if n++; n%(records/2) == 0 {
			highest = max(highest, buffertest.LiveBytes())
		}
		end = time.Duration(rec.T)
	})
	assert.Greater(t, n, times*records)
	assert.Less(t, highest, 40<<20)
	assert.InDelta(t, float64(times)*length.Seconds(), end.Seconds(), 1)
}

func TestCutRefusesWhatLeavesNothing(t *testing.T) {
	for want, o := range map[string]CutOptions{
		"found from 2s to 1s, 0 times, expected a range":  {From: 2 * time.Second, To: time.Second},
		`found no records of "jobs", expected one of nod`: {Resources: []string{"pods", "jobs"}},
		"found no records from 5µs on, expected some: th": {From: 5 * time.Microsecond},
		"found from 0s to 0s, -1 times, expected a range": {Repeat: -1},
	} {
		_, err := Cut(opener(small), io.Discard, Plain, o)
		require.ErrorIs(t, err, ErrCut)
		assert.ErrorContains(t, err, "trace: cut: "+want)
		assert.NotContains(t, err.Error(), "\n")
	}
	_, err := Cut(func() (*Reader, error) { return nil, os.ErrNotExist }, io.Discard, Plain, CutOptions{})
	assert.ErrorIs(t, err, os.ErrNotExist)
	huge := strings.ReplaceAll(small, "4000", fmt.Sprint(int64(most)))
	_, err = Cut(opener(huge), io.Discard, Plain, CutOptions{Repeat: 2})
	assert.ErrorContains(t, err, "at most 18 digits")
}
