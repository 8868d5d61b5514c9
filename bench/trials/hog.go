package trials

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"time"
)

// hog starts the program that keeps a processor busy, and returns what ends it.
func (p *Plan) hog(ctx context.Context, seed int) (stop func(), err error) {
	if p.Busy == 0 {
		return func() {}, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	command := exec.CommandContext(ctx, p.Hog[0], append(p.Hog[1:], fmt.Sprint(p.Busy), fmt.Sprint(seed))...)
	if err := command.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("trials: busy program: %w", err)
	}
	return func() {
		cancel()
		_ = command.Wait() // it was killed
	}, nil
}

// KeepBusy keeps one processor busy for a share of the time until ctx ends, in
// turns of a random length of two seconds in the mean.
func KeepBusy(ctx context.Context, share float64, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 2))
	const mean = 2 * time.Second
	for ctx.Err() == nil {
		busy := time.Duration(2 * share * rng.ExpFloat64() * float64(mean))
		for until := time.Now().Add(busy); time.Now().Before(until) && ctx.Err() == nil; {
			// Nothing else: looking at the clock takes the processor.
		}
		idle := time.NewTimer(time.Duration(2 * (1 - share) * rng.ExpFloat64() * float64(mean)))
		select {
		case <-idle.C:
		case <-ctx.Done():
		}
		idle.Stop()
	}
}
