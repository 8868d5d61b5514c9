package run_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/run"
	"informerlab/bench/worker"
	"informerlab/loadgen"
)

// TestDuets runs two arms that wait for each other in every round, on the same
// processor, beside another buffer that runs alone.
func TestDuets(t *testing.T) {
	p := plan(t, "meets", "fast", "meets")
	p.Arms[0].Side, p.Arms[2].Side = "base", "head"
	p.Duets, p.Blocks, p.Workloads = true, 1, p.Workloads[:1]
	t.Setenv(meetingPlace, t.TempDir())
	folder := create(t, p)
	require.NoError(t, run.Execute(t.Context(), p, folder))

	notes, err := filepath.Glob(filepath.Join(os.Getenv(meetingPlace), "*"))
	require.NoError(t, err)
	require.Len(t, notes, 2*p.Rounds)
	where := map[string]bool{}
	for _, note := range notes {
		text, err := os.ReadFile(note)
		require.NoError(t, err)
		assert.Regexp(t, regexp.MustCompile(`^[0-9]+$`), string(text))
		where[string(text)] = true
	}
	assert.Len(t, where, 1, "one processor for all of a block")

	recorded, err := run.Open(folder.Path)
	require.NoError(t, err)
	require.Len(t, recorded.Slices, 3*p.Rounds)
	for _, s := range recorded.Slices {
		assert.Contains(t, s.Values, worker.CPUNSPerEvent)
		assert.Contains(t, s.Values, worker.AllocsPerEvent)
		assert.NotContains(t, s.Values, worker.NSPerEvent, "the clock tells of all arms together")
		assert.NotContains(t, s.Values, worker.EventsPerSecond)
		assert.Negative(t, s.Others, "not known")
	}
}

// TestDuetsFail ends a run when one of the two fails, and waits for the other.
func TestDuetsFail(t *testing.T) {
	p := plan(t, "wrong", "wrong")
	p.Arms[0].Side, p.Arms[1].Side, p.Duets = "base", "head", true
	folder := create(t, p)
	require.ErrorContains(t, run.Execute(t.Context(), p, folder), "3 calls are lost")
	assert.Equal(t, "failed", manifest(t, folder).Status)
}

// TestOpenLoopsRunByTurns keeps what the clock shows of them.
func TestOpenLoopsRunByTurns(t *testing.T) {
	p := plan(t, "fast", "fast")
	p.Arms[0].Side, p.Arms[1].Side = "base", "head"
	open, err := loadgen.ParseWorkload("steady:rate=1000")
	require.NoError(t, err)
	p.Duets, p.Workloads = true, []loadgen.Workload{open}
	folder := create(t, p)
	require.NoError(t, run.Execute(t.Context(), p, folder))
	recorded, err := run.Open(folder.Path)
	require.NoError(t, err)
	require.NotEmpty(t, recorded.Slices)
	for _, s := range recorded.Slices {
		assert.Contains(t, s.Values, worker.NSPerEvent)
	}
}
