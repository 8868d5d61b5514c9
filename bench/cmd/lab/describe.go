package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"informerlab/loadgen"
)

// specsFlag collects texts as they are, of -workload and -set.
type specsFlag []string

func (s *specsFlag) String() string { return "" }

func (s *specsFlag) Set(spec string) error {
	*s = append(*s, spec)
	return nil
}

// parseWorkloads reads the workloads that specs name, each with the settings. Two
// with one label would share a row of the table.
func parseWorkloads(specs, settings []string) (workloads []loadgen.Workload, err error) {
	if len(specs) == 0 && len(settings) > 0 {
		return nil, fmt.Errorf("-set %s without a workload: expected -workload beside it", settings[0])
	}
	for _, spec := range specs {
		w, err := loadgen.ParseWorkload(spec, settings...)
		if err != nil {
			return nil, err
		}
		same := func(other loadgen.Workload) bool { return other.BenchName() == w.BenchName() }
		if slices.ContainsFunc(workloads, same) {
			return nil, fmt.Errorf("%s is named twice", w.BenchName())
		}
		workloads = append(workloads, w)
	}
	return workloads, nil
}

func (l *lab) describe(_ context.Context, args []string) error {
	flags := newFlags("describe")
	if err := l.parse(flags, args, 1); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return usagef("describe: expected a workload: lab list shows which there are")
	}
	w, err := loadgen.ParseWorkload(flags.Arg(0))
	if err != nil {
		return usagef("describe: %w", err)
	}
	_, err = io.WriteString(l.out, w.Describe())
	return err
}
