package flame_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/flame"
	"informerlab/bench/worker"
)

// spin uses the CPU in a frame that a flame graph can show, with type arguments
// whose name is long.
//
//go:noinline
func spin[T ~struct{ a, b []string }](t *testing.T) (sum int) {
	for begun := processorTime(t); processorTime(t)-begun < 150*time.Millisecond; sum++ {
	}
	return sum
}

// processorTime is that of this process, by which a CPU profiler takes its samples.
func processorTime(t *testing.T) time.Duration {
	var usage syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// writeProfiles records profiles of this process under the names of a run.
func writeProfiles(t *testing.T, folder, side string, buffers ...string) {
	t.Helper()
	create := func(buffer, kind string) *os.File {
		name := flame.Prefix("workload=stall/stalled=1", buffer, side) + "." + kind + worker.ProfileSuffix
		f, err := os.Create(filepath.Join(folder, name))
		require.NoError(t, err)
		return f
	}
	for _, buffer := range buffers {
		cpu := create(buffer, worker.CPUProfile)
		require.NoError(t, pprof.StartCPUProfile(cpu))
		pprof.Do(context.Background(), pprof.Labels("stage", "listener"), func(context.Context) {
			spin[struct{ a, b []string }](t)
		})
		spin[struct{ a, b []string }](t) // of no stage
		pprof.StopCPUProfile()
		require.NoError(t, cpu.Close())
		heap := create(buffer, worker.HeapProfile)
		require.NoError(t, pprof.Lookup("heap").WriteTo(heap, 0))
		require.NoError(t, heap.Close())
	}
}

// TestPagesAreSelfContained makes all pages of two profiled buffers and looks
// for anything that a browser would fetch.
func TestPagesAreSelfContained(t *testing.T) {
	profiles, out := t.TempDir(), filepath.Join(t.TempDir(), "flame")
	t.Setenv("HOME", t.TempDir())
	writeProfiles(t, profiles, "", "reference", "ring")

	index, err := flame.Write(profiles, out)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(out, "index.html"), index)

	pages, err := filepath.Glob(filepath.Join(out, "*.html"))
	require.NoError(t, err)
	assert.Len(t, pages, 1+2*3+3, "an index, three views of each buffer, three differences")
	address := regexp.MustCompile(`https?://[^"'\s<)]*`)
	resource := regexp.MustCompile(`<(?:script|img|iframe)[^>]*\ssrc=|<link[^>]*href=|@import|` +
		`url\(["']?(?:http|/|\.)`)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, found := range address.FindAllString(string(text), -1) {
			assert.Equal(t, "http://www.w3.org/2000/svg", found, page)
		}
		assert.Empty(t, resource.FindAllString(string(text), -1), page)
		if page != index {
			assert.Contains(t, string(text), `href="index.html"`, page)
		}
		assert.NotContains(t, string(text), "matched no samples", page)
		assert.NotContains(t, string(text), `"FullName":"stage"`, "%s: the label's name is no frame", page)
	}
	kept, err := os.ReadDir(os.Getenv("HOME"))
	require.NoError(t, err)
	assert.Empty(t, kept, "pprof's driver left files in the home folder")

	cpu, err := os.ReadFile(filepath.Join(out, "stall,stalled=1@ring.cpu.html"))
	require.NoError(t, err)
	assert.Contains(t, string(cpu), "spin", "the function that used the CPU")
	assert.Contains(t, string(cpu), "flame_test.spin[…]", "without its type arguments")
	assert.Contains(t, string(cpu), `"FullName":"no stage"`)
	text, err := os.ReadFile(index)
	require.NoError(t, err)
	assert.Regexp(t, `listener \d+ %`, string(text))
}

// TestSidesAreComparedWithTheBase makes the pages of a comparison.
func TestSidesAreComparedWithTheBase(t *testing.T) {
	profiles, out := t.TempDir(), t.TempDir()
	writeProfiles(t, profiles, "base", "reference", "ring")
	writeProfiles(t, profiles, "head", "ring")

	index, err := flame.Write(profiles, out)
	require.NoError(t, err)
	differences, err := filepath.Glob(filepath.Join(out, "*.vs-*"))
	require.NoError(t, err)
	var names []string
	for _, path := range differences {
		names = append(names, filepath.Base(path))
	}
	assert.Equal(t, []string{
		"stall,stalled=1@ring@head.alloc.vs-base.html", "stall,stalled=1@ring@head.backlog.vs-base.html",
		"stall,stalled=1@ring@head.cpu.vs-base.html",
	}, names)
	text, err := os.ReadFile(index)
	require.NoError(t, err)
	assert.Contains(t, string(text), "<td>ring head</td>")
	page, err := os.ReadFile(differences[2])
	require.NoError(t, err)
	assert.Contains(t, string(page), "ring head · cpu against base")
	assert.Contains(t, string(page), "grew most")
}

// TestNobodyWaited checks that a profile without a sample makes no page.
func TestNobodyWaited(t *testing.T) {
	profiles, out := t.TempDir(), t.TempDir()
	writeProfiles(t, profiles, "", "reference", "ring")
	for _, buffer := range []string{"reference", "ring"} {
		name := flame.Prefix("workload=stall/stalled=1", buffer, "") + ".mutex" + worker.ProfileSuffix
		f, err := os.Create(filepath.Join(profiles, name))
		require.NoError(t, err)
		p := profileOf()
		p.SampleType[1].Type = "delay"
		if buffer == "ring" {
			p = profileOf(stack{5, []string{"informerlab/a.lock"}})
			p.SampleType[1].Type = "delay"
		}
		require.NoError(t, p.Write(f))
		require.NoError(t, f.Close())
	}
	_, err := flame.Write(profiles, out)
	require.NoError(t, err)
	pages, err := filepath.Glob(filepath.Join(out, "*.mutex*"))
	require.NoError(t, err)
	assert.Len(t, pages, 2, "of ring, and its difference from none: %v", pages)
}

// TestBadFolders checks that each error names the file and leaves no pages.
func TestBadFolders(t *testing.T) {
	write := func(name, content string) string {
		folder := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o666))
		return folder
	}
	for folder, want := range map[string]string{
		t.TempDir():                          "no profiles in",
		write("a@b.cpu.pb.gz", "no profile"): "a@b.cpu.pb.gz",
		write("nothing.pb.gz", ""):           "expected a name like",
	} {
		out := filepath.Join(t.TempDir(), "flame")
		_, err := flame.Write(folder, out)
		require.ErrorContains(t, err, want)
		assert.False(t, strings.Contains(err.Error(), "\n"), "one line: %v", err)
		assert.NoDirExists(t, out)
	}
}
