package run_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"informerlab/bench/worker"
)

// asWorker is the environment variable that turns this test binary into a fake
// worker process.
const asWorker = "INFORMERLAB_TEST_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(asWorker) != "" {
		fakeWorker()
		return
	}
	goleak.VerifyTestMain(m)
}

// fakeWorker answers as a worker does, with figures that depend on nothing but
// the contestant's name, and misbehaves as the name says.
func fakeWorker() {
	lines, answers := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	var contestant string
	runs := 0
	for lines.Scan() {
		var request worker.Request
		if err := json.Unmarshal(lines.Bytes(), &request); err != nil {
			panic(err)
		}
		var response worker.Response
		switch request.Op {
		case worker.OpList:
			response.Version = worker.Version
			response.Contestants = []worker.Listing{{Name: "fast"}}
		case worker.OpPrepare:
			contestant = request.Contestant
			response.Events = 1000
		case worker.OpRun:
			runs++
			if contestant == "wrong" && runs == 2 {
				response.Error = "worker: wrong: handler 0: 3 calls are lost"
			} else {
				response.Result = fakeResult(contestant, runs)
			}
		case worker.OpProfile:
			for _, kind := range []string{worker.CPUProfile, worker.HeapProfile} {
				path := request.Profiles + "." + kind + worker.ProfileSuffix
				if err := os.WriteFile(path, []byte("profile"), 0o666); err != nil {
					panic(err)
				}
			}
		}
		switch {
		case request.Op == worker.OpRun && contestant == "crash":
			fmt.Fprintln(os.Stderr, "panic: out of luck")
			os.Exit(3)
		case request.Op == worker.OpRun && contestant == "meets":
			meet(os.Getenv(meetingPlace), runs)
		case request.Op == worker.OpRun && contestant == "hang" && runs == 2:
			if err := os.WriteFile(os.Getenv(hangsAt), nil, 0o666); err != nil {
				panic(err)
			}
			time.Sleep(time.Hour)
		case contestant == "garble":
			fmt.Println("this is no JSON")
			continue
		}
		if err := answers.Encode(response); err != nil {
			panic(err)
		}
	}
}

// hangsAt is the environment variable with the file that a fake worker makes when it
// hangs.
const hangsAt = "INFORMERLAB_TEST_HANGS"

// meetingPlace is the environment variable with the folder in which fake workers
// meet.
const meetingPlace = "INFORMERLAB_TEST_MEET"

// meet leaves a note of where this process may run and waits for another's of the
// same run.
func meet(folder string, run int) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	_, allowed, _ := strings.Cut(string(status), "Cpus_allowed_list:")
	allowed, _, _ = strings.Cut(allowed, "\n")
	prefix := filepath.Join(folder, fmt.Sprintf("%d-", run))
	if err := os.WriteFile(prefix+strconv.Itoa(os.Getpid()), []byte(strings.TrimSpace(allowed)), 0o666); err != nil {
		panic(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		notes, err := filepath.Glob(prefix + "*")
		if err != nil || time.Now().After(deadline) {
			panic("nobody else came")
		}
		if len(notes) == 2 {
			return
		}
	}
}

func fakeResult(contestant string, runs int) *worker.Result {
	wall := int64(500_000)
	if strings.HasPrefix(contestant, "fast") {
		wall = 100_000
	}
	r := &worker.Result{
		Events: 1000, Calls: 2000, Listeners: 2, Store: 7,
		WallNS: wall + int64(runs), CPUNS: wall, Allocs: 2000, Bytes: 100_000,
	}
	switch contestant {
	case "strange":
		r.Store = 8
	case "disturbed", "late":
		r.Latency = &worker.Quantiles{P99: 20e6}
		r.Lateness, r.SpanNS, r.Processors = &worker.Quantiles{P99: 1e3}, wall, 8
	}
	if contestant == "disturbed" {
		r.OthersCPU = 0.3
	}
	if contestant == "late" && runs == 1 {
		r.Lateness.P99, r.Lower = 10e6, &worker.Quantiles{P99: 11e6}
	}
	return r
}
