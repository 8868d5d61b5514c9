package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFindingRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"finding ring":                     `unknown finding "ring": expected one of ring-size, never-shrinks`,
		"finding -blocks -1 ring-size":     "-blocks=-1",
		"finding -blocks 2.5 ring-size":    "-blocks",
		"finding -render ring-size":        "results/findings/ring-size.json",
		"finding -render -out . ring-size": "ring-size.json: found no data of a finding",
		"finding -probe ring-size":         "expected the name of a finding and an arm",
		"finding -peers nowhere ring-size": "there is no nowhere",
		"finding -out . never-shrinks":     "never-shrinks.partial.json: found no data of a finding",
	} {
		folder := t.TempDir()
		for _, name := range []string{"ring-size.json", "never-shrinks.partial.json"} {
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte("no"), 0o666))
		}
		refused(t, folder, args, want)
	}
}

// TestFindingProbes runs a probe as a measurement does.
func TestFindingProbes(t *testing.T) {
	got := execute(t, t.TempDir(), "finding", "-probe", "ring-size", "initial=64/idle")
	assert.Zero(t, got.status, got.errOut)
	assert.Regexp(t, `^\{"idle-B":[0-9.]+\}\n$`, got.out)
}

// TestFindingRenders makes the page of data that was measured before.
func TestFindingRenders(t *testing.T) {
	if files, err := filepath.Glob("../../../results/findings/*.json"); assert.NoError(t, err) && len(files) > 0 {
		folder := t.TempDir()
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(folder, filepath.Base(file)), text, 0o666))
			name := strings.TrimSuffix(filepath.Base(file), ".json")
			got := execute(t, folder, "finding", "-render", "-out", ".", name)
			assert.Zero(t, got.status, got.errOut)
			assert.FileExists(t, filepath.Join(folder, name+".md"))
		}
	}
}
