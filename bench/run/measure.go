package run

import "informerlab/loadgen"

// A Measure is how a workload is measured unless somebody says otherwise.
type Measure struct {
	Blocks, Rounds int
	// Seconds is a first guess of what one run of one contestant takes, for
	// the first estimate of the time left.
	Seconds float64
}

// MeasureOf returns the defaults of a workload. They make the default set fit
// into five minutes on two cores with client-go among the contestants. Six
// blocks are the fewest that give a 95 % interval of a median, four the fewest
// that can tell two contestants apart.
func MeasureOf(w loadgen.Workload) Measure {
	switch w.Name {
	case "saturate":
		if w.Listeners > 8 {
			return Measure{Blocks: 6, Rounds: 1, Seconds: 1}
		}
	case "stall":
		return Measure{Blocks: 6, Rounds: 1, Seconds: 2}
	case "freeze":
		return Measure{Blocks: 5, Rounds: 1, Seconds: 10 + w.Seconds}
	case "steady":
		return Measure{Blocks: 6, Rounds: 1, Seconds: 3}
	case "replay":
		if w.Speed == 0 {
			return Measure{Blocks: 6, Rounds: 1, Seconds: 1}
		}
		const recordedSeconds = 910
		return Measure{Blocks: 2, Rounds: 1, Seconds: 1 + recordedSeconds/w.Speed}
	}
	return Measure{Blocks: 6, Rounds: 2, Seconds: 0.5}
}

// DefaultBuffers are measured when none is named: the yardstick, its plain rival
// and the real thing. The whole catalogue would take three times as long.
var DefaultBuffers = []string{"reference", "ring", "client-go"}

// Default returns the workloads that are measured when none is named.
func Default() []loadgen.Workload {
	var all []loadgen.Workload
	for _, label := range []string{
		"saturate:listeners=1", "saturate:listeners=8", "saturate:listeners=64",
		"stall", "stall:stalled=0", "replay:speed=100", "replay:speed=max",
	} {
		w, err := loadgen.ParseWorkload(label)
		if err != nil {
			panic(err) // a mistake in the list above
		}
		all = append(all, w)
	}
	return all
}
