package gate

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"

	"informerlab/bench/process"
	"informerlab/bench/worker"
)

// leashed runs a command with all that it starts and returns what it prints. No
// part of it outlives ctx, the call or this process, however that ends.
func leashed(ctx context.Context, dir, name string, args ...string) (out []byte, err error) {
	command := exec.Command(name, args...)
	command.Dir = dir
	return process.Combined(ctx, command)
}

// ask starts a worker with so many processors (0 = all), asks it one thing after
// the other, ends it, and returns the answers, with the errors in them.
func (p Program) ask(ctx context.Context, procs int, requests ...worker.Request) ([]worker.Response, error) {
	program := worker.Program{Command: []string{p.Path, "worker"}, Procs: procs}
	responses, err := program.Exchange(ctx, requests...)
	if err != nil {
		return nil, fmt.Errorf("%s: worker: %w", p.Tree.Label, err)
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
