package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"informerlab/bench/child"
	"informerlab/bench/worker"
)

// A process is this program as a worker, prepared for one side and workload.
type process struct{ *child.Worker }

// start starts a worker with additions to its environment and prepares it.
func start(side, workload string, environment ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(self, "worker")
	command.Env = append(os.Environ(), environment...)
	w, err := child.StartWorker(command, nil)
	if err != nil {
		return nil, err
	}
	p := &process{w}
	if _, err = p.ask(worker.Request{Op: worker.OpPrepare, Contestant: side, Workload: workload}); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

func (p *process) ask(r worker.Request) (response worker.Response, err error) {
	response, err = p.Ask(context.Background(), r)
	if err == nil && response.Error != "" {
		err = fmt.Errorf("%s: %s", r.Op, response.Error)
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
