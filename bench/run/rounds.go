package run

import (
	"strconv"
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

// valuesOf returns the metrics of a result by unit.
func valuesOf(r *worker.Result) map[string]float64 {
	values := map[string]float64{}
	for _, m := range r.Metrics() {
		values[m.Unit] = kept(m.Value)
	}
	return values
}

// medians returns the median over rounds of each metric, in the order of units,
// and the share of late and saturated runs. A metric may be missing in some rounds. A
// round without a lower bound has its own value for it, if another has one.
func medians(rounds []*worker.Result) (all []benchfmt.Value) {
	byUnit, exact := map[string][]float64{}, map[string][]float64{}
	for _, result := range rounds {
		values := valuesOf(result)
		for unit, v := range values {
			byUnit[unit] = append(byUnit[unit], v)
			lower := worker.LowerOf(unit)
			if _, bounded := values[lower]; lower != "" && !bounded {
				exact[lower] = append(exact[lower], v)
			}
		}
	}
	for _, unit := range worker.Units() {
		values := byUnit[unit.Name]
		if len(values) == 0 {
			continue
		}
		middle := stats.Median(append(values, exact[unit.Name]...))
		if unit.Name == worker.LateRuns || unit.Name == worker.SaturatedRuns {
			middle = kept(sum(values) / float64(len(values))) // a share
		}
		all = append(all, benchfmt.Value{Value: middle, Unit: unit.Name})
	}
	return all
}

// kept returns a value as slices.csv.gz keeps it, so that medians of either file agree.
func kept(v float64) float64 {
	v, _ = strconv.ParseFloat(number(v), 64) // it was written just now
	return v
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}
