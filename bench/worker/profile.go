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
	"slices"
	"time"

	"github.com/google/pprof/profile"
)

// The kinds of profile that Session.Profile writes, and the end of their files' names.
const (
	CPUProfile    = "cpu"
	HeapProfile   = "heap"
	MutexProfile  = "mutex"
	BlockProfile  = "block"
	ProfileSuffix = ".pb.gz"
)

// Profile writes a profile of each kind to prefix + "." + kind + ProfileSuffix:
// the means over its runs, each checked as Run does.
//
//	cpu           of the timed windows, of a stall also the drain
//	heap          what the timed windows allocated, and left in use; of a stall the full backlog
//	mutex, block  waiting that ended in the timed windows, of a stall also in the drain
//
// The instruments of mutex and block would show in the CPU profile, so they have
// runs of their own. The workload runs under cpu and heap until want has been
// profiled, and for a quarter of want under the others, which see nearly all
// there is instead of a sample; but no longer than four times as long, as short
// runs spend more time on being prepared. A stall runs once under each.
//
// Samples carry the labels of their goroutines: buffer, workload and, where the
// contestant sets it, stage.
func (s *Session) Profile(prefix string, want time.Duration) error {
	passes := []struct {
		pass
		want time.Duration
	}{
		{pass{probes: []*probe{heap(), cpu()}}, want},
		{pass{probes: []*probe{mutex(), block()}}, want / 4},
	}
	for _, p := range passes {
		if err := p.play(s, p.want); err != nil {
			return err
		}
		for _, probe := range p.probes {
			if err := writeMean(prefix+"."+probe.kind+ProfileSuffix, probe.taken); err != nil {
				return err
			}
		}
	}
	return nil
}

// A pass is the runs under some probes, which start in their order and end in the
// opposite one.
type pass struct {
	probes   []*probe
	who      owners // of the present run
	started  time.Time
	profiled time.Duration
}

// A probe takes one kind of profile of each run.
type probe struct {
	kind  string
	start func() error
	stop  func() (*profile.Profile, error)
	full  bool // it ends with the timed window, also if a backlog is still to be drained
	taken []*profile.Profile
}

func (p *pass) play(s *Session, want time.Duration) error {
	h := hooks{before: p.begin, after: func() error { return errors.Join(p.end(false), p.end(true)) }}
	stalls := s.workload.Stalls()
	if stalls && s.workload.Stalled > 0 {
		h.after = func() error { return p.end(true) }
		h.drained = func() error { return p.end(false) }
	}
	for begun := time.Now(); p.profiled == 0 || p.profiled < want && time.Since(begun) < 4*want; {
		if _, err := s.run(h); err != nil {
			pprof.StopCPUProfile() // it may have been left on; else this does nothing
			return err
		}
		if stalls {
			break // backlogs of several runs would add up to one that never was
		}
	}
	return nil
}

func (p *pass) begin() (err error) {
	if p.who, err = ownersNow(); err != nil {
		return err
	}
	for _, probe := range p.probes {
		if err := probe.start(); err != nil {
			return fmt.Errorf("worker: profile: %s: %w", probe.kind, err)
		}
	}
	p.started = time.Now()
	return nil
}

// end takes the profiles of those probes that end with the full backlog, or of
// the others.
func (p *pass) end(full bool) error {
	if !full {
		p.profiled += time.Since(p.started)
	}
	for _, probe := range slices.Backward(p.probes) {
		if probe.full != full {
			continue
		}
		taken, err := probe.stop()
		if err != nil {
			return fmt.Errorf("worker: profile: %s: %w", probe.kind, err)
		}
		p.who.label(taken)
		probe.taken = append(probe.taken, taken)
	}
	return nil
}

func cpu() *probe {
	var buf bytes.Buffer
	return &probe{
		kind: CPUProfile,
		start: func() error {
			buf.Reset()
			return pprof.StartCPUProfile(&buf)
		},
		stop: func() (*profile.Profile, error) {
			pprof.StopCPUProfile()
			return profile.ParseData(buf.Bytes())
		},
	}
}

// profiler matches what CPU profiling allocates for itself, a megabyte.
var profiler = regexp.MustCompile(`^runtime/pprof\.StartCPUProfile$`)

func heap() *probe {
	collect := func() {
		runtime.GC()
		runtime.GC() // the profile is as of the last finished collection
	}
	p := growing(HeapProfile, collect, collect)
	p.full = true
	grown := p.stop
	p.stop = func() (*profile.Profile, error) {
		taken, err := grown()
		if err == nil {
			taken.FilterSamplesByName(nil, profiler, nil, nil)
		}
		return taken, err
	}
	return p
}

func mutex() *probe {
	return growing(MutexProfile,
		func() { runtime.SetMutexProfileFraction(1) },
		func() { runtime.SetMutexProfileFraction(0) })
}

// blockRate is from which length on all waiting is seen. What is shorter is
// sampled, each sample standing for that much, so that the channels of a
// contestant that wait for each item do not mostly wait for the profiler.
const blockRate = 10 * time.Microsecond

func block() *probe {
	return growing(BlockProfile,
		func() { runtime.SetBlockProfileRate(int(blockRate)) },
		func() { runtime.SetBlockProfileRate(0) })
}

// growing returns the probe of a profile that the runtime adds to for as long as
// the process lives: it takes the difference. The load itself was there already.
func growing(kind string, on, off func()) *probe {
	var before *profile.Profile
	return &probe{
		kind: kind,
		start: func() (err error) {
			on()
			before, err = snapshot(kind)
			return err
		},
		stop: func() (*profile.Profile, error) {
			off()
			now, err := snapshot(kind)
			if err != nil {
				return nil, err
			}
			before.Scale(-1)
			return profile.Merge([]*profile.Profile{before, now})
		},
	}
}

// snapshot returns a profile of the runtime's as it is now.
func snapshot(name string) (*profile.Profile, error) {
	var buf bytes.Buffer
	if err := pprof.Lookup(name).WriteTo(&buf, 0); err != nil {
		return nil, err
	}
	return profile.ParseData(buf.Bytes())
}

// Owners are the labels of goroutines by the function that they began with. Only
// CPU samples carry labels by themselves.
type owners map[string]map[string][]string

// ownersNow returns the labels of the goroutines there are.
func ownersNow() (owners, error) {
	p, err := snapshot("goroutine")
	if err != nil {
		return nil, fmt.Errorf("worker: profile: goroutines: %w", err)
	}
	who := owners{}
	for _, sample := range p.Sample {
		if len(sample.Label) > 0 {
			who[origin(sample)] = sample.Label
		}
	}
	return who, nil
}

// label gives samples that have none the labels of the goroutine they are from.
func (who owners) label(p *profile.Profile) {
	for _, sample := range p.Sample {
		if len(sample.Label) == 0 {
			sample.Label = who[origin(sample)]
		}
	}
}

// shared matches functions that start goroutines for everybody, and those that
// the compiler makes of a go statement, which not all profiles show.
var shared = regexp.MustCompile(`^(runtime|sync)[./]|\.gowrap\d+$`)

// origin returns the outermost function of a sample that tells one goroutine from
// another.
func origin(sample *profile.Sample) string {
	for _, location := range slices.Backward(sample.Location) {
		for _, line := range slices.Backward(location.Line) {
			if !shared.MatchString(line.Function.Name) {
				return line.Function.Name
			}
		}
	}
	return ""
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
