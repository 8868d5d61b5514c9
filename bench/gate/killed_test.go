package gate

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	kills    = flag.Int("kills", 0, "gates that TestKilledGates kills at random times; 20 take 6 minutes")
	killSeed = flag.Uint64("killseed", 1, "of these times")
)

// TestKilledGates starts quick gates of .build/lab, ends each at a random time, in turn
// with SIGKILL to its whole process group and with SIGINT to the gate alone, and then
// lets one gate run to its end. Nothing may run on, every results folder can be read, and
// at last there is no temporary folder, and git knows no more than before. It needs Linux,
// where /proc tells which processes a gate has started.
func TestKilledGates(t *testing.T) {
	if *kills == 0 {
		t.Skip("it takes minutes: scripts/kill-gate runs it with -kills 20")
	}
	lab, err := filepath.Abs("../../.build/lab")
	require.NoError(t, err)
	k := &killer{lab: lab, folder: t.TempDir()}
	require.NoError(t, os.Mkdir(k.temporary(), 0o700))
	t.Chdir("../..")
	before := worktrees(t)
	random := rand.New(rand.NewPCG(*killSeed, 0))
	n := 0
	for killed := 0; killed < *kills && !t.Failed(); n++ { // those that end before do not count
		if k.kill(t, n, time.Duration(random.Int64N(int64(20*time.Second))), killed%2 == 0) {
			killed++
		}
	}
	gate, output := k.gate(t.Context(), n)
	if err := gate.Run(); err != nil {
		assert.Equal(t, 3, gate.ProcessState.ExitCode(), "%s", output)
	}
	left, err := filepath.Glob(filepath.Join(k.temporary(), "informerlab-gate-*"))
	require.NoError(t, err)
	assert.Empty(t, left)
	assert.Equal(t, before, worktrees(t))
}

// A killer kills gates.
type killer struct {
	lab    string
	folder string // of temporary files and results
}

func (k *killer) temporary() string { return filepath.Join(k.folder, "tmp") }
func (k *killer) results() string   { return filepath.Join(k.folder, "results") }

// mark is the environment variable by which all that a gate starts is known.
const mark = "INFORMERLAB_KILLER"

func (k *killer) mark(n int) string { return fmt.Sprintf("%s=%d-%d", mark, os.Getpid(), n) }

// gate returns a gate that ends, with all that it starts, when ctx does.
func (k *killer) gate(ctx context.Context, n int) (*exec.Cmd, *bytes.Buffer) {
	command := exec.CommandContext(ctx, k.lab, "gate", "-quick", "-base", "HEAD", "-out", k.results())
	command.Env = append(os.Environ(), "TMPDIR="+k.temporary(), k.mark(n))
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	return command, &output
}

// kill ends one gate and looks at what it leaves. It reports whether the gate had not
// ended before.
func (k *killer) kill(t *testing.T, n int, after time.Duration, hard bool) (was bool) {
	gate, output := k.gate(t.Context(), n)
	require.NoError(t, gate.Start())
	ended := make(chan error, 1)
	go func() { ended <- gate.Wait() }()
	how, pid, signal := "SIGINT", gate.Process.Pid, syscall.SIGINT
	if hard {
		how, pid, signal = "SIGKILL", -pid, syscall.SIGKILL
	}
	select {
	case <-ended:
		how = "not at all, as it had ended"
	case <-time.After(after):
		if err := syscall.Kill(pid, signal); !errors.Is(err, syscall.ESRCH) {
			require.NoError(t, err)
		}
		<-ended
		was = true
	}
	if how == "SIGINT" {
		assert.Contains(t, []int{130, 0, 3}, gate.ProcessState.ExitCode(), "%s", output)
	}
	assert.Eventually(t, func() bool { return len(running(k.mark(n))) == 0 }, 20*time.Second, 50*time.Millisecond,
		"%v run on", running(k.mark(n)))
	last := strings.Split(strings.TrimSpace(output.String()), "\n")
	t.Logf("gate %d: %s after %v in %q; %d results folders can be read", n+1, how, after.Round(time.Millisecond),
		last[len(last)-1], k.readable(t))
	return was
}

// running returns the commands of all processes with a variable in their
// environment. A process that ends while it is looked at is none.
func running(variable string) (found []string) {
	paths, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is right
	for _, path := range paths {
		environ, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(environ, []byte(variable+"\x00")) {
			continue
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if err == nil && len(line) > 0 {
			found = append(found, string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return found
}

// readable lets lab report read all results folders, and counts them. One without a
// whole block has no results, which report says in its own words.
func (k *killer) readable(t *testing.T) int {
	folders, err := filepath.Glob(filepath.Join(k.results(), "*"))
	require.NoError(t, err)
	for _, folder := range folders {
		out, err := exec.Command(k.lab, "report", folder).CombinedOutput()
		if !strings.Contains(string(out), "no results") {
			assert.NoError(t, err, "%s: %s", filepath.Base(folder), out)
		}
	}
	return len(folders)
}

// worktrees returns the folders of all worktrees that git knows.
func worktrees(t *testing.T) (paths string) {
	out, err := exec.Command("git", "worktree", "list", "--porcelain").Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		if path, is := strings.CutPrefix(line, "worktree "); is {
			paths += path
		}
	}
	return paths
}
