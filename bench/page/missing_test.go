package page_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/chart/charttest"
	"informerlab/bench/judge"
	"informerlab/bench/page"
	"informerlab/bench/report"
	"informerlab/bench/run"
	"informerlab/bench/stats"
)

// spoiled returns the input of a run in which some buffers have no latency in some
// blocks, as the generator was late.
func spoiled(blocks int, late map[string]int) *run.Recorded {
	r := invent(sixBuffers, []string{"saturate:listeners=1", "poisson:utilization=50"}, blocks)
	for _, s := range r.Slices {
		for _, unit := range []string{"p50-ns", "p99-ns", "p99.9-ns"} {
			if _, open := s.Values["generator-late-p99-ns"]; !open {
				continue
			}
			s.Values["spoiled"] = 0
			if s.Block <= late[s.Buffer] {
				s.Values["spoiled"] = 1
				delete(s.Values, unit)
			}
		}
	}
	return r
}

// TestMissingBlocksDecideNothing looks for all that a page, a summary, a README and
// the history say of buffers that lack blocks.
func TestMissingBlocksDecideNothing(t *testing.T) {
	for _, c := range []struct {
		late    map[string]int
		verdict string // of who wins
		missing []string
	}{
		{map[string]int{"ring": 6, "chunked": 6, "mpsc": 6}, "undecided",
			[]string{"ring: 6 of 6 blocks missing: generator late"}},
		{map[string]int{"ring": 2}, "winner", []string{"ring: 2 of 6 blocks missing: generator late"}},
		{map[string]int{"reference": 1, "ring": 5, "chunked": 6, "mpsc": 6}, "undecided",
			[]string{"reference: 1 of 6 blocks missing: generator late", "ring: 5 of 6"}},
	} {
		recorded := spoiled(6, c.late)
		in := judge.Of(recorded, "")
		require.Len(t, in.Winners, 2)
		for _, v := range in.Rows {
			lacks := strings.HasPrefix(v.Unit, "p") && (c.late[v.Buffer] > 0 || c.late[v.Against] > 0)
			assert.Equal(t, lacks, len(v.Missing) > 0, "%s %s", v.Buffer, v.Unit)
			if lacks {
				assert.Equal(t, stats.Inconclusive, v.Verdict)
				assert.Zero(t, v.Needs)
			}
		}
		var summary bytes.Buffer
		require.NoError(t, report.Summary(&summary, in))
		row := ""
		for line := range strings.Lines(summary.String()) {
			if strings.HasPrefix(line, "| poisson:utilization=50 | "+c.verdict) {
				row = line
			}
		}
		require.NotEmpty(t, row, summary.String())
		readme, err := report.Readme([]byte(report.ReadmeBegin+report.ReadmeEnd), in)
		require.NoError(t, err)
		text := written(t, recorded)
		for _, missing := range c.missing {
			assert.Contains(t, row, missing)
			_, missing, _ = strings.Cut(missing, ": ")
			assert.Contains(t, string(readme), "("+missing)
			assert.Contains(t, text, "<small>"+missing)
		}
		for _, line := range strings.Split(string(readme), "\n") {
			if strings.HasPrefix(line, "| `poisson") {
				assert.Equal(t, c.verdict == "winner", strings.Contains(line, "**"), line)
			}
		}
		assert.Empty(t, charttest.Faults([]byte(text)))
		assert.NotContains(t, text, "NaN")
		assert.NotContains(t, summary.String(), "NaN")
		assert.NotContains(t, page.Summarize(in).Verdict, "reference")
	}
}
