package trace

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/source"
)

// convert makes a trace of what kubectl printed and reads it, which makes sure
// that it is legal.
func convert(t *testing.T, in io.Reader, o KubectlOptions) (KubectlSummary, []string) {
	t.Helper()
	summary, trace, err := tryConvert(in, o)
	require.NoError(t, err)
	_, records, err := readAll(bytes.NewReader(trace), "converted")
	require.NoError(t, err)
	assert.Len(t, records, summary.Records)
	return summary, describe(records)
}

func tryConvert(in io.Reader, o KubectlOptions) (KubectlSummary, []byte, error) {
	var out bytes.Buffer
	w, err := NewWriter(&out, Header{})
	if err != nil {
		return KubectlSummary{}, nil, err
	}
	summary, err := FromKubectl(in, "in", w, o)
	err = errors.Join(err, w.Close())
	return summary, out.Bytes(), err
}

// ticking returns a clock that goes on by a millisecond at every look.
func ticking() func() time.Time {
	now := time.Unix(1_000_000, 0)
	return func() time.Time {
		now = now.Add(time.Millisecond)
		return now
	}
}

func TestFromKubectl(t *testing.T) {
	text, err := os.ReadFile("testdata/kubectl-watch.json")
	require.NoError(t, err)
	want := []string{
		`0 pods ADDED true "default/b" "u-b" 8 8 gen=1 size=193 `,
		`1000000 pods ADDED true "default/a" "u-a" 5 5 gen=1 size=193 `,
		`2000000 pods BOOKMARK true "" "" 8 8 gen=0 size=0 `,
		`2000000 pods MODIFIED false "default/a" "u-a" 12 12 gen=1 size=194 `,
		`3000000 pods ADDED false "default/c" "u-c" 13 13 gen=1 size=194 `,
		`4000000 pods MODIFIED false "default/c" "u-c" 14 14 gen=1 size=194 `,
		`7000000 pods MODIFIED false "default/c" "u-c" 17 17 gen=1 size=194 `,
		`8000000 pods ADDED false "default/d" "u-d" 18 18 gen=1 size=194 `,
		`11000000 pods DELETED false "default/b" "u-b" 21 21 gen=1 size=194 `,
	}
	summary, got := convert(t, iotest.OneByteReader(bytes.NewReader(text)), KubectlOptions{Now: ticking()})
	assert.Equal(t, want, got)
	assert.Equal(t, KubectlSummary{Records: 9, Listed: 2, Readded: 1, Unknown: 1, Ghosts: 1, Old: 2, Errors: 1,
		LastError: "too old resource version"}, summary)
	assert.Equal(t, "9 records, 2 objects in initial lists, 1 ADDED of known keys made MODIFIED, "+
		"1 MODIFIED of unknown keys made ADDED, 1 DELETED of unknown keys left out, "+
		"2 events with versions that do not rise left out, 1 ERROR events left out, "+
		"the last one: too old resource version", summary.String())

	_, got = convert(t, bytes.NewReader(text), KubectlOptions{Rate: 4, Resource: "things"})
	assert.Equal(t, `0 things BOOKMARK true "" "" 8 8 gen=0 size=0 `, got[2])
	assert.True(t, strings.HasPrefix(got[3], "250000000 things MODIFIED"), got[3])
	assert.True(t, strings.HasPrefix(got[8], "1500000000 things DELETED"), got[8])

	// What kubectl leaves when it is interrupted in the midst of an event.
	summary, got = convert(t, bytes.NewReader(text[:len(text)-100]), KubectlOptions{Now: ticking()})
	assert.Equal(t, want[:8], got)
	assert.Regexp(t, `a value cut off at in:\d+:\d+ left out$`, summary.String())
}

func TestFromKubectlKeepsObjects(t *testing.T) {
	text, err := os.ReadFile("testdata/kubectl-watch.json")
	require.NoError(t, err)
	var out bytes.Buffer
	w, err := NewWriter(&out, Header{Objects: true})
	require.NoError(t, err)
	_, err = FromKubectl(bytes.NewReader(text), "in", w, KubectlOptions{Rate: 1})
	require.NoError(t, err)
	require.NoError(t, w.Close())
	header, records, err := readAll(&out, "converted")
	require.NoError(t, err)
	assert.True(t, header.Objects)
	assert.Equal(t, `{"apiVersion":"v1","kind":"Pod","metadata":{"generation":1,"labels":{"app":"web \"quoted\" é"},`+
		`"name":"b","namespace":"default","resourceVersion":"8","uid":"u-b"},"status":{"phase":"Running"}}`,
		string(records[0].Object))
	assert.Equal(t, int64(len(records[0].Object)), records[0].Size)
}

func TestFromKubectlTakesLists(t *testing.T) {
	const list = `{"kind": "PodList", "items": [ {"metadata":{"name":"a","resourceVersion":"3"}},
		{"kind":"Ingress","metadata":{"name":"i","resourceVersion":"9"}} ]}
{"type":"MODIFIED","object":{"kind":"Pod","metadata":{"name":"a","resourceVersion":"10"}}}
{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"10"}}}`
	_, got := convert(t, strings.NewReader(list), KubectlOptions{Rate: 1})
	assert.Equal(t, []string{
		`0 pods ADDED true "a" "" 3 3 gen=0 size=47 `,
		`0 ingresses ADDED true "i" "" 9 9 gen=0 size=64 `,
		`0 pods BOOKMARK true "" "" 3 3 gen=0 size=0 `,
		`1000000000 pods MODIFIED false "a" "" 10 10 gen=0 size=61 `,
		`2000000000 pods BOOKMARK false "" "" 10 10 gen=0 size=50 `,
		`2000000000 ingresses BOOKMARK true "" "" 9 9 gen=0 size=0 `,
	}, got)
	for _, only := range []source.EventType{source.Added, source.Modified, source.Deleted} {
		event := `{"type":"` + only.String() +
			`","object":{"kind":"Pod","metadata":{"name":"a","resourceVersion":"1"}}}`
		_, trace, err := tryConvert(strings.NewReader(event+`{"kind":"List","items":[]}`), KubectlOptions{})
		require.NoError(t, err)
		_, _, err = readAll(bytes.NewReader(trace), "legal")
		assert.NoError(t, err, only)
	}
}

func TestFromKubectlTellsBadInput(t *testing.T) {
	const good = "{\n    \"type\": \"ADDED\",\n    \"object\": {\"kind\": \"Pod\", \"metadata\": {\n" +
		"        \"name\": \"a\", \"resourceVersion\": \"3\"\n    }}\n}\n"
	const syntax = " looking for beginning of value, expected JSON as kubectl prints it"
	for in, want := range map[string]string{
		"":                         "1:1: found the end of the input, expected at least one watch event",
		good + "NAME   READY":      "7:1: found invalid character 'N'" + syntax,
		good + "{\n  \"type\": x}": "8:11: found invalid character 'x'" + syntax,
		good + "[1]":               "7:1: found [1], expected a watch event or a list",
		good + "\n {\"kind\":\"Pod\"}": "8:2: found a value without type, " +
			"expected a watch event: kubectl needs --output-watch-events",
		strings.ReplaceAll(good, "ADDED", "X"): `2:13: found type = "X", ` +
			"expected ADDED, MODIFIED, DELETED, BOOKMARK or ERROR",
		strings.ReplaceAll(good, `"3"`, `"x"`): `4:41: found rv "x", expected a resource version in decimal digits`,
		strings.ReplaceAll(good, `"3"`, `3`):   `4:41: found resourceVersion = 3, expected text in quotes`,
		strings.ReplaceAll(good, `"name"`, `"n"`): "3:15: found an object without a name, " +
			"expected metadata.name in it, or a key beside it",
		strings.ReplaceAll(good, `"kind"`, `"k"`): "3:15: found an object without kind, expected one, or -resource",
		`{"type":"ADDED"}`:                        `1:1: found no object, expected "object":{…} in a watch event`,
		`{"items":[7]}`:                           "1:11: found 7, expected an object in the list",
	} {
		_, _, err := tryConvert(strings.NewReader(in), KubectlOptions{})
		assert.EqualError(t, err, "in:"+want)
	}
	broken := errors.New("disk on fire")
	_, _, err := tryConvert(io.MultiReader(strings.NewReader(good), iotest.ErrReader(broken)), KubectlOptions{})
	assert.ErrorIs(t, err, broken)
}

func TestPlural(t *testing.T) {
	for kind, want := range map[string]string{
		"Pod": "pods", "EndpointSlice": "endpointslices", "Endpoints": "endpoints", "Ingress": "ingresses",
		"NetworkPolicy": "networkpolicies", "Gateway": "gateways", "": "", "Switch": "switches",
	} {
		assert.Equal(t, want, plural(kind))
	}
}

func FuzzFromKubectl(f *testing.F) {
	text, err := os.ReadFile("testdata/kubectl-watch.json")
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte(`{"kind":"List","items":[{"kind":"A","metadata":{"name":"a","resourceVersion":"3"}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		summary, trace, err := tryConvert(bytes.NewReader(text), KubectlOptions{Rate: 1000})
		if err != nil {
			require.Regexp(t, `^in:\d+:\d+: found .*, expected .*$`, err.Error())
			return
		}
		require.NotContains(t, summary.String(), "\n")
		_, _, err = readAll(bytes.NewReader(trace), "legal")
		require.NoError(t, err)
	})
}
