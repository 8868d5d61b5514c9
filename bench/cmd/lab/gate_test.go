package main

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestGateRefuses gives lab gate what it cannot use, outside a repository and in
// one that is no module and in one whose commit does not build.
func TestGateRefuses(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	folder := t.TempDir()
	refused(t, folder, "gate", "expected either -base REF or -self-check")
	refused(t, folder, "gate -base x -self-check", "expected either")
	refused(t, folder, "gate -base x extra", `unexpected argument "extra"`)
	refused(t, folder, "gate -base HEAD", "not a git repository")

	run := func(script string) {
		t.Helper()
		command := exec.Command("sh", "-c", script)
		command.Dir = folder
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	run("git init -q")
	refused(t, folder, "gate -base HEAD", "no module")
	run("echo module m >go.mod && mkdir -p bench/cmd/lab && echo package main >bench/cmd/lab/main.go && " +
		"git add -A && git -c user.name=a -c user.email=a@b commit -q -m a")
	refused(t, folder, "gate -base nowhere", `base "nowhere" is no commit`)
	got := execute(t, folder, "gate", "-base", "HEAD")
	assert.Equal(t, exitUsage, got.status)
	assert.Regexp(t, `lab: gate: base [0-9a-f]+ \(HEAD\) does not build: .*main`, got.errOut)
	assert.Empty(t, got.out)
}

// TestOp pushes items through every buffer that one goroutine can use.
func TestOp(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"ring", "linkedlist", "chunked", "mpsc", "spsc", "bounded:block", "reference"} {
		got := execute(t, folder, "op", "-buffer", name, "-n", "1001")
		require.Zero(t, got.status, got.errOut)
		assert.Equal(t, name+": pushed 1001, popped 1001, discarded 0\n", got.out)
	}
	got := execute(t, folder, "op", "-buffer", "coalescing", "-n", "640")
	assert.Equal(t, "coalescing: pushed 640, popped 320, discarded 320\n", got.out)
	refused(t, folder, "op -n -1", "-n=-1")
	refused(t, folder, "op -buffer none", `"none"`)
	refused(t, folder, "op -buffer null", "nothing that is pushed there can be popped")
}
