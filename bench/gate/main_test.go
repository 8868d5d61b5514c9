package gate

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/bench/worker"
	"informerlab/core/buffer"
)

// asFake is the environment variable that turns this test binary into a lab whose
// figures are made up; asLeashed into a gate that is to be killed.
const (
	asFake    = "INFORMERLAB_TEST_FAKE"
	asLeashed = "INFORMERLAB_TEST_LEASHED"
)

func TestMain(m *testing.M) {
	if settings := os.Getenv(asFake); settings != "" {
		os.Exit(fakeLab(settings, os.Args[1:]))
	}
	if path := os.Getenv(asLeashed); path != "" {
		_, _ = leashed(context.Background(), ".", "sh", "-c", "echo $$ >"+path+"; sleep 1000")
		return
	}
	goleak.VerifyTestMain(m)
}

// A fake is a lab that answers as it is told.
type fake struct {
	Version int
	Buffers []string // that it has
	Lacks   string   // workloads that hold this it cannot prepare
	Allocs  float64  // per event
	Broken  string   // the error of every run
	NoOp    bool     // it has no lab op
	Ends    bool     // the worker ends without an answer
}

// program writes a script that is the fake lab.
func (f fake) program(t *testing.T, label string) Program {
	t.Helper()
	settings, err := json.Marshal(f)
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "lab")
	script := fmt.Sprintf("#!/bin/sh\nGORACE=atexit_sleep_ms=0 %s='%s' exec %s \"$@\"\n", asFake, settings, self)
	require.NoError(t, os.WriteFile(path, []byte(script), 0o700))
	return Program{Path: path, Tree: Tree{Label: label}}
}

func fakeLab(settings string, args []string) int {
	var f fake
	if err := json.Unmarshal([]byte(settings), &f); err != nil {
		return 2
	}
	if args[0] == "op" {
		if f.NoOp || !slices.Contains(f.Buffers, args[2]) {
			fmt.Fprintln(os.Stderr, `lab: unknown command "op"`)
			return 2
		}
		return 0
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() && !f.Ends {
		var request worker.Request
		if err := json.Unmarshal(lines.Bytes(), &request); err != nil {
			return 2
		}
		answer, err := json.Marshal(f.answer(request))
		if err != nil {
			return 2
		}
		fmt.Printf("%s\n", answer)
	}
	if f.Ends {
		fmt.Fprintln(os.Stderr, "out of memory")
	}
	return 0
}

func (f fake) answer(request worker.Request) (r worker.Response) {
	switch request.Op {
	case worker.OpList:
		r.Version = f.Version
		for _, name := range f.Buffers {
			bound := buffer.Unbounded
			if name == "null" {
				bound = buffer.Nothing
			}
			r.Contestants = append(r.Contestants, worker.Listing{Name: name, Traits: buffer.Traits{
				Order: buffer.FIFO, Loss: buffer.Lossless, Bound: bound}})
		}
	case worker.OpPrepare:
		if !slices.Contains(f.Buffers, request.Contestant) {
			r.Error = "worker: unknown buffer " + strconv.Quote(request.Contestant)
		}
		if f.Lacks != "" && strings.Contains(request.Workload, f.Lacks) {
			r.Error = "loadgen: found unknown option"
		}
	case worker.OpRun:
		r.Result = &worker.Result{Events: 1000, Allocs: uint64(1000 * f.Allocs)}
		if f.Broken != "" {
			r = worker.Response{Error: f.Broken}
		}
	}
	return r
}
