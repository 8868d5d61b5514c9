package child

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"informerlab/bench/worker"
)

// AnswerLimit is how many bytes the answer of a worker may have. The largest ones
// hold a histogram and a timeline of 400 samples, together well below 1 MiB.
const AnswerLimit = 16 << 20

// quitGrace is how long a worker may take to end by itself.
const quitGrace = 5 * time.Second

// A Worker is a process that answers requests. One goroutine at a time asks it; Kill
// and Stop may be called by others meanwhile.
type Worker struct {
	*Process
	in     io.WriteCloser
	pipe   *os.File // what out reads
	out    *bufio.Reader
	stderr *Tail
}

// StartWorker starts the command of a worker; around is that of Start. The caller
// has to call Stop.
func StartWorker(command *exec.Cmd, around func(start func() error) error) (*Worker, error) {
	w := &Worker{stderr: &Tail{}}
	command.Stderr = w.stderr
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, its, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	w.in, w.pipe, w.out = in, out, bufio.NewReader(out)
	command.Stdout = its
	w.Process, err = Start(command, around)
	_ = its.Close() // the worker has it
	if err != nil {
		_ = out.Close()
		return nil, err
	}
	go func() {
		// Others may keep the pipe open. The read fails then, or the pipe is closed.
		<-w.Ended()
		_ = out.SetReadDeadline(time.Now().Add(PipeGrace))
	}()
	return w, nil
}

// Ask sends a request and returns the response, which may hold an error of its own.
// When ctx ends or has ended, the process is killed. After an error the worker has
// ended; the error says how, and has the end of its standard error.
func (w *Worker) Ask(ctx context.Context, request worker.Request) (worker.Response, error) {
	defer context.AfterFunc(ctx, w.Kill)()
	var response worker.Response
	err := ctx.Err() // else a fast worker would answer before it is killed
	if err == nil {
		response, err = w.exchange(request)
	}
	if err == nil {
		return response, nil
	}
	ended := errors.Is(err, errEnded)
	if !ended {
		w.Kill() // it does not keep to the protocol
	}
	killed := w.Stop()
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case ended && killed:
		err = errors.New("it closed its pipes without an answer, and did not end")
	case ended:
		return response, &EndedError{request.Op, w.State(), w.stderr}
	}
	return response, fmt.Errorf("%s: %w%s", request.Op, err, w.stderr.below("; its standard error:"))
}

// An EndedError reports a worker that ended instead of answering.
type EndedError struct {
	Op     string // of the request
	State  string // as Process.State has it
	Stderr *Tail
}

// Error implements error.
func (e *EndedError) Error() string {
	return fmt.Sprintf("%s: it ended without an answer: %s%s", e.Op, e.State, e.Stderr.below("; its standard error:"))
}

// errEnded reports that the worker's pipes have ended.
var errEnded = errors.New("end of a pipe")

func (w *Worker) exchange(request worker.Request) (response worker.Response, err error) {
	line, err := json.Marshal(request)
	if err != nil {
		return response, err
	}
	if _, err = w.in.Write(append(line, '\n')); err != nil {
		return response, errEnded
	}
	line, err = readLine(w.out, AnswerLimit)
	switch {
	case errors.Is(err, errLong):
		return response, fmt.Errorf("answer of more than %d MiB: %.60q", AnswerLimit>>20, line)
	case err != nil:
		return response, errEnded
	}
	if err = json.Unmarshal(line, &response); err != nil {
		return response, fmt.Errorf("answer %.60q is not JSON: %w", line, err)
	}
	return response, nil
}

// errLong reports a line that is longer than its limit.
var errLong = errors.New("a line that is too long")

// readLine returns the next line with its end, or errLong and the beginning of one
// that is longer than limit bytes.
func readLine(r *bufio.Reader, limit int) (line []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > limit:
			return line, errLong
		case err == nil:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		}
	}
}

// Stop closes the worker's standard input, at which it ends, and waits for that. It
// reports whether the worker had to be killed, as it had not ended after 5 s.
func (w *Worker) Stop() (killed bool) {
	_ = w.in.Close()
	timer := time.AfterFunc(quitGrace, w.Kill)
	_ = w.Wait() // how it ended is for who asked it last to say
	_ = w.pipe.Close()
	return !timer.Stop()
}

// StopAll stops workers at the same time.
func StopAll[W interface{ Stop() bool }](workers []W) {
	var all sync.WaitGroup
	for _, w := range workers {
		all.Go(func() { w.Stop() })
	}
	all.Wait()
}
