package run_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/run"
	"informerlab/bench/worker"
	"informerlab/loadgen"
)

var regexpCores = regexp.MustCompile(`"cores": [0-9]+`)

// rows returns what each slice belongs to, in the order of measurement.
func rows(t *testing.T, path string) (rows []string) {
	t.Helper()
	recorded, err := run.Open(path)
	require.NoError(t, err)
	for _, s := range recorded.Slices {
		rows = append(rows, s.String())
	}
	return rows
}

// TestResumeMeasuresWhatIsMissing interrupts a run after each number of results,
// leaves half a line behind as a killed run may, resumes it, and compares with a
// run that was left alone.
func TestResumeMeasuresWhatIsMissing(t *testing.T) {
	p := plan(t, "slow", "fast")
	whole := create(t, p)
	require.NoError(t, run.Execute(t.Context(), p, whole))
	want := rows(t, whole.Path)
	require.Len(t, want, 36)
	for stopAfter := 0; stopAfter < 36; stopAfter += 6 {
		p := plan(t, "slow", "fast")
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		p.Each = func(loadgen.Workload, run.Arm, *worker.Result) {
			if calls++; calls > stopAfter {
				cancel()
			}
		}
		folder := create(t, p)
		require.ErrorIs(t, run.Execute(ctx, p, folder), context.Canceled)
		for _, name := range []string{"raw.txt", "slices.csv.gz", "latency.hlog", "timeline.csv.gz"} {
			f, err := os.OpenFile(filepath.Join(folder.Path, name), os.O_APPEND|os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = f.WriteString("half a li")
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
		rows(t, folder.Path) // it reads as the smaller run that it is

		p.Each = nil
		resumed, err := run.Resume(folder.Path, p)
		require.NoError(t, err)
		require.NoError(t, run.Execute(t.Context(), p, resumed))
		got := rows(t, folder.Path)
		// Of the unit that was interrupted the rounds that were over count.
		assert.InDelta(t, len(want), len(got), 4, "%d", stopAfter)
		assert.Subset(t, want, got)
		assert.Equal(t, "complete", manifest(t, resumed).Status)
		assert.NotContains(t, read(t, resumed, "raw.txt"), "half a li")

		_, err = run.Resume(folder.Path, p)
		require.ErrorIs(t, err, run.ErrComplete)
	}
}

// TestSomeArmsTakePartInSomeBlocks lets one arm sit out most blocks after the second.
func TestSomeArmsTakePartInSomeBlocks(t *testing.T) {
	p := plan(t, "slow", "fast")
	p.Blocks, p.Rounds, p.Arms[1].Settled = 7, 1, 2
	folder := create(t, p)
	require.NoError(t, run.Execute(t.Context(), p, folder))
	recorded, err := run.Open(folder.Path)
	require.NoError(t, err)
	blocks := map[string][]int{}
	for _, s := range recorded.Slices {
		if s.Workload == p.Workloads[0].String() {
			blocks[s.Buffer] = append(blocks[s.Buffer], s.Block)
		}
	}
	assert.Equal(t, map[string][]int{"slow": {1, 2, 3, 4, 5, 6, 7}, "fast": {1, 2, 6}}, blocks)
}

// TestEnoughEndsARun stops after the second block.
func TestEnoughEndsARun(t *testing.T) {
	p := plan(t, "slow", "fast")
	p.Enough = func(blocks int, slices []run.Slice) bool {
		assert.Len(t, slices, blocks*2*3*2)
		return blocks == 2
	}
	folder := create(t, p)
	require.NoError(t, run.Execute(t.Context(), p, folder))
	assert.Len(t, rows(t, folder.Path), 24)
	assert.Equal(t, "complete", manifest(t, folder).Status)
}

// TestOpenRefuses covers folders that are no runs, or no whole ones.
func TestOpenRefuses(t *testing.T) {
	p := plan(t, "fast")
	folder := create(t, p)
	require.NoError(t, run.Execute(t.Context(), p, folder))
	spoil := func(name string, change func([]byte) []byte) string {
		path := t.TempDir()
		require.NoError(t, os.CopyFS(path, os.DirFS(folder.Path)))
		content, err := os.ReadFile(filepath.Join(path, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(path, name), change(content), 0o666))
		return path
	}
	shorter := func(content []byte) []byte { return content[:len(content)-5] }
	garbled := func(content []byte) []byte { clear(content[2:12]); return content }
	for _, c := range []struct{ path, want string }{
		{t.TempDir(), "no run in it: expected a folder with run.json"},
		{spoil("run.json", shorter), "run.json: unexpected end of JSON"},
		{spoil("run.json", func([]byte) []byte { return []byte(`{"schema":1}`) }), "found schema 1, expected 2"},
		{spoil("raw.txt", shorter), "raw.txt: cut short: found "},
		{spoil("slices.csv.gz", shorter), "slices.csv.gz: cut short"},
		{spoil("slices.csv.gz", garbled), "slices.csv.gz: "},
	} {
		_, err := run.Open(c.path)
		require.ErrorContains(t, err, c.want)
		assert.NotContains(t, err.Error(), "\n")
	}
}

// TestOtherMachinesAreNotMixed changes the processor that a run tells of.
func TestOtherMachinesAreNotMixed(t *testing.T) {
	p := plan(t, "slow", "fast", "wrong")
	folder := create(t, p)
	require.Error(t, run.Execute(t.Context(), p, folder))
	path := filepath.Join(folder.Path, "run.json")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	other := regexpCores.ReplaceAll(text, []byte(`"cores": 1000`))
	require.NoError(t, os.WriteFile(path, other, 0o666))
	_, err = run.Resume(folder.Path, p)
	require.ErrorContains(t, err, `cores was "1000" and is `)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(other), string(after), "nothing is changed")
}

// TestOlderRunsOpen opens the runs that are kept, whose slices may lack columns that
// came later: what they have is exact.
func TestOlderRunsOpen(t *testing.T) {
	paths, err := filepath.Glob("../../results/2026*")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		recorded, err := run.Open(path)
		require.NoError(t, err)
		require.NotEmpty(t, recorded.Slices)
		for _, s := range recorded.Slices {
			_, measured := s.Values[worker.P99]
			assert.NotContains(t, s.Values, worker.LowerOf(worker.P99))
			_, open := s.Values[worker.LateP99]
			assert.Equal(t, open && s.Values[worker.SpoiledRuns] == 0, measured)
		}
	}
}
