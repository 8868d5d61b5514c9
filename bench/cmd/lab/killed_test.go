package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/realtime"
)

// long is a workload of which one run takes minutes.
const long = "steady:rate=1000,seconds=600"

// marked returns the processes that have a variable in their environment, except this
// one and those that have ended.
func marked(variable string) (pids []int) {
	paths, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is right
	for _, path := range paths {
		environ, err := os.ReadFile(path)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && pid != os.Getpid() && bytes.Contains(environ, []byte(variable+"\x00")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestKilledLab kills lab while its workers measure: they end with it, its run is
// listed as interrupted and can be resumed, which it could not be before.
func TestKilledLab(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it finds processes in /proc")
	}
	for i, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGHUP} {
		if signal.Ignored(sig) {
			continue // as under nohup: lab has to survive it
		}
		realtime.Require(t)
		mark := fmt.Sprintf("INFORMERLAB_TEST_MARK=%d-%d", os.Getpid(), i)
		name, value, _ := strings.Cut(mark, "=")
		t.Setenv(name, value)
		folder := t.TempDir()
		command, _, _ := start(t, folder, "run", "-quiet", "-workload", long, "-buffers", "ring,chunked")
		var path string
		require.Eventually(t, func() bool {
			found, err := filepath.Glob(filepath.Join(folder, "results", "2*"))
			if err != nil || len(found) != 1 {
				return false
			}
			path = found[0]
			return len(marked(mark)) == 3 // lab and a worker for each buffer
		}, time.Minute, 10*time.Millisecond)
		live := fmt.Sprintf("process %d is writing it", command.Process.Pid)
		refused(t, folder, "resume "+path, live)
		got := execute(t, folder, "runs")
		assert.Regexp(t, filepath.Base(path)+` +running +`, got.out)

		require.NoError(t, command.Process.Signal(sig))
		killed := time.Now()
		_ = command.Wait() // it was killed
		require.Eventually(t, func() bool { return len(marked(mark)) == 0 }, time.Minute, 10*time.Millisecond)
		assert.Less(t, time.Since(killed), 2*time.Second, sig)
		got = execute(t, folder, "runs")
		assert.Regexp(t, filepath.Base(path)+` +interrupted +`, got.out)
		got = execute(t, folder, "show", path)
		assert.Contains(t, got.out, ": interrupted, ")
	}
}

// TestWorkerEndsWithItsInput closes the input of a worker that measures for minutes.
func TestWorkerEndsWithItsInput(t *testing.T) {
	realtime.Require(t)
	self, err := os.Executable()
	require.NoError(t, err)
	command := exec.Command(self, "worker")
	command.Env = append(os.Environ(), asLab+"=1", "GORACE=atexit_sleep_ms=0")
	in, err := command.StdinPipe()
	require.NoError(t, err)
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	var errOut strings.Builder
	command.Stderr = &errOut
	require.NoError(t, command.Start())
	_, err = fmt.Fprintf(in, `{"op":"prepare","contestant":"ring","workload":%q}`+"\n", long)
	require.NoError(t, err)
	answers := bufio.NewReader(out)
	answer, err := answers.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, answer, `"events":600001`)
	_, err = io.WriteString(in, `{"op":"run"}`+"\n")
	require.NoError(t, err)
	require.NoError(t, in.Close())
	closed := time.Now()
	_ = command.Wait() // the status says it
	assert.Less(t, time.Since(closed), 2*time.Second)
	assert.Equal(t, 1, command.ProcessState.ExitCode())
	assert.Equal(t, "worker: the input has ended during an operation\n", errOut.String())
}
