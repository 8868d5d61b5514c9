package judge_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/judge"
	"informerlab/bench/report"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
	"informerlab/core/buffer"
)

// A contestant of an open loop: its latency, and how many of its blocks, from the
// first one on, have it.
type contestant struct {
	name    string
	p99     float64
	present int
}

const openLoad = "steady:rate=50000"

// recordedOf returns a run of that number of blocks. Where a latency is missing the
// generator was late; a contestant without a latency was not measured at all.
func recordedOf(blocks int, all ...contestant) *run.Recorded {
	r := &run.Recorded{Manifest: run.Manifest{Workloads: []string{openLoad}}}
	fifo := buffer.Traits{Order: buffer.FIFO, Loss: buffer.Lossless, Bound: buffer.Unbounded}
	for _, c := range all {
		r.Manifest.Arms = append(r.Manifest.Arms, run.ArmInfo{Buffer: c.name, Traits: fifo})
		if c.p99 == 0 {
			continue
		}
		for block := 1; block <= blocks; block++ {
			for round := 1; round <= 2; round++ {
				s := run.Slice{
					Row: run.Row{Workload: openLoad, Buffer: c.name}, Block: block, Round: round,
					Values: map[string]float64{worker.SpoiledRuns: 1, worker.CPUNSPerEvent: c.p99},
				}
				if block <= c.present {
					s.Values[worker.SpoiledRuns] = 0
					s.Values[worker.P99] = c.p99 * (1 + float64(block)/1000)
				}
				r.Slices = append(r.Slices, s)
			}
		}
	}
	return r
}

func late(name string, n, of string) string {
	return name + ": " + n + " of " + of + " blocks missing: generator late"
}

// TestMissingBlocksWinNothing ranks contestants of which some lack blocks.
func TestMissingBlocksWinNothing(t *testing.T) {
	for name, c := range map[string]struct {
		blocks  int
		all     []contestant
		want    string
		next    string
		missing []string
	}{
		"all are there": {
			3, []contestant{{"client-go", 29e6, 3}, {"ring", 1e6, 3}},
			"ring", "client-go", nil,
		},
		"the others have none": {
			3, []contestant{{"client-go", 2.4e9, 3}, {"ring", 1e6, 0}, {"chunked", 1e6, 0}},
			"undecided", "", []string{late("ring", "3", "3"), late("chunked", "3", "3")},
		},
		"it has one of three": {
			3, []contestant{{"client-go", 29e6, 1}, {"ring", 1e6, 3}},
			"undecided", "", []string{late("client-go", "2", "3")},
		},
		"it would win": {
			3, []contestant{{"client-go", 1, 1}, {"ring", 1e6, 3}, {"chunked", 1e9, 3}},
			"ring", "chunked", []string{late("client-go", "2", "3")},
		},
		"four of six": {
			6, []contestant{{"reference", 1e6, 4}, {"ring", 1e6, 6}, {"chunked", 1e6, 6}},
			"tie: ring, chunked", "", []string{late("reference", "2", "6")},
		},
		"five of six": {
			6, []contestant{{"reference", 1e6, 5}, {"ring", 1e6, 6}, {"chunked", 2e6, 6}},
			"ring", "chunked", []string{late("reference", "1", "6")},
		},
		"nobody has any": {
			2, []contestant{{"reference", 1e6, 0}, {"ring", 1e6, 0}},
			"undecided", "", []string{late("reference", "2", "2"), late("ring", "2", "2")},
		},
		"one alone": {2, []contestant{{"ring", 1e6, 2}}, "ring", "", nil},
		"one alone, in part": {
			2, []contestant{{"ring", 1e6, 1}},
			"undecided", "", []string{late("ring", "1", "2")},
		},
		"one is never measured": {
			2, []contestant{{"client-go", 0, 0}, {"ring", 1e6, 2}},
			"undecided", "", []string{"client-go: 2 of 2 blocks missing: not measured"},
		},
		"the fastest by the way": {
			4, []contestant{{"mpsc", 1, 3}, {"ring", 5e6, 4}, {"chunked", 1e6, 4}},
			"chunked", "ring", []string{late("mpsc", "1", "4")},
		},
	} {
		judged := judge.Of(recordedOf(c.blocks, c.all...), "")
		winners := judged.Winners
		require.Len(t, winners, 1, name)
		w := winners[0]
		assert.Equal(t, worker.P99, w.Unit, name)
		assert.Equal(t, c.want, w.String(), name)
		assert.Equal(t, c.next, w.Next.Buffer, name)
		var text strings.Builder
		require.NoError(t, report.Winners(&text, judged))
		line := text.String()[strings.Index(text.String(), openLoad):]
		require.Len(t, w.Missing, len(c.missing), name)
		for i, missing := range c.missing {
			assert.Equal(t, missing, w.Missing[i].String(), name)
			assert.Contains(t, line, missing, name)
		}
		assert.Equal(t, len(c.missing) > 0, strings.Contains(line, "not ranked: "), name)
	}
}

// TestMissingBlocksGiveNoVerdict compares buffers, then sides, of which either lacks
// blocks.
func TestMissingBlocksGiveNoVerdict(t *testing.T) {
	r := judge.Rules{Metrics: []judge.Metric{{Unit: worker.P99, Floor: 0.1}}, Alpha: stats.Strict}
	for name, c := range map[string]struct {
		base, head int
		p99        float64
		want       stats.Verdict
		missing    string
	}{
		"slower":            {12, 12, 2e6, stats.Slower, ""},
		"slower, in part":   {12, 11, 2e6, stats.Inconclusive, "1 of 12 blocks missing: generator late"},
		"equal, in part":    {12, 11, 1e6, stats.Inconclusive, "1 of 12 blocks missing: generator late"},
		"faster, in part":   {11, 12, 0.5e6, stats.Inconclusive, "1 of 12 blocks missing: generator late"},
		"head has none":     {12, 0, 2e6, stats.Inconclusive, "12 of 12 blocks missing: generator late"},
		"base has none":     {0, 12, 2e6, stats.Inconclusive, "12 of 12 blocks missing: generator late"},
		"neither has any":   {0, 0, 2e6, stats.Inconclusive, "12 of 12 blocks missing: generator late"},
		"in different ones": {6, 5, 2e6, stats.Inconclusive, "7 of 12 blocks missing: generator late"},
	} {
		all := recordedOf(12, contestant{"reference", 1e6, c.base}, contestant{"ring", c.p99, c.head}).Slices
		rows := judge.Buffers(judge.BlocksOf(all), "reference", r)
		require.Len(t, rows, 1, name)
		for i := range all {
			all[i].Side = map[string]string{"reference": judge.Base, "ring": judge.Head}[all[i].Buffer]
			all[i].Buffer = "ring"
		}
		sides := judge.Sides(all, r)
		assert.Empty(t, sides.Of(stats.Missing), "%s: no figure is gone", name)
		require.Len(t, sides.Rows, 1, name)
		var text strings.Builder
		require.NoError(t, report.Comparison(&text, sides))
		assert.Contains(t, text.String(), c.missing, name)
		assert.NotContains(t, text.String(), "NaN", name)
		for _, row := range []judge.Row{rows[0], sides.Rows[0]} {
			assert.Equal(t, c.want, row.Verdict, name)
			assert.Contains(t, row.MissingText(), c.missing, name)
			if c.missing != "" {
				assert.Zero(t, row.Needs, name)
			}
		}
	}
}

// TestMissingBlocksFailControls has a control that cannot be seen in some block.
func TestMissingBlocksFailControls(t *testing.T) {
	r := judge.Rules{Metrics: []judge.Metric{{Unit: worker.P99, Floor: 0.1}}, Alpha: stats.Strict}
	for present, fit := range map[int]bool{12: true, 11: false, 0: false} {
		var all []run.Slice
		for side, n := range map[string]int{judge.Base: 12, judge.Head: 12, judge.Again: present} {
			for _, s := range recordedOf(12, contestant{"ring", 1e6, n}).Slices {
				s.Side = side
				all = append(all, s)
			}
		}
		got := judge.Sides(all, r)
		require.Len(t, got.Controls, 1)
		assert.Equal(t, fit, got.Fit(), present)
	}
}

// TestDiffOfMissingBlocks compares runs of which either lacks blocks.
func TestDiffOfMissingBlocks(t *testing.T) {
	whole, half := recordedOf(6, contestant{"ring", 1e6, 6}), recordedOf(6, contestant{"ring", 1e6, 3})
	none := recordedOf(6, contestant{"ring", 1e6, 0})
	for _, c := range []struct {
		before, after *run.Recorded
		missing       string
	}{
		{whole, whole, ""},
		{whole, half, "after: 3 of 6 blocks missing: generator late"},
		{half, whole, "before: 3 of 6 blocks missing: generator late"},
		{none, half, "before: 6 of 6 blocks missing: generator late; after: 3 of 6 blocks missing: generator late"},
	} {
		changes, err := judge.Diff(c.before, c.after)
		require.NoError(t, err)
		var text strings.Builder
		require.NoError(t, report.Changes(&text, changes))
		assert.NotContains(t, text.String(), "NaN")
		for _, change := range changes {
			if change.Unit != worker.P99 {
				assert.Empty(t, change.Missing, change.Unit)
				continue
			}
			assert.Equal(t, c.missing, change.MissingText())
			if c.missing == "" {
				assert.Equal(t, stats.Equivalent, change.Verdict)
			} else {
				assert.Equal(t, stats.Inconclusive, change.Verdict)
				assert.Contains(t, text.String(), c.missing)
			}
		}
	}
}

// TestDiff corrects for the number of rows, and tells what only one run has.
func TestDiff(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	noisy := func(factor float64, units ...string) *run.Recorded {
		r := &run.Recorded{}
		for block := 1; block <= 6; block++ {
			for buffer := range 40 {
				s := run.Slice{
					Row:   run.Row{Workload: load, Buffer: fmt.Sprintf("b%d", buffer)},
					Block: block, Round: 1, Values: map[string]float64{},
				}
				for _, unit := range units {
					s.Values[unit] = math.Exp(0.05 * random.NormFloat64())
				}
				if buffer == 7 {
					s.Values[worker.NSPerEvent] *= factor
				}
				r.Slices = append(r.Slices, s)
			}
		}
		return r
	}
	wrong := 0
	for range 50 {
		rows, err := judge.Diff(noisy(1, worker.NSPerEvent, worker.CPUNSPerEvent, worker.BytesPerEvent),
			noisy(2, worker.NSPerEvent, worker.CPUNSPerEvent, worker.AllocsPerEvent))
		require.NoError(t, err)
		require.Len(t, rows, 4*40)
		for _, r := range rows {
			switch {
			case r.Unit == worker.BytesPerEvent:
				assert.Equal(t, stats.Missing, r.Verdict)
			case r.Unit == worker.AllocsPerEvent:
				assert.Equal(t, stats.New, r.Verdict)
			case r.Buffer == "b7" && r.Unit == worker.NSPerEvent:
				assert.Equal(t, stats.Slower, r.Verdict)
			case r.Verdict != stats.Inconclusive && r.Verdict != stats.Equivalent:
				wrong++
			}
		}
	}
	assert.LessOrEqual(t, wrong, 7, "of 50 diffs of 79 rows that do not differ: 95 %% have none")
}
