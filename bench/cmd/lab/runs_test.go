package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// only returns the one folder in parent.
func only(t *testing.T, parent string) string {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(parent, "2*"))
	require.NoError(t, err)
	require.Len(t, folders, 1)
	return folders[0]
}

const tiny = "saturate:listeners=1,events=2000"

// TestRunsShowDiff measures a tiny run and looks at it in all ways.
func TestRunsShowDiff(t *testing.T) {
	folder := t.TempDir()
	got := execute(t, folder, "run", "-quiet", "-workload", tiny, "-buffers", "reference,ring",
		"-blocks", "3", "-rounds", "2")
	require.Zero(t, got.status, got.errOut)
	assert.Contains(t, got.out, "Who does best")
	path := only(t, filepath.Join(folder, "results"))
	name := filepath.Base(path)

	page, err := os.ReadFile(filepath.Join(path, "report.html"))
	require.NoError(t, err)
	got = execute(t, folder, "report", "-html", path)
	require.Zero(t, got.status, got.errOut)
	again, err := os.ReadFile(filepath.Join(path, "report.html"))
	require.NoError(t, err)
	assert.True(t, string(page) == string(again), "the same bytes")
	got = execute(t, folder, "index")
	require.Zero(t, got.status, got.errOut)
	front, err := os.ReadFile(filepath.Join(folder, "results", "local.html"))
	require.NoError(t, err)
	assert.Contains(t, string(front), name)

	got = execute(t, folder, "runs")
	assert.Regexp(t, name+` +complete +3 +2 +1 `, got.out)
	assert.NoFileExists(t, filepath.Join(folder, "results", "index.html"), "which git tracks")
	assert.NoFileExists(t, filepath.Join(folder, "results", "history.jsonl"))
	got = execute(t, folder, "show", name)
	assert.Contains(t, got.out, name+": complete, 3 blocks, 12 slices\nlab run -quiet -workload "+tiny)
	assert.Contains(t, got.out, "FIFO, lossless, unbounded")
	got = execute(t, folder, "diff", name, path)
	assert.Regexp(t, `^\d+ rows compared: \d+ equivalent\. `, got.out)
	assert.NotContains(t, got.out, "wakeups", "details are left out")

	other := filepath.Join(folder, "other")
	require.NoError(t, os.CopyFS(other, os.DirFS(path)))
	manifest, err := os.ReadFile(filepath.Join(other, "run.json"))
	require.NoError(t, err)
	text := strings.Replace(string(manifest), `"cores": `, `"cores": 9`, 1)
	require.NoError(t, os.WriteFile(filepath.Join(other, "run.json"), []byte(text), 0o666))
	refused(t, folder, "diff "+name+" other", "the runs are of different machines: ")
	refused(t, folder, "diff "+name, "diff: expected RUN RUN: lab help diff tells more")
	refused(t, folder, "show nowhere", `found no run "nowhere" in results`)
	refused(t, folder, "show", "show: expected RUN: lab help show tells more")
	refused(t, folder, "runs -out nowhere", "nowhere")
	refused(t, folder, "resume "+path, "the run is complete")
	refused(t, folder, "resume other", "the run is complete")

	raw := filepath.Join(path, "raw.txt")
	require.NoError(t, os.Truncate(raw, 100))
	refused(t, folder, "report "+path, "raw.txt: cut short: found 100 bytes, expected ")
}

// TestCompare compares programs whose figures are made up, so that no other
// process can change the outcome.
func TestCompare(t *testing.T) {
	folder := t.TempDir()
	base := program(t, "1000")
	for _, c := range []struct {
		head, flags string // head in nanoseconds an event
		status      int
		out, errOut string
	}{
		{"1001", "", 0, "**not slower** (1 row, up to 13 process blocks", ""},
		{"1100", "", exitFailed, "**slower: 1 of 1** (1 row, ", "lab: head is slower than base\n"},
		{"1001", "-inject 3", exitFailed, "**slower: 1 of 1** (1 row, ", "lab: head is slower than base\n"},
		{"900", "", 0, "**not slower**", ""},
		{"1001", "-blocks 2", exitUnfit, "**unfit", "lab: no verdict: the machine is not fit\n"},
		{"1001", "-percent 0", exitUnfit, "**unfit", "lab: no verdict: the machine is not fit\n"},
	} {
		args := strings.Fields("compare -quiet -budget 10m -buffers ring -rounds 1 " + c.flags + " -workload " + tiny)
		got := execute(t, folder, append(args, "-base", base, "-head", program(t, c.head))...)
		assert.Equal(t, c.status, got.status, "%s %s: %s%s", c.head, c.flags, got.out, got.errOut)
		assert.Contains(t, got.out, c.out)
		assert.Contains(t, got.errOut, c.errOut)
	}
}

// TestCompareForReal compares lab with itself made much slower. How sure of it
// the machine lets it be is not for this test to say.
func TestCompareForReal(t *testing.T) {
	folder := t.TempDir()
	args := "compare -quiet -buffers ring -percent 400 -rounds 2 -blocks 13 -inject 300 -workload " + tiny
	got := execute(t, folder, strings.Fields(args)...)
	assert.Contains(t, []int{exitFailed, exitUnfit}, got.status, "%s%s", got.out, got.errOut)
	for _, part := range []string{"| ring   | cpu-ns/event |", "base against itself", "base, made 400 % slower"} {
		assert.Contains(t, got.out, part)
	}
}

func TestCompareRefuses(t *testing.T) {
	refused(t, t.TempDir(), "compare -base nowhere", "nowhere")
	refused(t, t.TempDir(), "compare -buffers none", `unknown buffer "none"`)
	refused(t, t.TempDir(), "compare -rounds -1", "expected more than 0")
	refused(t, t.TempDir(), "compare -inject -1", "at least 0")
	refused(t, t.TempDir(), "compare -workload none", `unknown workload "none"`)
}

// TestTrials measures two trials, one of them in a second call.
func TestTrials(t *testing.T) {
	folder := t.TempDir()
	args := strings.Fields("trials -buffers ring -rounds 2 -blocks 2 -busy 0.5 -gates 5 -workload " + tiny)
	got := execute(t, folder, append(args, "-n", "1", "t.jsonl")...)
	require.Zero(t, got.status, got.errOut)
	assert.Contains(t, got.errOut, "trial 1/1: ")
	got = execute(t, folder, append(args, "-n", "2", "t.jsonl")...)
	require.Zero(t, got.status, got.errOut)
	assert.NotContains(t, got.errOut, "trial 1/", "the file has it")
	assert.Contains(t, got.out, "2 comparisons, programs that are the same: 0 slower, 2 unfit")
	assert.Contains(t, got.out, "0 of 5 gates of 10 rows made of their blocks are red")
	assert.NotContains(t, tree(t, folder), "scratch")
	refused(t, folder, "trials", "trials: expected FILE")
	refused(t, folder, "trials -busy 2 t.jsonl", "-busy")
	refused(t, folder, "trials -inject 2 t.jsonl", "t.jsonl:1: found procs 1, inject 0")
	foreign := filepath.Join(folder, "notes")
	require.NoError(t, os.WriteFile(foreign, []byte("of somebody else"), 0o666))
	refused(t, folder, "trials notes", "notes:1: found no trial")
	assert.Zero(t, execute(t, folder, "busy", "1", "1").status, "it ends with its input, or never")
	refused(t, folder, "busy 2 1", "expected a share")
	refused(t, folder, "busy 1", "busy: expected SHARE SEED")
}
