package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/pprof/profile"

	"informerlab/bench/worker"
)

// pendingEvents is how many events pile up: the figure is about 1 million.
const pendingEvents = 1_000_000

// sampling makes heap profiles exact to about 1 %: one sample per 4 KiB, some
// 10,000 of 48 MB.
const sampling = "GODEBUG=memprofilerate=4096"

// What no notification is part of: the storage of the delta storages, under whose
// calls all else is allocated too, and all that the worker's profiler allocates.
var (
	storages = []string{"cache.(*RealFIFO).", "informerlab/core/queue."}
	profiler = []string{"runtime/pprof.StartCPUProfile", "worker.snapshot", "worker.growing"}
)

// bytesPerPending measures what a pending notification holds on one side.
func bytesPerPending(ctx context.Context, side string) (bytes float64, err error) {
	folder, err := os.MkdirTemp("", "cost")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	c, err := prepared(ctx, side, fmt.Sprintf("%s:events=%d", stall, pendingEvents), sampling)
	if err != nil {
		return 0, err
	}
	defer c.Stop()
	prefix := filepath.Join(folder, "pending")
	if _, err = c.Do(ctx, worker.Request{Op: worker.OpProfile, Profiles: prefix}); err != nil {
		return 0, err
	}
	inUse, err := inUseBytes(prefix + "." + worker.HeapProfile + worker.ProfileSuffix)
	return float64(inUse) / pendingEvents, err
}

// inUseBytes adds up the bytes in use of a heap profile, without what is left out.
func inUseBytes(path string) (bytes int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	p, err := profile.Parse(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	inUse := -1
	for i, t := range p.SampleType {
		if t.Type == "inuse_space" {
			inUse = i
		}
	}
	if inUse < 0 {
		return 0, fmt.Errorf("%s: no inuse_space in the profile", path)
	}
	for _, s := range p.Sample {
		if !leftOut(s) {
			bytes += s.Value[inUse]
		}
	}
	return bytes, nil
}

// leftOut reports whether a sample is of a queue's storage or of the profiler.
func leftOut(s *profile.Sample) bool {
	for depth, location := range s.Location {
		for inlined, line := range location.Line {
			if depth == 0 && inlined == 0 && matches(line.Function.Name, storages) ||
				matches(line.Function.Name, profiler) {
				return true
			}
		}
	}
	return false
}

func matches(function string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return strings.Contains(function, name) })
}
