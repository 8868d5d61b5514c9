package worker

import (
	"bufio"
	"context"
	"errors"
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
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/realtime"
)

// role is the environment variable that turns this test binary into a child, or into
// the parent of one.
const role = "INFORMERLAB_TEST_CHILD"

// The binary of these tests plays a role before it is a test of anything.
func init() {
	if name := os.Getenv(role); name != "" {
		play(name)
		os.Exit(0)
	}
}

// play is what a child does with its first request.
func play(name string) {
	if name == "parent" {
		w, err := worker("deaf").Start()
		if err != nil {
			panic(err)
		}
		fmt.Println(w.PID())
		select {} // until it is killed
	}
	lines := bufio.NewScanner(os.Stdin)
	if name == "early" { // it answers before it is asked
		fmt.Println(`{"events":7}`)
	}
	if name != "deaf" && !lines.Scan() {
		return
	}
	switch name {
	case "deaf": // it reads nothing, not even the end
		time.Sleep(time.Hour)
	case "endless":
		for {
			_, _ = os.Stdout.WriteString(strings.Repeat("x", 1<<16))
		}
	case "noisy":
		for range 1 << 12 {
			_, _ = os.Stderr.WriteString(strings.Repeat("y", 1<<14))
		}
		fmt.Println(`{"events":7}`)
		lines.Scan()
	case "garbled":
		fmt.Println("{]")
		time.Sleep(time.Hour)
	case "closes":
		_ = os.Stdout.Close()
		lines.Scan()
	case "killed":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "survived": // by one that leaves its group and keeps its pipes
		left := exec.Command("sleep", "1000")
		left.Stdout, left.Stderr = os.Stdout, os.Stderr
		left.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := left.Start(); err != nil {
			panic(err)
		}
		fmt.Fprintln(os.Stderr, left.Process.Pid)
		os.Exit(3)
	}
}

// worker returns a worker that plays a role.
func worker(name string) Program {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return Program{Command: []string{self}, Env: []string{role + "=" + name, "GORACE=atexit_sleep_ms=0"}}
}

// asked starts a child, asks it once and stops it.
func asked(t *testing.T, name string) (Response, error) {
	t.Helper()
	w, err := worker(name).Start()
	require.NoError(t, err)
	defer w.Stop()
	return w.Ask(t.Context(), Request{Op: OpList})
}

// TestWorkersThatDoNotAnswer asks workers that write something else, or end.
func TestWorkersThatDoNotAnswer(t *testing.T) {
	for name, want := range map[string]string{
		"endless":  `list: answer of more than 16 MiB: "xxx`,
		"garbled":  `list: answer "{]\n" is not JSON: `,
		"closes":   "list: it ended without an answer: exit status 0",
		"killed":   "list: it ended without an answer: signal: killed",
		"survived": "list: it ended without an answer: exit status 3; its standard error:\n\t",
	} {
		_, err := asked(t, name)
		require.ErrorContains(t, err, want, name)
		if name == "survived" {
			_, text, _ := strings.Cut(err.Error(), "\n\t")
			pid, err := strconv.Atoi(text)
			require.NoError(t, err)
			require.NoError(t, syscall.Kill(pid, syscall.SIGKILL), "it still ran, and held the pipes")
		}
	}
}

// TestNoisyWorkerAnswers has 64 MiB written to standard error without a newline.
func TestNoisyWorkerAnswers(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	response, err := asked(t, "noisy")
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	assert.Equal(t, 7, response.Events)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20), "bytes allocated meanwhile")
}

// TestContextEndsAsk kills a worker that hangs, and one that is asked too late,
// although its answer is there.
func TestContextEndsAsk(t *testing.T) {
	for name, after := range map[string]time.Duration{"deaf": 10 * time.Millisecond, "early": 0} {
		w, err := worker(name).Start()
		require.NoError(t, err)
		if name == "early" {
			_, err = w.out.Peek(1)
			require.NoError(t, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), after)
		_, err = w.Ask(ctx, Request{Op: OpRun})
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
		assert.ErrorContains(t, err, "run: context deadline exceeded")
		assert.Equal(t, "signal: killed", w.State())
		assert.NotPanics(t, w.Kill, "afterwards")
	}
}

// A slow is stopped in 5 s of simulated time.
type slow struct{ stopped *int }

func (s slow) Stop() bool {
	time.Sleep(quitGrace)
	*s.stopped++
	return true
}

// TestStopAllStopsAtTheSameTime takes as long for many as for one.
func TestStopAllStopsAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := make([]int, 50)
		var all []slow
		for i := range stopped {
			all = append(all, slow{&stopped[i]})
		}
		begun := time.Now()
		StopAll(all)
		assert.Equal(t, quitGrace, time.Since(begun))
		for _, n := range stopped {
			assert.Equal(t, 1, n)
		}
	})
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

// TestWorkersEndWithTheirParent kills the parent of a worker that does not look at
// its input.
func TestWorkersEndWithTheirParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends a process with its parent")
	}
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGHUP, syscall.SIGSEGV} {
		if signal.Ignored(sig) {
			continue // as under nohup: the parent survives it
		}
		realtime.Require(t)
		parent := exec.Command(worker("parent").Command[0])
		parent.Env = append(os.Environ(), worker("parent").Env...)
		out, err := parent.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, parent.Start())
		line, err := bufio.NewReader(out).ReadString('\n')
		require.NoError(t, err)
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(pid, 0), "it runs")
		require.NoError(t, parent.Process.Signal(sig))
		assert.Less(t, gone(t, pid), 2*time.Second, sig)
		_ = parent.Wait() // it was killed
	}
}

// TestWorkersOutliveTheThreadThatAsked starts workers on threads that end, of which
// the kernel must not take any for the parent.
func TestWorkersOutliveTheThreadThatAsked(t *testing.T) {
	for range 10 {
		started := make(chan *Client)
		go func() {
			runtime.LockOSThread() // the thread ends with the goroutine
			w, err := worker("noisy").Start()
			assert.NoError(t, err)
			started <- w
		}()
		w := <-started
		require.NotNil(t, w)
		response, err := w.Ask(t.Context(), Request{Op: OpList})
		require.NoError(t, err)
		assert.Equal(t, 7, response.Events)
		w.Stop()
	}
}

// TestStartFails covers programs that cannot be started, and threads that cannot be
// prepared.
func TestStartFails(t *testing.T) {
	_, err := Program{Command: []string{filepath.Join(t.TempDir(), "nothing")}}.Start()
	require.ErrorContains(t, err, "no such file")
	broken := errors.New("no processor")
	deaf := worker("deaf")
	deaf.Around = func(func() error) error { return broken }
	_, err = deaf.Start()
	require.ErrorIs(t, err, broken)
	deaf.Around = func(start func() error) error { return errors.Join(start(), broken) }
	_, err = deaf.Start()
	require.ErrorIs(t, err, broken)
}

// TestReadLine reads lines up to a limit.
func TestReadLine(t *testing.T) {
	r := bufio.NewReaderSize(strings.NewReader(strings.Repeat("a", 99)+"\n"+strings.Repeat("b", 101)+"\nc"), 16)
	line, err := readLine(r, 100)
	require.NoError(t, err)
	assert.Len(t, line, 100)
	line, err = readLine(r, 100)
	require.ErrorIs(t, err, errLong)
	assert.Contains(t, string(line), "bbb")
	line, err = readLine(bufio.NewReader(strings.NewReader("c")), 100)
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, "c", string(line))
}
