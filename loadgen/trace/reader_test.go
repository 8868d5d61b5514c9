package trace

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/buffer/buffertest"
	"informerlab/core/source"
)

// small has all that a compact trace can have, in odd spellings, too.
const small = `{"trace":"informerlab","version":1,"objects":false}
{"t":10,"resource":"pods","type":"ADDED","initial":true,"key":"default/a","uid":"u1","rv":"5","size":900}
{"t":10,"resource":"nodes","type":"BOOKMARK","initial":true,"rv":"7","size":100}
{"t":11,"resource":"pods","type":"BOOKMARK","initial":true,"rv":"9","size":100}
{"t":1000,"resource":"nodes","type":"ADDED","key":"node-1","uid":"n1","rv":"12","gen":3,"size":5000}
{"t":2000,"resource":"pods","type":"MODIFIED","key":"default/a","uid":"u1","rv":"13","size":900}
{"t":2500,"resource":"pods","type":"BOOKMARK","rv":"13","size":100}
{"t":3000,"resource":"pods","type":"DELETED","key":"default/a","uid":"u1","rv":"15","size":900}
{ "type": "ADDED", "t": 4000, "future": {"field": [1, "}\""]}, "resource": "pods", "key": "default/\u0061", "rv": "16" }
`

// withObjects is a trace of version 0 with objects.
const withObjects = `{"t":1,"resource":"pods","initial":true,"type":"ADDED","object":{"kind":"Pod","metadata":` +
	`{"name":"a","namespace":"default","uid":"u1","resourceVersion":"5","generation":2},"spec":{"x":["\\\"",{}]}}}
{"t":2,"resource":"pods","initial":true,"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"6"}}}
{"t":3,"resource":"pods","type":"MODIFIED","rv":"9","size":0,"object":{"metadata":{"namespace":"default","name":"a",` +
	`"resourceVersion":"8"}}}
{"t":4,"resource":"pods","type":"BOOKMARK","rv":"9"}
`

// readAll reads all records of a trace, with texts of their own.
func readAll(from io.Reader, name string) (Header, []*Record, error) {
	r, err := NewReader(from, name)
	if err != nil {
		return Header{}, nil, err
	}
	defer r.Close()
	var all []*Record
	for {
		var rec Record
		if err := r.Next(&rec); err == io.EOF {
			return r.Header(), all, nil
		} else if err != nil {
			return r.Header(), all, err
		}
		all = append(all, rec.clone())
	}
}

// write writes records as a trace.
func write(t testing.TB, h Header, records []*Record) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, h)
	require.NoError(t, err)
	for _, rec := range records {
		require.NoError(t, w.Write(rec))
	}
	require.NoError(t, w.Close())
	assert.Equal(t, len(records), w.Records())
	return out.Bytes()
}

// describe shows records in a form that tells all fields.
func describe(records []*Record) (lines []string) {
	for _, r := range records {
		lines = append(lines, fmt.Sprintf("%d %s %s %t %q %q %s %d gen=%d size=%d %s",
			r.T, r.Resource, r.Type, r.Initial, r.Key, r.UID, r.RV, r.Version, r.Gen, r.Size, r.Object))
	}
	return lines
}

func TestReaderReadsBothForms(t *testing.T) {
	header, records, err := readAll(strings.NewReader(small), "small")
	require.NoError(t, err)
	assert.Equal(t, Header{Version: 1}, header)
	assert.Equal(t, []string{
		`10 pods ADDED true "default/a" "u1" 5 5 gen=0 size=900 `,
		`10 nodes BOOKMARK true "" "" 7 7 gen=0 size=100 `,
		`11 pods BOOKMARK true "" "" 9 9 gen=0 size=100 `,
		`1000 nodes ADDED false "node-1" "n1" 12 12 gen=3 size=5000 `,
		`2000 pods MODIFIED false "default/a" "u1" 13 13 gen=0 size=900 `,
		`2500 pods BOOKMARK false "" "" 13 13 gen=0 size=100 `,
		`3000 pods DELETED false "default/a" "u1" 15 15 gen=0 size=900 `,
		`4000 pods ADDED false "default/a" "" 16 16 gen=0 size=0 `,
	}, describe(records))

	header, records, err = readAll(strings.NewReader(withObjects), "objects")
	require.NoError(t, err)
	assert.Equal(t, Header{Objects: true}, header)
	assert.Equal(t, []string{
		`1 pods ADDED true "default/a" "u1" 5 5 gen=2 size=133 {"kind":"Pod","metadata":{"name":"a",` +
			`"namespace":"default","uid":"u1","resourceVersion":"5","generation":2},"spec":{"x":["\\\"",{}]}}`,
		`2 pods BOOKMARK true "" "" 6 6 gen=0 size=49 {"kind":"Pod","metadata":{"resourceVersion":"6"}}`,
		`3 pods MODIFIED false "default/a" "" 9 9 gen=0 size=0 {"metadata":{"namespace":"default","name":"a",` +
			`"resourceVersion":"8"}}`,
		`4 pods BOOKMARK false "" "" 9 9 gen=0 size=0 `,
	}, describe(records))
}

func TestReaderReadsEveryPacking(t *testing.T) {
	_, want, err := readAll(strings.NewReader(small), "small")
	require.NoError(t, err)
	for name, c := range map[string]Compression{"a.ndjson": Plain, "a.ndjson.gz": Gzip, "a.ndjson.zst": Zstd} {
		assert.Equal(t, c, CompressionOf(name))
		packed := write(t, Header{Compression: c}, want)
		for _, r := range []io.Reader{bytes.NewReader(packed), iotest.OneByteReader(bytes.NewReader(packed))} {
			header, got, err := readAll(r, name)
			require.NoError(t, err)
			assert.Equal(t, Header{Version: 1, Compression: c}, header)
			assert.Equal(t, want, got)
		}
	}
	for name, text := range map[string]string{
		"windows":         strings.ReplaceAll(small, "\n", "\r\n"),
		"no last newline": strings.TrimSpace(small),
		"version 0":       small[strings.Index(small, "\n")+1:],
	} {
		_, got, err := readAll(strings.NewReader(text), name)
		require.NoError(t, err, name)
		assert.Equal(t, want, got, name)
	}
}

func TestMalformedFilesAreToldInOneLine(t *testing.T) {
	files, err := filepath.Glob("testdata/malformed/*.ndjson*")
	require.NoError(t, err)
	text, err := os.ReadFile("testdata/malformed.txt")
	require.NoError(t, err)
	want := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if file, _, found := strings.Cut(line, ":"); found && !strings.HasPrefix(line, "#") {
			want[file] = strings.TrimSpace(line)
		}
	}
	require.Len(t, want, len(files), "each file has its message")
	for _, path := range files {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		name := filepath.Base(path)
		_, _, err = readAll(bytes.NewReader(content), name)
		require.Error(t, err, name)
		assert.Equal(t, want[name], err.Error())
		assert.ErrorAs(t, err, new(*Error))
	}
}

func TestReaderTellsAFailedRead(t *testing.T) {
	broken := errors.New("disk on fire")
	_, _, err := readAll(io.MultiReader(strings.NewReader(small[:100]), iotest.ErrReader(broken)), "x")
	assert.ErrorIs(t, err, broken)
	assert.EqualError(t, err, "x:2:49: found a failure to read (disk on fire), expected the rest of the file")
	// A wrong line is told for what it is, though the failure was met while
	// reading ahead.
	text := strings.Replace(small, "MODIFIED", "PATCHED", 1)
	_, _, err = readAll(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), "x")
	assert.ErrorContains(t, err, `x:6:36: found type "PATCHED"`)
	_, _, err = readAll(io.MultiReader(strings.NewReader(small), iotest.ErrReader(broken)), "x")
	assert.ErrorIs(t, err, broken, "also behind the last record")
}

func TestReaderRefusesALineWithoutEnd(t *testing.T) {
	_, _, err := readAll(io.MultiReader(strings.NewReader(small), &endless{}), "x")
	assert.EqualError(t, err, "x:10:16777217: found a line of more bytes, expected at most 16777216")
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// The recording has the fast form throughout, and the slow way reads the same.
func TestScanReadsWhatParseReads(t *testing.T) {
	records := allRecords(t, recording(t))
	plain := write(t, Header{}, records)
	fast := 0
	for line := range bytes.Lines(plain[bytes.IndexByte(plain, '\n')+1:]) {
		if checkScan(t, bytes.TrimSpace(line)) {
			fast++
		}
	}
	assert.Equal(t, len(records), fast)
	if !testing.Short() {
		assert.Equal(t, 187_692+183, fast)
	}
	_, again, err := readAll(bytes.NewReader(plain), "again")
	require.NoError(t, err)
	assert.Equal(t, records, again)
}

// checkScan holds the fast reader to the slow one wherever it claims a line.
func checkScan(t testing.TB, text []byte) bool {
	t.Helper()
	var fast, slow Record
	if !fast.scan(text) {
		return false
	}
	if wrong := slow.parse(text, new(places)); wrong != nil {
		require.Fail(t, "scan takes what parse refuses", "%q: %v", text, wrong)
	}
	if describe([]*Record{&slow})[0] != describe([]*Record{&fast})[0] {
		require.Fail(t, "scan and parse differ", "%q", text)
	}
	return true
}

// A trace is read in the same memory whatever its length, as long as what
// exists stays the same.
func TestReaderMemoryIsConstant(t *testing.T) {
	records := 400_000
	if testing.Short() {
		records /= 10
	}
	r, err := NewReader(io.MultiReader(strings.NewReader(small), &churn{left: records}), "churn")
	require.NoError(t, err)
	defer r.Close()
	var rec Record
	var early int
	for i := 0; ; i++ {
		if i == records/10 {
			early = buffertest.LiveBytes()
		}
		if err := r.Next(&rec); err == io.EOF {
			break
		} else if err != nil {
			require.NoError(t, err)
		}
	}
	assert.Less(t, buffertest.LiveBytes(), early+64<<10)
}

// A churn makes records of ever new keys: added, then deleted.
type churn struct {
	left, made int
	rest       []byte
}

func (c *churn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		if c.left == c.made {
			return 0, io.EOF
		}
		kind := source.Added
		if c.made%2 == 1 {
			kind = source.Deleted
		}
		c.rest = fmt.Appendf(nil, `{"t":5000,"resource":"pods","type":"%s","key":"default/pod-%d","rv":"%d"}`+"\n",
			kind, c.made/2, 100+c.made)
		c.made++
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(withObjects))
	for _, pattern := range []string{"testdata/malformed/*.ndjson*", "../testdata/bad/*"} {
		files, err := filepath.Glob(pattern)
		require.NoError(f, err)
		for _, file := range files {
			if text, err := os.ReadFile(file); assert.NoError(f, err) {
				f.Add(text)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for line := range bytes.Lines(text) {
			checkScan(t, bytes.TrimRight(line, "\r\n"))
		}
		header, records, err := readAll(bytes.NewReader(text), "fuzz")
		if err != nil {
			require.ErrorAs(t, err, new(*Error))
			require.Regexp(t, `^fuzz:\d+:\d+: found .*, expected .*$`, err.Error())
			return
		}
		for _, h := range []Header{{Objects: header.Objects, Compression: Zstd}, {Compression: Gzip}, {}} {
			if !h.Objects {
				for _, rec := range records {
					rec.Object = nil
				}
			}
			_, again, err := readAll(bytes.NewReader(write(t, h, records)), "again")
			require.NoError(t, err)
			require.Equal(t, describe(records), describe(again))
		}
	})
}

func BenchmarkReader(b *testing.B) {
	records := allRecords(b, openRecorded)
	for _, c := range []Compression{Plain, Gzip, Zstd} {
		packed := write(b, Header{Compression: c}, records)
		b.Run("packing="+c.String(), func(b *testing.B) {
			for b.Loop() {
				r, err := NewReader(bytes.NewReader(packed), "x")
				require.NoError(b, err)
				var rec Record
				for err = r.Next(&rec); err == nil; err = r.Next(&rec) {
				}
				require.ErrorIs(b, err, io.EOF)
				r.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(records)), "ns/record")
		})
	}
}

func BenchmarkParse(b *testing.B) {
	text := []byte(`{"t":909714961242,"resource":"leases","type":"MODIFIED","key":"kube-node-lease/node-0225",` +
		`"uid":"5bbd1cff-0716-49f4-9046-ea881ed3c269","rv":"200083","size":801}`)
	var rec Record
	b.Run("by=scan", func(b *testing.B) {
		for b.Loop() {
			if !rec.scan(text) {
				b.Fatal("not scanned")
			}
		}
	})
	b.Run("by=parse", func(b *testing.B) {
		for b.Loop() {
			if wrong := rec.parse(text, new(places)); wrong != nil {
				b.Fatal(wrong)
			}
		}
	})
}
