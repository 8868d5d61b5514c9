package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHelp asks for help in all the ways there are: full sentences, on standard output.
func TestHelp(t *testing.T) {
	folder := t.TempDir()
	all := execute(t, folder, "help")
	require.Zero(t, all.status)
	for _, c := range commands() {
		hidden := c.Group == ""
		require.NotNil(t, c.define, c.Name)
		assert.True(t, hidden || slices.Contains(groups, c.Group), c.Name)
		assert.Equal(t, !hidden, strings.Contains(all.out, "\n  "+c.Name+" "), c.Name)
		about, examples, _ := strings.Cut(c.About, "\n\n")
		assert.True(t, strings.HasSuffix(about, "."), "%s: sentences", c.Name)
		assert.True(t, hidden || strings.Contains(examples, "lab "+c.Name), "%s: an example", c.Name)
		for _, args := range [][]string{{"help", c.Name}, {c.Name, "-h"}, {c.Name, "--help"}} {
			words := strings.Fields(strings.Join(args, " "))
			got := execute(t, folder, words...)
			assert.Zero(t, got.status, words)
			assert.Contains(t, got.out, "usage: lab "+c.Name)
			assert.Contains(t, got.out, "The exit status is 0;")
			assert.Empty(t, got.errOut, words)
		}
	}
	for _, line := range strings.Split(all.out, "\n") {
		assert.LessOrEqual(t, len(line), 100, line)
	}
	assert.Contains(t, execute(t, folder, "trace", "-h").out, "trace from-kubectl")
	assert.Equal(t, all.out, execute(t, folder, "--help").out)
	got := execute(t, folder, "compare")
	assert.Equal(t, exitUsage, got.status)
	assert.Empty(t, got.out)
	assert.Contains(t, got.errOut, "usage: lab compare [flags]")
	assert.Contains(t, got.errOut, "lab: compare: expected -base PROGRAM\n")
	version := execute(t, folder, "version").out
	for _, part := range []string{"lab ", "commit ", "Go ", "client-go not built"} {
		assert.Contains(t, version, part)
	}
}

// TestSuggestions are of what is near, and of nothing else.
func TestSuggestions(t *testing.T) {
	for word, expected := range map[string]string{
		"blcoks": "did you mean blocks?", "block": "did you mean blocks?", "xyz": "look", "": "look",
	} {
		assert.Equal(t, ": "+expected, suggestion(word, []string{"rounds", "blocks", "buffers"}, "look"), word)
	}
	assert.Equal(t, 1, distance("blcoks", "blocks"), "an exchange is one slip")
	assert.Equal(t, 3, distance("kitten", "sitting"))
}

// TestRunsAreNamed by path, name, unique beginning or tag.
func TestRunsAreNamed(t *testing.T) {
	folder := t.TempDir()
	measure := func(flags ...string) string {
		args := append([]string{"run", "-quiet", "-workload", "saturate:listeners=1,events=100", "-buffers", "ring",
			"-blocks", "1", "-rounds", "1"}, flags...)
		got := execute(t, folder, args...)
		require.Zero(t, got.status, got.errOut)
		_, path, _ := strings.Cut(got.errOut, "results in ")
		path, _, _ = strings.Cut(path, "\n")
		return path
	}
	first := measure("-tag", "before")
	second := measure("-tag", "after.fix_1")
	for _, name := range []string{first, filepath.Base(first), "before"} {
		got := execute(t, folder, "show", name)
		require.Zero(t, got.status, got.errOut)
		assert.Contains(t, got.out, filepath.Base(first)+": complete")
		assert.Zero(t, execute(t, folder, "report", name).status)
	}
	assert.Zero(t, execute(t, folder, "diff", "before", "after.fix_1").status)
	assert.Regexp(t, filepath.Base(first)+" +before +complete", execute(t, folder, "runs").out)
	refused(t, folder, "show befor", "did you mean before?")
	refused(t, folder, "resume before", "the run is complete")
	refused(t, folder, "show "+filepath.Base(first)[:4], "is the beginning of 2 runs")
	require.NotEqual(t, first, second)
	third := measure("-tag", "before")
	got := execute(t, folder, "show", "before")
	require.Zero(t, got.status)
	assert.Contains(t, got.out, filepath.Base(third))
	assert.Contains(t, got.errOut, "2 runs have the tag before: the newest is "+filepath.Base(third))
}

// TestPrivateRuns keeps runs that git does not track out of files that it does.
func TestPrivateRuns(t *testing.T) {
	folder := t.TempDir()
	git := func(args ...string) {
		command := exec.Command("git", append([]string{"-c", "user.name=n", "-c", "user.email=e"}, args...)...)
		command.Dir = folder
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	git("init", "-q")
	for _, tag := range []string{"public", "private"} {
		got := execute(t, folder, "run", "-quiet", "-workload", "saturate:listeners=1,events=100", "-buffers", "ring",
			"-blocks", "1", "-rounds", "1", "-tag", tag)
		require.Zero(t, got.status, got.errOut)
	}
	folders, err := filepath.Glob(filepath.Join(folder, "results", "*"))
	require.NoError(t, err)
	require.Len(t, folders, 2)
	git("add", folders[0])
	git("commit", "-q", "-m", "Add a run")
	text := func(name string) string {
		content, err := os.ReadFile(filepath.Join(folder, "results", name))
		require.NoError(t, err)
		return string(content)
	}
	require.Zero(t, execute(t, folder, "index").status)
	assert.Contains(t, text("local.html"), filepath.Base(folders[1]))
	assert.NoFileExists(t, filepath.Join(folder, "results", "index.html"))
	old := `{"folder":"20200101T000000Z-old","tag":"first"}` + "\n" // its folder is gone
	require.NoError(t, os.WriteFile(filepath.Join(folder, "results", "history.jsonl"), []byte(old), 0o666))
	require.Zero(t, execute(t, folder, "index").status)
	for _, shown := range []string{"20200101T000000Z-old<br/>first", filepath.Base(folders[0]) + "</a><br/>public",
		filepath.Base(folders[1]) + "</a><br/>private"} {
		assert.Contains(t, text("local.html"), shown)
	}
	assert.Equal(t, old, text("history.jsonl"), "only -public writes it")
	got := execute(t, folder, "index", "-public")
	require.Zero(t, got.status, got.errOut)
	for _, name := range []string{"index.html", "history.jsonl"} {
		assert.Contains(t, text(name), filepath.Base(folders[0]))
		assert.NotContains(t, text(name), filepath.Base(folders[1]), name)
	}
}
