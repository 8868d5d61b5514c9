package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"informerlab/bench/child"
	"informerlab/bench/worker"
	"informerlab/loadgen"
)

// A process is one running worker. One goroutine at a time talks to it.
type process struct {
	*child.Worker
	arm  Arm
	cpu  int           // on which it runs, or anyProcessor
	span time.Duration // how long a run takes at least; set by prepare
}

// opLimit is how long one operation may take beyond the span of an open load. A
// worker gives up after two minutes by itself and says what hangs; this limit
// is for those that hang harder.
const opLimit = 5 * time.Minute

// anyProcessor is for workers that may run on any.
const anyProcessor = -1

// startProcess starts the worker of an arm, to stay on one processor or not.
func startProcess(arm Arm, cpu int) (*process, error) {
	p := &process{arm: arm, cpu: cpu}
	command := exec.Command(arm.Command[0], arm.Command[1:]...)
	if arm.Procs > 0 {
		command.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(arm.Procs))
	}
	var around func(start func() error) error
	if p.pinned() {
		around = func(start func() error) error { return Pinned(cpu, start) }
	}
	var err error
	if p.Worker, err = child.StartWorker(command, around); err != nil {
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
// is over, the process is killed. An error that the response holds is returned.
func (p *process) ask(ctx context.Context, request worker.Request) (worker.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, p.span+opLimit)
	defer cancel()
	response, err := p.Ask(ctx, request)
	if err != nil {
		return response, fmt.Errorf("run: worker of %s: %w", p.arm, err)
	}
	if response.Error != "" {
		return response, errors.New(response.Error)
	}
	return response, nil
}

// Listings asks the worker that command starts which contestants it has. It
// fails if the worker speaks another version of the protocol.
func Listings(ctx context.Context, command []string) ([]worker.Listing, error) {
	p, err := startProcess(Arm{Buffer: "outside contestants", Command: command}, anyProcessor)
	if err != nil {
		return nil, err
	}
	response, err := p.ask(ctx, worker.Request{Op: worker.OpList})
	p.Stop()
	if err != nil {
		return nil, err
	}
	if response.Version != worker.Version {
		return nil, fmt.Errorf("run: worker speaks version %d of the protocol, expected %d: build it again",
			response.Version, worker.Version)
	}
	return response.Contestants, nil
}
