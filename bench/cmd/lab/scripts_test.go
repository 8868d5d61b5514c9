package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeGo is a go that prints what go build -v does, and fails for the peers' worker.
const fakeGo = `#!/bin/sh
echo "go: downloading k8s.io/client-go v0.37.2" >&2
echo "k8s.io/client-go/tools/cache" >&2
case "$*" in *cmd/worker*)
	echo "# example.com/broken" >&2
	echo "broken.go:1:2: undefined: x" >&2
	exit 1
esac
`

// TestBuildShowsProgress builds with a go that fails for the worker: errors are shown as
// they are, the names of packages are only counted.
func TestBuildShowsProgress(t *testing.T) {
	folder := t.TempDir()
	script, err := os.ReadFile("../../../scripts/build")
	require.NoError(t, err)
	paced := strings.Replace(string(script), "next=10", "next=0", 1)
	require.NotEqual(t, paced, string(script))
	for name, text := range map[string]string{"scripts/build": paced, "bin/go": fakeGo} {
		path := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o700))
	}
	build := func(args ...string) (out, errOut string, failed error) {
		command := exec.Command(filepath.Join(folder, "scripts/build"), args...)
		command.Env = append(os.Environ(), "PATH="+filepath.Join(folder, "bin")+":"+os.Getenv("PATH"))
		var stdout, stderr strings.Builder
		command.Stdout, command.Stderr = &stdout, &stderr
		failed = command.Run()
		return stdout.String(), stderr.String(), failed
	}
	out, errOut, err := build()
	require.NoError(t, err, "lab is built, so the lab goes on without the worker")
	assert.Empty(t, out)
	assert.Regexp(t, `(?m)^build: lab: 1 modules downloaded, 0 packages compiled, \d+ s$`, errOut)
	assert.Contains(t, errOut, "\n# example.com/broken\nbroken.go:1:2: undefined: x\n")
	assert.Contains(t, errOut, "\nbuild: the outside contestants cannot be built; going on without client-go\n")
	assert.NotContains(t, errOut, "\nk8s.io/")
	_, errOut, err = build("peers")
	require.Error(t, err)
	assert.Contains(t, errOut, "undefined: x")
	_, errOut, err = build("everything")
	require.Error(t, err)
	assert.Equal(t, "build: unknown target \"everything\": expected lab or peers\n", errOut)
}

// TestCommandsInTexts looks for the commands and targets that the README, the Makefile
// and the scripts name.
func TestCommandsInTexts(t *testing.T) {
	texts, err := filepath.Glob("../../../scripts/*")
	require.NoError(t, err)
	makefile, err := os.ReadFile("../../../Makefile")
	require.NoError(t, err)
	lab := regexp.MustCompile(`(?:\.build/lab|\x60lab) ([a-z-]+(?: [a-z-]+)?)`)
	target := regexp.MustCompile(`\x60make ([a-z-]+)|(?m:^make ([a-z-]+))`)
	commands, targets := 0, 0
	for _, path := range append(texts, "../../../README.md", "../../../Makefile") {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, named := range lab.FindAllStringSubmatch(string(text), -1) {
			words := strings.Fields(named[1])
			_, _, found := find(words)
			assert.True(t, found || words[0] == "help" || words[0] == "trace", "%s: lab %s", path, named[1])
			commands++
		}
		for _, named := range target.FindAllStringSubmatch(string(text), -1) {
			assert.Contains(t, string(makefile), "\n"+named[1]+named[2]+":", path)
			targets++
		}
	}
	assert.Greater(t, commands, 20)
	assert.Greater(t, targets, 8)
}
