package population

import (
	"testing"

	"github.com/stretchr/testify/require"

	"informerlab/core/source"
)

// A twin knows of each number only whether it is present, and judges events.
type twin struct {
	population Population
	present    []bool // by number
	count      int
}

func (w *twin) event(t *testing.T, key uint32, kind source.EventType) {
	t.Helper()
	switch kind {
	case source.Added:
		if int(key) == len(w.present) { // a new number is the next
			require.True(t, w.population.Grow > 0 || w.count == 0, "nothing grows")
			w.present = append(w.present, false)
		} else {
			require.Positive(t, w.population.Churn, "no key comes back")
		}
		require.Less(t, int(key), len(w.present))
		require.False(t, w.present[key], "added while present")
		w.present[key] = true
		w.count++
	case source.Modified:
		require.Less(t, int(key), len(w.present))
		require.True(t, w.present[key], "modified while absent")
	case source.Deleted:
		require.Positive(t, w.population.Churn+w.population.Shrink, "nothing is deleted")
		require.Less(t, int(key), len(w.present))
		require.True(t, w.present[key], "deleted while absent")
		w.present[key] = false
		w.count--
	default:
		require.Failf(t, "kind", "%v", kind)
	}
}

func checkLife(t *testing.T, p Population, seed uint64, events int) {
	w := twin{population: p, present: make([]bool, p.Keys), count: p.Keys}
	for i := range w.present {
		w.present[i] = true
	}
	life := p.Begin(generator(seed))
	for range events {
		key, kind := life.Next()
		w.event(t, key, kind)
		if life.Len() != w.count || life.Numbers() != len(w.present) {
			require.Failf(t, "counts", "%d present of %d, expected %d of %d",
				life.Len(), life.Numbers(), w.count, len(w.present))
		}
	}
}

func TestLivesAreLegal(t *testing.T) {
	rng := generator(10)
	for seed := range uint64(300) {
		// with shares of 0 and of 100, and few keys, so that they run out
		share := func() float64 { return max(0, rng.Float64()*60-20) }
		p := Population{
			Keys: rng.IntN(8), Pick: []string{"uniform", "zipf", "hot"}[rng.IntN(3)],
			Skew: rng.Float64() * 3, Hot: rng.Float64() * 100,
			Churn: share(), Grow: share() / 2, Shrink: share() / 2,
		}
		if seed%10 == 0 {
			p.Churn, p.Grow, p.Shrink = 100, 0, 0
		}
		t.Logf("seed %d: %v", seed, p)
		require.NoError(t, p.Check())
		checkLife(t, p, seed, 500)
	}
}

func FuzzLife(f *testing.F) {
	f.Add(uint16(10), "uniform", 0.0, 0.0, 0.0, 0.0, 0.0, uint64(1))
	f.Add(uint16(0), "zipf", 1.5, 0.0, 100.0, 0.0, 0.0, uint64(2))
	f.Add(uint16(3), "hot", 100.0, 0.0, 10.0, 5.0, 70.0, uint64(3))
	f.Add(uint16(500), "zipf", 100.0, 0.0, 0.0, 0.0, 100.0, uint64(4))
	f.Fuzz(func(t *testing.T, keys uint16, pick string, skew, hot, churn, grow, shrink float64, seed uint64) {
		p := Population{Keys: int(keys), Pick: pick, Skew: skew, Hot: hot, Churn: churn, Grow: grow, Shrink: shrink}
		if p.Check() == nil {
			checkLife(t, p, seed, 300)
		}
	})
}
