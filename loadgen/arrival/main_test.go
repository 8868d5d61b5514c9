package arrival

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Tests draw with fixed seeds, so that they give the same answer each time.
const (
	seed    = 1
	million = 1_000_000
)

func newRNG(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// some are the options of tests that go through all kinds.
var some = Options{PerSecond: 20_000, Times: []time.Duration{5, 1005, 1005, 7777, 123_456}}

func build(t testing.TB, kind string, o Options) Process {
	p, err := New(kind, o)
	require.NoError(t, err)
	return p
}

// draw returns the first n times of a process, which have to be legal.
func draw(t testing.TB, p Process, n int) []time.Duration {
	times := make([]time.Duration, 0, n)
	last := time.Duration(0)
	for due := range p.Times(newRNG(seed)) {
		if due < last || due > maxTime {
			require.FailNow(t, "no legal time", "%v: time %d is %d ns after one of %d ns", p, len(times), due, last)
		}
		last = due
		if times = append(times, due); len(times) == n {
			break
		}
	}
	return times
}

func BenchmarkTimes(b *testing.B) {
	for _, kind := range Kinds() {
		b.Run("process="+kind, func(b *testing.B) {
			p := build(b, kind, some)
			b.ReportAllocs()
			left := b.N
			for range p.Times(newRNG(seed)) {
				if left--; left <= 0 {
					break
				}
			}
		})
	}
}
