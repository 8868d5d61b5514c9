package run

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"informerlab/bench/worker"
	"informerlab/loadgen"
)

// A process is one running worker. One goroutine at a time talks to it.
type process struct {
	arm     Arm
	cpu     int // on which it runs, or anyProcessor
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	stderr  *tail
	killed  sync.Once
	waited  sync.Once
	span    time.Duration // how long a run takes at least; set by prepare
}

// opLimit is how long one operation may take beyond the span of an open load. A
// worker gives up after two minutes by itself and says what hangs; this limit
// is for those that hang harder.
const opLimit = 5 * time.Minute

// anyProcessor is for workers that may run on any.
const anyProcessor = -1

// startProcess starts the worker of an arm, to stay on one processor or not.
func startProcess(arm Arm, cpu int) (*process, error) {
	p := &process{arm: arm, cpu: cpu, command: exec.Command(arm.Command[0], arm.Command[1:]...), stderr: &tail{}}
	// In a group of its own it does not get the terminal's Ctrl-C: the driver
	// decides when workers end. If the driver dies, a worker sees the end of
	// its input.
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.command.Stderr = p.stderr
	if arm.Procs > 0 {
		p.command.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(arm.Procs))
	}
	in, err := p.command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("run: worker of %s: %w", arm, err)
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("run: worker of %s: %w", arm, err)
	}
	p.in, p.out = in, bufio.NewReader(out)
	start := p.command.Start
	if p.pinned() {
		start = func() error { return Pinned(cpu, p.command.Start) }
	}
	if err := start(); err != nil {
		if p.command.Process != nil { // it runs, though not where it should
			p.kill()
			p.wait()
		}
		return nil, fmt.Errorf("run: worker of %s: %w", arm, err)
	}
	return p, nil
}

// pinned reports whether the process runs on one processor, beside others.
func (p *process) pinned() bool { return p.cpu != anyProcessor }

func (p *process) prepare(ctx context.Context, w loadgen.Workload) error {
	described, err := w.MarshalText()
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	request := worker.Request{Op: worker.OpPrepare, Contestant: p.arm.Buffer, Workload: string(described)}
	response, err := p.ask(ctx, request)
	p.span = time.Duration(response.SpanNS)
	return err
}

func (p *process) warm(ctx context.Context) error {
	_, err := p.ask(ctx, worker.Request{Op: worker.OpWarm})
	return err
}

func (p *process) run(ctx context.Context, timeline bool) (*worker.Result, error) {
	response, err := p.ask(ctx, worker.Request{
		Op: worker.OpRun, Spin: p.arm.Spin, Timeline: timeline && !p.arm.Bare, Bare: p.arm.Bare,
	})
	if err == nil && response.Result == nil {
		err = fmt.Errorf("run: worker of %s answered without a result", p.arm)
	}
	return response.Result, err
}

func (p *process) profile(ctx context.Context, prefix string, atLeast time.Duration) error {
	request := worker.Request{Op: worker.OpProfile, Profiles: prefix, Seconds: atLeast.Seconds()}
	_, err := p.ask(ctx, request)
	return err
}

// ask sends one request and waits for its response. When ctx ends or the limit
// is over, the process is killed.
func (p *process) ask(ctx context.Context, request worker.Request) (worker.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, p.span+opLimit)
	defer cancel()
	defer context.AfterFunc(ctx, p.kill)()
	response, err := p.exchange(request)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%s: %w", request.Op, ctx.Err())
	}
	if err != nil {
		p.wait() // it is of no use any more, and its last words may still be on their way
		return response, fmt.Errorf("run: worker of %s: %w%s", p.arm, err, p.stderr)
	}
	if response.Error != "" {
		return response, errors.New(response.Error)
	}
	return response, nil
}

func (p *process) exchange(request worker.Request) (response worker.Response, err error) {
	line, err := json.Marshal(request)
	if err != nil {
		return response, fmt.Errorf("%s: %w", request.Op, err)
	}
	if _, err = p.in.Write(append(line, '\n')); err != nil {
		return response, fmt.Errorf("%s: it ended: %w", request.Op, err)
	}
	if line, err = p.out.ReadBytes('\n'); err != nil {
		return response, fmt.Errorf("%s: it ended without an answer: %w", request.Op, err)
	}
	if err = json.Unmarshal(line, &response); err != nil {
		return response, fmt.Errorf("%s: answer %.60q is not JSON: %w", request.Op, line, err)
	}
	return response, nil
}

// kill ends the process and whatever it started.
func (p *process) kill() {
	p.killed.Do(func() {
		// The group is gone if the process has ended; there is nothing to do then.
		_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
	})
}

// quitGrace is how long a worker may take to end by itself.
const quitGrace = 5 * time.Second

// stop ends processes that have nothing to do any more and waits for them. Their
// exit status says nothing that an answer has not said before.
func stop(processes []*process) {
	for _, p := range processes {
		_ = p.in.Close() // all at once: each sees the end of its input
	}
	for _, p := range processes {
		p.wait()
	}
}

// wait ends the process and returns when all that it wrote to its standard error
// is there. Nothing may be read from it afterwards.
func (p *process) wait() {
	p.waited.Do(func() {
		_ = p.in.Close()
		timer := time.AfterFunc(quitGrace, p.kill)
		_ = p.command.Wait()
		timer.Stop()
	})
}

// Listings asks the worker that command starts which contestants it has. It
// fails if the worker speaks another version of the protocol.
func Listings(ctx context.Context, command []string) ([]worker.Listing, error) {
	p, err := startProcess(Arm{Buffer: "outside contestants", Command: command}, anyProcessor)
	if err != nil {
		return nil, err
	}
	response, err := p.ask(ctx, worker.Request{Op: worker.OpList})
	stop([]*process{p})
	if err != nil {
		return nil, err
	}
	if response.Version != worker.Version {
		return nil, fmt.Errorf("run: worker speaks version %d of the protocol, expected %d: build it again",
			response.Version, worker.Version)
	}
	return response.Contestants, nil
}

// A tail keeps the last lines of what a worker writes to its standard error.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if extra := len(t.text) - tailBytes; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(p), nil
}

// String returns the lines indented below an error, or nothing.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(bytes.TrimSpace(t.text)) == 0 {
		return ""
	}
	return "; its standard error:\n\t" + strings.ReplaceAll(strings.TrimSpace(string(t.text)), "\n", "\n\t")
}
