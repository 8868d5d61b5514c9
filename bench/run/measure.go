package run

import (
	"fmt"
	"strings"

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
// into four minutes on two cores with client-go among the contestants. Six
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

// A Suite is what is measured together when no workload is named.
type Suite struct {
	Name, Summary string
	Buffers       []string // when none is named either
	labels        []string
}

// Suites are all there are, the default one first.
var Suites = []Suite{
	{
		// The yardstick, its plain rival and the real thing: all others would take
		// three times as long.
		"default", "what make bench measures, in 4 minutes", []string{"reference", "ring", "client-go"},
		[]string{
			"saturate:listeners=1", "saturate:listeners=8", "saturate:listeners=64",
			"stall", "stall:stalled=0", "replay:speed=100", "replay:speed=max",
		},
	},
	{
		"quick", "less, and less sharply, in half a minute", []string{"reference", "ring", "client-go"},
		[]string{
			"saturate:listeners=1,events=20000", "saturate:listeners=8,events=20000",
			"saturate:listeners=64,events=5000", "stall:events=100000",
		},
	},
	{
		// Rates reach beyond what reference and client-go can take with eight
		// handlers, so that the knee of each is seen.
		"full", "every figure of the report, in 9 minutes",
		[]string{"reference", "ring", "chunked", "coalescing", "bounded:drop-oldest,cap=1024", "client-go"},
		[]string{
			"saturate:listeners=1", "saturate:listeners=8", "saturate:listeners=64",
			"steady:listeners=8,rate=25000,seconds=1", "steady:listeners=8,rate=50000,seconds=1",
			"steady:listeners=8,rate=100000,seconds=1", "steady:listeners=8,rate=150000,seconds=1",
			"steady:listeners=8,rate=200000,seconds=1", "steady:listeners=8,rate=300000,seconds=1",
			"stall", "stall:stalled=0", "burst", "replay:speed=max",
		},
	},
}

// SuiteOf returns the suite of this name, or an error that names all.
func SuiteOf(name string) (*Suite, error) {
	var names []string
	for i := range Suites {
		if Suites[i].Name == name {
			return &Suites[i], nil
		}
		names = append(names, Suites[i].Name)
	}
	return nil, fmt.Errorf("run: unknown suite %q: expected one of %s", name, strings.Join(names, ", "))
}

// Workloads returns the workloads of a suite.
func (s *Suite) Workloads() (all []loadgen.Workload) {
	for _, label := range s.labels {
		w, err := loadgen.ParseWorkload(label)
		if err != nil {
			panic(err) // a mistake in the lists above
		}
		all = append(all, w)
	}
	return all
}
