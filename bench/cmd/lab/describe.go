package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"

	"informerlab/loadgen"
)

// listFlag defines a repeatable flag that collects texts as they are.
func listFlag(flags *flag.FlagSet, list *[]string, name, usage string) {
	flags.Func(name, usage, func(text string) error {
		*list = append(*list, text)
		return nil
	})
}

// parseWorkloads reads the workloads that specs name, each with the settings, and their
// traces, so that a bad line is reported before anything is measured. Two with one label
// would share a row of the table.
func parseWorkloads(specs, settings []string) (workloads []loadgen.Workload, err error) {
	if len(specs) == 0 && len(settings) > 0 {
		return nil, fmt.Errorf("-set %s without a workload: expected -workload beside it", settings[0])
	}
	for _, spec := range specs {
		w, err := loadgen.ParseWorkload(spec, settings...)
		if err != nil {
			return nil, err
		}
		if w.Trace != "" {
			if _, err := w.Loads(); err != nil {
				return nil, err
			}
		}
		same := func(other loadgen.Workload) bool { return other.BenchName() == w.BenchName() }
		if slices.ContainsFunc(workloads, same) {
			return nil, fmt.Errorf("%s is named twice", w.BenchName())
		}
		workloads = append(workloads, w)
	}
	return workloads, nil
}

func (l *lab) describe(flags *flag.FlagSet) action {
	return func(_ context.Context) error {
		w, err := loadgen.ParseWorkload(flags.Arg(0))
		if err != nil {
			return usage{err}
		}
		_, err = io.WriteString(l.out, w.Describe())
		return err
	}
}
