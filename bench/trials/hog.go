package trials

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"time"

	"informerlab/bench/process"
	"informerlab/bench/run"
)

// hog starts the program that keeps a processor busy, and returns what ends it.
func (p *Plan) hog(ctx context.Context, seed int) (stop func(), err error) {
	if p.Busy == 0 {
		return func() {}, nil
	}
	command := exec.Command(p.Hog[0], append(p.Hog[1:], fmt.Sprint(p.Busy), fmt.Sprint(seed))...)
	_, err = command.StdinPipe() // its end tells the program that this process is gone
	if err != nil {
		return nil, fmt.Errorf("trials: busy program: %w", err)
	}
	process, err := process.Start(command, nil)
	if err != nil {
		return nil, fmt.Errorf("trials: busy program: %w", err)
	}
	release := context.AfterFunc(ctx, process.Kill)
	return func() {
		release()
		process.Kill()
		_ = process.Wait() // it was killed
	}, nil
}

// KeepBusy keeps one processor busy for a share of the time until ctx ends: another
// one at random each time, if this program may choose, for a random time. A busy
// and an idle time together last four seconds in the mean.
func KeepBusy(ctx context.Context, share float64, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 2))
	const mean = 2 * time.Second
	processors := run.Processors()
	for ctx.Err() == nil {
		busy := time.Duration(2 * share * rng.ExpFloat64() * float64(mean))
		spin := func() error {
			for until := time.Now().Add(busy); time.Now().Before(until) && ctx.Err() == nil; {
				// Nothing else: looking at the clock takes the processor.
			}
			return nil
		}
		if len(processors) == 0 || run.Pinned(processors[rng.IntN(len(processors))], spin) != nil {
			_ = spin() // wherever it may; it does not fail
		}
		idle := time.NewTimer(time.Duration(2 * (1 - share) * rng.ExpFloat64() * float64(mean)))
		select {
		case <-idle.C:
		case <-ctx.Done():
		}
		idle.Stop()
	}
}
