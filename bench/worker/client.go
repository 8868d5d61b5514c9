package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"informerlab/bench/process"
)

// AnswerLimit is how many bytes the answer of a worker may have. The largest ones
// hold a histogram and a timeline of 400 samples, together well below 1 MiB.
const AnswerLimit = 16 << 20

// askLimit is how long one answer may take beyond the span of an open load. A
// worker gives up after two minutes by itself and says what hangs; this limit
// is for those that hang harder.
const askLimit = 5 * time.Minute

// quitGrace is how long a worker may take to end by itself.
const quitGrace = 5 * time.Second

// A Program starts workers.
type Program struct {
	Command []string // and its arguments
	Procs   int      // GOMAXPROCS; 0 = that of this process
	Env     []string // additions to the environment
	// Around, if not nil, is that of process.Start.
	Around func(start func() error) error
}

// A Client is the client's end of a worker: it starts the process, and speaks the
// protocol with it. One goroutine at a time asks; Kill and Stop may be called by others
// meanwhile.
type Client struct {
	*process.Process
	in     io.WriteCloser
	pipe   *os.File // what out reads
	out    *bufio.Reader
	stderr *process.Tail
	span   time.Duration // how long a run takes at least, since it is prepared
}

// Start starts a worker. The caller has to call Stop.
func (p Program) Start() (*Client, error) {
	command := exec.Command(p.Command[0], p.Command[1:]...)
	command.Env = append(os.Environ(), p.Env...)
	if p.Procs > 0 {
		command.Env = append(command.Env, "GOMAXPROCS="+strconv.Itoa(p.Procs))
	}
	c := &Client{stderr: &process.Tail{}}
	command.Stderr = c.stderr
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, its, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c.in, c.pipe, c.out = in, out, bufio.NewReader(out)
	command.Stdout = its
	c.Process, err = process.Start(command, p.Around)
	_ = its.Close() // the worker has it
	if err != nil {
		_ = out.Close()
		return nil, err
	}
	go func() {
		// Others may keep the pipe open. The read fails then, or the pipe is closed.
		<-c.Ended()
		_ = out.SetReadDeadline(time.Now().Add(process.PipeGrace))
	}()
	return c, nil
}

// Exchange starts a worker, asks it one thing after the other, stops it, and returns
// the answers, which may hold errors of their own.
func (p Program) Exchange(ctx context.Context, requests ...Request) ([]Response, error) {
	c, err := p.Start()
	if err != nil {
		return nil, err
	}
	defer c.Stop()
	responses := make([]Response, len(requests))
	for i, request := range requests {
		if responses[i], err = c.Ask(ctx, request); err != nil {
			return nil, err
		}
	}
	return responses, nil
}

// Listings asks a worker which contestants it has. It fails if the worker speaks
// another version of the protocol.
func (p Program) Listings(ctx context.Context) ([]Listing, error) {
	responses, err := p.Exchange(ctx, Request{Op: OpList})
	switch {
	case err != nil:
		return nil, err
	case responses[0].Error != "":
		return nil, errors.New(responses[0].Error)
	case responses[0].Version != Version:
		return nil, fmt.Errorf("worker speaks version %d of the protocol, expected %d: build it again",
			responses[0].Version, Version)
	}
	return responses[0].Contestants, nil
}

// Do is Ask, whose error may be that of the response too.
func (c *Client) Do(ctx context.Context, request Request) (Response, error) {
	response, err := c.Ask(ctx, request)
	if err == nil && response.Error != "" {
		err = errors.New(response.Error)
	}
	return response, err
}

// Ask sends a request and returns the response, which may hold an error of its own.
// When ctx ends or has ended, or after 5 minutes beyond the span of a run, the process
// is killed. After an error the worker has ended; the error says how, and has the end of
// its standard error.
func (c *Client) Ask(ctx context.Context, request Request) (Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.span+askLimit)
	defer cancel()
	defer context.AfterFunc(ctx, c.Kill)()
	var response Response
	err := ctx.Err() // else a fast worker would answer before it is killed
	if err == nil {
		response, err = c.exchange(request)
	}
	if err == nil {
		if request.Op == OpPrepare {
			c.span = time.Duration(response.SpanNS)
		}
		return response, nil
	}
	ended := errors.Is(err, errEnded)
	if !ended {
		c.Kill() // it does not keep to the protocol
	}
	killed := c.Stop()
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case ended && killed:
		err = errors.New("it closed its pipes without an answer, and did not end")
	case ended:
		err = errors.New("it ended without an answer: " + c.State())
	}
	return response, fmt.Errorf("%s: %w%s", request.Op, err, c.stderr.Below("; its standard error:"))
}

// errEnded reports that the worker's pipes have ended.
var errEnded = errors.New("end of a pipe")

func (c *Client) exchange(request Request) (response Response, err error) {
	line, err := json.Marshal(request)
	if err != nil {
		return response, err
	}
	if _, err = c.in.Write(append(line, '\n')); err != nil {
		return response, errEnded
	}
	line, err = readLine(c.out, AnswerLimit)
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
func (c *Client) Stop() (killed bool) {
	_ = c.in.Close()
	timer := time.AfterFunc(quitGrace, c.Kill)
	_ = c.Wait() // how it ended is for who asked it last to say
	_ = c.pipe.Close()
	return !timer.Stop()
}

// StopAll stops workers at the same time.
func StopAll[C interface{ Stop() bool }](clients []C) {
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() { c.Stop() })
	}
	all.Wait()
}
