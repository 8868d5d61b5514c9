package page_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/chart/charttest"
	"informerlab/bench/judge"
	"informerlab/bench/page"
	"informerlab/bench/report"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/core/buffer"
)

var update = flag.Bool("update", false, "write the golden files anew")

func written(t *testing.T, r *run.Recorded) string {
	var w bytes.Buffer
	require.NoError(t, page.Write(&w, judge.Of(r, ""), files))
	return w.String()
}

// golden compares with a file, or writes it.
func golden(t *testing.T, file, got string) {
	file = filepath.Join("testdata", file)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o666))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.True(t, string(want) == got, "%s differs: go test ./bench/page -update, then look at it", file)
}

// twenty are buffers of all kinds, with names as long as they get.
func twenty() (buffers []invented) {
	for i := range 20 {
		b := sixBuffers[i%len(sixBuffers)]
		if i >= len(sixBuffers) {
			b.name = fmt.Sprintf("%s:variant-%d", strings.ReplaceAll(b.name, ":", "-"), i)
			b.event *= 1 + float64(i)/100
			b.fanout *= 1 + float64(i)/50
		}
		buffers = append(buffers, b)
	}
	return buffers
}

func thirty() (workloads []string) {
	for i := range 8 {
		workloads = append(workloads, fmt.Sprintf("saturate:listeners=%d", 1<<i),
			fmt.Sprintf("poisson:utilization=%d", 25+10*i), fmt.Sprintf("stall:stalled=1,listeners=%d", 2+i))
	}
	return append(workloads, tenWorkloads[4], tenWorkloads[10], "steady:rate=1_000", "steady:rate=10_000",
		"saturate:listeners=0", "a-file-of-ones-own:with=many,options=in,its=label")
}

func TestGolden(t *testing.T) {
	workloads := []string{
		"saturate:listeners=1", "saturate:listeners=8", "saturate:listeners=64", "stall:stalled=1",
		"poisson:utilization=50", "poisson:utilization=80", "poisson:utilization=95", "replay:speed=100",
	}
	in := invent(append(sixBuffers[:2:2], sixBuffers[4:]...), workloads, 6)
	golden(t, "report.html", written(t, in))
	var summary bytes.Buffer
	require.NoError(t, report.Summary(&summary, judge.Of(in, "")))
	golden(t, "summary.md", summary.String())
}

func TestSides(t *testing.T) {
	in := sides()
	golden(t, "sides.html", written(t, in))
	judged := judge.Of(in, "")
	require.Len(t, judged.Controls, 4, "two for each workload")
	assert.Empty(t, judged.Unfit())
}

// TestNothingIsWrong holds pages of few and of many arms to what a reader expects.
func TestNothingIsWrong(t *testing.T) {
	for name, in := range map[string]*run.Recorded{
		"six buffers": invent(sixBuffers, tenWorkloads, 6), "one": invent(sixBuffers[:1], tenWorkloads[:1], 1),
		"two": invent(sixBuffers[:2], tenWorkloads[2:6], 2), "many": invent(twenty(), thirty(), 6), "sides": sides(),
	} {
		text := written(t, in)
		assert.Empty(t, charttest.Faults([]byte(text)), name)
		assert.Less(t, len(text), 2_000_000, name)
		assert.NotContains(t, text, "NaN", name)
		assert.NotContains(t, text, "Inf", name)
		assert.NotContains(t, text, "/anywhere", name)
	}
}

func TestSameBytes(t *testing.T) {
	first := written(t, invent(sixBuffers, tenWorkloads, 3))
	for range 3 {
		assert.True(t, first == written(t, invent(sixBuffers, tenWorkloads, 3)))
	}
}

// TestNoData leaves out what a run did not measure.
func TestNoData(t *testing.T) {
	in := invent(sixBuffers, tenWorkloads[:1], 2)
	in.Slices = nil
	text := written(t, in)
	assert.NotContains(t, text, "<figure")
	for _, id := range []string{"controls", "winners", "map", "slices"} {
		assert.NotContains(t, text, fmt.Sprintf(`<section id="%s"`, id))
	}
	assert.Contains(t, text, "contracts", "which need no measurement")
	assert.Empty(t, judge.Of(in, "").Rows)
	text = written(t, invent(sixBuffers, tenWorkloads[:1], 2))
	for _, id := range []string{"percentiles", "load-1", "listeners-1", "backlog-1", "costs"} {
		assert.NotContains(t, text, fmt.Sprintf(`<section id="%s"`, id))
	}
}

// TestLossyIsNotRanked expects no verdict on what does other work.
func TestLossyIsNotRanked(t *testing.T) {
	judged := judge.Of(invent(sixBuffers, tenWorkloads[:3], 16), "")
	require.NotEmpty(t, judged.Rows)
	for _, r := range judged.Rows {
		assert.Equal(t, strings.HasPrefix(r.Buffer, "bounded") || r.Buffer == "coalescing", r.Unlike, r.Buffer)
		if r.Buffer == "ring" && r.Unit == "ns/event" {
			assert.Equal(t, stats.Faster, r.Verdict, "16 blocks, and far below")
		}
	}
	in := invent(sixBuffers, tenWorkloads[:3], 1)
	text := written(t, in)
	assert.Contains(t, text, "no interval", "one block has none")
	assert.NotContains(t, text, "NaN")
	assert.Empty(t, charttest.Faults([]byte(text)))
}

// TestStrangeText expects names that are markup to be shown as they are.
func TestStrangeText(t *testing.T) {
	buffers := []invented{sixBuffers[0], {`<b>"&'`, lossless(buffer.FIFO), 100, 10, 10, 0}}
	in := invent(buffers, []string{"saturate:listeners=1", "stall:stalled=1", `it's <odd>`}, 2)
	in.Manifest.Args = []string{"run", "-workload", `it's <odd>`}
	text := written(t, in)
	assert.Empty(t, charttest.Faults([]byte(text)))
	assert.Contains(t, text, `-workload &#39;it&#39;\&#39;&#39;s &lt;odd&gt;&#39;`)
	assert.NotContains(t, text, "<b>\"")
}

func TestLinks(t *testing.T) {
	folder := fstest.MapFS{"raw.txt": {}, "flame/index.html": {}, "other": {}}
	assert.Equal(t, []string{"raw.txt", "flame/index.html"}, page.Links(folder))
}

func TestReadme(t *testing.T) {
	in := judge.Of(invent(sixBuffers, tenWorkloads, 6), "")
	text := "# Title\n\n" + report.ReadmeBegin + "\nold\n" + report.ReadmeEnd + "\n\nmore\n"
	once, err := report.Readme([]byte(text), in)
	require.NoError(t, err)
	golden(t, "readme.md", string(once))
	twice, err := report.Readme(once, in)
	require.NoError(t, err)
	assert.Equal(t, string(once), string(twice))
	begin, end := report.ReadmeBegin, report.ReadmeEnd
	for _, wrong := range []string{"", begin, end + begin, text + end} {
		_, err := report.Readme([]byte(wrong), in)
		assert.ErrorContains(t, err, "report: readme: found ")
	}
}

// TestFront joins by a line only what is of one machine.
func TestFront(t *testing.T) {
	var entries []page.Entry
	for i := range 7 {
		in := invent(sixBuffers, tenWorkloads[:4], 3)
		in.Path = fmt.Sprintf("results/run-%d", i)
		in.Manifest.Started = in.Manifest.Started.Add(time.Duration(i) * 24 * time.Hour)
		if i > 3 {
			in.Manifest.Environment.CPU = "another"
		}
		e := page.Summarize(judge.Of(in, ""))
		e.Page = i != 1
		for j := range e.Figures {
			e.Figures[j].Value *= 1 + float64((i*7+j*3)%5)/40 + float64(i/4)
		}
		entries = append(entries, e)
	}
	entries[2].Status = "interrupted"
	entries[5].Fit = false
	var first, second bytes.Buffer
	require.NoError(t, page.Front(&first, entries))
	entries[0], entries[6] = entries[6], entries[0]
	require.NoError(t, page.Front(&second, entries))
	assert.True(t, first.String() == second.String(), "the order of entries plays no part")
	assert.Empty(t, charttest.Faults(first.Bytes()))
	golden(t, "index.html", first.String())
	var none bytes.Buffer
	require.NoError(t, page.Front(&none, nil))
	assert.Contains(t, none.String(), "No runs yet")
}

// broken is a writer that fails.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriteErrors(t *testing.T) {
	in := judge.Of(invent(sixBuffers, tenWorkloads[:1], 1), "")
	assert.ErrorContains(t, page.Write(broken{}, in, nil), "disk full")
	assert.ErrorContains(t, report.Show(broken{}, in), "disk full")
	assert.ErrorContains(t, report.Tables(broken{}, in, ""), "disk full")
	assert.ErrorContains(t, report.Summary(broken{}, in), "disk full")
	assert.ErrorContains(t, page.Front(broken{}, nil), "disk full")
}

// TestBrowser shows pages in a browser, if there is one, and expects nothing on
// its console.
func TestBrowser(t *testing.T) {
	if _, err := exec.LookPath("chromium"); err != nil || testing.Short() {
		t.Log("no browser here, or no time: TestNothingIsWrong checks the page without")
		return
	}
	shots := exec.Command("../../scripts/screenshots", filepath.Join("testdata", "report.html"), t.TempDir())
	out, err := shots.CombinedOutput()
	assert.NoError(t, err, "%s", out)
}
