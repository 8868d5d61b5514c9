package clientgo

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/contestants"
	"informerlab/bench/worker"
	"informerlab/loadgen"
)

// stored replays through one contestant and returns the hash of what all its
// caches held in the end.
func stored(t *testing.T, c worker.Contestant, label string) uint64 {
	t.Helper()
	w, err := loadgen.ParseWorkload(label)
	require.NoError(t, err)
	session, err := worker.Prepare(c, w)
	require.NoError(t, err)
	result, err := session.Run()
	require.NoError(t, err)
	return result.Store
}

// After a trace the caches of client-go and of every contestant of ours, the
// bounds included, hold the same keys in the same versions. Another trace leaves
// something else.
func TestCachesEndAlike(t *testing.T) {
	const small = "replay:speed=max,trace=../../../loadgen/testdata/small.ndjson"
	labels := []string{small}
	if !testing.Short() {
		labels = append(labels, "replay:speed=max")
	}
	all := append(Contestants(), contestants.Ours()...)
	seen := map[uint64]string{0: "nothing"}
	for _, label := range labels {
		want := stored(t, all[0], label)
		require.NotContains(t, seen, want, "%s ends like %s", label, seen[want])
		seen[want] = label
		for _, c := range all[1:] {
			assert.Equal(t, want, stored(t, c, label), "%s: %s", c.Name, label)
		}
		for _, c := range all[:2] { // objects are made in the source, which all of ours share
			assert.Equal(t, want, stored(t, c, label+",objects=fresh"), "%s: %s, fresh", c.Name, label)
		}
	}
}
