package run

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"informerlab/loadgen"
)

// Duets. A machine that others use is not slow evenly: it changes its speed many
// times a second, and two virtual processors need not be alike. So arms that are
// to be compared by processor time run at the same time on the same processor,
// where the kernel gives each of them a few milliseconds in turn: what slows one
// slows all, and the ratio stays. The idea is of Bulej, Horký, Tůma, Farquet and
// Prokopec, Duet Benchmarking: Improving Measurement Accuracy in the Cloud (ICPE
// 2020), who gave each of two programs a processor of its own.
//
// What the clock shows is then no property of one arm: see worker.Result.Share.
// Open loops run by turns all the same, as they wait for the clock, and who wakes
// the processor pays for the others; so do all arms where processes cannot be pinned.

// processors returns those for duets, or none if there are to be none.
func (p *Plan) processors() []int {
	if !p.Duets {
		return nil
	}
	return Processors()
}

// processor returns where the workers of one workload of a block run: in duets on
// any one.
func (p *Plan) processor(w loadgen.Workload, rng *rand.Rand) int {
	if all := p.processors(); !w.Open() && len(all) > 0 {
		return all[rng.IntN(len(all))]
	}
	return anyProcessor
}

// grouped returns which processes run at the same time, one group after the other.
func grouped(processes []*contestant, order []int) (groups [][]int) {
	place := map[string]int{} // by buffer
	for _, i := range order {
		p := processes[i]
		at, known := place[p.arm.Buffer]
		if !known || !p.pinned() {
			at = len(groups)
			place[p.arm.Buffer] = at
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], i)
	}
	return groups
}

// run runs some processes once at the same time.
func (r *round) run(ctx context.Context, processes []*contestant, together []int, timeline bool) error {
	failed := make([]error, len(together))
	var all sync.WaitGroup
	for k, i := range together {
		r.began[i] = time.Now()
		all.Go(func() { r.results[i], failed[k] = processes[i].run(ctx, timeline) })
	}
	all.Wait()
	return errors.Join(failed...)
}
