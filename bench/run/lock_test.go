package run_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/run"
	"informerlab/bench/worker"
	"informerlab/loadgen"
)

// TestLiveRunIsNotResumed tries to resume a run while it is measured, which must not
// change it, and after it was interrupted.
func TestLiveRunIsNotResumed(t *testing.T) {
	p := plan(t, "slow", "fast")
	folder := create(t, p)
	ctx, interrupt := context.WithCancel(t.Context())
	rounds := 0
	p.Each = func(loadgen.Workload, run.Arm, *worker.Result) {
		if rounds++; rounds != 8 {
			return
		}
		before := fileNames(t, folder.Path)
		kept := read(t, folder, "raw.txt")
		_, err := run.Resume(folder.Path, plan(t, "slow", "fast"))
		var held *run.HeldError
		if assert.ErrorAs(t, err, &held) {
			assert.Equal(t, os.Getpid(), held.PID)
			assert.ErrorContains(t, err, fmt.Sprintf("process %d is writing it", os.Getpid()))
			assert.NotContains(t, err.Error(), "\n")
		}
		assert.Equal(t, before, fileNames(t, folder.Path))
		assert.Equal(t, kept, read(t, folder, "raw.txt"))
		recorded, err := run.Open(folder.Path)
		if assert.NoError(t, err) {
			assert.Equal(t, "running", recorded.Manifest.Status)
		}
		interrupt()
	}
	require.ErrorIs(t, run.Execute(ctx, p, folder), context.Canceled)
	require.Equal(t, 8, rounds)
	assert.NoFileExists(t, filepath.Join(folder.Path, "run.lock"))
	p.Each = nil
	resumed, err := run.Resume(folder.Path, p)
	require.NoError(t, err)
	require.NoError(t, run.Execute(t.Context(), p, resumed))
	assert.Equal(t, "complete", manifest(t, folder).Status)
	assert.NoFileExists(t, filepath.Join(folder.Path, "run.lock"))
}

// fileNames returns what a folder holds.
func fileNames(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestDeadRunIsInterrupted opens a run that says that it is running, as a killed one
// does.
func TestDeadRunIsInterrupted(t *testing.T) {
	p := plan(t, "fast")
	folder := create(t, p)
	dead := t.TempDir()
	require.NoError(t, os.CopyFS(dead, os.DirFS(folder.Path))) // nobody holds the copy's lock
	require.FileExists(t, filepath.Join(dead, "run.lock"))
	for path, want := range map[string]string{folder.Path: "running", dead: "interrupted"} {
		recorded, err := run.Open(path)
		require.NoError(t, err)
		assert.Equal(t, want, recorded.Manifest.Status)
	}
	resumed, err := run.Resume(dead, p)
	require.NoError(t, err)
	assert.Equal(t, "running", manifest(t, resumed).Status)
	require.NoError(t, run.Execute(t.Context(), p, resumed))
	require.NoError(t, run.Execute(t.Context(), p, folder))
}

// TestLockHasOneHolder lets many take one lock, also while it is released and looked
// at.
func TestLockHasOneHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var holders, taken atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				lock, err := run.TakeLock(path)
				if errors.As(err, new(*run.HeldError)) {
					continue
				}
				if !assert.NoError(t, err) {
					return
				}
				assert.EqualValues(t, 1, holders.Add(1))
				taken.Add(1)
				holders.Add(-1)
				assert.NoError(t, lock.Release())
			}
		})
	}
	all.Wait()
	assert.Positive(t, taken.Load())
	assert.NoFileExists(t, path)
	_, err := run.TakeLock(filepath.Join(path, "deeper"))
	require.ErrorContains(t, err, "no such file")
	assert.NotErrorAs(t, err, new(*run.HeldError))
}
