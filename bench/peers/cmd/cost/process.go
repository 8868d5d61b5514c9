package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"informerlab/bench/worker"
)

// A process is this program as a worker, prepared for one side and workload.
type process struct {
	command *exec.Cmd
	in      io.WriteCloser
	answers *json.Decoder
}

// start starts a worker with additions to its environment and prepares it.
func start(side, workload string, environment ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{command: exec.Command(self, "worker")}
	p.command.Stderr = os.Stderr
	p.command.Env = append(os.Environ(), environment...)
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.answers = json.NewDecoder(out)
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	_, err = p.ask(worker.Request{Op: worker.OpPrepare, Contestant: side, Workload: workload})
	return p, err
}

func (p *process) ask(r worker.Request) (response worker.Response, err error) {
	if err = json.NewEncoder(p.in).Encode(r); err == nil {
		err = p.answers.Decode(&response)
	}
	if err == nil && response.Error != "" {
		err = errors.New(response.Error)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", r.Op, err)
	}
	return response, err
}

// run measures once and returns the wall time per event in nanoseconds.
func (p *process) run() (float64, error) {
	response, err := p.ask(worker.Request{Op: worker.OpRun})
	if err != nil {
		return 0, err
	}
	if response.Result == nil || response.Result.Events == 0 {
		return 0, errors.New("run: answered without a result")
	}
	return float64(response.Result.WallNS) / float64(response.Result.Events), nil
}

// stop ends the worker and waits for it. A process that was never started is nil.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	return errors.Join(p.in.Close(), p.command.Wait())
}
