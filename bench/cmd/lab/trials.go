package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"informerlab/bench/run"
	"informerlab/bench/trials"
)

// trials tries the comparison itself.
func (l *lab) trials(flags *flag.FlagSet) action {
	of := comparing{budget: 20 * time.Second}
	of.define(flags)
	n := flags.Int("n", 40, "comparisons; those that the file has count")
	busy := flags.Float64("busy", 0, "share of the time in which another program keeps a processor busy")
	gates := flags.Int("gates", 0, "then make so many gates of recorded blocks")
	rows := flags.Int("rows", 10, "of such a gate")
	return func(ctx context.Context) error {
		if !(*busy >= 0 && *busy <= 1) || *n < 1 || *gates < 0 || *rows < 1 {
			return usagef("-busy: expected 0 to 1, of -n and -rows numbers from 1 on, of -gates from 0")
		}
		p, err := l.comparison(&of)
		if err != nil {
			return usage{err}
		}
		scratch := flags.Arg(0) + ".scratch"
		plan := &trials.Plan{
			Path: flags.Arg(0), Trials: *n, Compare: *p, Busy: *busy, Hog: []string{p.Base[0], "busy"},
			Scratch: scratch, Told: l.errOut,
		}
		if _, err := plan.Done(); err != nil {
			return usage{err}
		}
		lock, err := run.TakeLock(flags.Arg(0) + ".lock")
		if err != nil {
			return usagef("%s: %w", flags.Arg(0), err)
		}
		defer func() { _ = lock.Release() }()         // the trials are in the file
		if err := os.RemoveAll(scratch); err != nil { // what a killed one left
			return usage{err}
		}
		defer os.RemoveAll(scratch)
		if err := trials.Run(ctx, plan); err != nil {
			return err
		}
		all, err := trials.Read(flags.Arg(0))
		if err != nil {
			return err
		}
		if err := trials.Summarise(l.out, all); err != nil {
			return err
		}
		if *gates > 0 {
			red := trials.Resample(all, *gates, *rows, 1)
			_, err = fmt.Fprintf(l.out, "%d of %d gates of %d rows made of their blocks are red\n", red, *gates, *rows)
		}
		return err
	}
}

// busy is the other program of trials: lab busy SHARE SEED. It ends with its standard
// input.
func (l *lab) busy(flags *flag.FlagSet) action {
	return func(ctx context.Context) error {
		share, err := strconv.ParseFloat(flags.Arg(0), 64)
		if err != nil || share < 0 || share > 1 {
			return usagef("%q: expected a share from 0 to 1", flags.Arg(0))
		}
		seed, err := strconv.ParseUint(flags.Arg(1), 10, 64)
		if err != nil {
			return usagef("%q: expected a seed", flags.Arg(1))
		}
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		go func() { // the input ends with who started this
			_, _ = io.Copy(io.Discard, l.in)
			stop()
		}()
		trials.KeepBusy(ctx, share, seed)
		return nil
	}
}
