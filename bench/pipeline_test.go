package bench_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/bench/contestants"
	"informerlab/bench/worker"
	"informerlab/loadgen"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A benchmark is a workload in two sizes: one to measure, and one so small that
// every test run can afford it.
type benchmark struct{ measured, tiny string }

var benchmarks = []benchmark{
	{"saturate:listeners=0", "saturate:listeners=0,events=300,keys=20,churn=20"},
	{"saturate:listeners=1", "saturate:listeners=1,events=300,keys=20,churn=20"},
	{"saturate:listeners=8", "saturate:listeners=8,events=300,keys=20"},
	{"saturate:listeners=64", "saturate:listeners=64,events=300,keys=20"},
	{"steady", "steady:events=200,rate=20000,keys=20"},
	{"stall:events=100000", "stall:events=3000,keys=20"},
	{"stall:stalled=0,events=100000", "stall:stalled=0,events=3000,keys=20"},
	{"freeze:prefill=100000,seconds=1", "freeze:prefill=3000,rate=20000,seconds=0.01,keys=20"},
	{"replay:speed=max", "replay:speed=max,trace=../loadgen/testdata/small.ndjson"},
	{"replay:speed=1000", "replay:speed=1000,trace=../loadgen/testdata/small.ndjson"},
}

// prepare returns a session, with the workload as it is named in results.
func prepare(tb testing.TB, c worker.Contestant, label string) (*worker.Session, loadgen.Workload) {
	tb.Helper()
	w, err := loadgen.ParseWorkload(label)
	require.NoError(tb, err)
	session, err := worker.Prepare(c, w)
	require.NoError(tb, err)
	return session, w
}

// fitting returns the contestants for which the workload makes sense.
func fitting(tb testing.TB, label string) (fit []worker.Contestant) {
	tb.Helper()
	w, err := loadgen.ParseWorkload(label)
	require.NoError(tb, err)
	for _, c := range contestants.Ours() {
		if worker.Fits(c.Traits, w) == nil {
			fit = append(fit, c)
		}
	}
	return fit
}

// BenchmarkPipeline runs every workload with every buffer. An operation is a
// whole run; the figures per event are means over the runs.
func BenchmarkPipeline(b *testing.B) {
	for _, bm := range benchmarks {
		for _, c := range fitting(b, bm.measured) {
			w, err := loadgen.ParseWorkload(bm.measured)
			require.NoError(b, err)
			b.Run(w.BenchName()+"/buffer="+c.Name, func(b *testing.B) {
				session, _ := prepare(b, c, bm.measured)
				sums := map[string]float64{}
				for b.Loop() {
					result, err := session.Run()
					require.NoError(b, err)
					for _, metric := range result.Metrics() {
						sums[metric.Unit] += metric.Value
					}
				}
				for unit, sum := range sums {
					b.ReportMetric(sum/float64(b.N), unit)
				}
			})
		}
	}
}

// TestEveryBenchmarkRuns runs each benchmark once in its small size.
func TestEveryBenchmarkRuns(t *testing.T) {
	for _, bm := range benchmarks {
		for _, c := range fitting(t, bm.tiny) {
			session, w := prepare(t, c, bm.tiny)
			t.Run(w.BenchName()+"/buffer="+c.Name, func(t *testing.T) {
				require.NoError(t, session.Warm())
				result, err := session.Run()
				require.NoError(t, err)
				assert.Positive(t, result.Events)
				assert.NotEmpty(t, result.Metrics())
			})
		}
	}
}
