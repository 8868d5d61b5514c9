package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/format"
	"informerlab/bench/judge"
	"informerlab/bench/report"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
)

// TestOneNumber measures a run and looks for its figures in all that shows them: the
// screen, table.txt, summary.md, report.html, a README's table, lab show and benchstat.
func TestOneNumber(t *testing.T) {
	folder := t.TempDir()
	readme := filepath.Join(folder, "README.md")
	require.NoError(t, os.WriteFile(readme, []byte(report.ReadmeBegin+report.ReadmeEnd), 0o600))
	const load = "saturate:listeners=2,events=2000"
	got := execute(t, folder, "run", "-quiet", "-workload", load, "-buffers", "reference,ring", "-blocks", "4",
		"-rounds", "2")
	require.Zero(t, got.status, got.errOut)
	paths, err := filepath.Glob(filepath.Join(folder, "results", "*"))
	require.NoError(t, err)
	require.Len(t, paths, 1)
	name := filepath.Base(paths[0])
	require.Zero(t, execute(t, folder, "index", "-readme", "README.md", name).status)
	text := func(path string) string {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(content)
	}
	table := text(filepath.Join(paths[0], "table.txt"))
	assert.Contains(t, got.out, table, "the screen shows the file")
	all := map[string]string{
		"table.txt": table, "summary.md": text(filepath.Join(paths[0], "summary.md")),
		"report.html": text(filepath.Join(paths[0], "report.html")), "README": text(readme),
		"show": execute(t, folder, "show", name).out,
	}

	recorded, err := run.Open(paths[0])
	require.NoError(t, err)
	judged := judge.Of(recorded, "")
	median := func(buffer, unit string) float64 {
		return stats.Median(judged.Blocks.Values(run.Row{Workload: load, Buffer: buffer}, unit))
	}
	for _, buffer := range []string{"reference", "ring"} {
		figure := format.Value(median(buffer, worker.NSPerEvent), worker.NSPerEvent)
		for where, content := range all {
			winner := strings.Contains(judged.Winner(load).String(), buffer)
			if where == "summary.md" && !winner && buffer == "reference" {
				continue // the base of all its ratios
			}
			assert.Contains(t, content, figure, "%s in %s", buffer, where)
		}
	}
	found := false
	for _, r := range judged.Rows {
		if r.Buffer == "ring" && r.Unit == worker.NSPerEvent {
			found = true
			for _, where := range []string{"table.txt", "summary.md", "report.html"} {
				assert.Contains(t, all[where], r.Figures(), where)
			}
		}
	}
	assert.True(t, found)

	args := []string{"tool", "benchstat", "-format", "csv", "-col", "/buffer", filepath.Join(paths[0], "raw.txt")}
	out, err := exec.Command("go", args...).Output()
	require.NoError(t, err)
	printed := map[string]bool{}
	for _, cell := range strings.FieldsFunc(string(out), func(r rune) bool { return r == ',' || r == '\n' }) {
		if v, err := strconv.ParseFloat(cell, 64); err == nil {
			printed[format.Value(v, worker.BytesPerEvent)], printed[format.Value(v, "sec")] = true, true
		}
	}
	for _, unit := range []string{worker.NSPerEvent, worker.CPUNSPerEvent, worker.BytesPerEvent} {
		for _, buffer := range []string{"reference", "ring"} {
			assert.True(t, printed[format.Value(median(buffer, unit), unit)], "%s of %s:\n%s", unit, buffer, out)
		}
	}
}
