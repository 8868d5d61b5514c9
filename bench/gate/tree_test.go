package gate

import (
	"context"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/trials"
)

// repository makes a git repository whose lab prints what its last commit says,
// after a first commit that does not build.
func repository(t *testing.T) Repository {
	t.Helper()
	dir := t.TempDir()
	run := func(name string, args ...string) {
		t.Helper()
		command := exec.Command(name, args...)
		command.Dir = dir
		command.Env = append(os.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a",
			"GIT_COMMITTER_EMAIL=a@b", "GIT_CONFIG_GLOBAL=/dev/null")
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	write := func(name, text string) {
		t.Helper()
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	run("git", "init", "-q", "-b", "main")
	write("go.mod", "module m\n\ngo 1.26\n")
	write("bench/cmd/lab/main.go", "package main\n\nfunc main() { undefined() }\n")
	run("git", "add", "-A")
	run("git", "commit", "-q", "-m", "broken")
	write("bench/cmd/lab/main.go", "package main\n\nfunc main() { println(\"one\") }\n")
	run("git", "commit", "-q", "-a", "-m", "works")
	return Repository(dir)
}

// TestCheckout builds trees of a repository, of which nothing is to be seen there.
func TestCheckout(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx := t.Context()
	r, err := OpenRepository(ctx, string(repository(t))+"/bench")
	require.NoError(t, err)
	before, err := r.git(ctx, nil, "worktree", "list")
	require.NoError(t, err)

	base, err := r.Checkout(ctx, "main")
	require.NoError(t, err)
	assert.Regexp(t, `^base [0-9a-f]{10} \(main\)$`, base.Label)
	program, err := base.build(ctx, filepath.Join(t.TempDir(), "lab"), 7)
	require.NoError(t, err)
	out, err := exec.Command(program.Path).CombinedOutput()
	require.NoError(t, err)
	assert.Equal(t, "one\n", string(out))

	head, err := r.Head(ctx)
	require.NoError(t, err)
	assert.Regexp(t, `^head [0-9a-f]+$`, head.Label)
	require.NoError(t, os.WriteFile(filepath.Join(head.Dir, "new"), nil, 0o600))
	head, err = r.Head(ctx)
	require.NoError(t, err)
	assert.Regexp(t, `^head [0-9a-f]+ with 1 uncommitted changes$`, head.Label)

	broken, err := r.Checkout(ctx, "main~1")
	require.NoError(t, err)
	_, err = broken.build(ctx, filepath.Join(t.TempDir(), "lab"), 0)
	require.ErrorContains(t, err, "(main~1) does not build: bench/cmd/lab/main.go:3:15: undefined: undefined")
	assert.NotContains(t, err.Error(), "\n")

	_, err = r.Checkout(ctx, "nowhere")
	assert.EqualError(t, err, `gate: base "nowhere" is no commit that this repository knows`)
	_, err = r.Checkout(ctx, "--help")
	assert.EqualError(t, err, `gate: base "--help" is no commit that this repository knows`)
	_, err = OpenRepository(ctx, t.TempDir())
	require.ErrorContains(t, err, "not a git repository")
	assert.NotContains(t, err.Error(), "\n")

	require.NoError(t, base.Close())
	require.NoError(t, broken.Close())
	after, err := r.git(ctx, nil, "worktree", "list")
	require.NoError(t, err)
	assert.Equal(t, before, after)
	left, err := filepath.Glob(filepath.Join(os.TempDir(), scratchPrefix+"*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

// TestSweep removes what killed gates left, and nothing else.
func TestSweep(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ended := exec.Command("true")
	require.NoError(t, ended.Run())
	dead := filepath.Join(os.TempDir(), scratchPrefix+strconv.Itoa(ended.Process.Pid)+"-1")
	for _, path := range []string{
		dead, filepath.Join(os.TempDir(), scratchPrefix+strconv.Itoa(os.Getppid())+"-1"),
		filepath.Join(os.TempDir(), scratchPrefix+"x-1"), filepath.Join(os.TempDir(), scratchPrefix+"0-1"),
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(path, "base"), 0o777))
	}
	first, err := newScratch()
	require.NoError(t, err)
	second, err := newScratch()
	require.NoError(t, err)
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "*"))
	require.NoError(t, err)
	assert.Len(t, left, 5)
	assert.NotContains(t, left, dead)
	require.NoError(t, first.remove())
	require.NoError(t, second.remove())
}

// gone waits until no process has the number any more.
func gone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ") // nobody may be there to wait for it
	}, time.Minute, 10*time.Millisecond)
}

// written waits for a number in a file.
func written(t *testing.T, path string) (pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(path)
		if err == nil {
			pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	return pid
}

// TestLeash ends commands with all that they started: with the context, when they
// end themselves, and with a gate that is killed.
func TestLeash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	out, err := leashed(t.Context(), t.TempDir(), "sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!; pwd")
	require.NoError(t, err)
	pid, folder, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	assert.DirExists(t, folder)
	number, err := strconv.Atoi(pid)
	require.NoError(t, err)
	gone(t, number)

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := leashed(ctx, ".", "sh", "-c", "sleep 1000 & echo $! >"+path+"; wait")
		ended <- err
	}()
	number = written(t, path)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	gone(t, number)

	_, err = leashed(t.Context(), ".", "sh", "-c", "exit 3")
	assert.ErrorContains(t, err, "exit status 3")
	_, err = leashed(t.Context(), ".", "no-such-command")
	assert.Error(t, err)

	require.NoError(t, os.Remove(path))
	self, err := os.Executable()
	require.NoError(t, err)
	command := exec.Command(self)
	command.Env = append(os.Environ(), asLeashed+"="+path)
	require.NoError(t, command.Start())
	number = written(t, path)
	require.NoError(t, command.Process.Signal(syscall.SIGKILL))
	_ = command.Wait() // it was killed
	gone(t, number)
}

// TestMutants makes each mutant of this very tree. Whether gates recognise them is
// for the self-check to show, which takes longer.
func TestMutants(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	scratch, err := newScratch()
	require.NoError(t, err)
	for _, m := range []trials.Mutant{slowMutant, allocatingMutant, missingMutant, brokenMutant} {
		tree, err := Tree{Dir: "../.."}.mutant(m, scratch)
		require.NoError(t, err)
		overlay, err := os.ReadFile(tree.Overlay)
		require.NoError(t, err)
		assert.Contains(t, string(overlay), m.File)
		source := strings.TrimSuffix(tree.Overlay, ".json") + ".go"
		_, err = parser.ParseFile(token.NewFileSet(), source, nil, parser.SkipObjectResolution)
		assert.NoError(t, err, m.Name)
	}
	none := trials.Mutant{File: "go.mod", Edits: []trials.Edit{{Old: "no such text"}}}
	_, err = Tree{Dir: "../.."}.mutant(none, scratch)
	assert.ErrorContains(t, err, `go.mod: found "no such text" 0 times, expected once`)
}
