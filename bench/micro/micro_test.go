package micro

import (
	"bytes"
	"cmp"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/bench/stats"
	"informerlab/core/buffer"
	"informerlab/core/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func BenchmarkStream(b *testing.B)     { bench(b, "Stream") }
func BenchmarkMixed(b *testing.B)      { bench(b, "Mixed") }
func BenchmarkBurst(b *testing.B)      { bench(b, "Burst") }
func BenchmarkWorst(b *testing.B)      { bench(b, "Worst") }
func BenchmarkCollection(b *testing.B) { bench(b, "Collection") }
func BenchmarkUpdates(b *testing.B)    { bench(b, "Updates") }
func BenchmarkWake(b *testing.B)       { bench(b, "Wake") }
func BenchmarkFootprint(b *testing.B)  { bench(b, "Footprint") }
func BenchmarkIdle(b *testing.B)       { bench(b, "Idle") }

func bench(b *testing.B, family string) {
	benchKind(b, family, boxed, Ours[any]())
	benchKind(b, family, notifications, Ours[event.Notification]())
}

// benchKind runs the measurements of a family, one benchmark each. An operation
// is a whole run; the figures are medians of the runs.
func benchKind[T any](b *testing.B, family string, k kind[T], all []Contestant[T]) {
	for _, m := range measurements[T]() {
		for _, c := range all {
			if m.family != family || !m.fits(c.Traits) {
				continue
			}
			b.Run(m.label(k, c.Name), func(b *testing.B) {
				r := row{name: c.Name}
				for b.Loop() {
					figures, err := m.measure(c, k, m.count)
					require.NoError(b, err)
					r.runs = append(r.runs, figures)
				}
				b.ReportMetric(0, "ns/op") // it would count the preparations
				for column, f := range r.runs[0] {
					b.ReportMetric(stats.Median(r.values(column)), f.unit)
				}
			})
		}
	}
}

// TestEveryMeasurementRuns runs each once, small, for every contestant.
func TestEveryMeasurementRuns(t *testing.T) {
	runEach(t, boxed, Ours[any]())
	runEach(t, notifications, Ours[event.Notification]())
}

func runEach[T any](t *testing.T, k kind[T], all []Contestant[T]) {
	null, err := find(all, "null")
	require.NoError(t, err)
	for _, m := range measurements[T]() {
		for _, c := range append(all, null) {
			if !m.fits(c.Traits) || m.family == "Idle" && c.Name != "reference" {
				continue
			}
			t.Run(m.family+"/"+m.label(k, c.Name), func(t *testing.T) {
				count := 256
				if m.family == "Wake" || m.family == "Footprint" {
					count = 10
				}
				figures, err := m.measure(c, k, count)
				require.NoError(t, err)
				require.NotEmpty(t, figures)
				for _, f := range figures {
					assert.NotEmpty(t, f.unit)
				}
			})
		}
	}
}

// TestFootprintIsSmall holds all but client-go's to a KiB, unused.
func TestFootprintIsSmall(t *testing.T) {
	for _, c := range Ours[any]() {
		figures, err := subject[any]{c, boxed, 256}.footprint()
		require.NoError(t, err)
		if c.Name == "reference" {
			assert.Greater(t, figures[0].value, 16384.0, "its ring of 1,024 slots")
			continue
		}
		assert.LessOrEqual(t, figures[0].value, 1024.0, c.Name)
		assert.Positive(t, figures[0].value, c.Name)
	}
}

// A faulty queue spoils what comes out of a sound one.
type faulty struct {
	Queue[any]
	spoil func(dst []any, n int) int
}

func (f *faulty) Pop(dst []any) int { return f.spoil(dst, f.Queue.Pop(dst)) }

func TestFaultsAreFound(t *testing.T) {
	ring, err := find(Ours[any](), "ring")
	require.NoError(t, err)
	for want, spoil := range map[string]func(dst []any, n int) int{
		"popped 6": func(dst []any, n int) int { return max(n-1, min(n, 1)) },
		"out of turn": func(dst []any, n int) int {
			if n > 1 {
				dst[0], dst[1] = dst[1], dst[0]
			}
			return n
		},
	} {
		c := Contestant[any]{"faulty", ring.Traits, func(p buffer.Params[any]) Queue[any] {
			return &faulty{ring.New(p), spoil}
		}}
		_, err := subject[any]{c, boxed, 640}.stream(1, 64)
		require.ErrorContains(t, err, want)
	}
}

// run measures a plan. What it leaves out is as lab micro has it.
func run(p Plan) (string, error) {
	p.Item, p.Base = cmp.Or(p.Item, "any"), "reference"
	var out bytes.Buffer
	err := p.Run(context.Background(), &out, nil)
	return out.String(), err
}

func TestTable(t *testing.T) {
	out, err := run(Plan{
		Match: "Footprint", Buffers: []string{"reference", "ring", "bounded:drop-oldest,cap=7"}, Rounds: 2,
	})
	require.NoError(t, err)
	lines := strings.Split(out, "\n")
	assert.Regexp(t, `^Footprint/item=any +B/queue +vs reference`, lines[0])
	assert.Regexp(t, `^reference +\S+ \w*B *$`, lines[1])
	assert.Regexp(t, `^ring +\S+ B +\S+ \[.*\] *$`, lines[2])
	assert.Regexp(t, `^bounded:drop-oldest,cap=7 +\S+ `, lines[3])
	assert.Contains(t, out, "Medians of 2 rounds")
}

func TestRaw(t *testing.T) {
	out, err := run(Plan{Raw: true, Match: "Footprint", Item: "notification", Buffers: []string{"ring"}, Rounds: 3})
	require.NoError(t, err)
	assert.Equal(t, 3, strings.Count(out, "BenchmarkFootprint/buffer=ring/item=notification 256 "))
}

func TestWrongPlans(t *testing.T) {
	for want, p := range map[string]Plan{
		"missing closing )":                                {Match: "(", Rounds: 1},
		`no measurement matches "Nothing"`:                 {Match: "Nothing", Rounds: 1},
		`no buffer is named "rink"`:                        {Buffers: []string{"rink"}, Rounds: 1},
		"cap must be a number from 1 on":                   {Buffers: []string{"bounded:drop-oldest,cap=0"}, Rounds: 1},
		"0 rounds: expected at least 1":                    {},
		`unknown item "int": expected any or notification`: {Item: "int", Rounds: 1},
	} {
		out, err := run(p)
		require.ErrorIs(t, err, ErrInput, want)
		assert.ErrorContains(t, err, want)
		assert.Empty(t, out, want)
	}
	assert.Contains(t, Names(), "Stream/producers=4/batch=64")
}

func TestRatio(t *testing.T) {
	assert.Equal(t, "2.00× [2.00, 2.00×]", ratio([]float64{2, 4, 2}, []float64{4, 8, 4}))
	assert.Empty(t, ratio([]float64{2}, []float64{0}))
}
