package main

import (
	"context"
	"errors"
	"os"

	"informerlab/bench/worker"
)

// A side is this program as a worker, prepared for one side and workload.
type process struct{ *worker.Client }

// start starts a worker with additions to its environment and prepares it.
func start(side, workload string, environment ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c, err := worker.Program{Command: []string{self, "worker"}, Env: environment}.Start()
	if err != nil {
		return nil, err
	}
	p := &process{c}
	if _, err = p.ask(worker.Request{Op: worker.OpPrepare, Contestant: side, Workload: workload}); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

func (p *process) ask(r worker.Request) (worker.Response, error) {
	return p.Do(context.Background(), r)
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
