package loadgen

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/cpu"

	"informerlab/core/event"
)

var update = flag.Bool("update", false, "write testdata/sequences.txt anew")

// sequencesFile has a line for each load: the hash of its sequence, the label of its
// workload, its resource. Results of different builds are comparable only as
// long as a seed keeps its meaning, so say where results are kept if it changes.
var sequencesFile = filepath.Join("testdata", "sequences.txt")

// The same seed gives the same events on one processor and on four, with all loads
// built at the same time, and whether objects are shared or fresh.
func TestSequences(t *testing.T) {
	if *update {
		require.NoError(t, os.WriteFile(sequencesFile, []byte(sequences(t, "shared")), 0o666))
	}
	for _, processors := range []int{1, 4} {
		t.Run(fmt.Sprint("processors=", processors), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
			assert.Equal(t, golden(t), sequences(t, "shared"), "-update writes it anew")
		})
	}
	t.Run("objects=fresh", func(t *testing.T) { assert.Equal(t, golden(t), sequences(t, "fresh")) })
}

// golden returns the lines of sequencesFile that are for the labels of this run.
func golden(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(sequencesFile)
	require.NoError(t, err)
	var lines strings.Builder
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		require.Len(t, fields, 3, "hash, label, resource: %s", line)
		if slices.Contains(labels(), fields[1]) {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

// Another build, for new processors or for old ones, gives the same events: it passes
// TestSequences, too. Exponentials and logarithms may be rounded in another way there,
// which can show in one draw of a great many; that it shows in none of these is what
// is tested.
func TestSequencesInAnotherBuild(t *testing.T) {
	if runtime.GOARCH != "amd64" || testing.Short() {
		return // there is one level of processors to build for, or no time for a build
	}
	level := "v3"
	if os.Getenv("GOAMD64") == level {
		level = "v1"
	} else if !(cpu.X86.HasAVX2 && cpu.X86.HasBMI2 && cpu.X86.HasFMA) {
		return // it would not start
	}
	program := filepath.Join(t.TempDir(), "loadgen.test")
	build := exec.Command("go", "test", "-c", "-ldflags=-s -w", "-o", program, ".")
	build.Env = append(os.Environ(), "GOAMD64="+level)
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	const test = "TestSequences/processors=4"
	out, err = exec.Command(program, "-test.run", "^TestSequences$/^processors=4$", "-test.v").CombinedOutput()
	require.NoError(t, err, "GOAMD64=%s: %s", level, out)
	assert.Contains(t, string(out), "--- PASS: "+test, "GOAMD64=%s", level)
}

// labels returns those of the loads that are compared: of all workloads, or where tests
// are short of those that have 2000 events.
func labels() (all []string) {
	for _, w := range Workloads() {
		if w.synthetic() || !testing.Short() {
			all = append(all, shortened(w))
		}
	}
	return append(all, "replay:trace=testdata/small.ndjson,speed=max", "hotkey:events=2000,seed=2",
		"hotkey:events=2000,size=500,sigma=0.5,churn=10")
}

// sequences returns what sequencesFile should say of the loads of all labels, built
// side by side, where objects are shared or fresh.
func sequences(t *testing.T, objects string) string {
	labels := labels()
	lines, errs := make([]string, len(labels)), make([]error, len(labels))
	var all sync.WaitGroup
	for i, label := range labels {
		all.Go(func() {
			var hashes []string
			hashes, errs[i] = sequencesOf(label, "objects="+objects)
			for _, hash := range hashes {
				lines[i] += hash + "\n"
			}
		})
	}
	all.Wait()
	for i, err := range errs {
		require.NoError(t, err, labels[i])
	}
	return strings.Join(lines, "")
}

// sequencesOf returns hash, label and resource of each load of a workload. All loads
// are read at the same time, as fresh replays share one pass over their trace.
func sequencesOf(label, setting string) ([]string, error) {
	w, err := ParseWorkload(label, setting)
	if err != nil {
		return nil, err
	}
	loads, err := w.Loads()
	hashes, streams := make([]string, len(loads)), make([]*Stream, len(loads))
	for i, load := range loads {
		start := make(chan time.Time, load.Parts())
		for range load.Parts() {
			start <- time.Now().Add(-24 * time.Hour) // all is due, so that nothing sleeps
		}
		streams[i] = NewStream(load, start)
	}
	var all sync.WaitGroup
	for i, load := range loads {
		all.Go(func() { hashes[i] = fmt.Sprintf("%s %s %s", sequence(load, streams[i]), label, load.Resource) })
	}
	all.Wait()
	return hashes, err
}

// shortened returns the label of a workload with 2000 events, if it says how many
// there are, and half of them as prefill, if it has one.
func shortened(w Workload) string {
	if !w.synthetic() {
		return w.Name
	}
	label := w.Name + ":events=2000"
	if w.Prefill > 0 {
		label += ",prefill=1000"
	}
	if w.Seconds > 0 {
		label += ",seconds=0"
	}
	return label
}

// sequence returns a hash over all that a load hands out: its lists, and what a stream
// of it yields.
func sequence(l *Load, s *Stream) string {
	h := sha256.New()
	var line []byte
	object := func(o *Object) {
		if o != nil {
			key := event.KeyOf(o)
			line = fmt.Appendf(line, " %q/%q@%s id %d, %d bytes",
				key.Namespace, key.Name, o.GetResourceVersion(), o.ID(), len(o.Payload()))
		}
		_, _ = h.Write(append(line, '\n'))
	}
	for _, list := range l.Lists {
		_, _ = fmt.Fprintf(h, "list %s\n", list.Version)
		for _, o := range list.Objects {
			line = line[:0]
			object(o)
		}
	}
	dst, events := make([]Event, 100), 0
	for n := s.Next(dst); n > 0; n = s.Next(dst) {
		for _, e := range dst[:n] {
			line = fmt.Appendf(line[:0], "%d %s due %d", events, e.Type, e.Due)
			object(e.Object)
			events++
		}
	}
	if events != l.Len() {
		return fmt.Sprintf("%d of %d events: %v", events, l.Len(), l.Err())
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:16])
}
