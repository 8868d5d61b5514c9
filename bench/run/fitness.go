package run

import (
	"fmt"

	"informerlab/bench/worker"
	"informerlab/loadgen"
)

// A Fitness tells how fit for a workload the machine was, and the generator.
type Fitness struct {
	Workload string `json:"workload"`
	Rounds   int    `json:"rounds"` // that count
	// Discarded rounds of an open loop were measured again, because during a run
	// of one of the arms other programs used more than a tenth of all
	// processors: a rule that does not look at the result. Disturbed rounds were
	// no better, but count, as half as many as were planned had been discarded, of
	// the run or of the block (a single round always counts).
	Discarded int `json:"discarded,omitempty"`
	Disturbed int `json:"disturbed,omitempty"`
	// Late is how many runs have bounds of latencies, because the generator was late,
	// and Spoiled how many had no latency for that in a run of an older lab. Saturated
	// is how many runs have latencies with the lateness that they caused themselves.
	Late      int    `json:"late,omitempty"`
	Spoiled   int    `json:"spoiled,omitempty"`
	Saturated int    `json:"saturated,omitempty"`
	Store     string `json:"store"` // a hash of what all caches held in the end

	planned int
	inBlock int // rounds discarded in the block that is being measured
}

// disturbedAbove is the share of all processors for other programs above which
// latencies are no longer those of the lab. On two processors a tenth is a fifth
// of one; what keeps a system going takes less.
const disturbedAbove = 0.1

// fitness returns the entry of a workload, a new one if need be.
func (f *Folder) fitness(w loadgen.Workload, planned int) *Fitness {
	for _, known := range f.manifest.Fitness {
		if known.Workload == w.String() {
			return known
		}
	}
	f.manifest.Fitness = append(f.manifest.Fitness, &Fitness{Workload: w.String(), planned: planned})
	return f.manifest.Fitness[len(f.manifest.Fitness)-1]
}

// discards decides whether a round, one result per arm, is to be measured again,
// in a block of so many: no block may use up what all have, or last for ever.
func (f *Fitness) discards(round []*worker.Result, rounds int) bool {
	disturbed := false
	for _, r := range round {
		disturbed = disturbed || r.Lateness != nil && r.OthersCPU > disturbedAbove
	}
	if disturbed && f.Discarded < f.planned/2 && f.inBlock < (rounds+1)/2 {
		f.Discarded++
		f.inBlock++
		return true
	}
	if disturbed {
		f.Disturbed++
	}
	return false
}

// counts notes a round that counts.
func (f *Fitness) counts(round []*worker.Result) {
	f.Rounds++
	for _, r := range round {
		switch {
		case r.Saturated():
			f.Saturated++
		case r.Lower != nil:
			f.Late++
		}
	}
}

// same returns an error unless every cache of the workload ended alike.
func (f *Fitness) same(arm Arm, r *worker.Result) error {
	store := fmt.Sprintf("%016x", r.Store)
	if f.Store == "" {
		f.Store = store
	}
	if f.Store != store {
		return fmt.Errorf("run: %s: the caches of %s end with hash %s, others with %s",
			f.Workload, arm, store, f.Store)
	}
	return nil
}

// String tells what is to be known before latencies are believed, or nothing.
func (f *Fitness) String() string {
	s := ""
	if f.Discarded > 0 || f.Disturbed > 0 {
		s = fmt.Sprintf("%d rounds, %d more discarded because other programs used the machine", f.Rounds, f.Discarded)
	}
	if f.Disturbed > 0 {
		s += fmt.Sprintf(", %d kept though they did", f.Disturbed)
	}
	for _, runs := range []struct {
		n    int
		what string
	}{
		{f.Spoiled, "without latency because the generator was late"},
		{f.Late, "with bounds of latency because the generator was late"},
		{f.Saturated, "saturated the machine, and their latency includes that of the generator"},
	} {
		if runs.n > 0 && s != "" {
			s += "; "
		}
		if runs.n > 0 {
			s += fmt.Sprintf("%d runs %s", runs.n, runs.what)
		}
	}
	return s
}
