package run

import (
	"informerlab/loadgen"
)

// A Measure is how a workload is measured unless somebody says otherwise.
type Measure struct {
	Blocks, Rounds int
	// Seconds is a first guess of what one run of one contestant takes, for
	// the first estimate of the time left.
	Seconds float64
}

// MeasureOf returns how a workload is measured: as its file says or, where that
// leaves it open, as suits the length of a run. That makes the default set fit
// into five minutes on two cores with client-go among the contestants. Six
// blocks are the fewest that give a 95 % interval of a median, four the fewest
// that can tell two contestants apart. Rounds make up for the noise of short runs.
func MeasureOf(w loadgen.Workload) Measure {
	m := Measure{Seconds: guess(w)}
	m.Blocks, m.Rounds = w.Measured()
	if m.Blocks == 0 {
		m.Blocks = 6
		if m.Seconds > 5 {
			m.Blocks = 2
		}
	}
	if m.Rounds == 0 {
		m.Rounds = 1
		if m.Seconds < 1 {
			m.Rounds = 2
		}
	}
	return m
}

// guess returns about how many seconds a run takes: what the slowest contestant
// needs for the calls of a closed loop, and the span of an open one.
func guess(w loadgen.Workload) float64 {
	const (
		recordedSeconds = 910
		openSeconds     = 2 // of the parts of a mix
		callSeconds     = 0.2e-6
		least           = 0.2 // also of an empty run
	)
	calls := float64(max(1, w.Listeners)) * callSeconds
	switch {
	case w.MeanRate() > 0:
		return 1 + calls*float64(w.Prefill) + float64(w.EventCount()-w.Prefill)/w.MeanRate()
	case w.Speed > 0:
		return 1 + recordedSeconds/w.Speed
	case w.Arrival == "recorded":
		return 1
	case w.Mix != "":
		return 1 + openSeconds
	}
	return least + calls*float64(w.EventCount())
}

// DefaultBuffers are measured when none is named: the yardstick, its plain rival
// and the real thing. The whole catalogue would take three times as long.
var DefaultBuffers = []string{"reference", "ring", "client-go"}

// Default returns the workloads that are measured when none is named.
func Default() []loadgen.Workload {
	return parsed("saturate:listeners=1", "saturate:listeners=8", "saturate:listeners=64",
		"stall", "stall:stalled=0", "replay:speed=100", "replay:speed=max")
}

// Quick returns workloads that tell in a minute, less sharply, who does best.
func Quick() []loadgen.Workload {
	return parsed("saturate:listeners=1,events=20000", "saturate:listeners=8,events=20000",
		"saturate:listeners=64,events=5000", "stall:events=100000")
}

func parsed(labels ...string) (all []loadgen.Workload) {
	for _, label := range labels {
		w, err := loadgen.ParseWorkload(label)
		if err != nil {
			panic(err) // a mistake in the lists above
		}
		all = append(all, w)
	}
	return all
}
