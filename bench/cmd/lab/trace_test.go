package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/loadgen/trace"
)

const watched = `{
    "type": "ADDED",
    "object": {"kind": "Pod", "metadata": {"name": "a", "namespace": "default", "resourceVersion": "5"}}
}
{
    "type": "MODIFIED",
    "object": {"kind": "Pod", "metadata": {"name": "a", "namespace": "default", "resourceVersion": "8"}}
}
`

// badTraceInput is what lab trace must refuse, and a part of the line that says why.
var badTraceInput = []struct{ args, want string }{
	{"trace", "expected a command: lab trace -h lists them"},
	{"trace dance", `unknown command "trace dance"`},
	{"trace fti", "did you mean trace fit?"},
	{"trace info a b", `unexpected argument "b"`},
	{"trace info nowhere", "nowhere"},
	{"trace info .", "failure to read"},
	{"trace info garbled", "garbled:2:2: found invalid character ']'"},
	{"trace cut -o out garbled", "garbled:2:2: found invalid character ']'"},
	{"trace fit garbled", "garbled:2:2: found invalid character ']'"},
	{"trace fit -resource boats", `"boats", expected one of cronjobs, daemonsets`},
	{"trace fit -speed 0", "-speed=0: expected 0.01 to 1000"},
	{"trace fit -speed 1e-5", "-speed=1e-05: expected 0.01 to 1000"},
	{"trace fit -speed 1e6", "-speed=1e+06: expected 0.01 to 1000"},
	{"trace fit -speed NaN", "-speed=NaN"},
	{"trace fit -speed 1000 hasty", `"pods" at -speed=1000 is no workload: found 1e+10 for rate, expected`},
	{"trace fit -speed 0.01 lasting", `"pods" at -speed=0.01 is no workload: found "5h33m20s" for period, expected`},
	{"trace fit quiet", "found no events in quiet, expected some"},
	{"trace fit -resource pods quiet", "found no events in quiet, expected some"},
	{"trace cut -o out -from 1h", "found no records from 1h0m0s on"},
	{"trace cut -o out -from 10s -to 9s", "expected a range of time"},
	{"trace cut -o out -from -1s", "expected a range of time"},
	{"trace cut -o out -from soon", "-from"},
	{"trace cut -o out -resource boats", `found no records of "boats", expected one of cronjobs`},
	{"trace cut -o out -repeat 0", "-repeat=0"},
	{"trace cut -o out -repeat 2 -", "standard input can be read once"},
	{"trace cut -o garbled", "garbled exists: expected another name, or -force"},
	{"trace cut -o=", "-o is empty"},
	{"trace cut -o no/folder", "no such file"},
	{"trace cut -o .", ". is no regular file"},
	{"trace cut -force -o folder garbled", "folder is no regular file"},
	{"trace cut -force -o /dev/null", "/dev/null is no regular file"},
	{"trace from-kubectl -force -o folder/ watched", "folder/ is no regular file"},
	{"trace from-kubectl -o out garbled", "garbled:1:1: found no object"},
	{"trace from-kubectl -o out nowhere", "nowhere"},
	{"trace from-kubectl -o out -rate 0 watched", "-rate=0"},
	{"trace from-kubectl -o out -rate -1 watched", "-rate=-1"},
	{"trace from-kubectl -o out -rate NaN watched", "-rate=NaN"},
	{"trace from-kubectl -o out -rate 5 -clock watched", "expected one of them"},
}

func TestTraceBadInput(t *testing.T) {
	folder := t.TempDir()
	bookmark := `{"t":1,"resource":"pods","type":"BOOKMARK","initial":true,"rv":"1"}`
	event := `{"t":%d,"resource":"pods","type":"ADDED","key":"%d","rv":"%d"}` + "\n"
	var lasting strings.Builder // two bursts, 50 minutes apart
	for i := range 150 {
		fmt.Fprintf(&lasting, event, i/100*3e12+1, i, i+2)
	}
	for name, content := range map[string]string{
		"garbled": bookmark + "\n{]\n",
		"watched": watched,
		"quiet":   bookmark + "\n",
		"hasty":   bookmark + "\n" + fmt.Sprintf(event, 1, 1, 2),
		"lasting": bookmark + "\n" + lasting.String(),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o666))
	}
	require.NoError(t, os.Mkdir(filepath.Join(folder, "folder"), 0o777))
	for _, c := range badTraceInput {
		refused(t, folder, c.args, c.want)
	}
}

// TestTraceCommands goes the way of a user: record, look, cut, fit.
func TestTraceCommands(t *testing.T) {
	folder := t.TempDir()
	assert.Contains(t, execute(t, folder, "trace", "-h").out, "from-kubectl")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "watched"), []byte(watched), 0o666))

	got := execute(t, folder, "trace", "from-kubectl", "-rate", "10", "-o", "pods.ndjson.zst", "watched")
	require.Zero(t, got.status, got.errOut)
	assert.Equal(t, "lab: 3 records, 1 objects in initial lists\n", got.errOut)
	assert.Empty(t, got.out)

	got = execute(t, folder, "trace", "info", "pods.ndjson.zst")
	require.Zero(t, got.status, got.errOut)
	assert.Contains(t, got.out, "version 1, with objects, zstd; 1 events in 0.1 s")

	got = execute(t, folder, "trace", "cut", "-compact", "-repeat", "2", "-o", "twice.ndjson.gz", "pods.ndjson.zst")
	require.Zero(t, got.status, got.errOut)
	assert.Equal(t, "lab: 7 records\n", got.errOut)
	got = execute(t, folder, "trace", "cut", "-force", "-o", "twice.ndjson.gz", "twice.ndjson.gz")
	require.Zero(t, got.status, got.errOut)
	got = execute(t, folder, "trace", "cut", "twice.ndjson.gz")
	require.Zero(t, got.status, got.errOut)
	assert.Equal(t, 8, strings.Count(got.out, "\n"), "plain on standard output")
	assert.Contains(t, got.out, `"resource":"pods","type":"DELETED","key":"default/a","rv":"9","size":82}`)
	require.Len(t, tree(t, folder), 4, "and nothing beside the files asked for")

	// From the recording: what is cut out has the same rates.
	got = execute(t, folder, "trace", "cut", "-resource", "pods,nodes", "-from", "5m", "-to", "6m",
		"-o", "minute.ndjson")
	require.Zero(t, got.status, got.errOut)
	got = execute(t, folder, "trace", "fit", "-resource", "pods", "minute.ndjson")
	require.Zero(t, got.status, got.errOut)
	assert.Regexp(t, `(?s)^# By lab trace fit -resource pods minute.ndjson, from \d+.\d s of minute.ndjson; .*\n`+
		`summary = .*\nsigma = .*\nrate = `, got.out)
	again := execute(t, folder, "trace", "fit", "-resource", "pods", "minute.ndjson")
	assert.Equal(t, got.out, again.out, "a fit is no matter of chance")
	got = execute(t, folder, "trace", "fit")
	require.Zero(t, got.status, got.errOut)
	assert.Contains(t, got.out, "\n[\"pods\"]\n# By lab trace fit -resource pods, from 909.7 s of cluster-250-nodes")
}

// TestFittedWorkloads runs the command that is told in each fitted workload file, and
// gets the file.
func TestFittedWorkloads(t *testing.T) {
	const folder, madeBy = "../../../loadgen/workloads", "# By lab "
	files, err := filepath.Glob(filepath.Join(folder, "*.toml"))
	require.NoError(t, err)
	fitted := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		_, after, made := strings.Cut(string(content), madeBy)
		if !made {
			continue
		}
		fitted++
		command, _, _ := strings.Cut(after, ",")
		got := execute(t, t.TempDir(), strings.Fields(command)...)
		assert.Equal(t, string(content), got.out, "lab %s: %s", command, got.errOut)
	}
	assert.Equal(t, 4, fitted, "workloads fitted to the recording")
}

// TestTraceFromKubectlLive is what a user does who records: kubectl in a pipe, and
// Ctrl-C, which both of them get.
func TestTraceFromKubectlLive(t *testing.T) {
	folder := t.TempDir()
	in, kubectl, err := os.Pipe()
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	errOut := &strings.Builder{}
	command := exec.Command(self, "trace", "from-kubectl", "-o", "pods.ndjson.gz")
	command.Dir, command.Env = folder, append(os.Environ(), asLab+"=1")
	command.Stdin, command.Stderr = in, errOut
	require.NoError(t, command.Start())
	require.NoError(t, in.Close())
	_, err = io.WriteString(kubectl, watched)
	require.NoError(t, err)
	// The file that is being written shows that lab is ready for signals.
	require.Eventually(t, func() bool { return len(tree(t, folder)) == 2 }, time.Minute, 10*time.Millisecond)
	require.NoError(t, command.Process.Signal(os.Interrupt))
	_, err = io.WriteString(kubectl, watched[:30])
	require.NoError(t, err)
	require.NoError(t, kubectl.Close())
	require.NoError(t, command.Wait(), errOut.String())
	assert.Contains(t, errOut.String(), "lab: 3 records, 1 objects in initial lists, a value cut off at standard")
	content, err := os.ReadFile(filepath.Join(folder, "pods.ndjson.gz"))
	require.NoError(t, err)
	r, err := trace.NewReader(bytes.NewReader(content), "pods")
	require.NoError(t, err)
	defer r.Close()
	var rec trace.Record
	for err = r.Next(&rec); err == nil; err = r.Next(&rec) {
		assert.Equal(t, "pods", string(rec.Resource))
	}
	assert.ErrorIs(t, err, io.EOF)
}

// TestTraceInterrupt stops a long cut: nothing is left of it.
func TestTraceInterrupt(t *testing.T) {
	folder := t.TempDir()
	command, _, errOut := start(t, folder, "trace", "cut", "-repeat", "100000", "-o", "long.ndjson.zst")
	require.Eventually(t, func() bool { return len(tree(t, folder)) == 2 }, time.Minute, 10*time.Millisecond)
	require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	_ = command.Wait() // the status says it
	assert.Equal(t, exitInterrupted, command.ProcessState.ExitCode(), errOut.String())
	assert.Equal(t, "lab: interrupted\n", errOut.String())
	assert.Len(t, tree(t, folder), 1)
}
