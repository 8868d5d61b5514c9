package loadgen

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMalformedWorkloads reads files that are wrong, each in its own way, and
// compares what is said of them with messages.txt beside them.
func TestMalformedWorkloads(t *testing.T) {
	t.Chdir("testdata/workloads/malformed")
	files, err := filepath.Glob("*.toml")
	require.NoError(t, err)
	var messages strings.Builder
	for _, file := range files {
		w, err := ParseWorkload("./" + file)
		require.Error(t, err, file)
		assert.Zero(t, w)
		messages.WriteString(err.Error() + "\n")
	}
	want, err := os.ReadFile("messages.txt")
	require.NoError(t, err)
	assert.Equal(t, string(want), messages.String())
	for line := range strings.Lines(messages.String()) {
		assert.Regexp(t, `^\./[a-z0-9 -]+\.toml:\d+:\d+: found .+, expected .+\n$`, line)
	}
}

// writeWorkload writes a file and returns its path.
func writeWorkload(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestWorkloadFile(t *testing.T) {
	path := writeWorkload(t, "node-flood.toml", `
		# Comments and blank lines are free.
		summary = "a flood"
		label = ["rate"]
		rate = 1_500 # with digits in groups
		keys = 0x10
		cost = '500us'
		work = "spin"
		seed = 18446744073709551615
		blocks = 3
	`)
	w, err := ParseWorkload(path)
	require.NoError(t, err)
	assert.Equal(t, "node-flood:rate=1500", w.String())
	want := defaultWorkload
	want.Name, want.Summary, want.label, want.blocks = "node-flood", "a flood", "rate", 3
	want.Rate, want.Keys, want.Cost, want.Work, want.Seed = 1500, 16, 500_000, "spin", 1<<64-1
	assert.Equal(t, want, w)

	changed, err := ParseWorkload(path+":keys=8,rate=7", "listeners=2")
	require.NoError(t, err)
	assert.Equal(t, "node-flood:rate=7,listeners=2,keys=8", changed.String(), "what differs from the file is told")
	_, err = ParseWorkload(path + ":listeners=0")
	assert.EqualError(t, err, "loadgen: workload node-flood: found listeners=0, "+
		"expected at least one, whose latency is measured")
	t.Chdir(filepath.Dir(path))
	bare, err := ParseWorkload("node-flood.toml")
	require.NoError(t, err)
	assert.Equal(t, w, bare, "a file in this folder needs no slash")
}

// TestWorkloadFileOfABuiltin changes a copy of a built-in workload: its results
// must not pass for those of the original.
func TestWorkloadFileOfABuiltin(t *testing.T) {
	original, err := ParseWorkload("stall")
	require.NoError(t, err)
	copied, err := ParseWorkload(writeWorkload(t, "copy.toml", original.Describe()))
	require.NoError(t, err)
	assert.Equal(t, original, copied)
	text := strings.Replace(original.Describe(), "keys = 10000", "keys = 5", 1)
	changed, err := ParseWorkload(writeWorkload(t, "copy.toml", text))
	require.NoError(t, err)
	assert.Equal(t, "stall:stalled=1,keys=5", changed.String())
}

func TestWorkloadFileThatCannotBeRead(t *testing.T) {
	_, err := ParseWorkload("nowhere.toml:keys=5")
	require.EqualError(t, err, "loadgen: workload: open nowhere.toml: no such file or directory")
	_, err = ParseWorkload("testdata/workloads")
	require.ErrorContains(t, err, "loadgen: workload: read testdata/workloads: is a directory")
	path := writeWorkload(t, "long.toml", strings.Repeat("# much\n", maxFile/7+1))
	_, err = ParseWorkload(path)
	require.EqualError(t, err, "loadgen: workload: "+path+":1:1: found more than 65536 bytes, expected a workload")
}

// TestDescribeReadsBack reads the description of each built-in workload again.
func TestDescribeReadsBack(t *testing.T) {
	for _, w := range Workloads() {
		text := w.Describe()
		again, err := decodeWorkload("described", "other", []byte(text))
		require.NoError(t, err)
		assert.Equal(t, w, again)
		for _, g := range optionGroups {
			for _, o := range g.options {
				assert.Contains(t, text, "\n"+o.name+" = ")
			}
		}
	}
}

func FuzzWorkloadFile(f *testing.F) {
	for _, pattern := range []string{"workloads/*.toml", "testdata/workloads/malformed/*.toml"} {
		files, err := filepath.Glob(pattern)
		require.NoError(f, err)
		require.NotEmpty(f, files)
		for _, file := range files {
			content, err := os.ReadFile(file)
			require.NoError(f, err)
			f.Add(content)
		}
	}
	for _, w := range Workloads() {
		f.Add([]byte(w.Describe()))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		w, err := decodeWorkload("f.toml", "f", content)
		if err != nil {
			require.Regexp(t, `^f\.toml:\d+:\d+: found .+, expected .+$`, err.Error())
			return
		}
		again, err := decodeWorkload("g.toml", "g", []byte(w.Describe()))
		require.NoError(t, err, w.Describe())
		require.Equal(t, w, again)
		require.True(t, w == again, "workloads are comparable")
	})
}
