package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"informerlab/bench/gate"
	"informerlab/bench/run"
)

// gate compares the working tree with a base. All errors but its verdict are for
// the caller to mend: what is wrong with head is not an error of the gate.
func (l *lab) gate(flags *flag.FlagSet) action {
	base := flags.String("base", "", "git `ref` that the working tree is compared with")
	quick := flags.Bool("quick", false, "a fraction of the measurements: to see that the gate works")
	seed := flags.Uint64("seed", 1, "of the order of measurement and of functions in programs")
	out := flags.String("out", "results/gate", "`folder` for the runs of the timed layers")
	summary := flags.String("summary", "", "`file` for the Markdown summary, which is printed in any case")
	check := flags.Bool("self-check", false, "compare head with itself and with mutants of itself instead")
	return func(ctx context.Context) error {
		if (*base == "") != *check {
			return usagef("expected either -base REF or -self-check")
		}
		log := func(line string) { fmt.Fprintln(l.errOut, "lab: gate: "+line) }
		repository, err := gate.OpenRepository(ctx, ".")
		if err != nil {
			return gateError(err)
		}
		timed := gate.Measured(*out, *seed, run.NewProgress(l.errOut), l.argv)
		if *check {
			wrong, err := gate.SelfCheck(ctx, repository, timed, *seed, log)
			if err == nil && len(wrong) > 0 {
				return fmt.Errorf("gate: self-check: %s", strings.Join(wrong, "; "))
			}
			return gateError(err)
		}
		g := gate.Gate{Layers: gate.Layers(timed, *quick), Seed: *seed, Log: log}
		report, err := gated(ctx, repository, *base, g)
		if err == nil {
			err = report.WriteSummary(l.out)
		}
		if err == nil && *summary != "" {
			err = report.SaveSummary(*summary)
		}
		if err != nil {
			return gateError(err)
		}
		switch status, why := report.Status(); status {
		case gate.StatusSlower:
			return fmt.Errorf("gate: %w: %s", errSlower, strings.Join(why, "; "))
		case gate.StatusInconclusive:
			return fmt.Errorf("gate: %w: %s", errInconclusive, strings.Join(why, "; "))
		}
		return nil
	}
}

// gateError returns what stood in a gate's way as an error of usage, so that it is
// told from what is wrong with head.
func gateError(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return usage{err}
}

// gated runs a gate of the working tree against a ref.
func gated(ctx context.Context, r gate.Repository, base string, g gate.Gate) (_ *gate.Report, err error) {
	checkout, err := r.Checkout(ctx, base)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, checkout.Close()) }()
	g.Base = checkout.Tree
	if g.Head, err = r.Head(ctx); err != nil {
		return nil, err
	}
	return g.Run(ctx)
}
