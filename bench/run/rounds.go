package run

import (
	"math"
	"time"

	"golang.org/x/perf/benchfmt"

	"informerlab/bench/stats"
	"informerlab/bench/worker"
)

// A round is one run of every arm.
type round struct {
	order   []int            // of the arms, as they were run
	began   []time.Time      // by arm
	results []*worker.Result // by arm
}

// Measured are the rounds of one workload in one block that all arms finished.
type measured []*round

// of returns the results of an arm, round by round.
func (m measured) of(arm int) (results []*worker.Result) {
	for _, r := range m {
		results = append(results, r.results[arm])
	}
	return results
}

// medians returns the median over rounds of each metric, in the order of units,
// and of spoiled runs the share. A metric may be missing in some rounds.
func medians(rounds []*worker.Result) []benchfmt.Value {
	byUnit := map[string][]float64{}
	for _, result := range rounds {
		for _, metric := range result.Metrics() {
			byUnit[metric.Unit] = append(byUnit[metric.Unit], metric.Value)
		}
	}
	var values []benchfmt.Value
	for _, unit := range worker.Units() {
		all := byUnit[unit.Name]
		if len(all) == 0 {
			continue
		}
		middle := stats.Median(all)
		if unit.Name == worker.SpoiledRuns {
			middle = sum(all) / float64(len(all)) // a share
		}
		// Thousandths of a nanosecond or byte are below what is measured.
		values = append(values, benchfmt.Value{Value: math.Round(middle*1000) / 1000, Unit: unit.Name})
	}
	return values
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}
