package worker_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/worker"
	"informerlab/core/realtime"
)

var kinds = []string{worker.BlockProfile, worker.CPUProfile, worker.HeapProfile, worker.MutexProfile}

// profiles runs a contestant under the profilers and reads back what they wrote,
// by kind.
func profiles(t *testing.T, s *worker.Session, want time.Duration) map[string]*profile.Profile {
	t.Helper()
	prefix := filepath.Join(t.TempDir(), "arm")
	require.NoError(t, s.Profile(prefix, want))
	files, err := filepath.Glob(filepath.Join(filepath.Dir(prefix), "*"))
	require.NoError(t, err)
	require.Len(t, files, len(kinds), "no file under another name is left")
	read := map[string]*profile.Profile{}
	for _, kind := range kinds {
		data, err := os.ReadFile(prefix + "." + kind + worker.ProfileSuffix)
		require.NoError(t, err)
		read[kind], err = profile.ParseData(data)
		require.NoError(t, err)
	}
	return read
}

// functions returns the names of all frames of a sample, the innermost first.
func functions(sample *profile.Sample) (names []string) {
	for _, location := range sample.Location {
		for _, line := range location.Line {
			names = append(names, line.Function.Name)
		}
	}
	return names
}

// TestProfilesTellNothingElse looks for folders of this machine, for what the
// profilers do themselves, and for labels of others.
func TestProfilesTellNothingElse(t *testing.T) {
	for _, spec := range []string{"saturate:listeners=2,events=20000", "stall:events=20000,keys=100"} {
		for kind, p := range profiles(t, prepare(t, "", spec), 300*time.Millisecond) {
			for _, m := range p.Mapping {
				assert.False(t, filepath.IsAbs(m.File), "%s tells a folder: %s", kind, m.File)
			}
			for _, sample := range p.Sample {
				assert.NotContains(t, functions(sample), "runtime/pprof.StartCPUProfile", "%s: %s", spec, kind)
				for _, buffer := range sample.Label["buffer"] {
					assert.Equal(t, "fake", buffer)
				}
			}
		}
	}
	assert.Zero(t, runtime.SetMutexProfileFraction(-1), "outside profiles nothing of the kind is recorded")
}

// TestAllKindsKnowTheStage checks that samples of each kind are of the stage that
// their functions belong to, of real pipelines.
func TestAllKindsKnowTheStage(t *testing.T) {
	const (
		take = "processor.(*Listener).run"
		push = "queue.(*FIFO).push"
		pump = "buffer.(*Reference[go.shape.interface {}]).pump"
	)
	s := prepared(t, ours(t, "reference"), "saturate:listeners=2,events=50000")
	realtime.Attempt(t, 5, func(time.Duration) error { // a profiler samples in wall time
		return stagesOf(t, profiles(t, s, 300*time.Millisecond), map[string]string{
			take: "listener", push: "reflector", pump: "pump"})
	})
}

// stagesOf checks the stages of samples in which functions of core are, and returns an
// error if too little was sampled.
func stagesOf(t *testing.T, profiles map[string]*profile.Profile, functionStages map[string]string) (err error) {
	for kind, p := range profiles {
		stages := map[string]int{}
		for _, sample := range p.Sample {
			names := functions(sample)
			for function, stage := range functionStages {
				if slices.Contains(names, "informerlab/core/"+function) {
					assert.Equal(t, []string{stage}, sample.Label["stage"], "%s: %v", kind, names)
					assert.Equal(t, []string{"reference"}, sample.Label["buffer"], "%s: %v", kind, names)
					stages[stage]++
				}
			}
		}
		waits := stages["pump"] > 0 && stages["listener"] > 0 // a pump for its channels
		if kind == worker.BlockProfile && !waits || kind == worker.CPUProfile && len(stages) == 0 {
			err = fmt.Errorf("%s: found samples of stages %v only", kind, stages)
		}
	}
	return err
}

// TestWaitingIsOfTheRun checks that waiting from before is left out.
func TestWaitingIsOfTheRun(t *testing.T) {
	runtime.SetBlockProfileRate(1)
	woken := make(chan struct{})
	go func() { time.Sleep(10 * time.Millisecond); close(woken) }()
	<-woken
	runtime.SetBlockProfileRate(0)
	p := profiles(t, prepare(t, "", "saturate:listeners=1,events=2000"), time.Millisecond)[worker.BlockProfile]
	for _, sample := range p.Sample {
		assert.NotContains(t, functions(sample)[:2], "informerlab/bench/worker_test.TestWaitingIsOfTheRun")
	}
}
