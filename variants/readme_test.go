package variants_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReadmeExample makes a contestant of the example in the README, as its
// reader would, but in an overlay over the source: it must keep the laws, be
// listed and be measured.
func TestReadmeExample(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	var algorithm, line string
	for _, block := range strings.Split(string(readme), "```go\n") {
		code, _, _ := strings.Cut(block, "```")
		switch {
		case strings.Contains(code, "\npackage slice\n"):
			algorithm = code
		case strings.Contains(code, "slice.New[T]"):
			line = code
		}
	}
	require.NotEmpty(t, algorithm)
	require.NotEmpty(t, line)
	assert.Less(t, strings.Count(algorithm+line, "\n"), 40)

	catalogue, err := os.ReadFile("variants.go")
	require.NoError(t, err)
	text := strings.Replace(string(catalogue), "\t\t{reference, ", line+"\t\t{reference, ", 1)
	text = strings.Replace(text, "\t\"informerlab/variants/spsc\"\n",
		"\t\"informerlab/variants/slice\"\n\t\"informerlab/variants/spsc\"\n", 1)
	overlay := overlayOf(t, map[string]string{"variants.go": text, "slice/slice.go": algorithm})

	// Vet would change to the folder, which is not there.
	goTool(t, "test", "-short", "-timeout", "60m", "-vet=off", "-overlay", overlay,
		"-run", "^(TestLaws|TestInPlace)$/^slice", ".")
	lab := filepath.Join(t.TempDir(), "lab")
	goTool(t, "build", "-overlay", overlay, "-o", lab, "../bench/cmd/lab")
	list, err := exec.Command(lab, "list").CombinedOutput()
	require.NoError(t, err, "%s", list)
	assert.Regexp(t, `(?m)^slice +FIFO, lossless, unbounded`, string(list))
	run, err := exec.Command(lab, "run", "-buffers", "slice", "-workload", "saturate:events=1000",
		"-blocks", "1", "-rounds", "1", "-out", filepath.Join(t.TempDir(), "results")).CombinedOutput()
	require.NoError(t, err, "%s", run)
	assert.Contains(t, string(run), "slice")
}

// overlayOf writes files of this folder to a temporary one, and the file that
// tells the go command to take those.
func overlayOf(t *testing.T, files map[string]string) (path string) {
	t.Helper()
	here, err := os.Getwd()
	require.NoError(t, err)
	dir, replace := t.TempDir(), map[string]string{}
	for name, text := range files {
		file := filepath.Join(dir, filepath.Base(name))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		replace[filepath.Join(here, name)] = file
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	path = filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

func goTool(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("go", args...).CombinedOutput()
	require.NoError(t, err, "go %s\n%s", strings.Join(args, " "), out)
}
