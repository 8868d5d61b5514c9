package bench_test

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/contestants"
	"informerlab/bench/worker"
	"informerlab/core/buffer"
	"informerlab/loadgen"
	"informerlab/loadgen/cost"
)

// rho is the load of the queues here: the share of time for which a handler is busy.
const rho = 0.8

// A queueLaw is what queueing theory says of how long events wait for a handler
// when they come at random times. Times are in units of a call's mean cost.
type queueLaw struct {
	name, costs     string
	mean, deviation float64
	atMost          func(t float64) float64 // the probability to wait no longer than t
	// meanVariance is what n times the variance of the mean of n waits tends to,
	// which depend on one another.
	meanVariance float64
}

var (
	// mm1 has exponential costs. Its meanVariance follows from the serial
	// correlations of D. J. Daley, The serial correlation coefficients of waiting
	// times in a stationary single server queue, 1968.
	mm1 = queueLaw{
		name: "M/M/1", costs: "exponential",
		mean:      rho / (1 - rho),
		deviation: math.Sqrt(rho*(2-rho)) / (1 - rho),
		atMost:    func(t float64) float64 { return 1 - rho*math.Exp(-(1-rho)*t) },
		meanVariance: rho * (2 + 5*rho - 4*rho*rho + rho*rho*rho) /
			math.Pow(1-rho, 4),
	}
	// md1 has costs that are all the same. Mean and deviation are those of F.
	// Pollaczek and A. Y. Khinchine with the moments of such costs, the
	// distribution that of A. K. Erlang, The theory of probabilities and telephone
	// conversations, 1909. The meanVariance is the one for heavy traffic, which
	// grows with the cube of the sum of the squared coefficients of variation of
	// gaps and costs (W. Whitt, Planning queueing simulations, 1989).
	md1 = queueLaw{
		name: "M/D/1", costs: "fixed",
		mean:      rho / (1 - rho) / 2,
		deviation: math.Sqrt(math.Pow(rho/(1-rho)/2, 2) + rho/(1-rho)/3),
		atMost: func(t float64) (p float64) {
			factorial := 1.0
			for k := 0.0; k <= t; k++ {
				factorial *= max(1, k)
				p += math.Pow(rho*(k-t), k) / factorial * math.Exp(rho*(t-k))
			}
			return (1 - rho) * p
		},
		meanVariance: mm1.meanVariance / 8,
	}
)

// quantile returns the wait that is exceeded with a probability of 1-p.
func (q queueLaw) quantile(p float64) float64 {
	low, high := 0.0, 32.0 // far beyond, Erlang's sum of terms with both signs loses its digits
	for range 60 {
		if t := (low + high) / 2; q.atMost(t) < p {
			low = t
		} else {
			high = t
		}
	}
	return low
}

// waitFigures are the names of what figures returns.
var waitFigures = []string{"mean", "deviation", "p50", "p90", "p99", "share that waits"}

func (q queueLaw) figures() []float64 {
	return []float64{q.mean, q.deviation, q.quantile(0.5), q.quantile(0.9), q.quantile(0.99), rho}
}

func figures(h *hdrhistogram.Histogram) []float64 {
	all := []float64{h.Mean(), h.StdDev()}
	for _, percent := range []float64{50, 90, 99} {
		all = append(all, float64(h.ValueAtQuantile(percent)))
	}
	for i := range all {
		all[i] /= float64(queueCost)
	}
	atOnce := h.Distribution()[0].Count
	return append(all, 1-float64(atOnce)/float64(h.TotalCount()))
}

// queueCost is so much above the microsecond that histograms resolve that this
// makes no difference.
const queueCost = time.Millisecond

// workload returns one of random arrivals for a handler that sleeps.
func (q queueLaw) workload(t *testing.T, events int, seed uint64) loadgen.Workload {
	t.Helper()
	return parse(t, fmt.Sprintf("poisson:utilization=%v,cost=%v,costs=%s,work=sleep,seconds=0,events=%d,seed=%d",
		100*rho, queueCost, q.costs, events, seed))
}

// waits yields how long each event of a load waits for a handler whose calls take
// what cost returns, and the first one a stall more (D. V. Lindley, The theory of
// queues with a single server, 1952).
func waits(load *loadgen.Load, stall time.Duration, cost func() time.Duration) iter.Seq2[int, time.Duration] {
	return func(yield func(int, time.Duration) bool) {
		free := time.Duration(0)
		for i, due := range load.Due {
			begin := max(due, free)
			if !yield(i, begin-due) {
				return
			}
			free = begin + stall + cost()
			stall = 0
		}
	}
}

// predict returns the histogram of the waits for the one handler of a workload,
// and those of so many batches of events one after the other.
func predict(t *testing.T, w loadgen.Workload, batches int) (all *hdrhistogram.Histogram,
	each []*hdrhistogram.Histogram) {
	t.Helper()
	load := onlyLoad(t, w)
	spender := cost.Cost{Mean: w.Cost, Law: cmp.Or(w.Costs, "fixed"), Work: "sleep"}.Begin(w.Seed)
	for range load.Lists[0].Objects {
		spender.Next()
	}
	all = loadgen.NewHistogram()
	for range batches {
		each = append(each, loadgen.NewHistogram())
	}
	for i, wait := range waits(load, w.Stall, spender.Next) {
		require.NoError(t, all.RecordValue(int64(wait)))
		require.NoError(t, each[i*batches/len(load.Due)].RecordValue(int64(wait)))
	}
	return all, each
}

func onlyLoad(t *testing.T, w loadgen.Workload) *loadgen.Load {
	t.Helper()
	loads, err := w.Loads()
	require.NoError(t, err)
	require.Len(t, loads, 1)
	return loads[0]
}

// simulate plays a workload to its one handler in simulated time and returns
// what the recorder measured.
func simulate(t *testing.T, c worker.Contestant, w loadgen.Workload) (latency *hdrhistogram.Histogram) {
	t.Helper()
	load := onlyLoad(t, w)
	expect := load.Expect()
	synctest.Test(t, func(t *testing.T) {
		handler := w.NewRecorders(loadgen.Handling{Expect: expect})[0]
		p, err := c.New(t.Context(), load)
		require.NoError(t, err)
		defer p.Stop()
		require.NoError(t, p.AddHandler(handler, 0))
		require.NoError(t, p.Start())
		<-handler.Listed()
		start := time.Now()
		handler.Release(start)
		p.Release(start)
		<-handler.Done()
		require.NoError(t, handler.Check())
		latency = handler.Latency()
	})
	return latency
}

// assertSame compares two histograms bucket by bucket.
func assertSame(t *testing.T, predicted, measured *hdrhistogram.Histogram) {
	t.Helper()
	assert.True(t, predicted.Equals(measured), "%v: mean, deviation, p50, p90 and p99 in ms, share that waits; "+
		"expected %v", figures(measured), figures(predicted))
}

// lossless returns the contestants whose handlers hear of every event.
func lossless(t *testing.T, w loadgen.Workload) []worker.Contestant {
	t.Helper()
	all := slices.DeleteFunc(contestants.Ours(), func(c worker.Contestant) bool {
		return c.Traits.Loss != buffer.Lossless || worker.Fits(c.Traits, w) != nil
	})
	require.NotEmpty(t, all)
	return all
}

// TestWaitsAreThoseOfQueueingTheory plays two million random arrivals, a
// twentieth of them in short runs, to a handler that sleeps, in simulated time.
// The mean waits have standard errors that theory knows, so that 3 percent are
// several of them; those of all figures are estimated from twenty batches, far
// longer than waits depend on one another, and logged.
func TestWaitsAreThoseOfQueueingTheory(t *testing.T) {
	const batches = 20
	events := 2_000_000
	if testing.Short() {
		events /= 20
	}
	tolerance := 0.03 * math.Sqrt(2e6/float64(events))
	c, err := worker.Find(contestants.Ours(), "reference")
	require.NoError(t, err)
	for _, law := range []queueLaw{mm1, md1} {
		t.Run(law.name, func(t *testing.T) {
			t.Parallel()
			meanError := math.Sqrt(law.meanVariance/float64(events)) / law.mean
			require.Less(t, 3.5*meanError, tolerance, "standard errors of the mean")
			t.Logf("mean: theory has a standard error of %.2f %%", 100*meanError)
			w := law.workload(t, events, 1)
			measured := simulate(t, c, w)
			require.EqualValues(t, events+1, measured.TotalCount())
			predicted, parts := predict(t, w, batches)
			assertSame(t, predicted, measured)
			figuresOf := [][]float64{}
			for _, part := range parts {
				figuresOf = append(figuresOf, figures(part))
			}
			found, theory := figures(measured), law.figures()
			for i, name := range waitFigures {
				deviation := found[i]/theory[i] - 1
				t.Logf("%-16s %8.4f, theory %8.4f: %+.2f %%, standard error %.2f %%",
					name, found[i], theory[i], 100*deviation, 100*standardError(figuresOf, i)/theory[i])
				assert.InDelta(t, 0, deviation, tolerance, "%s: %.4f, theory %.4f", name, found[i], theory[i])
			}
		})
	}
}

// standardError returns that of the mean of column i, from the spread of the rows.
func standardError(rows [][]float64, i int) float64 {
	n := float64(len(rows))
	var sum, squares float64
	for _, row := range rows {
		sum += row[i]
		squares += row[i] * row[i]
	}
	return math.Sqrt((squares/n - sum*sum/n/n) / (n - 1))
}

// TestWaitsDoNotDependOnTheBuffer shows that in simulated time no lossless
// buffer adds anything to the waits, and that these depend on the seed alone.
func TestWaitsDoNotDependOnTheBuffer(t *testing.T) {
	events := 20_000
	if testing.Short() {
		events /= 4
	}
	for _, law := range []queueLaw{mm1, md1} {
		w := law.workload(t, events, 7)
		predicted, _ := predict(t, w, 1)
		for _, c := range lossless(t, w) {
			t.Run(law.name+"/buffer="+c.Name, func(t *testing.T) {
				assertSame(t, predicted, simulate(t, c, w))
			})
		}
		c := lossless(t, w)[0]
		assertSame(t, simulate(t, c, w), simulate(t, c, law.workload(t, events, 7)))
		assert.False(t, predicted.Equals(simulate(t, c, law.workload(t, events, 8))), "another seed")
	}
}
