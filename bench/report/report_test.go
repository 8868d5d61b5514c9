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

func render(t *testing.T, base string) string {
	t.Helper()
	raw, err := os.Open(filepath.Join("testdata", "raw.txt"))
	require.NoError(t, err)
	defer func() { assert.NoError(t, raw.Close()) }()
	results, err := report.Read(raw, "raw.txt")
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, results.Write(&out, base))
	return out.String()
}

// TestGoldenTables compares whole reports of a committed raw text with
// committed tables. go test ./bench/report -rewrite makes them again.
func TestGoldenTables(t *testing.T) {
	for base, file := range map[string]string{"": "table.txt", "client-go": "table-client-go.txt"} {
		path := filepath.Join("testdata", file)
		got := render(t, base)
		if *rewrite {
			require.NoError(t, os.WriteFile(path, []byte(got), 0o666))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, string(want), got, file)
	}
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
