package process

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestStartedWhereItShouldNot ends a process that runs although around has failed.
func TestStartedWhereItShouldNot(t *testing.T) {
	broken := errors.New("no processor")
	c := exec.Command("sleep", "1000")
	_, err := Start(c, func(start func() error) error { return errors.Join(start(), broken) })
	require.ErrorIs(t, err, broken)
	assert.Equal(t, "signal: killed", c.ProcessState.String())
}

// TestTailIsBounded keeps the end only.
func TestTailIsBounded(t *testing.T) {
	var tail Tail
	for range 100 {
		_, _ = tail.Write([]byte(strings.Repeat("z", 3*tailBytes)))
	}
	assert.LessOrEqual(t, cap(tail.text), 4*tailBytes)
}

// TestUsageGrows reads what this process uses before and after it uses some.
func TestUsageGrows(t *testing.T) {
	cpu, began := CPU(), ReadProcessors()
	objects, bytes, _ := Heap()
	kept := make([][]byte, 64)
	for i := range kept {
		kept[i] = make([]byte, 1<<20)
	}
	live := LiveHeap()
	for CPU() < cpu+20*time.Millisecond {
		kept[0][0]++ // takes time
	}
	objectsAfter, bytesAfter, _ := Heap()
	assert.GreaterOrEqual(t, objectsAfter-objects, uint64(64))
	assert.GreaterOrEqual(t, bytesAfter-bytes, uint64(64<<20))
	assert.GreaterOrEqual(t, live, uint64(64<<20))
	assert.GreaterOrEqual(t, PeakRSS(), int64(1<<20))
	assert.Positive(t, Stacks())
	kept = nil
	assert.Less(t, LiveHeap(), live-(32<<20), kept)
	if now := ReadProcessors(); now.Total > 0 {
		assert.GreaterOrEqual(t, now.Busy, began.Busy)
	}
}

// gone waits until no process has the number, or what has it has ended, and returns
// how long that took.
func gone(t *testing.T, pid int) time.Duration {
	t.Helper()
	begun := time.Now()
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ") // nobody may be there to wait for it
	}, time.Minute, 10*time.Millisecond)
	return time.Since(begun)
}

// TestRun covers what a command can do to who runs it.
func TestRun(t *testing.T) {
	sh := func(script string) *exec.Cmd { return exec.Command("sh", "-c", script) }
	out, err := Output(t.Context(), sh("pwd; exit 0"))
	require.NoError(t, err)
	here, err := os.Getwd()
	require.NoError(t, err)
	assert.Equal(t, here+"\n", string(out))

	_, err = Output(t.Context(), sh("echo out of luck >&2; exit 3"))
	require.ErrorContains(t, err, "exit status 3; its standard error:\n\tout of luck")
	_, err = Combined(t.Context(), exec.Command("no-such-command"))
	require.ErrorIs(t, err, exec.ErrNotFound)
	_, err = Combined(t.Context(), sh("kill -9 $$"))
	require.ErrorContains(t, err, "signal: killed")

	c := sh("cat; echo said >&2")
	c.Stdin = strings.NewReader("heard ")
	out, err = Combined(t.Context(), c)
	require.NoError(t, err)
	assert.Equal(t, "heard said\n", string(out))

	_, err = Combined(t.Context(), sh("trap '' PIPE; while :; do printf '%1000000s'; done"))
	require.ErrorIs(t, err, ErrOutput)
	assert.ErrorContains(t, err, "more than 64 MiB of output")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Combined(ctx, sh("sleep 1000"))
	require.ErrorIs(t, err, context.Canceled)
}

// TestRunEndsWhatACommandLeaves covers processes that a command starts: in its group,
// where they end with it, and out of it, where they keep its output open.
func TestRunEndsWhatACommandLeaves(t *testing.T) {
	for _, script := range []string{
		"sleep 1000 & echo $!",
		"setsid sleep 1000 & echo $!",
	} {
		if _, err := exec.LookPath("setsid"); err != nil && strings.Contains(script, "setsid") {
			continue
		}
		out, err := Output(t.Context(), exec.Command("sh", "-c", script))
		require.NoError(t, err, script)
		pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
		require.NoError(t, err, script)
		if strings.Contains(script, "setsid") {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		gone(t, pid)
	}
}
