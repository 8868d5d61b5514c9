package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/worker"
)

// asLab is the environment variable that turns this test binary into lab, as
// which it also starts itself as a worker; asMadeUp into a worker whose figures
// are made up, and holds how many nanoseconds an event costs.
const (
	asLab    = "INFORMERLAB_TEST_LAB"
	asMadeUp = "INFORMERLAB_TEST_MADE_UP"
)

func TestMain(m *testing.M) {
	if cost := os.Getenv(asMadeUp); cost != "" {
		os.Exit(madeUp(cost))
	}
	if os.Getenv(asLab) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// madeUp is a worker to which every event costs the same, but for what it is told
// to spin.
func madeUp(cost string) int {
	ns, err := strconv.ParseFloat(cost, 64)
	if err != nil {
		return exitUsage
	}
	lines, answers := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var request worker.Request
		var response worker.Response
		if err := json.Unmarshal(lines.Bytes(), &request); err != nil {
			return exitUsage
		}
		switch request.Op {
		case worker.OpList:
			response.Version = worker.Version
			response.Contestants = []worker.Listing{{Name: "ring"}}
		case worker.OpRun:
			total := int64(1000 * ns * (1 + request.Spin/100))
			response.Result = &worker.Result{Events: 1000, Calls: 1000, Listeners: 1, WallNS: total, CPUNS: total}
		}
		if err := answers.Encode(response); err != nil {
			return exitFailed
		}
	}
	return 0
}

// program writes a script that is a lab whose workers are made up.
func program(t *testing.T, cost string) (path string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "lab")
	script := fmt.Sprintf("#!/bin/sh\nGORACE=atexit_sleep_ms=0 %s=%s exec %s\n", asMadeUp, cost, self)
	require.NoError(t, os.WriteFile(path, []byte(script), 0o700))
	return path
}

// A result is what one execution of lab left.
type result struct {
	status      int
	out, errOut string
}

// execute runs lab in a folder.
func execute(t *testing.T, folder string, args ...string) result {
	t.Helper()
	command, out, errOut := start(t, folder, args...)
	_ = command.Wait() // the status says it
	return result{command.ProcessState.ExitCode(), out.String(), errOut.String()}
}

func start(t *testing.T, folder string, args ...string) (command *exec.Cmd, out, errOut *strings.Builder) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	out, errOut = &strings.Builder{}, &strings.Builder{}
	command = exec.Command(self, args...)
	command.Dir = folder
	command.Env = append(os.Environ(), asLab+"=1", "GORACE=atexit_sleep_ms=0")
	command.Stdout, command.Stderr = out, errOut
	require.NoError(t, command.Start())
	return command, out, errOut
}

// refused runs lab in a folder and checks that it refuses: one clear line that
// has a text, exit status 2, and nothing written.
func refused(t *testing.T, folder, args, want string) {
	t.Helper()
	before := tree(t, folder)
	got := execute(t, folder, strings.Fields(args)...)
	assert.Equal(t, exitUsage, got.status, "lab %s", args)
	assert.Contains(t, got.errOut, want, "lab %s", args)
	assert.Equal(t, 1, strings.Count(got.errOut, "\n"), "lab %s: one line: %s", args, got.errOut)
	assert.Empty(t, got.out, "lab %s", args)
	assert.Equal(t, before, tree(t, folder), "lab %s: nothing is written", args)
}

// badInput is what lab must refuse, and a part of the line that says why.
var badInput = []struct{ args, want string }{
	{"", "expected a command"},
	{"dance", `unknown command "dance": lab help lists them`},
	{"comapre", `unknown command "comapre": did you mean compare?`},
	{"help rnu", `unknown command "rnu": did you mean run?`},
	{"run -blcoks 3", "run: unknown flag -blcoks: did you mean -blocks?"},
	{"run -fast", "run: unknown flag -fast: lab run -h lists them"},
	{"run -tag a/b", `invalid value "a/b" for flag -tag: expected letters, digits, . _ -`},
	{"run extra", `unexpected argument "extra"`},
	{"run -workload none", `unknown workload "none"`},
	{"run -workload saturate:listeners=-1", "listeners=-1"},
	{"run -workload saturate:listeners=many", "listeners=many"},
	{"run -workload saturate:events=-5", "events=-5"},
	{"run -workload saturate:colour=red", `unknown option "colour"`},
	{"run -workload stall:stalled=2", "at least one"},
	{"run -workload saturate -set colour=red", `unknown option "colour"`},
	{"run -workload saturate -set keys=1 -set keys=2", "keys a second time"},
	{"run -workload saturate -set keys", "keys without a value"},
	{"run -set keys=5", "expected -workload"},
	{"run -workload nowhere.toml", "nowhere.toml"},
	{"run -workload ./file", "./file:1:1: found"},
	{"run -workload wrong.toml", `wrong.toml:2:1: found unknown option "keyes", expected one that`},
	{"run -workload mine.toml:rate=x", "workload mine: found rate=x"},
	{"run -workload mine.toml -workload ./mine.toml", "named twice"},
	{"describe", "describe: expected WORKLOAD"},
	{"describe none", `unknown workload "none"`},
	{"describe wrong.toml", "wrong.toml:2:1"},
	{"describe saturate stall", "unexpected argument"},
	{"run -workload replay:speed=-3", "speed=-3"},
	{"run -workload replay:trace=nowhere.ndjson", "nowhere.ndjson"},
	{"run -workload replay:trace=truncated.ndjson", "truncated.ndjson:3:"},
	{"run -workload replay:trace=garbled.ndjson", "garbled.ndjson:2:"},
	{"run -workload saturate -workload saturate:listeners=1", "named twice"},
	{"run -buffers none", `unknown buffer "none": expected one of reference, ring, linkedlist`},
	{"run -buffers reference,none", `unknown buffer "none"`},
	{"run -buffers reference,reference", "named twice"},
	{"run -buffers reference,", "empty"},
	{"run -buffers ring:fast", "ring"},
	{"run -buffers bounded", "no policy: there are drop-newest"},
	{"run -buffers bounded:drop-oldest,cap=0", `option "cap=0"`},
	{"run -buffers bounded:drop-oldest,cap=-4", `option "cap=-4"`},
	{"run -buffers bounded:drop-oldest,colour=red", `option "colour=red"`},
	{"run -buffers bounded:drop-oldest,drop-newest", "the policy is drop-oldest already"},
	{"run -buffers bounded:block,timeout=1s", "only block-timeout takes one"},
	{"run -buffers bounded:block-timeout,timeout=-1s", `option "timeout=-1s"`},
	{"run -buffers null:x", "null"},
	{"run -buffers direct -workload stall", "a buffer that blocks"},
	{"run -buffers ring -buffers bounded:block -workload saturate -workload freeze", "buffer bounded:block"},
	{"run -buffers null -workload stall:stalled=0", "no handler is ever called"},
	{"run -workload freeze:seconds=-1", "seconds=-1"},
	{"run -blocks -1", "-blocks=-1"},
	{"run -rounds -1", "-rounds=-1"},
	{"run -rounds 1.5", "-rounds"},
	{"run -seed -1", "-seed"},
	{"run -out file", "file"},
	{"run -out file/deeper", "file"},
	{"run -out=", "-out"},
	{"run -peers nowhere", "there is no nowhere"},
	{"run -peers file", "file"},
	{"run -peers=", "-peers is empty"},
	{"report", "report: expected RUN…"},
	{"resume", "resume: expected RUN"},
	{"micro -measure (", "missing closing )"},
	{"micro -buffers rink", `no buffer is named "rink"`},
	{"micro -peers nowhere", "micro: -peers: "},
	{"report nowhere", "nowhere"},
	{"report garbled", "garbled/raw.txt:1"},
	{"report file", "file: no results"},
	{"report -base none good", `unknown base "none"`},
	{"report good nowhere", "nowhere"},
	{"replay -speed=-3", "speed=-3"},
	{"replay -speed fast", "speed=fast"},
	{"replay -objects old", "objects=old"},
	{"replay -buffers none", `unknown buffer "none"`},
	{"replay nowhere.ndjson", "nowhere.ndjson"},
	{"replay truncated.ndjson", "truncated.ndjson:3:"},
	{"replay -peers nowhere", "there is no nowhere"},
	{"replay one two", `unexpected argument "two"`},
	{"replay -out file truncated.ndjson", "truncated.ndjson:3:"},
	{"flame", "no run with profiles"},
	{"flame nowhere", "nowhere"},
	{"flame -out interrupted", "no run with profiles in interrupted"},
	{"list extra", "unexpected argument"},
	{"worker extra", "unexpected argument"},
}

// TestBadInput gives lab everything that it must refuse: one clear line, exit
// status 2, and nothing written.
func TestBadInput(t *testing.T) {
	for _, c := range badInput {
		folder := t.TempDir()
		list := `{"t":1,"resource":"pods","type":"BOOKMARK","initial":true,"rv":"1"}` + "\n"
		for name, content := range map[string]string{
			"file":                           "",
			"interrupted/1/profiles/partial": "",
			"mine.toml":                      "summary = 'mine'\n",
			"wrong.toml":                     "summary = 'wrong'\nkeyes = 5\n",
			"truncated.ndjson":               list + strings.ReplaceAll(list, `"initial":true,`, "") + `{"t":3,"resou`,
			"garbled.ndjson":                 list + "{]\n",
			"garbled/raw.txt":                "BenchmarkX 1 one ns/event\n",
			"good/raw.txt":                   "BenchmarkX/buffer=ring 1 1 ns/event\n",
		} {
			require.NoError(t, os.MkdirAll(filepath.Join(folder, filepath.Dir(name)), 0o777))
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o666))
		}
		refused(t, folder, c.args, c.want)
	}
}

// tree lists all files and folders below a folder.
func tree(t *testing.T, folder string) (paths []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		paths = append(paths, path)
		return err
	}))
	return paths
}

// TestRunReportFlame goes the whole way of a user, on tiny workloads.
func TestRunReportFlame(t *testing.T) {
	folder := t.TempDir()
	got := execute(t, folder, "list")
	require.Zero(t, got.status, got.errOut)
	assert.Contains(t, got.out, "FIFO, lossless, unbounded")
	assert.Regexp(t, `client-go +\(outside peer: not built`, got.out)
	assert.Regexp(t, `(?m)^saturate +closed loop: `, got.out)
	assert.Regexp(t, `bounded:drop-oldest +FIFO, drops oldest, bounded by capacity`, got.out)
	assert.Regexp(t, `(?s)BUFFER.*ring.*BOUND.*NOT A CONTESTANT.*null.*direct.*WORKLOAD`, got.out)
	assert.Zero(t, execute(t, folder, "run", "-h").status)
	assert.Zero(t, execute(t, folder, "help").status)

	got = execute(t, folder, "run", "-workload", "saturate:listeners=0,events=200", "-workload",
		"saturate:listeners=2,events=200", "-blocks", "1", "-rounds", "1", "-out", "kept/runs")
	require.Zero(t, got.status, got.errOut)
	assert.Contains(t, got.out, "saturate:listeners=2,events=200")
	assert.Contains(t, got.errOut, "without client-go (not built")
	assert.Contains(t, got.errOut, "about ")
	runs, err := filepath.Glob(filepath.Join(folder, "kept", "runs", "*"))
	require.NoError(t, err)
	require.Len(t, runs, 1)
	assert.Contains(t, got.errOut, "results in kept/runs/"+filepath.Base(runs[0]))
	table, err := os.ReadFile(filepath.Join(runs[0], "table.txt"))
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(got.out, string(table)), "what is printed is what is kept")
	for _, name := range []string{"run.json", "env.txt", "raw.txt"} {
		content, err := os.ReadFile(filepath.Join(runs[0], name))
		require.NoError(t, err)
		assert.NotContains(t, string(content), folder, "%s tells a folder of this machine", name)
	}

	again := execute(t, folder, "report", "-base", "ring", runs[0])
	require.Zero(t, again.status, again.errOut)
	assert.Contains(t, again.out, "vs ring")
	got = execute(t, folder, "run", "-workload", "stall:events=2000", "-blocks", "1", "-rounds", "1",
		"-profile", "-out", "kept/runs")
	require.Zero(t, got.status, got.errOut)
	// A later run that was interrupted before its first profile is no run with profiles.
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "kept/runs/99991231T000000Z-nogit/profiles"), 0o777))
	got = execute(t, folder, "flame", "-out", "kept/runs")
	require.Zero(t, got.status, got.errOut)
	assert.FileExists(t, filepath.Join(folder, strings.TrimSpace(got.out)))
}

// TestDescribe prints a workload, and measures what was printed under another name.
func TestDescribe(t *testing.T) {
	folder := t.TempDir()
	got := execute(t, folder, "describe", "saturate:events=200")
	require.Zero(t, got.status, got.errOut)
	assert.Contains(t, got.out, "\nevents = 200 ")
	text := strings.Replace(got.out, `name = "saturate"`, `name = "mine"`, 1)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "any.toml"), []byte(text), 0o600))
	got = execute(t, folder, "run", "-workload", "./any.toml:keys=5", "-set", "listeners=2", "-buffers", "ring",
		"-blocks", "1", "-rounds", "1")
	require.Zero(t, got.status, got.errOut)
	assert.Contains(t, got.out, "mine:listeners=2,events=200,keys=5")
}

// TestReadmeWorkload makes the file that the README shows and runs its command.
func TestReadmeWorkload(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(readme), "\n## Adding a workload\n")
	_, section, _ = strings.Cut(section, "```toml\n")
	file, section, _ := strings.Cut(section, "```\n")
	_, section, _ = strings.Cut(section, "```\n")
	command, _, found := strings.Cut(section, "```\n")
	require.True(t, found)
	assert.Less(t, strings.Count(file+command, "\n"), 15)

	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "flood.toml"), []byte(file), 0o600))
	words := strings.Fields(command)
	require.Equal(t, ".build/lab", words[0])
	got := execute(t, folder, words[1:]...)
	require.Zero(t, got.status, got.errOut)
	assert.Regexp(t, `flood:rate=5000,listeners=4 .*[0-9]`, got.out)
	assert.Regexp(t, `flood:rate=5000,listeners=4,churn=0 .*[0-9]`, got.out)
	assert.Contains(t, got.out, "99th percentile")
}

// TestRunOfUnlikeBuffers measures buffers that lose differently beside each
// other, which the table has to say, and makes one table of two runs.
func TestRunOfUnlikeBuffers(t *testing.T) {
	folder := t.TempDir()
	for range 2 {
		got := execute(t, folder, "run", "-quiet", "-workload", "saturate:listeners=2,events=2000",
			"-buffers", "ring,null,direct", "-buffers", "bounded:drop-oldest,cap=64",
			"-buffers", "bounded:block,cap=64", "-blocks", "1", "-rounds", "1")
		require.Zero(t, got.status, got.errOut)
		assert.Regexp(t, `ring.*bounded:drop-oldest,cap=64`, got.out)
		assert.Contains(t, got.out, "drops oldest")
		assert.Contains(t, got.out, "≠")
		assert.Contains(t, got.out, "≠ unlike work")
		for _, unit := range []string{"overflow", "superseded", "healed", "closed"} {
			assert.Contains(t, got.out, unit)
		}
	}
	runs, err := filepath.Glob(filepath.Join(folder, "results", "*"))
	require.NoError(t, err)
	require.Len(t, runs, 2)
	both := execute(t, folder, append([]string{"report"}, runs...)...)
	require.Zero(t, both.status, both.errOut)
	assert.Equal(t, 1, strings.Count(both.out, "\ntime per event, ns/event"), "one table, whatever is lost")
	assert.NotContains(t, both.out, "no interval", "of two blocks")
}

// full is a device without room, as /dev/full.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestFullOutput measures, but cannot print the table: that is an error, which
// does not keep the folder of the results secret.
func TestFullOutput(t *testing.T) {
	t.Setenv(asLab, "1") // of the workers
	t.Chdir(t.TempDir())
	errOut, err := os.Create("errors")
	require.NoError(t, err)
	l := &lab{out: full{}, errOut: errOut, argv: []string{
		"run", "-workload", "saturate:events=200", "-buffers", "ring", "-blocks", "1", "-rounds", "1"}}
	assert.Equal(t, exitFailed, l.main(context.Background()))
	require.NoError(t, errOut.Close())
	told, err := os.ReadFile("errors")
	require.NoError(t, err)
	assert.Contains(t, string(told), "results in results/")
	assert.Contains(t, string(told), "no space left on device")
}

// TestInterrupt sends the signals of Ctrl-C and of a polite kill while lab
// measures: it ends soon, with the table of what ran.
func TestInterrupt(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		folder := t.TempDir()
		command, out, errOut := start(t, folder, "run", "-workload", "saturate:events=200",
			"-buffers", "ring", "-blocks", "10000", "-rounds", "1")
		waitForLine(t, folder)
		require.NoError(t, command.Process.Signal(signal))
		began := time.Now()
		_ = command.Wait() // the status says it
		assert.Less(t, time.Since(began), 2*time.Minute, "not after all blocks")
		assert.Equal(t, exitInterrupted, command.ProcessState.ExitCode(), errOut.String())
		assert.Contains(t, out.String(), "saturate:listeners=1,events=200")
		assert.Contains(t, errOut.String(), "results in results/")
		assert.Contains(t, errOut.String(), "lab: interrupted\n")
		manifests, err := filepath.Glob(filepath.Join(folder, "results", "*", "run.json"))
		require.NoError(t, err)
		require.Len(t, manifests, 1)
		manifest, err := os.ReadFile(manifests[0])
		require.NoError(t, err)
		assert.Contains(t, string(manifest), `"status": "interrupted"`)
	}
}

// waitForLine waits until the run in a folder has written its first result.
func waitForLine(t *testing.T, folder string) {
	t.Helper()
	require.Eventually(t, func() bool {
		raws, err := filepath.Glob(filepath.Join(folder, "results", "*", "raw.txt"))
		if err != nil || len(raws) != 1 {
			return false
		}
		text, err := os.ReadFile(raws[0])
		return err == nil && strings.Contains(string(text), "\nBenchmark")
	}, time.Minute, 20*time.Millisecond)
}

// TestWorkerServes asks the worker command for its list.
func TestWorkerServes(t *testing.T) {
	var out strings.Builder
	in := strings.NewReader(`{"op":"list"}` + "\n")
	l := &lab{in: in, out: &out, errOut: os.Stderr, argv: []string{"worker"}}
	require.Zero(t, l.main(context.Background()))
	assert.Contains(t, out.String(), `"name":"ring"`)
}

// TestReplay plays a trace to two buffers, whose caches end alike.
func TestReplay(t *testing.T) {
	folder := t.TempDir()
	small, err := filepath.Abs(filepath.Join("..", "..", "..", "loadgen", "testdata", "small.ndjson"))
	require.NoError(t, err)
	for _, args := range [][]string{
		{"-speed", "max", "-objects", "shared"}, {"-speed", "1"}, {"-speed", "max", "-listeners", "3"},
	} {
		args = append(append([]string{"replay", "-quiet", "-buffers", "reference,null"}, args...), small)
		got := execute(t, folder, args...)
		require.Zero(t, got.status, got.errOut)
		lines := strings.Split(strings.TrimSpace(got.out), "\n")
		require.Len(t, lines, 4, got.out)
		assert.Equal(t, "small.ndjson: 7 events", lines[0])
		stores := map[string]bool{}
		for _, line := range lines[2:] {
			fields := strings.Fields(line)
			stores[fields[len(fields)-1]] = true
		}
		assert.Len(t, stores, 1, got.out)
		assert.NotContains(t, stores, "0000000000000000")
	}
}
