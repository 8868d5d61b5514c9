package processor

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"informerlab/core/event"
)

// TestGapTable compares random histories with a map, also where nearly all hashes
// are equal.
func TestGapTable(t *testing.T) {
	for _, hash := range []func(event.Key) uint64{
		nil,
		func(event.Key) uint64 { return 0 },
		func(key event.Key) uint64 { return uint64(len(key.Name)) },
	} {
		table, twin := gapTable{hash: hash}, map[event.Key]*gap{}
		rng := rand.New(rand.NewPCG(1, 2))
		for range 20_000 {
			key := event.Key{Namespace: strconv.Itoa(rng.IntN(3)), Name: strconv.Itoa(rng.IntN(200))}
			require.Same(t, twin[key], table.find(key), key)
			if p := twin[key]; p == nil {
				twin[key] = &gap{key: key}
				table.insert(twin[key])
			} else if rng.IntN(2) == 0 {
				table.remove(p)
				delete(twin, key)
			}
			require.Equal(t, len(twin), table.len)
		}
		for _, p := range twin {
			table.remove(p)
		}
		require.Zero(t, table.len)
		for _, first := range table.buckets {
			require.Nil(t, first)
		}
	}
}
