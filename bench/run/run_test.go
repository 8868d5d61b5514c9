package run_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/run"
	"informerlab/bench/worker"
	"informerlab/loadgen"
)

// plan returns a plan of fake workers under two workloads.
func plan(t *testing.T, buffers ...string) *run.Plan {
	t.Helper()
	t.Setenv(asWorker, "1")
	t.Setenv("GORACE", "atexit_sleep_ms=0") // else each worker ends a second late under the race detector
	self, err := os.Executable()
	require.NoError(t, err)
	p := &run.Plan{Blocks: 3, Rounds: 3, Seed: 7, Args: []string{"run", "-out", "/somewhere/else"}}
	for _, buffer := range buffers {
		p.Arms = append(p.Arms, run.Arm{Buffer: buffer, Command: []string{self}})
	}
	for _, label := range []string{"saturate:listeners=2", "stall:stalled=0"} {
		w, err := loadgen.ParseWorkload(label)
		require.NoError(t, err)
		p.Workloads = append(p.Workloads, w)
	}
	return p
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func create(t *testing.T, p *run.Plan) *run.Folder {
	t.Helper()
	folder, err := run.Create(filepath.Join(t.TempDir(), "results"), p, noon)
	require.NoError(t, err)
	return folder
}

func read(t *testing.T, folder *run.Folder, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder.Path, name))
	require.NoError(t, err)
	return string(content)
}

func manifest(t *testing.T, folder *run.Folder) (m run.Manifest) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(read(t, folder, "run.json")), &m))
	return m
}

func raw(t *testing.T, folder *run.Folder) []run.Slice {
	t.Helper()
	results, err := run.ReadRaw(strings.NewReader(read(t, folder, "raw.txt")), "raw.txt")
	require.NoError(t, err)
	return results.Slices
}

// TestExecuteWritesAWholeRun runs a plan to its end.
func TestExecuteWritesAWholeRun(t *testing.T) {
	p := plan(t, "slow", "fast:option,cap=2")
	p.Profile = true
	folder := create(t, p)
	assert.Regexp(t, regexp.MustCompile(`^20260102T120000Z-[0-9a-z]+$`), filepath.Base(folder.Path))
	require.NoError(t, run.Execute(context.Background(), p, folder))

	assert.Len(t, raw(t, folder), 2*2*3, "a line per arm, workload and block")
	text := read(t, folder, "raw.txt")
	assert.Contains(t, text, "BenchmarkPipeline/workload=saturate/listeners=2"+
		"/buffer=fast:option,cap=2 3000 100.002 ns/event ")
	assert.Contains(t, text, "Unit ns/event better=lower\n")
	assert.Contains(t, text, "Unit healed better=lower\n")
	assert.Contains(t, text, "\ngoos: ")
	assert.FileExists(t, filepath.Join(folder.Path, "env.txt"))
	profiles, err := filepath.Glob(filepath.Join(folder.Path, "profiles", "*.pb.gz"))
	require.NoError(t, err)
	assert.Len(t, profiles, 2*2*2)

	m := manifest(t, folder)
	assert.Equal(t, "complete", m.Status)
	assert.Equal(t, []string{"run", "-out", "else"}, m.Args, "no absolute paths")
	require.Len(t, m.Blocks, 3)
	recorded, err := run.Open(folder.Path)
	require.NoError(t, err)
	assert.Len(t, recorded.Slices, 2*3*3*2, "one for each workload, block, round and arm")
	firsts := map[string]bool{}
	for _, s := range recorded.Slices {
		if s.Position == 1 {
			firsts[s.Buffer] = true
		}
	}
	assert.Len(t, firsts, 2, "in 18 rounds each arm goes first at some time")
}

// TestOrderComesFromTheSeed repeats a run and changes the seed.
func TestOrderComesFromTheSeed(t *testing.T) {
	orders := func(seed uint64) string {
		p := plan(t, "slow", "fast", "fast:2")
		p.Seed, p.Blocks = seed, 1
		folder := create(t, p)
		require.NoError(t, run.Execute(context.Background(), p, folder))
		recorded, err := run.Open(folder.Path)
		require.NoError(t, err)
		order := ""
		for _, s := range recorded.Slices {
			order += s.Row.String() + "\n"
		}
		return order
	}
	assert.Equal(t, orders(1), orders(1))
	assert.NotEqual(t, orders(1), orders(2))
}

// TestFailuresKeepWhatWasMeasured covers workers that fail in their second run.
func TestFailuresKeepWhatWasMeasured(t *testing.T) {
	for buffer, want := range map[string]string{
		"wrong":  "3 calls are lost",
		"crash":  "panic: out of luck",
		"garble": "is not JSON",
	} {
		p := plan(t, "fast", buffer)
		folder := create(t, p)
		err := run.Execute(context.Background(), p, folder)
		require.ErrorContains(t, err, want)
		assert.Equal(t, "failed", manifest(t, folder).Status, buffer)
		lines := len(raw(t, folder))
		if buffer == "wrong" {
			assert.Equal(t, 2, lines, "the first round, of both arms")
		} else {
			assert.Zero(t, lines, buffer)
		}
	}
}

// TestInterruptKillsTheWorkers ends the context while a worker hangs.
func TestInterruptKillsTheWorkers(t *testing.T) {
	p := plan(t, "fast", "hang")
	folder := create(t, p)
	ctx, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	hangs := filepath.Join(t.TempDir(), "hangs")
	t.Setenv(hangsAt, hangs)
	go func() {
		defer interrupt()
		for ctx.Err() == nil {
			if _, err := os.Stat(hangs); err == nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	began := time.Now()
	require.ErrorIs(t, run.Execute(ctx, p, folder), context.Canceled)
	assert.Less(t, time.Since(began), 2*time.Minute, "nothing waits for the hanging worker")
	assert.Equal(t, "interrupted", manifest(t, folder).Status)
	assert.Len(t, raw(t, folder), 2, "the round that both finished")
}

// TestListings asks a fake worker, and one that is none.
func TestListings(t *testing.T) {
	p := plan(t, "fast")
	listings, err := worker.Program{Command: p.Arms[0].Command}.Listings(t.Context())
	require.NoError(t, err)
	require.Len(t, listings, 1)
	assert.Equal(t, "fast", listings[0].Name)

	_, err = worker.Program{Command: []string{"/bin/true"}}.Listings(t.Context())
	require.ErrorContains(t, err, "ended")
	_, err = worker.Program{Command: []string{filepath.Join(t.TempDir(), "nothing")}}.Listings(t.Context())
	require.ErrorContains(t, err, "no such file")
}

// TestCreateLeavesNothingBehind asks for folders that cannot be.
func TestCreateLeavesNothingBehind(t *testing.T) {
	p := plan(t, "fast")
	parent := t.TempDir()
	file := filepath.Join(parent, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	tooLong := filepath.Join(parent, "made", strings.Repeat("x", 300))
	for _, out := range []string{file, filepath.Join(file, "deeper"), tooLong} {
		_, err := run.Create(out, p, time.Now())
		require.ErrorContains(t, err, "results folder", out)
		assert.NotContains(t, err.Error(), "\n")
	}
	left, err := os.ReadDir(parent)
	require.NoError(t, err)
	assert.Len(t, left, 1, "only the file that was there before")

	first := create(t, p)
	second, err := run.Create(filepath.Dir(first.Path), p, noon)
	require.NoError(t, err)
	assert.Equal(t, filepath.Base(first.Path)+"-2", filepath.Base(second.Path), "two runs in one second")
}
