package trials

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/judge"
)

// recorded returns trials of programs that are the same, or of which head is
// slower by shift.
func recorded(n int, shift float64) (trials []*Trial) {
	rng := rand.New(rand.NewPCG(3, 4))
	for number := 1; number <= n; number++ {
		t := &Trial{Number: number, Fit: true, Seconds: 20}
		for _, side := range []string{judge.Head, judge.Again} {
			r := Row{Side: side, Floor: 0.01}
			for range 12 {
				r.Blocks = append(r.Blocks, shift+0.01*rng.NormFloat64())
			}
			t.Rows = append(t.Rows, r)
		}
		trials = append(trials, t)
	}
	return trials
}

// TestResampledGates makes gates of blocks with one and the same truth.
func TestResampledGates(t *testing.T) {
	assert.LessOrEqual(t, Resample(recorded(40, 0), 200, 10, 1), 1)
	assert.Zero(t, Resample(nil, 10, 10, 1))
	// What is shifted is turned around as often as not, so only its scatter counts.
	assert.LessOrEqual(t, Resample(recorded(40, 0.05), 200, 10, 1), 1)
}

// TestFilesGoOnWhereTheyEnded leaves half a line behind, as whoever is killed does.
func TestFilesGoOnWhereTheyEnded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trials.jsonl")
	for _, trial := range recorded(2, 0) {
		require.NoError(t, add(path, trial))
	}
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(whole, []byte(`{"trial":3,"pro`)...), 0o666))
	trials, err := Read(path)
	require.NoError(t, err)
	require.Len(t, trials, 2)
	assert.Equal(t, recorded(2, 0), trials)

	other := &Plan{Path: path, Trials: 2, Busy: 0.5}
	require.ErrorContains(t, Run(t.Context(), other),
		"trials.jsonl:1: found procs 0, inject 0 and busy 0, expected 0, 0 and 0.5")
	require.NoError(t, Run(t.Context(), &Plan{Path: path, Trials: 2}), "nothing is left to do")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, whole, after)

	notes := []byte("notes of somebody, without a newline")
	require.NoError(t, os.WriteFile(path, notes, 0o666))
	require.ErrorContains(t, Run(t.Context(), &Plan{Path: path, Trials: 2}), "found no trial")
	after, err = os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, notes, after, "a file that is none of ours stays as it is")
	require.NoError(t, os.WriteFile(path, []byte("{\"trial\":1}\n{\"trial\":3}\n"), 0o666))
	_, err = Read(path)
	require.ErrorContains(t, err, "trials.jsonl:2: found trial 3, expected 2")
	require.NoError(t, os.WriteFile(path, []byte("nonsense\n"), 0o666))
	_, err = Read(path)
	require.ErrorContains(t, err, "trials.jsonl:1: ")
}

func TestSummary(t *testing.T) {
	trials := recorded(5, 0)
	trials[1].Red, trials[2].Fit, trials[3].Open, trials[4].Inject = 1, false, 1, 2
	trials[0].Inject = 2
	var text strings.Builder
	require.NoError(t, Summarise(&text, trials))
	assert.Equal(t, "5 comparisons, head 2 % slower: 1 slower, 1 unfit, 1 inconclusive, 2 not slower; "+
		"at most 20 s each\n", text.String())
}

// TestKeepBusyEnds looks at nothing but that.
func TestKeepBusyEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	KeepBusy(ctx, 0.5, 1)
	assert.Error(t, ctx.Err())
}
