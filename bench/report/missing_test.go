package report_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/report"
)

// blocksOf returns raw lines of a buffer, one a block, of which the first have a
// latency and in the others the generator was late.
func blocksOf(workload, buffer string, blocks, present int, p99 float64) (text string) {
	for block := range blocks {
		text += fmt.Sprintf("BenchmarkPipeline/workload=%s/buffer=%s 1 %d cpu-ns/event", workload, buffer, 100+block)
		spoiled := 1
		if block < present {
			spoiled = 0
			text += fmt.Sprintf(" %v p99-ns %v p99.9-ns", p99+float64(block), 2*p99+float64(block))
		}
		text += fmt.Sprintf(" %d spoiled 7 generator-late-p99-ns\n", spoiled)
	}
	return text
}

func table(t *testing.T, raw string) string {
	t.Helper()
	results, err := report.Read(strings.NewReader(raw), "raw.txt")
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, results.Write(&out, ""))
	return out.String()
}

// TestMissingBlocksAreNotCompared has no ratio, and no tie, where either side lacks
// blocks, and says what is missing.
func TestMissingBlocksAreNotCompared(t *testing.T) {
	const w = "steady"
	ratio := regexp.MustCompile(`x \(p=`)
	for name, c := range map[string]struct {
		raw     string
		ratio   bool // in the table of the p99
		missing string
	}{
		"all":       {blocksOf(w, "reference", 6, 6, 1e6) + blocksOf(w, "ring", 6, 6, 2e6), true, ""},
		"none":      {blocksOf(w, "reference", 3, 3, 1e6) + blocksOf(w, "ring", 3, 0, 0), false, "ring: 3 of 3"},
		"one":       {blocksOf(w, "reference", 3, 1, 1e6) + blocksOf(w, "ring", 3, 3, 2e6), false, "reference: 2 of 3"},
		"some":      {blocksOf(w, "reference", 6, 6, 1e6) + blocksOf(w, "ring", 6, 5, 2e6), false, "ring: 1 of 6"},
		"base none": {blocksOf(w, "reference", 3, 0, 0) + blocksOf(w, "ring", 3, 3, 2e6), false, "reference: 3 of 3"},
	} {
		text := table(t, c.raw)
		_, p99, found := strings.Cut(text, " p99-sec")
		require.True(t, found, name)
		p99, _, _ = strings.Cut(p99, " p99.9-sec")
		assert.Equal(t, c.ratio, ratio.MatchString(p99), "%s: %s", name, p99)
		assert.Equal(t, c.missing != "", strings.Contains(p99, " blocks missing: generator late"), "%s: %s", name, p99)
		assert.Contains(t, p99, c.missing, name)
		other := "cpu: another\n" + blocksOf(w, "reference", 1, 1, 1e6)
		assert.NotContains(t, table(t, blocksOf(w, "reference", 1, 1, 1e6)+other), "missing", "of two machines")
		cpu, _, _ := strings.Cut(text, " p99-sec")
		assert.Regexp(t, ratio, cpu, "%s: of a figure that all have", name)
	}
}

// TestMissingBlocksGiveNoFactor is of what a stopped handler does to the others.
func TestMissingBlocksGiveNoFactor(t *testing.T) {
	both := func(stalled, control int) string {
		return blocksOf("freeze/stalled=1", "ring", 4, stalled, 3e6) +
			blocksOf("freeze/stalled=0", "ring", 4, control, 1e6)
	}
	const line = "the others' p99.9 beside a stopped handler, times the control's: ring "
	assert.Contains(t, table(t, both(4, 4)), line+"3.00x\n")
	assert.Contains(t, table(t, both(3, 4)), line+"? (1 of 4 blocks missing: generator late)\n")
	assert.Contains(t, table(t, both(4, 1)), line+"? (control: 3 of 4 blocks missing: generator late)\n")
}
