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

	"informerlab/bench/compare"
	"informerlab/bench/report"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
)

var nan = math.NaN()

// TestSummary compares the summary of a made-up report with the kept one.
func TestSummary(t *testing.T) {
	slower, noise := row("ring", Slower), row("chunked", Inconclusive)
	slower.Note, slower.Base, slower.Head, slower.MDE = "confirmed; at first +9.0 %", 100, 110, 0.015
	noise.Note, noise.Base, noise.Head, noise.MDE = "needs 12 more blocks", 100, 101, 0.04
	tiny := exact(Subject{"w", "ring"}, "allocs/event", 0.002, 0.003, 0.005, 0.01)
	tiny.Blocks = 3
	r := &Report{
		Base: "base 1234567890 (main)", Head: "head 1234568 with 2 uncommitted changes", Took: 200 * time.Second,
	}
	r.Layers = []LayerReport{
		{Name: "conformance", Took: time.Minute},
		{Name: "allocations", Took: 1500 * time.Millisecond, Outcome: Outcome{Rows: []Row{
			tiny, {Subject: Subject{"w", "spsc"}, Verdict: New, Note: "base: unknown buffer"}}}},
		{Name: "instructions", Outcome: Outcome{Skipped: "valgrind is not installed"}},
		{Name: "CPU", Took: 90 * time.Second, Outcome: Outcome{
			Rows:     []Row{slower, noise, row("mpsc", Equivalent)},
			Controls: []Control{{"base | itself", "+0.1 %", true}, {"base made 5 % slower", "+4.9 %", false}}}},
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

// TestOutcomeOf translates what a comparison can come to.
func TestOutcomeOf(t *testing.T) {
	estimate := stats.Estimate{Blocks: 12, Mean: math.Log(1.1), Low: math.Log(1.05), High: math.Log(1.15), MDE: 0.02}
	measured := compare.Row{
		Workload: "saturate:listeners=8", Buffer: "ring", Estimate: estimate, Verdict: stats.Slower,
		Metric: compare.Metric{Unit: worker.CPUNSPerEvent, Floor: 0.02}, Base: 100, Head: 110,
	}
	open := measured
	open.Verdict, open.Needs = stats.Inconclusive, 7
	c := &compare.Comparison{
		Rows: []compare.Row{measured, open}, Missing: []string{"steady:rate=50000 ring p99-ns"},
		Controls: []compare.Control{
			{Row: measured, Side: compare.Again, Passed: true},
			{Row: measured, Side: compare.Slowed, Percent: 5, Passed: true},
		},
	}
	o := outcomeOf(c)
	require.Len(t, o.Rows, 3)
	assert.InDelta(t, 0.1, o.Rows[0].Change, 1e-9)
	assert.InDelta(t, 0.15, o.Rows[0].High, 1e-9)
	assert.Equal(t, Slower, o.Rows[0].Verdict)
	assert.Equal(t, "needs 7 more blocks", o.Rows[1].Note)
	assert.Equal(t, Row{Subject: Subject{"steady:rate=50000", "ring"}, Unit: "p99-ns", Verdict: Missing,
		Note: "head has no such figure"}, o.Rows[2])
	assert.Len(t, o.Controls, 2)
	assert.Empty(t, o.Unfit)

	// What blocks are left of a figure never passes for equivalent.
	lacking := measured
	lacking.Verdict, lacking.Estimate.High = stats.Inconclusive, math.Log(1.001)
	lacking.Missing = []report.Missing{{Name: "ring@head", Blocks: 2, Of: 12, Late: 2}}
	c.Rows, c.Missing = []compare.Row{lacking}, nil
	o = outcomeOf(c)
	assert.True(t, o.Rows[0].blind())
	assert.Equal(t, "ring@head: 2 of 12 blocks missing: generator late", o.Rows[0].Note)
	status, why := (&Report{Layers: []LayerReport{{Name: "latency", Outcome: o}}}).Status()
	assert.Equal(t, StatusInconclusive, status)
	assert.Contains(t, why[0], "from ? to ?: ring@head: 2 of 12 blocks missing: generator late")

	c.Controls[0].Passed = false
	assert.Contains(t, outcomeOf(c).Unfit, "base against itself, ring under saturate:listeners=8, cpu-ns/event")
	c.Controls = nil
	assert.Equal(t, "there were no controls", outcomeOf(c).Unfit)
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
		o := Outcome{Unfit: unfit, Controls: make([]Control, 2)}
		for _, subject := range subjects {
			if subject.Buffer != "mpsc" {
				o.Rows = append(o.Rows, Row{Subject: subject, Verdict: Equivalent})
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
	blind := slices.IndexFunc(outcome.Rows, func(r Row) bool { return r.blind() })
	assert.Equal(t, "mpsc", outcome.Rows[blind].Buffer, "what has no figure does not pass")

	outcome, err = layer.Measure(t.Context(), Sides{}, all[len(all)-1:])
	require.NoError(t, err)
	assert.Len(t, outcome.Rows, 1, "for confirmation, only what is asked for")

	unfit, asked = "noise", nil
	outcome, err = layer.Measure(t.Context(), Sides{}, all)
	require.NoError(t, err)
	assert.Len(t, asked, 1)
	assert.Equal(t, "noise", outcome.Unfit)
}
