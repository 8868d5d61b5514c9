package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"

	"informerlab/bench/findings"
	"informerlab/bench/run"
)

// finding measures findings and makes their pages.
func (l *lab) finding(flags *flag.FlagSet) action {
	render := flags.Bool("render", false, "measure nothing: make the pages again from the data that there is")
	probe := flags.Bool("probe", false, "measure one ARM in this process and print its figures: what is started")
	out := flags.String("out", "results/findings", "`folder` of data and pages")
	blocks := flags.Int("blocks", 0, "process blocks; 0 = as many as suit the finding")
	seed := flags.Uint64("seed", 1, "of the orders of measurement")
	peersProgram := flags.String("peers", peersPath, "`program` that serves outside contestants")
	return func(ctx context.Context) error {
		if *probe {
			return l.probe(flags.Args())
		}
		if *blocks < 0 || *blocks > 1000 {
			return usagef("-blocks=%d: expected a whole number from 1 to 1000", *blocks)
		}
		var chosen []*findings.Finding
		for _, name := range flags.Args() {
			f, err := findings.Find(name)
			if err != nil {
				return usage{err}
			}
			chosen = append(chosen, f)
		}
		if len(chosen) == 0 {
			chosen = findings.All()
		}
		if *render {
			for _, f := range chosen {
				if err := f.Render(*out, l.tell); err != nil {
					return usage{err}
				}
			}
			return nil
		}
		options, err := l.findingOptions(ctx, *peersProgram)
		if err != nil {
			return err
		}
		options.Folder, options.Blocks, options.Seed = *out, *blocks, *seed
		for _, f := range chosen {
			if err := f.Measure(ctx, options); err != nil {
				return err
			}
		}
		return nil
	}
}

// probe serves a measurement: it measures one arm of a finding.
func (l *lab) probe(args []string) error {
	if len(args) != 2 {
		return usagef("-probe: expected the name of a finding and an arm of it")
	}
	f, err := findings.Find(args[0])
	if err != nil {
		return usage{err}
	}
	figures, err := f.Probe(args[1])
	if err != nil {
		return err
	}
	return json.NewEncoder(l.out).Encode(figures)
}

// findingOptions returns how this program measures findings.
func (l *lab) findingOptions(ctx context.Context, peersProgram string) (o findings.Options, err error) {
	self, err := os.Executable()
	if err != nil {
		return o, fmt.Errorf("find own program: %w", err)
	}
	outside, err := neededPeers(ctx, peersProgram)
	if err != nil {
		return o, err
	}
	tell := sync.OnceFunc(func() { fmt.Fprintf(l.errOut, "lab: without client-go (%s)\n", outside.missing) })
	return findings.Options{
		Probe: []string{self, "finding", "-probe"},
		Arms: func(buffers []string) ([]run.Arm, error) {
			if outside.missing != "" {
				tell()
				buffers = slices.DeleteFunc(slices.Clone(buffers), func(b string) bool { return b == "client-go" })
			}
			return arms(buffers, outside)
		},
		Tell: l.tell,
	}, nil
}

func (l *lab) tell(line string) { fmt.Fprintf(l.errOut, "lab: %s\n", line) }
