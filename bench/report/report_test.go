package report_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/judge"
	"informerlab/bench/report"
	"informerlab/bench/run"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files instead of comparing")

func tables(t *testing.T, text, base string) string {
	t.Helper()
	recorded, err := run.ReadRaw(strings.NewReader(text), "raw.txt")
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, report.Tables(&out, judge.Of(recorded, base), base))
	return out.String()
}

// TestGoldenTables compares whole reports of committed raw texts with committed
// tables, of which one is of buffers that lose differently. go test
// ./bench/report -rewrite makes them again.
func TestGoldenTables(t *testing.T) {
	for file, from := range map[string]struct{ raw, base string }{
		"table.txt":           {"raw.txt", ""},
		"table-client-go.txt": {"raw.txt", "client-go"},
		"unlike-table.txt":    {"unlike-raw.txt", "ring"},
	} {
		raw, err := os.ReadFile(filepath.Join("testdata", from.raw))
		require.NoError(t, err)
		path := filepath.Join("testdata", file)
		got := tables(t, string(raw), from.base)
		if *rewrite {
			require.NoError(t, os.WriteFile(path, []byte(got), 0o666))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, string(want), got, file)
	}
}

// TestMerge makes one report of two raw texts, of which the second begins with a
// buffer that loses nothing where the first ended with one that does.
func TestMerge(t *testing.T) {
	text := "Unit ns/event better=lower\nBenchmarkX/buffer=ring 1 5 ns/event\n\nloss: drops all\n\n" +
		"BenchmarkX/buffer=null 1 4 ns/event\n"
	first, err := run.ReadRaw(strings.NewReader(text), "first")
	require.NoError(t, err)
	second, err := run.ReadRaw(strings.NewReader(text+"BenchmarkX/buffer=null 1 2 other-ns/event\n"), "second")
	require.NoError(t, err)
	all := run.Merge(first, second)
	assert.Len(t, all.Slices, 5)
	assert.Len(t, first.Slices, 2)
	var out strings.Builder
	require.NoError(t, report.Tables(&out, judge.Of(all, "ring"), "ring"))
	assert.Regexp(t, `ring +null \(drops all\) +vs ring`, out.String())
	assert.Regexp(t, `X +5.000 ns +4.000 ns +\?`, out.String(), "of which one has fewer blocks")
	assert.Contains(t, out.String(), "X, ring: 1 of 3 blocks missing: not measured")
	assert.Contains(t, out.String(), "other-ns/event", "a figure that is none of the lab's")
}

// TestSides makes columns of the programs that were compared.
func TestSides(t *testing.T) {
	text := "BenchmarkX/buffer=ring/side=head 1 6 ns/event\nBenchmarkX/buffer=ring/side=base 1 5 ns/event\n"
	out := tables(t, text, "")
	assert.Regexp(t, `base +head +vs base`, out)
	assert.Contains(t, out, "X ring")
}

// TestBadInput checks that errors say where.
func TestBadInput(t *testing.T) {
	_, err := run.ReadRaw(strings.NewReader("BenchmarkX/buffer=ring 1 5 ns/event\nBenchmarkX 1 nothing\n"), "raw.txt")
	assert.ErrorContains(t, err, "raw.txt:2:")
	recorded, err := run.ReadRaw(strings.NewReader("BenchmarkX/buffer=ring 1 5 ns/event\n"), "raw.txt")
	require.NoError(t, err)
	err = report.Tables(&strings.Builder{}, judge.Of(recorded, ""), "rnig")
	assert.ErrorContains(t, err, `unknown base "rnig": expected one of ring`)
	assert.Equal(t, "no results\n", tables(t, "", ""))
}

func TestLoad(t *testing.T) {
	l := report.ParseLoad("steady:rate=50_000,listeners=8")
	rate, known := l.Number("rate")
	assert.True(t, known)
	assert.InDelta(t, 50_000, rate, 0)
	assert.Equal(t, "8", l.Option("listeners"))
	assert.Empty(t, l.Option("seconds"))
	assert.Equal(t, "steady:rate=50_000", l.Without("listeners"))
	assert.Equal(t, "steady", l.Without("listeners", "rate"))
}
