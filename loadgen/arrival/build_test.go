package arrival

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/cpu"
)

// fused matches instructions that multiply and add with one rounding.
var fused = regexp.MustCompile(`\bV?FN?M(ADD|SUB)`)

// The same seed gives the same times on one processor and on four, and in
// builds for old and new processors: golden.txt says which.
func TestSameTimesInEveryBuild(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("testdata", "golden.txt"))
	require.NoError(t, err)
	levels := []string{""}
	if runtime.GOARCH == "amd64" {
		levels = []string{"v1", "v3"}
	}
	for _, level := range levels {
		program := filepath.Join(t.TempDir(), "times"+level)
		build := exec.Command("go", "build", "-o", program, "./testdata/times")
		build.Env = append(os.Environ(), "GOAMD64="+level)
		out, err := build.CombinedOutput()
		require.NoError(t, err, string(out))

		// A rare last bit might not show in the times, so the code is looked at, too.
		list := exec.Command("go", "build", "-gcflags=-S", ".")
		list.Env = build.Env
		out, err = list.CombinedOutput()
		require.NoError(t, err)
		require.Contains(t, string(out), "arrival.exponential STEXT")
		assert.Empty(t, fused.FindAllString(string(out), -1), "GOAMD64=%s: fused operations", level)

		if level == "v3" && !(cpu.X86.HasAVX2 && cpu.X86.HasBMI2 && cpu.X86.HasFMA) {
			continue
		}
		for _, processors := range []string{"1", "4"} {
			run := exec.Command(program)
			run.Env = append(os.Environ(), "GOMAXPROCS="+processors)
			out, err := run.Output()
			require.NoError(t, err)
			assert.Equal(t, strings.TrimSpace(string(golden)), strings.TrimSpace(string(out)),
				"GOAMD64=%s GOMAXPROCS=%s", level, processors)
		}
	}
}
