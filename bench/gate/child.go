package gate

import (
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
)

// leash runs a command, and kills its whole process group as soon as nobody holds
// the other end of descriptor 3 any more: the go command has children, which
// would outlive it.
const leash = `{ read -r _; kill -9 0; } <&3 >/dev/null 2>&1 & exec "$@" 3<&-`

// leashed runs a command with all that it starts and returns what it prints. No
// part of it outlives ctx, the call or this process, however that ends.
func leashed(ctx context.Context, dir, name string, args ...string) (out []byte, err error) {
	held, end, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	command := exec.CommandContext(ctx, "sh", append([]string{"-c", leash, "sh", name}, args...)...)
	command.Dir = dir
	command.ExtraFiles = []*os.File{held}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = end.Close
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err = command.Start()
	_ = held.Close() // the child has it
	if err == nil {
		err = command.Wait()
	}
	if closed := end.Close(); !errors.Is(closed, os.ErrClosed) { // by Cancel
		err = errors.Join(err, closed)
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return output.Bytes(), err
}

// answerLimit is how long one answer of a worker may take. A worker gives up
// after two minutes by itself.
const answerLimit = 3 * time.Minute

// ask starts a worker with so many processors (0 = all), asks it one thing after
// the other, ends it, and returns the answers, with the errors in them.
func (p Program) ask(ctx context.Context, procs int, requests ...worker.Request) ([]worker.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(len(requests))*answerLimit)
	defer cancel()
	command := exec.CommandContext(ctx, p.Path, "worker")
	if procs > 0 {
		command.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(procs))
	}
	var errOut bytes.Buffer
	command.Stderr = &errOut
	in, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	responses, err := converse(in, out, requests)
	_ = in.Close() // it ends
	_, drained := io.Copy(io.Discard, out)
	err = errors.Join(err, drained, command.Wait())
	if err != nil {
		return nil, fmt.Errorf("%s: worker: %w%s", p.Tree.Label, err, indented(errOut.String()))
	}
	return responses, nil
}

// converse asks one thing at a time: if this process dies, the worker ends after
// the answer that it is at.
func converse(in io.Writer, out io.Reader, requests []worker.Request) (responses []worker.Response, err error) {
	encoder, decoder := json.NewEncoder(in), json.NewDecoder(out)
	for _, request := range requests {
		if err := encoder.Encode(request); err != nil {
			return nil, fmt.Errorf("%s: %w", request.Op, err)
		}
		var response worker.Response
		if err := decoder.Decode(&response); err != nil {
			return nil, fmt.Errorf("%s: answer: %w", request.Op, err)
		}
		responses = append(responses, response)
	}
	return responses, nil
}

// list asks a program for its contestants and its version of the protocol.
func (p Program) list(ctx context.Context) (worker.Response, error) {
	responses, err := p.ask(ctx, 0, worker.Request{Op: worker.OpList})
	if err != nil {
		return worker.Response{}, fmt.Errorf("gate: %w", err)
	}
	return responses[0], nil
}

// indented returns the end of a text as lines below an error, or nothing.
func indented(text string) string {
	const most = 4 << 10
	text = strings.TrimSpace(text[max(0, len(text)-most):])
	if text == "" {
		return ""
	}
	return "\n\t" + strings.ReplaceAll(text, "\n", "\n\t")
}

// sideBySide runs jobs two at a time, which is for what is not timed. It returns
// the errors of all, and starts none after the first one.
func sideBySide(jobs []func() error) error {
	var (
		mu     sync.Mutex
		group  sync.WaitGroup
		next   int
		failed error
	)
	take := func() func() error {
		mu.Lock()
		defer mu.Unlock()
		if failed != nil || next == len(jobs) {
			return nil
		}
		next++
		return jobs[next-1]
	}
	for range 2 {
		group.Go(func() {
			for job := take(); job != nil; job = take() {
				if err := job(); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	return failed
}
