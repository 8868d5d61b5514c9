package gate

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/judge"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
)

// TestSummary compares the summary of a made-up report with the kept one.
func TestSummary(t *testing.T) {
	slower, noise := row("ring", stats.Slower), row("chunked", stats.Inconclusive)
	slower.Note, slower.Base, slower.Head, slower.MDE = "confirmed; at first +9 %", 100, 110, 0.015
	noise.Needs, noise.Base, noise.Head, noise.MDE = 12, 100, 101, 0.04
	tiny := judge.Exact(run.Row{Workload: "w", Buffer: "ring"}, "allocs/event", 0.002, 0.003, 0.005, 0.01)
	tiny.Estimate.Blocks = 3
	again, slowed := judge.Control{Row: row("ring", stats.Equivalent), Passed: true, Expected: "no difference"},
		judge.Control{Row: row("ring", stats.Slower), Percent: 5, Expected: "slower"}
	again.Side, slowed.Side = judge.Again, judge.Slowed
	r := &Report{
		Base: "base 1234567890 (main)", Head: "head 1234568 with 2 uncommitted changes", Took: 200 * time.Second,
	}
	r.Layers = []LayerReport{
		{Name: "conformance", Took: time.Minute},
		{Name: "allocations", Took: 1500 * time.Millisecond, Outcome: Outcome{Rows: []judge.Row{
			tiny, judge.Unmeasured(run.Row{Workload: "w", Buffer: "spsc"}, stats.New, "base: unknown | buffer")}}},
		{Name: "instructions", Outcome: Outcome{Skipped: "valgrind is not installed"}},
		{Name: "CPU", Took: 90 * time.Second, Outcome: Outcome{
			Rows: []judge.Row{slower, noise, row("mpsc", stats.Equivalent)}, Controls: []judge.Control{again, slowed}}},
		{Name: "wall", Outcome: Outcome{Failure: "--- FAIL: TestX\n    x|y"}},
	}
	path := filepath.Join(t.TempDir(), "summary.md")
	require.NoError(t, r.SaveSummary(path))
	require.NoError(t, r.SaveSummary(path), "a second time")
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	if os.Getenv("UPDATE") != "" {
		require.NoError(t, os.WriteFile("testdata/summary.md", got, 0o600))
	}
	want, err := os.ReadFile("testdata/summary.md")
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got))
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, files, 1)
	assert.Error(t, r.SaveSummary(filepath.Join(t.TempDir(), "nowhere", "summary.md")))
}

// TestBlindToMissingBlocks holds that what is left of a figure never passes for
// equivalent.
func TestBlindToMissingBlocks(t *testing.T) {
	lacking := row("ring", stats.Inconclusive)
	lacking.High = math.Log(1.001)
	assert.False(t, blind(lacking))
	lacking.Missing = []judge.Missing{{Name: "ring@head", Blocks: 2, Of: 12, Late: 2}}
	assert.True(t, blind(lacking))
	status, why := (&Report{Layers: []LayerReport{{Name: "latency", Outcome: rows(lacking)}}}).Status()
	assert.Equal(t, StatusInconclusive, status)
	assert.Contains(t, why[0], "ring@head: 2 of 12 blocks missing: generator late")
}

// TestLayers names what the gate measures: whatever it asks for has to be known.
func TestLayers(t *testing.T) {
	for _, quick := range []bool{false, true} {
		total := time.Duration(0)
		for _, layer := range Layers(nil, quick) {
			total += layer.Guess
			if layer.Subjects == nil {
				continue
			}
			for _, subject := range layer.Subjects([]worker.Listing{{Name: "ring"}, {Name: "mpsc"}}) {
				assert.False(t, quick && subject.Buffer == "mpsc")
				if subject.Workload != opLoop {
					assert.Contains(t, subject.prepare().Workload, "listeners")
				}
			}
		}
		assert.Less(t, total, 8*time.Minute)
	}
	assert.Equal(t, "a\nb", failures("ok  \tx\na\n\n?   \ty\nb\n"))
	long := strings.Split(failures(strings.Repeat("x\n", 50)), "\n")
	assert.Equal(t, "and 20 lines more", long[len(long)-1])
}

// TestTimedGroups measures workload by workload, and not on once one was unfit.
func TestTimedGroups(t *testing.T) {
	unfit := ""
	var asked [][]Subject
	layer := CPU(func(_ context.Context, timing Timing, _ Sides, subjects []Subject) (Outcome, error) {
		asked = append(asked, subjects)
		assert.Positive(t, timing.Budget)
		o := Outcome{Unfit: unfit, Controls: make([]judge.Control, 2)}
		for _, subject := range subjects {
			if subject.Buffer != "mpsc" {
				o.Rows = append(o.Rows, judge.Row{Row: subject.row(), Verdict: stats.Equivalent})
			}
		}
		return o, nil
	}, false)
	all := layer.Subjects(nil)
	outcome, err := layer.Measure(t.Context(), Sides{}, all)
	require.NoError(t, err)
	assert.Len(t, asked, 2)
	assert.Len(t, outcome.Rows, len(all))
	assert.Len(t, outcome.Controls, 4)
	at := slices.IndexFunc(outcome.Rows, blind)
	assert.Equal(t, "mpsc", outcome.Rows[at].Buffer, "what has no figure does not pass")

	outcome, err = layer.Measure(t.Context(), Sides{}, all[len(all)-1:])
	require.NoError(t, err)
	assert.Len(t, outcome.Rows, 1, "for confirmation, only what is asked for")

	unfit, asked = "noise", nil
	outcome, err = layer.Measure(t.Context(), Sides{}, all)
	require.NoError(t, err)
	assert.Len(t, asked, 1)
	assert.Equal(t, "noise", outcome.Unfit)
}
