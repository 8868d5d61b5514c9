package coalescing

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTable compares with a map, with hashes that are good, mostly equal, and equal
// in the bits that matter.
func TestTable(t *testing.T) {
	for name, hash := range map[string]func(key int) uint64{
		"good":        func(key int) uint64 { return uint64(key) * 0x9e3779b97f4a7c15 },
		"few":         func(key int) uint64 { return uint64(key % 5) },
		"same bucket": func(key int) uint64 { return uint64(key) << 40 },
	} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			var tab table[int, int]
			there := map[int][]*entry[int, int]{} // oldest first
			n := 0
			steps := 40000
			if name != "good" {
				steps = 3000 // each walks through all
			}
			for step := range steps {
				key := rng.IntN(2000)
				grows := step/(steps/8)%2 == 0
				if stack := there[key]; len(stack) > 0 && (!grows || rng.IntN(4) == 0) {
					which := rng.IntN(len(stack))
					tab.remove(stack[which])
					there[key] = slices.Delete(stack, which, which+1)
					n--
				} else if grows || rng.IntN(10) == 0 {
					e := &entry[int, int]{hash: hash(key), key: key}
					tab.insert(e)
					there[key] = append(stack, e)
					n++
				}
				require.Equal(t, n, tab.len)
				stack := there[key]
				found := tab.find(hash(key), &key)
				if len(stack) == 0 {
					require.Nil(t, found)
				} else {
					require.Same(t, stack[len(stack)-1], found)
				}
				if step%500 == 0 {
					checkTable(t, &tab)
				}
			}
			for key, stack := range there {
				for len(stack) > 0 {
					require.Same(t, stack[len(stack)-1], tab.find(hash(key), &key))
					tab.remove(stack[len(stack)-1])
					stack = stack[:len(stack)-1]
				}
				require.Nil(t, tab.find(hash(key), &key))
			}
			checkTable(t, &tab)
		})
	}
}

func checkTable(t *testing.T, tab *table[int, int]) {
	require.LessOrEqual(t, minPer*tab.len, tab.count)
	require.LessOrEqual(t, tab.count, max(keptBuckets, maxPer*tab.len))
	require.Less(t, tab.mask/2, tab.count)
	require.LessOrEqual(t, tab.count, tab.mask+1)
	require.Equal(t, (tab.count+blockLen-1)/blockLen, len(tab.blocks))
	n := 0
	for i := range len(tab.blocks) * blockLen {
		for e := *tab.bucket(i); e != nil; e = e.chain {
			require.Same(t, tab.bucket(i), tab.home(e.hash))
			n++
		}
	}
	require.Equal(t, tab.len, n)
}

// TestTableChangesLittleAtATime fills a large table and empties it.
func TestTableChangesLittleAtATime(t *testing.T) {
	var tab table[int, int]
	entries := make([]entry[int, int], 50000)
	before := 0
	for k := range entries {
		entries[k].hash = uint64(k) * 0x9e3779b97f4a7c15
		tab.insert(&entries[k])
		if k > blockLen {
			require.LessOrEqual(t, tab.count, before+minPer)
		}
		before = tab.count
	}
	peak := cap(tab.blocks)
	for k := range entries {
		tab.remove(&entries[k])
		require.GreaterOrEqual(t, tab.count, before-maxPer)
		before = tab.count
		for i := tab.count; i < len(tab.blocks)*blockLen; i++ {
			if e := *tab.bucket(i); e != nil {
				require.Nil(t, e, "a bucket not in use")
			}
		}
	}
	require.Equal(t, keptBuckets, tab.count)
	require.LessOrEqual(t, cap(tab.blocks), 4*keptBuckets/blockLen)
	require.Greater(t, peak, cap(tab.blocks))
}
