package report_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/report"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files instead of comparing")

func render(t *testing.T, name, base string) string {
	t.Helper()
	raw, err := os.Open(filepath.Join("testdata", name))
	require.NoError(t, err)
	defer func() { assert.NoError(t, raw.Close()) }()
	results, err := report.Read(raw, name)
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, results.Write(&out, base))
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
		path := filepath.Join("testdata", file)
		got := render(t, from.raw, from.base)
		if *rewrite {
			require.NoError(t, os.WriteFile(path, []byte(got), 0o666))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, string(want), got, file)
	}
}

// TestAdd makes one report of two raw texts, of which the second begins with a
// buffer that loses nothing where the first ended with one that does.
func TestAdd(t *testing.T) {
	text := "Unit ns/event better=lower\nBenchmarkX/buffer=ring 1 5 ns/event\n\nloss: drops all\n\n" +
		"BenchmarkX/buffer=null 1 4 ns/event\n"
	first, err := report.Read(strings.NewReader(text), "first")
	require.NoError(t, err)
	second, err := report.Read(strings.NewReader(text+"BenchmarkX/buffer=null 1 2 other-ns/event\n"), "second")
	require.NoError(t, err)
	first.Add(second)
	assert.Equal(t, 5, first.Len())
	var out strings.Builder
	require.NoError(t, first.Write(&out, "ring"))
	assert.Regexp(t, `ring +│ +null`, out.String())
	assert.Contains(t, out.String(), "≠~0.800x (p=0.333 n=2)")
	assert.Contains(t, out.String(), "other-sec/event")
}

// TestSides makes columns of the programs that were compared.
func TestSides(t *testing.T) {
	text := "BenchmarkX/buffer=ring/side=head 1 6 ns/event\nBenchmarkX/buffer=ring/side=base 1 5 ns/event\n"
	results, err := report.Read(strings.NewReader(text), "raw.txt")
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, results.Write(&out, ""))
	assert.Regexp(t, `base +│ +head`, out.String())
	assert.Contains(t, out.String(), "X/buffer=ring")
}

// TestBadInput checks that errors say where.
func TestBadInput(t *testing.T) {
	_, err := report.Read(strings.NewReader("goos: linux\nBenchmarkX 1 nonsense\n"), "some/raw.txt")
	require.ErrorContains(t, err, "some/raw.txt:2")

	results, err := report.Read(strings.NewReader("BenchmarkX/buffer=ring 1 5 ns/event\n"), "raw.txt")
	require.NoError(t, err)
	err = results.Write(&strings.Builder{}, "none")
	require.ErrorContains(t, err, `unknown base "none": expected one of ring`)

	results, err = report.Read(strings.NewReader("goos: linux\n"), "raw.txt")
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, results.Write(&out, ""))
	assert.Equal(t, "no results\n", out.String())
}

// TestZerosKeepTheirTable reads times of which one is nothing.
func TestZerosKeepTheirTable(t *testing.T) {
	raw := "BenchmarkPipeline/workload=x/buffer=reference 1 0 ns/event\n" +
		"BenchmarkPipeline/workload=x/buffer=ring 1 5 ns/event\n"
	results, err := report.Read(strings.NewReader(raw), "raw.txt")
	require.NoError(t, err)
	var text strings.Builder
	require.NoError(t, results.Write(&text, ""))
	assert.Regexp(t, `│ +reference +│ +ring +│`, text.String())
	assert.NotContains(t, text.String(), "ns/event")
}
