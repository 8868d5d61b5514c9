package run

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"informerlab/bench/process"
)

// An Environment is what else decides about the figures of a run. What a system
// does not tell is left empty. No names of hosts or users are in it.
type Environment struct {
	Commit      string `json:"commit"` // full, or "" outside a repository
	Dirty       bool   `json:"dirty"`  // the tree differed from the commit
	Go          string `json:"go"`
	GOMAXPROCS  int    `json:"gomaxprocs"`
	GOGC        string `json:"gogc"` // "" = the default
	GOMEMLIMIT  string `json:"gomemlimit"`
	GODEBUG     string `json:"godebug"`
	System      string `json:"system"`
	Kernel      string `json:"kernel"`
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"`
	MemoryBytes int64  `json:"memory_bytes"`
}

// ShortCommit returns the first digits of the commit, or "nogit".
func (e *Environment) ShortCommit() string {
	if e.Commit == "" {
		return "nogit"
	}
	return e.Commit[:min(len(e.Commit), 9)]
}

// environment reads what the machine and this program tell of themselves.
func environment() Environment {
	e := Environment{
		Go:         runtime.Version(),
		GOMAXPROCS: runtime.GOMAXPROCS(0),
		GOGC:       os.Getenv("GOGC"),
		GOMEMLIMIT: os.Getenv("GOMEMLIMIT"),
		GODEBUG:    os.Getenv("GODEBUG"),
		System:     runtime.GOOS + "/" + runtime.GOARCH,
		Kernel:     strings.TrimSpace(readFile("/proc/sys/kernel/osrelease")),
		CPU:        field(readFile("/proc/cpuinfo"), "model name"),
		Cores:      runtime.NumCPU(),
	}
	memory, _, _ := strings.Cut(field(readFile("/proc/meminfo"), "MemTotal"), " ")
	if kib, err := strconv.ParseInt(memory, 10, 64); err == nil {
		e.MemoryBytes = kib << 10
	}
	e.Commit, e.Dirty = commit()
	return e
}

// commit returns what the program was built from and, if the build does not
// tell, what the working directory holds.
func commit() (hash string, dirty bool) {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				hash = s.Value
			case "vcs.modified":
				dirty = s.Value == "true"
			}
		}
	}
	if hash != "" {
		return hash, dirty
	}
	head, err := process.Output(context.Background(), exec.Command("git", "rev-parse", "--verify", "--quiet", "HEAD"))
	if err != nil {
		return "", false
	}
	status, err := process.Output(context.Background(), exec.Command("git", "status", "--porcelain"))
	return strings.TrimSpace(string(head)), err != nil || len(bytes.TrimSpace(status)) > 0
}

// text returns the environment as lines of "key: value".
func (e *Environment) text() string {
	commit := cmp.Or(e.Commit, "none")
	if e.Dirty {
		commit += " (with changes)"
	}
	var text strings.Builder
	for _, kv := range [][2]string{
		{"commit", commit}, {"go", e.Go}, {"system", e.System}, {"kernel", e.Kernel}, {"cpu", e.CPU},
		{"cores", strconv.Itoa(e.Cores)}, {"memory", fmt.Sprintf("%.1f GiB", float64(e.MemoryBytes)/(1<<30))},
		{"GOMAXPROCS", strconv.Itoa(e.GOMAXPROCS)}, {"GOGC", cmp.Or(e.GOGC, "default")},
		{"GOMEMLIMIT", cmp.Or(e.GOMEMLIMIT, "default")}, {"GODEBUG", cmp.Or(e.GODEBUG, "default")},
	} {
		fmt.Fprintf(&text, "%s: %s\n", kv[0], cmp.Or(kv[1], "unknown"))
	}
	return text.String()
}

// readFile returns a file's content, or "" where there is none: not every
// system has /proc.
func readFile(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(content)
}

// field returns the value of the first "name : value" line.
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// loadAverage returns the three load averages, or nil.
func loadAverage() []float64 {
	fields := strings.Fields(readFile("/proc/loadavg"))
	if len(fields) < 3 {
		return nil
	}
	var averages []float64
	for _, f := range fields[:3] {
		average, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return nil
		}
		averages = append(averages, average)
	}
	return averages
}

// stealSince returns the share of all processors' time that was stolen since
// then, in percent, or nil if it is unknown.
func stealSince(before process.Processors) *float64 {
	now := process.ReadProcessors()
	if now.Total <= before.Total {
		return nil
	}
	percent := 100 * float64(now.Steal-before.Steal) / float64(now.Total-before.Total)
	return &percent
}

// relative shortens absolute paths in arguments to their last element, so that
// results tell nothing about the machine's folders.
func relative(args []string) []string {
	short := make([]string, len(args))
	for i, arg := range args {
		at := strings.LastIndexByte(arg, '=') + 1
		if value := arg[at:]; filepath.IsAbs(value) {
			arg = arg[:at] + filepath.Base(value)
		}
		short[i] = arg
	}
	return short
}
