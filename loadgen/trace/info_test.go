package trace

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/source"
)

// naive describes a trace the dumb way: with all records at hand, and a loop for
// each question.
type naive struct {
	records []*Record // of one resource, or of all
	end     int64
}

func (n naive) name(r *Record) string { return string(r.Resource) + " " + string(r.Key) }

func (n naive) events() (events []*Record) {
	for _, r := range n.records {
		if !r.Initial && r.Type != source.Bookmark {
			events = append(events, r)
		}
	}
	return events
}

func (n naive) perWindow() []float64 {
	counts := make([]float64, n.end/int64(rateWindow)+1)
	for _, e := range n.events() {
		counts[e.T/int64(rateWindow)]++
	}
	return counts
}

func (n naive) gaps() (gaps []float64) {
	events := n.events()
	for i := 1; i < len(events); i++ {
		gaps = append(gaps, float64(events[i].T-events[i-1].T))
	}
	return gaps
}

func (n naive) sizes() (sizes []float64) {
	for _, r := range n.records {
		if r.Type != source.Bookmark {
			sizes = append(sizes, float64(r.Size))
		}
	}
	return sizes
}

func (n naive) lives() (lives []float64) {
	current := map[string]int{}
	for _, r := range n.records {
		if r.Type == source.Bookmark {
			continue
		}
		if r.Type == source.Added {
			current[n.name(r)] = len(lives)
			lives = append(lives, 0)
		}
		lives[current[n.name(r)]]++
	}
	return lives
}

func (n naive) coalescible(window time.Duration) float64 {
	events := n.events()
	followed := 0
	next := map[string]int64{}
	for _, e := range slices.Backward(events) {
		if t, ok := next[n.name(e)]; ok && t-e.T <= int64(window) {
			followed++
		}
		next[n.name(e)] = e.T
	}
	return float64(followed) / float64(len(events))
}

func (n naive) stalled(window time.Duration) (best Backlog) {
	events := n.events()
	bestLast, first := 0, 0
	for last := range events {
		for events[last].T-events[first].T >= int64(window) {
			first++
		}
		if count := int64(last - first + 1); count > best.Events {
			best.Events, bestLast = count, last
		}
	}
	keys := map[string]bool{}
	for _, e := range events[bestLast+1-int(best.Events) : bestLast+1] {
		best.Bytes += e.Size
		keys[n.name(e)] = true
	}
	best.Keys = int64(len(keys))
	return best
}

func mean(values []float64) (mean float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	return mean
}

// quantile returns the smallest value that so many percent of all do not exceed.
func quantile(values []float64, percent int) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, (len(sorted)*percent+99)/100-1)]
}

func topShare(values []float64, oneIn int) float64 {
	sorted := slices.SortedFunc(slices.Values(values), func(a, b float64) int { return cmp.Compare(b, a) })
	return mean(sorted[:(len(sorted)+oneIn-1)/oneIn]) * float64((len(sorted)+oneIn-1)/oneIn) /
		(mean(sorted) * float64(len(sorted)))
}

// gini is half the mean difference of all pairs, over the mean.
func gini(values []float64) float64 {
	n := float64(len(values))
	sum := 0.0
	for _, a := range values {
		for _, b := range values {
			sum += math.Abs(a - b)
		}
	}
	return sum / (2 * n * n * mean(values))
}

func checkQuantiles(t *testing.T, want []float64, got Quantiles, what string) {
	t.Helper()
	const precision = 0.002 // of the histogram, twice
	assert.InEpsilon(t, 1+mean(want), 1+got.Mean, 1e-9, what)
	assert.InEpsilon(t, 1+quantile(want, 50), 1+float64(got.P50), precision, what)
	assert.Equal(t, quantile(want, 100), float64(got.Max), what)
	// The histogram may round a rank the other way than we do.
	assert.GreaterOrEqual(t, float64(got.P99), quantile(want, 98)*(1-precision), what)
	assert.LessOrEqual(t, float64(got.P99), quantile(want, 99)*(1+precision), what)
}

func checkInfo(t *testing.T, n naive, got ResourceInfo) {
	t.Helper()
	checkQuantiles(t, n.perWindow(), got.PerWindow, got.Name+" per window")
	checkQuantiles(t, n.gaps(), got.Gaps, got.Name+" gaps")
	checkQuantiles(t, n.sizes(), got.Sizes, got.Name+" sizes")
	lives := n.lives()
	assert.Equal(t, int64(len(lives)), got.Lives.Count)
	assert.InEpsilon(t, mean(lives), got.Lives.Mean, 1e-9)
	assert.Equal(t, quantile(lives, 99), float64(got.Lives.P99))
	assert.Equal(t, quantile(lives, 100), float64(got.Lives.Max))
	assert.InEpsilon(t, topShare(lives, 100), got.Lives.Top1, 1e-9)
	assert.InEpsilon(t, topShare(lives, 10), got.Lives.Top10, 1e-9)
	few := 10_000 // whose pairs are looked at in no time
	if testing.Short() {
		few = 2000
	}
	if len(lives) < few {
		assert.InDelta(t, gini(lives), got.Lives.Gini, 1e-9, got.Name)
	}
	for i, w := range CoalesceWindows {
		assert.InDelta(t, n.coalescible(w), got.Coalescible[i], 1e-12, "%s within %v", got.Name, w)
	}
	for i, w := range StallWindows {
		assert.Equal(t, n.stalled(w), got.Stalled[i], "%s stalled for %v", got.Name, w)
	}
}

func TestDescribeAgreesWithANaiveReading(t *testing.T) {
	records := allRecords(t, recording(t))
	r, err := recording(t)()
	require.NoError(t, err)
	defer r.Close()
	info, err := Describe(r)
	require.NoError(t, err)
	byName := map[string][]*Record{}
	for _, rec := range records {
		byName[string(rec.Resource)] = append(byName[string(rec.Resource)], rec)
	}
	require.Len(t, info.Resources, len(byName))
	end := records[len(records)-1].T
	assert.Equal(t, time.Duration(end), info.Length)
	for _, got := range info.Resources {
		checkInfo(t, naive{byName[got.Name], end}, got)
	}
	checkInfo(t, naive{records, end}, info.All)
	assert.Equal(t, int64(10), info.All.Initial)
	if !testing.Short() {
		assert.Equal(t, int64(187_682), info.All.Events())
		assert.Equal(t, int64(183), info.All.Bookmarks)
	}
}

// A key that comes back within the windows is the same key, in a life of its own.
func TestDescribeKnowsKeysThatComeBack(t *testing.T) {
	const text = `{"t":0,"resource":"pods","type":"BOOKMARK","initial":true,"rv":"1"}
{"t":1000000000,"resource":"pods","type":"ADDED","key":"a","rv":"2","size":7}
{"t":1005000000,"resource":"pods","type":"DELETED","key":"a","rv":"3","size":7}
{"t":1500000000,"resource":"pods","type":"ADDED","key":"a","rv":"4","size":7}
{"t":90000000000,"resource":"pods","type":"DELETED","key":"a","rv":"5","size":7}
{"t":190000000000,"resource":"pods","type":"ADDED","key":"a","rv":"6","size":7}
`
	r, err := NewReader(strings.NewReader(text), "x")
	require.NoError(t, err)
	info, err := Describe(r)
	require.NoError(t, err)
	assert.Equal(t, [4]float64{0.2, 0.2, 0.4, 0.4}, info.All.Coalescible)
	want := Lives{Count: 3, Mean: 5.0 / 3, P99: 2, Max: 2, Top1: 0.4, Top10: 0.4, Gini: 2.0 / 15}
	assert.Equal(t, want, info.All.Lives)
	assert.Equal(t, Backlog{3, 1, 21}, info.Resources[0].Stalled[0])
	var out strings.Builder
	require.NoError(t, info.Write(&out))
	assert.Contains(t, out.String(), "version 0, compact, plain; 5 events in 190.0 s")
	assert.Regexp(t, `pods +20\.0% +20\.0% +40\.0% +40\.0%`, out.String())
}

// Windows are as long as they say to the nanosecond, and a key that is deleted
// and comes back at the same time is not forgotten.
func TestDescribeAtTheEdges(t *testing.T) {
	const text = `{"t":0,"resource":"pods","type":"BOOKMARK","initial":true,"rv":"1"}
{"t":0,"resource":"pods","type":"ADDED","key":"a","rv":"2"}
{"t":1000000000,"resource":"pods","type":"DELETED","key":"a","rv":"3"}
{"t":1000000000,"resource":"pods","type":"ADDED","key":"a","rv":"4"}
{"t":40000000000,"resource":"pods","type":"MODIFIED","key":"a","rv":"5"}
{"t":41000000001,"resource":"pods","type":"MODIFIED","key":"a","rv":"6"}
`
	r, err := NewReader(strings.NewReader(text), "x")
	require.NoError(t, err)
	info, err := Describe(r)
	require.NoError(t, err)
	assert.Equal(t, [4]float64{0.2, 0.2, 0.4, 0.6}, info.All.Coalescible)
	assert.Equal(t, int64(2), info.All.Stalled[0].Events)
	assert.Equal(t, int64(2), info.All.Lives.Count)
	assert.Equal(t, int64(3), info.All.Lives.Max)
}
