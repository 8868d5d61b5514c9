package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"informerlab/bench/worker"
	"informerlab/loadgen"
)

// A contestant is the running worker of an arm. One goroutine at a time talks to it.
type contestant struct {
	*worker.Client
	arm Arm
	cpu int // on which it runs, or anyProcessor
}

// anyProcessor is for workers that may run on any.
const anyProcessor = -1

// startContestant starts the worker of an arm, to stay on one processor or not.
func startContestant(arm Arm, cpu int) (*contestant, error) {
	c := &contestant{arm: arm, cpu: cpu}
	program := worker.Program{Command: arm.Command, Procs: arm.Procs}
	if c.pinned() {
		program.Around = func(start func() error) error { return Pinned(cpu, start) }
	}
	var err error
	if c.Client, err = program.Start(); err != nil {
		return nil, fmt.Errorf("run: worker of %s: %w", arm, err)
	}
	return c, nil
}

// pinned reports whether the process runs on one processor, beside others.
func (c *contestant) pinned() bool { return c.cpu != anyProcessor }

func (c *contestant) prepare(ctx context.Context, w loadgen.Workload) error {
	described, err := w.MarshalText()
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	request := worker.Request{Op: worker.OpPrepare, Contestant: c.arm.Buffer, Workload: string(described)}
	_, err = c.ask(ctx, request)
	return err
}

func (c *contestant) warm(ctx context.Context) error {
	_, err := c.ask(ctx, worker.Request{Op: worker.OpWarm})
	return err
}

func (c *contestant) run(ctx context.Context, timeline bool) (*worker.Result, error) {
	response, err := c.ask(ctx, worker.Request{
		Op: worker.OpRun, Spin: c.arm.Spin, Timeline: timeline && !c.arm.Bare, Bare: c.arm.Bare,
	})
	if err == nil && response.Result == nil {
		err = fmt.Errorf("run: worker of %s answered without a result", c.arm)
	}
	return response.Result, err
}

func (c *contestant) profile(ctx context.Context, prefix string, atLeast time.Duration) error {
	request := worker.Request{Op: worker.OpProfile, Profiles: prefix, Seconds: atLeast.Seconds()}
	_, err := c.ask(ctx, request)
	return err
}

// ask sends one request and waits for its response. An error that the response holds
// is returned as it is.
func (c *contestant) ask(ctx context.Context, request worker.Request) (worker.Response, error) {
	response, err := c.Ask(ctx, request)
	if err != nil {
		return response, fmt.Errorf("run: worker of %s: %w", c.arm, err)
	}
	if response.Error != "" {
		return response, errors.New(response.Error)
	}
	return response, nil
}
