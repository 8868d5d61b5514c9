package worker_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/worker"
	"informerlab/loadgen"
)

func prepare(t *testing.T, fault, spec string) *worker.Session {
	t.Helper()
	w, err := loadgen.ParseWorkload(spec)
	require.NoError(t, err)
	s, err := worker.Prepare(fakes(fault)[0], "fake", w)
	require.NoError(t, err)
	return s
}

func units(r *worker.Result) (units []string) {
	for _, m := range r.Metrics() {
		units = append(units, m.Unit)
	}
	return units
}

// TestRunMeasuresEachKind runs every kind of workload and looks at which figures
// come out.
func TestRunMeasuresEachKind(t *testing.T) {
	cost := []string{worker.CPUNSPerEvent, worker.BytesPerEvent, worker.AllocsPerEvent}
	for spec, want := range map[string][]string{
		"saturate:listeners=0,events=500,churn=10": append([]string{worker.NSPerEvent}, cost...),
		"saturate:listeners=3,events=500": append(
			[]string{worker.NSPerEvent, worker.NSPerEventListener}, cost...),
		"steady:listeners=2,events=200,rate=20000": append(append([]string{}, cost...),
			worker.P50, worker.P99, worker.P999, worker.LateP50, worker.LateP99),
		"stall:listeners=2,events=500,keys=10,stalled=0": append(
			append([]string{worker.OthersNSPerEvent}, cost...), worker.RetainedBytes),
		"stall:listeners=3,events=500,keys=10,stalled=1": append(
			append([]string{worker.OthersNSPerEvent}, cost...),
			worker.Backlog, worker.BytesPerPending, worker.DrainNSPerEvent, worker.RetainedBytes),
	} {
		s := prepare(t, "", spec)
		require.NoError(t, s.Warm(), spec)
		result, err := s.Run()
		require.NoError(t, err, spec)
		assert.Equal(t, want, units(result), spec)
		assert.Positive(t, result.WallNS, spec)
		assert.GreaterOrEqual(t, result.Events, 200, spec)
		if result.Stall != nil && strings.Contains(spec, "stalled=1") {
			assert.Equal(t, 500, result.Stall.Pending, "all events and the sentinel, but the one in hand")
		}
	}
}

// TestWrongRunsAreErrors breaks the pipeline in one way each; a figure must
// never come out.
func TestWrongRunsAreErrors(t *testing.T) {
	for fault, want := range map[string]string{
		"loses":   "calls came",
		"doubles": "calls came",
		"swaps":   "checksum",
		"stale":   "cache of",
	} {
		s := prepare(t, fault, "saturate:listeners=2,events=100,keys=10")
		if fault == "loses" {
			s.Limit = 200 * time.Millisecond // the call that it waits for never comes
		}
		result, err := s.Run()
		require.ErrorContains(t, err, want, fault)
		require.ErrorContains(t, err, "fake: saturate:listeners=2", fault)
		assert.Nil(t, result, fault)
	}
}

// TestStartFailureIsAnError covers a contestant that does not come up.
func TestStartFailureIsAnError(t *testing.T) {
	w, err := loadgen.ParseWorkload("saturate")
	require.NoError(t, err)
	c := fakes("")[0]
	c.New = func(*loadgen.Load, worker.Options) (worker.Pipeline, error) {
		return nil, errors.New("no such luck")
	}
	s, err := worker.Prepare(c, "fake", w)
	require.NoError(t, err)
	_, err = s.Run()
	require.ErrorContains(t, err, "no such luck")
}

// TestProfileWritesLabelledProfiles reads back what Profile writes.
func TestProfileWritesLabelledProfiles(t *testing.T) {
	for _, spec := range []string{"saturate:listeners=2,events=20000", "stall:events=20000,keys=100"} {
		folder := t.TempDir()
		cpu, heap := filepath.Join(folder, "cpu"), filepath.Join(folder, "heap")
		require.NoError(t, prepare(t, "", spec).Profile(cpu, heap, 300*time.Millisecond), spec)
		left, err := filepath.Glob(filepath.Join(folder, "*"))
		require.NoError(t, err)
		assert.Equal(t, []string{cpu, heap}, left, "no file under another name is left")
		for _, path := range []string{cpu, heap} {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			p, err := profile.ParseData(data)
			require.NoError(t, err)
			for _, m := range p.Mapping {
				assert.False(t, filepath.IsAbs(m.File), "%s tells a folder: %s", path, m.File)
			}
			for _, sample := range p.Sample {
				for _, location := range sample.Location {
					for _, line := range location.Line {
						assert.NotEqual(t, "runtime/pprof.StartCPUProfile", line.Function.Name, "%s: %s", spec, path)
					}
				}
				for _, buffer := range sample.Label["buffer"] {
					assert.Equal(t, "fake", buffer)
				}
			}
		}
	}
}
