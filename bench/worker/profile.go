package worker

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/google/pprof/profile"
)

// Profile runs the workload until want has been profiled, but no longer than four
// times as long (short runs spend more time on being prepared), and writes the
// means over its runs: a CPU profile of the timed windows and a heap profile of
// what they allocated; of a stall also the drain and, in use, the full backlog.
// Samples carry the labels buffer and workload, and stage where the contestant sets it. Each run
// is checked as Run does.
func (s *Session) Profile(cpuPath, heapPath string, want time.Duration) error {
	var cpus, heaps []*profile.Profile
	begun := time.Now()
	for profiled := time.Duration(0); len(cpus) == 0 || profiled < want && time.Since(begun) < 4*want; {
		var cpu bytes.Buffer
		var heap *profile.Profile
		var started time.Time
		before := func() (err error) {
			if heap, err = heapProfile(); err != nil {
				return err
			}
			started = time.Now()
			return pprof.StartCPUProfile(&cpu)
		}
		end := func() error {
			pprof.StopCPUProfile()
			profiled += time.Since(started)
			return nil
		}
		grown := func() (err error) { heap, err = grownHeap(heap); return err }
		h := hooks{before: before, after: func() error { return errors.Join(end(), grown()) }}
		if s.workload.Stalled > 0 && s.workload.Stalls() {
			h.after, h.drained = grown, end
		}
		_, err := s.run(h)
		pprof.StopCPUProfile() // a failed run may have left it on; else it does nothing
		if err != nil {
			return err
		}
		p, err := profile.ParseData(cpu.Bytes())
		if err != nil {
			return fmt.Errorf("worker: profile: parse cpu profile: %w", err)
		}
		cpus, heaps = append(cpus, p), append(heaps, heap)
		if s.workload.Stalls() {
			break // backlogs of several runs would add up to one that never was
		}
	}
	return errors.Join(writeMean(cpuPath, cpus), writeMean(heapPath, heaps))
}

// heapProfile returns the profile of the heap as it is now.
func heapProfile() (*profile.Profile, error) {
	runtime.GC()
	runtime.GC() // the profile is as of the last finished collection
	var buf bytes.Buffer
	if err := pprof.Lookup("heap").WriteTo(&buf, 0); err != nil {
		return nil, fmt.Errorf("worker: profile: heap: %w", err)
	}
	p, err := profile.ParseData(buf.Bytes())
	if err != nil {
		return nil, fmt.Errorf("worker: profile: parse heap profile: %w", err)
	}
	return p, nil
}

// profiler matches what CPU profiling allocates for itself, a megabyte.
var profiler = regexp.MustCompile(`^runtime/pprof\.StartCPUProfile$`)

// grownHeap returns what was allocated, and what came into use, since before
// was taken, but for the profiler's own: the load itself was there already.
func grownHeap(before *profile.Profile) (*profile.Profile, error) {
	now, err := heapProfile()
	if err != nil {
		return nil, err
	}
	before.Scale(-1)
	grown, err := profile.Merge([]*profile.Profile{before, now})
	if err != nil {
		return nil, fmt.Errorf("worker: profile: heap difference: %w", err)
	}
	grown.FilterSamplesByName(nil, profiler, nil, nil)
	return grown, nil
}

// writeMean writes the mean of the profiles of several runs, so that profiles of
// contestants that ran more or less often can be subtracted.
func writeMean(path string, profiles []*profile.Profile) error {
	mean, err := profile.Merge(profiles)
	if err != nil {
		return fmt.Errorf("worker: profile: merge: %w", err)
	}
	mean.Scale(1 / float64(len(profiles)))
	forgetFolders(mean)
	// Whoever is killed while it writes leaves no half profile under that name.
	f, err := os.Create(path + ".new")
	if err != nil {
		return fmt.Errorf("worker: profile: %w", err)
	}
	if err := errors.Join(mean.Write(f), f.Close()); err != nil {
		return fmt.Errorf("worker: profile: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("worker: profile: %w", err)
	}
	return nil
}

// forgetFolders shortens absolute file names, which tell about the machine. A
// build with -trimpath has none but the program's own.
func forgetFolders(p *profile.Profile) {
	for _, m := range p.Mapping {
		if filepath.IsAbs(m.File) {
			m.File = filepath.Base(m.File)
		}
	}
	for _, f := range p.Function {
		if filepath.IsAbs(f.Filename) {
			f.Filename = filepath.Base(f.Filename)
		}
	}
}
