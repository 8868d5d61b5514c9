package gate

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/judge"
	texts "informerlab/bench/report"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
)

// has is a program with two buffers.
var has = fake{Version: 4, Buffers: []string{"ring", "chunked", "null"}, Allocs: 1}

// scripted is a layer that measures what it is told, once and again.
func scripted(outcomes ...Outcome) Layer {
	measured := 0
	return Layer{
		Name:     "scripted",
		Subjects: func([]worker.Listing) []Subject { return []Subject{{"w", "ring"}, {"w", "chunked"}} },
		Lacks: func(context.Context, Program, []Subject) (map[Subject]string, error) {
			return nil, nil
		},
		Measure: func(context.Context, Sides, []Subject) (Outcome, error) {
			measured++
			return outcomes[measured-1], nil
		},
	}
}

func row(buffer string, v stats.Verdict) judge.Row {
	r := judge.Row{
		Row: run.Row{Workload: "w", Buffer: buffer}, Metric: judge.Metric{Unit: "ns/event", Floor: 0.02}, Verdict: v,
	}
	r.Estimate.Blocks = 10
	set := func(change, low, high float64) {
		r.Mean, r.Low, r.High = math.Log1p(change), math.Log1p(low), math.Log1p(high)
	}
	switch v {
	case stats.Slower:
		set(0.1, 0.08, 0.12)
	case stats.Inconclusive:
		set(0.01, -0.03, 0.05)
	}
	return r
}

func rows(r ...judge.Row) Outcome { return Outcome{Rows: r} }

// TestStatus goes through all that a layer can come to.
func TestStatus(t *testing.T) {
	blind := row("ring", stats.Inconclusive)
	blind.High = math.Log1p(0.09)
	none := judge.Unmeasured(run.Row{Workload: "w", Buffer: "ring"}, stats.Inconclusive, "no figure")
	unfit := Outcome{Rows: []judge.Row{row("ring", stats.Slower)}, Unfit: "base differs from itself"}
	missing := rows(judge.Unmeasured(run.Row{Workload: "w", Buffer: "ring"}, stats.Missing, ""))
	missing.Unfit = "noise"
	slower := rows(row("ring", stats.Slower))
	for name, c := range map[string]struct {
		outcomes []Outcome
		status   int
		why      string
	}{
		"fine":          {[]Outcome{rows(row("ring", stats.Equivalent), row("chunked", stats.Faster))}, 0, ""},
		"some noise":    {[]Outcome{rows(row("ring", stats.Equivalent), row("chunked", stats.Inconclusive))}, 0, ""},
		"all noise":     {[]Outcome{rows(blind)}, 3, "ring under w, ns/event could be anything: +1 % [−3, +9 %]"},
		"new":           {[]Outcome{rows(judge.Row{Verdict: stats.New})}, 3, "nothing to compare"},
		"skipped":       {[]Outcome{{Skipped: "no tool"}}, 3, "nothing to compare"},
		"unfit":         {[]Outcome{unfit}, 3, "base differs from itself"},
		"missing":       {[]Outcome{missing}, 1, "ring under w is missing"},
		"failing":       {[]Outcome{{Failure: "--- FAIL: TestX"}}, 1, "scripted fails"},
		"slower twice":  {[]Outcome{slower, slower}, 1, "ns/event +10 %"},
		"slower once":   {[]Outcome{slower, rows(row("ring", stats.Equivalent))}, 0, ""},
		"then noise":    {[]Outcome{slower, rows(blind)}, 3, "could be anything"},
		"then unfit":    {[]Outcome{slower, unfit}, 3, "base differs from itself"},
		"then another":  {[]Outcome{slower, rows(row("chunked", stats.Slower))}, 3, "could be anything"},
		"then failing":  {[]Outcome{slower, {Failure: "out of turn"}}, 1, "scripted fails"},
		"no figure":     {[]Outcome{rows(none)}, 3, "could be anything"},
		"known by rows": {[]Outcome{rows(row("ring", stats.Equivalent), judge.Row{Verdict: stats.New})}, 0, ""},
	} {
		g := Gate{Layers: []Layer{scripted(c.outcomes...), scripted(rows(row("ring", stats.Equivalent)))}}
		if strings.HasPrefix(name, "new") || name == "skipped" {
			g.Layers = g.Layers[:1]
		}
		base, head := has.program(t, "base"), has.program(t, "head")
		report, err := g.compare(t.Context(), Sides{base, head}, Sides{base, head})
		require.NoError(t, err, name)
		status, why := report.Status()
		assert.Equal(t, c.status, status, "%s: %v", name, why)
		assert.Contains(t, strings.Join(why, "; "), c.why, name)
		var summary strings.Builder
		require.NoError(t, report.WriteSummary(&summary))
		if len(report.Layers) == 2 && c.status == 0 {
			assert.Empty(t, report.Layers[1].Skipped, name)
		}
		if len(report.Layers) == 2 && (report.Layers[0].failed() || report.Layers[0].Unfit != "") {
			assert.NotEmpty(t, report.Layers[1].Skipped, "%s: the gate ends with the layer that fails", name)
		}
	}
}

// TestOneSideOnly compares programs of which one lacks something.
func TestOneSideOnly(t *testing.T) {
	layer := Allocations(false)
	gate := func(base, head fake) (*Report, error) {
		b, h := base.program(t, "base"), head.program(t, "head")
		g := Gate{Layers: []Layer{layer, scripted(rows(row("ring", stats.Equivalent)))}}
		return g.compare(t.Context(), Sides{b, h}, Sides{b, h})
	}
	one := has
	one.Buffers = []string{"ring"}

	report, err := gate(one, has)
	require.NoError(t, err)
	status, _ := report.Status()
	assert.Zero(t, status, "a new buffer is compared with nothing")
	told := texts.Tally(report.Layers[0].Rows)
	assert.Equal(t, "1 equivalent, 2 new", strings.ReplaceAll(told, "4 equivalent", "1 equivalent"))

	report, err = gate(has, one)
	require.NoError(t, err)
	status, why := report.Status()
	assert.Equal(t, StatusSlower, status)
	assert.Contains(t, strings.Join(why, "\n"), "chunked under saturate:listeners=2,events=20000 is missing")

	lacking := has
	lacking.Lacks = "stalled = 1"
	report, err = gate(lacking, has)
	require.NoError(t, err)
	assert.Contains(t, texts.Tally(report.Layers[0].Rows), "2 new")
	assert.Contains(t, report.Layers[0].Rows[len(report.Layers[0].Rows)-1].Note, "unknown option")

	_, err = gate(lacking, lacking)
	assert.ErrorContains(t, err, "neither base nor head has it")

	other := has
	other.Version = 3
	report, err = gate(other, has)
	require.NoError(t, err)
	status, why = report.Status()
	assert.Equal(t, StatusInconclusive, status)
	assert.Equal(t, []string{"base speaks version 3 of the worker protocol, head version 4: " +
		"nothing can be compared over that change"}, why)

	mute := has
	mute.Ends = true
	_, err = gate(mute, has)
	assert.ErrorContains(t, err, "base: worker: list: it ended without an answer: exit status")
}

// TestAllocations compares programs with known figures.
func TestAllocations(t *testing.T) {
	for allocs, want := range map[float64]stats.Verdict{
		1: stats.Equivalent, 1.19: stats.Equivalent, 1.21: stats.Slower, 0.7: stats.Faster,
	} {
		head := has
		head.Allocs = allocs
		base := has.program(t, "base")
		outcome, err := allocations(t.Context(), Sides{base, head.program(t, "head")},
			[]Subject{{"saturate:listeners=2,events=20000", "ring"}}, 1)
		require.NoError(t, err)
		require.Len(t, outcome.Rows, 2)
		assert.Equal(t, want, outcome.Rows[0].Verdict, allocs)
	}
	broken := has
	broken.Broken = "worker: ring: 3 calls are missing"
	fine, bad := has.program(t, "base"), broken.program(t, "head")
	subjects := []Subject{{"saturate", "ring"}}
	outcome, err := allocations(t.Context(), Sides{fine, bad}, subjects, 1)
	require.NoError(t, err, "it is head that is wrong")
	assert.Contains(t, outcome.Failure, "3 calls are missing")
	_, err = allocations(t.Context(), Sides{bad, fine}, subjects, 1)
	assert.ErrorContains(t, err, "3 calls are missing")
}

// TestExact judges figures on either side of their floors.
func TestExact(t *testing.T) {
	for _, c := range []struct {
		base, head float64
		want       stats.Verdict
	}{
		{100, 101, stats.Equivalent}, {100, 101.1, stats.Slower}, {100, 98.9, stats.Faster},
		{0, 0, stats.Equivalent}, {0, 0.5, stats.Equivalent}, {0, 0.6, stats.Slower}, {1, 1.4, stats.Equivalent},
	} {
		got := judge.Exact(run.Row{}, "B/event", c.base, c.head, 0.01, 0.5)
		assert.Equal(t, c.want, got.Verdict, "%+v", c)
		assert.False(t, blind(got))
	}
}

// TestOps asks programs for their lab op.
func TestOps(t *testing.T) {
	without := has
	without.NoOp = true
	subjects := alone([]worker.Listing{{Name: "reference"}, {Name: "ring"}}, false)
	require.Equal(t, []Subject{{opLoop, "ring"}}, subjects)
	lacks, err := ops(t.Context(), has.program(t, "base"), subjects)
	require.NoError(t, err)
	assert.Empty(t, lacks)
	lacks, err = ops(t.Context(), without.program(t, "base"), subjects)
	require.NoError(t, err)
	assert.Contains(t, lacks[subjects[0]], "unknown command")
}

// TestInstructionsWithoutValgrind skips the layer, as the path leads nowhere.
func TestInstructionsWithoutValgrind(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	outcome, err := Instructions(false).Measure(t.Context(), Sides{}, []Subject{{opLoop, "ring"}})
	require.NoError(t, err)
	assert.Equal(t, "valgrind is not installed", outcome.Skipped)
}

// TestInstructions asks a valgrind that counts a twentieth too many at first of what
// head does with many items.
func TestInstructions(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	script := `#!/bin/sh
n=$(($9 * $(cat "$4"))) # what the program costs for each item
case $9-$4 in 1001000-*head)
	if [ ! -e "$4$7" ]; then n=$((n + n / 20)); : >"$4$7"; fi
esac
echo "==1== I   refs:      $n" >&2
`
	require.NoError(t, os.WriteFile(filepath.Join(folder, "valgrind"), []byte(script), 0o700))
	for cost, want := range map[string]stats.Verdict{"100": stats.Equivalent, "102": stats.Slower, "98": stats.Faster} {
		at := t.TempDir()
		base, head := Program{Path: filepath.Join(at, "base")}, Program{Path: filepath.Join(at, "head")}
		require.NoError(t, os.WriteFile(base.Path, []byte("100"), 0o600))
		require.NoError(t, os.WriteFile(head.Path, []byte(cost), 0o600))
		outcome, err := Instructions(false).Measure(t.Context(), Sides{base, head},
			[]Subject{{opLoop, "ring"}, {opLoop, "chunked"}})
		require.NoError(t, err)
		require.Len(t, outcome.Rows, 2)
		for _, r := range outcome.Rows {
			assert.Equal(t, want, r.Verdict, cost)
			assert.InDelta(t, 100, r.Base, 1e-9)
			assert.Greater(t, r.Blocks, 1)
		}
	}
}

// TestInterrupted ends a gate: the context's error is what it returns.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g := Gate{Base: Tree{Dir: t.TempDir()}, Layers: []Layer{scripted()}}
	_, err := g.Run(ctx)
	assert.ErrorIs(t, err, context.Canceled)
}

// TestSideBySide runs all jobs, or none after the first error.
func TestSideBySide(t *testing.T) {
	done := make([]bool, 5)
	var jobs []func() error
	for i := range done {
		jobs = append(jobs, func() error { done[i] = true; return nil })
	}
	require.NoError(t, sideBySide(jobs))
	assert.Equal(t, []bool{true, true, true, true, true}, done)
	wrong := errors.New("wrong")
	jobs = []func() error{
		func() error { return wrong }, func() error { return wrong }, func() error { return errors.New("too late") }}
	assert.NotContains(t, sideBySide(jobs).Error(), "too late")
}
