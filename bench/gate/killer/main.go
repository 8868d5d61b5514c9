// Killer shows that a gate may be killed at any time. It starts quick gates, ends
// each at a random time, by turns with SIGKILL to its whole process group and with
// SIGINT to the gate alone, and then lets one gate run to its end.
//
//	for each of -times: start lab gate -quick ─ wait ─ kill ─▶ nothing runs on, every results folder can be read
//	at last:            lab gate -quick runs ────────────────▶ no temporary folder, git knows no more than before
//
//	go run ./bench/gate/killer -lab .build/lab
//
// It needs Linux, where /proc tells which processes a gate has started, and some
// minutes. The exit status is 1 if anything was left or broken.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	k := &killer{}
	flag.StringVar(&k.lab, "lab", ".build/lab", "`program` whose gate is killed")
	flag.StringVar(&k.base, "base", "HEAD", "git `ref` that the gates compare with")
	times := flag.Int("times", 20, "gates to kill")
	seed := flag.Uint64("seed", 1, "of the times")
	within := flag.Duration("within", 20*time.Second, "a gate is killed at the latest after this `time`")
	flag.Parse()
	if flag.NArg() > 0 || *times < 0 || *within <= 0 {
		fmt.Fprintln(os.Stderr, "killer: expected no arguments, -times from 0 and -within a time")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := k.run(ctx, *times, *within, rand.New(rand.NewPCG(*seed, 0)))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "killer:", err)
		os.Exit(1)
	}
	fmt.Println("killer: nothing was left or broken")
}

// A killer is one execution of the program.
type killer struct {
	lab, base string
	folder    string // of temporary files and results
}

func (k *killer) run(ctx context.Context, times int, within time.Duration, random *rand.Rand) (err error) {
	if k.folder, err = os.MkdirTemp("", "informerlab-killer-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(k.folder)) }()
	if err := os.Mkdir(k.temporary(), 0o700); err != nil {
		return err
	}
	before, err := worktrees()
	if err != nil {
		return err
	}
	n := 0
	for killed := 0; killed < times; n++ { // those that end before do not count
		after := time.Duration(random.Int64N(int64(within)))
		was, err := k.kill(ctx, n, after, killed%2 == 0)
		if err != nil {
			return fmt.Errorf("gate %d, killed after %v: %w", n+1, after.Round(time.Millisecond), err)
		}
		if was {
			killed++
		}
	}
	began := time.Now()
	gate, output := k.gate(ctx, n)
	if err := gate.Run(); ctx.Err() != nil {
		return ctx.Err()
	} else if err != nil && gate.ProcessState.ExitCode() != 3 {
		return fmt.Errorf("the gate after them: %w\n%s", err, output)
	}
	took := time.Since(began).Round(time.Second)
	fmt.Printf("the gate after them: status %d, %v\n", gate.ProcessState.ExitCode(), took)
	return errors.Join(k.clean(), same(before))
}

func (k *killer) temporary() string { return filepath.Join(k.folder, "tmp") }
func (k *killer) results() string   { return filepath.Join(k.folder, "results") }

// mark is the environment variable by which all that a gate starts is known.
const mark = "INFORMERLAB_KILLER"

func (k *killer) mark(n int) string { return fmt.Sprintf("%s=%d-%d", mark, os.Getpid(), n) }

// gate returns a gate that ends, with all that it starts, when ctx does.
func (k *killer) gate(ctx context.Context, n int) (*exec.Cmd, *bytes.Buffer) {
	command := exec.CommandContext(ctx, k.lab, "gate", "-quick", "-base", k.base, "-out", k.results())
	command.Env = append(os.Environ(), "TMPDIR="+k.temporary(), k.mark(n))
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	return command, &output
}

// kill ends one gate and looks at what it leaves. It reports whether the gate had not
// ended before.
func (k *killer) kill(ctx context.Context, n int, after time.Duration, hard bool) (was bool, err error) {
	gate, output := k.gate(ctx, n)
	if err := gate.Start(); err != nil {
		return false, err
	}
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
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return false, err
		}
		<-ended
		was = true
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	status := gate.ProcessState.ExitCode()
	if how == "SIGINT" && status != 130 && status != 0 && status != 3 {
		return was, fmt.Errorf("found status %d, expected 130\n%s", status, output)
	}
	if err := k.quiet(n); err != nil {
		return was, err
	}
	runs, err := k.readable()
	last := strings.Split(strings.TrimSpace(output.String()), "\n")
	fmt.Printf("gate %d: %s after %v in %q; %d results folders can be read\n",
		n+1, how, after.Round(time.Millisecond), last[len(last)-1], runs)
	return was, err
}

// quiet waits until nothing runs any more that a gate has started.
func (k *killer) quiet(n int) error {
	const patience = 20 * time.Second
	var found []string
	for began := time.Now(); time.Since(began) < patience; time.Sleep(50 * time.Millisecond) {
		if found = running(k.mark(n)); len(found) == 0 {
			return nil
		}
	}
	return fmt.Errorf("still running after %v: %s", patience, strings.Join(found, "; "))
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

// readable lets lab report read all results folders. One without a whole block
// has no results, which report says in its own words.
func (k *killer) readable() (runs int, err error) {
	folders, err := filepath.Glob(filepath.Join(k.results(), "*"))
	if err != nil {
		return 0, err
	}
	for _, folder := range folders {
		out, err := exec.Command(k.lab, "report", folder).CombinedOutput()
		if err != nil && !strings.Contains(string(out), "no results") {
			return 0, fmt.Errorf("%s: %w: %s", filepath.Base(folder), err, out)
		}
	}
	return len(folders), nil
}

// clean checks that the temporary folders of all gates are gone.
func (k *killer) clean() error {
	left, err := filepath.Glob(filepath.Join(k.temporary(), "informerlab-gate-*"))
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("found %d temporary folders, expected none: %v", len(left), left)
	}
	return err
}

// worktrees returns the folders of all worktrees that git knows.
func worktrees() (paths string, err error) {
	out, err := exec.Command("git", "worktree", "list", "--porcelain").Output()
	for line := range strings.Lines(string(out)) {
		if path, is := strings.CutPrefix(line, "worktree "); is {
			paths += path
		}
	}
	return paths, err
}

func same(before string) error {
	after, err := worktrees()
	if err == nil && after != before {
		err = fmt.Errorf("found other worktrees than before:\n%s", after)
	}
	return err
}
