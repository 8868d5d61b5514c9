package trace

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"informerlab/core/source"
	"informerlab/loadgen/arrival"
	"informerlab/loadgen/population"
)

// A Fitted is a synthetic twin of a resource of a trace: what a workload says that
// resembles it. Numbers are rounded to what WriteTOML prints.
type Fitted struct {
	Resource string
	Trace    string // its name
	Span     time.Duration

	Population population.Population
	Sizes      population.Sizes
	Rate       float64       // events per second, as recorded
	Peak       float64       // of bursts; 1 = a Poisson process
	Period     time.Duration // of bursts, as recorded

	// Recorded describes the resource, and Drawn what the twin makes in the same
	// time, or until it has made a million events.
	Recorded, Drawn ResourceInfo
}

// The windows in which events are counted for the fit of bursts.
const (
	shortWindow = rateWindow
	longWindow  = time.Second
)

const (
	// stretch is the time of a recording that a run of a twin stands for: many
	// bursts, and in a few seconds at ten times the recorded pace.
	stretch = 25 * time.Second
	// longestBurst bounds the mean period of bursts, so that a stretch has some. What
	// lasts longer is a phase of the recording, of which a twin has none.
	longestBurst = 5 * time.Second
	// leastInPeriod is how many events are in a period, on average.
	leastInPeriod = 10
	// leastShare is the percentage of additions or deletions below which a
	// population is taken for fixed: what came at a cluster's start is no habit.
	leastShare = 2
	// leastSkew is an exponent below which zipf and recent are uniform.
	leastSkew = 0.01
	// enoughEvents is from how many events on the fit looks for bursts and skew:
	// fewer look like both, whatever they came from.
	enoughEvents = 100
	// mostDeleted is how many deleted keys of a resource a fit remembers, to know a
	// key that comes back from a new one.
	mostDeleted = 1 << 16
	// mostRate and highestPeak are what package arrival takes.
	mostRate, highestPeak = 10_000_000, 1000
	// mostKeys is what package population takes.
	mostKeys = 10_000_000
	// mostDrawn bounds the events that Drawn is made of.
	mostDrawn = 1_000_000
)

// Fit reads a trace to its end and returns a synthetic twin of each resource
// that has events, by name. Beside what the Reader and Describe remember it holds the last
// 65536 deleted keys of each resource.
//
// Rates are the recorded ones, over all of the trace: cut it for those of a part.
// So are the shares of additions and deletions, unless they are below 2 %. Bursts
// are fitted by FitBursts to windows of 100 ms and 1 s; a period is 5 s at most,
// or as long as ten events take. Sizes are fitted by moments: a lognormal size
// with the recorded mean m and variance v has sigma² = ln(1+v/m²).
//
// The exponents of the picks zipf and recent are the most likely ones; ranks by what
// was seen make that of zipf too large where keys have only a few updates each. Of
// all picks the twin has the one with which it comes nearest to the recorded
// ResourceInfo: the sum of differences of the shares that can be coalesced and
// of that of the busiest tenth of keys is the least. Fewer than 100 events are
// taken for a Poisson process, fewer than 100 MODIFIED for uniform keys.
//
// A twin has no phases, such as a rollout and the quiet after it; the highest of
// its bursts are lower than the recorded ones, as all are equally high; its
// sizes do not depend on the key, nor its changes on what another resource does.
func Fit(r *Reader) ([]Fitted, error) {
	f := map[string]*fitter{}
	recorded := newDescriber()
	var rec Record
	err := r.Next(&rec)
	for ; err == nil; err = r.Next(&rec) {
		recorded.take(&rec)
		fit := f[string(rec.Resource)]
		if fit == nil {
			fit = newFitter()
			f[string(rec.Resource)] = fit
		}
		fit.take(&rec)
	}
	if err != io.EOF {
		return nil, err
	}
	var all []Fitted
	for _, info := range recorded.infos() {
		if info.Events() > 0 {
			fitted, err := f[info.Name].fitted(r.Name(), info, recorded.last)
			if err != nil {
				return nil, fmt.Errorf("trace: fit of %s: %w", info.Name, err)
			}
			all = append(all, fitted)
		}
	}
	return all, nil
}

// A fitter collects what the fit of one resource needs.
type fitter struct {
	keys        map[string]*fitLife
	deleted     map[string]struct{} // the last keys that were deleted
	recently    []string            // the same in a ring, the oldest at next
	next        int
	start, last int64 // the end of the list, the event before
	listed      bool
	alive       float64 // the integral of the number of keys over time, in ns
	readded     int64
	updates     tally
	recent      recency
	modified    float64 // how many
	rankLogs    float64 // of the ranks by recency of MODIFIED, summed up
	amongLogs   float64 // of how many keys there were then
	sizes       moments
	short, long windowCount
}

// A fitLife is what a fit knows of a key that exists.
type fitLife struct {
	updates int64 // MODIFIED
	slot    int   // of the recency; 0 = none
}

func newFitter() *fitter {
	return &fitter{keys: map[string]*fitLife{}, deleted: map[string]struct{}{}, updates: tally{}}
}

func (f *fitter) take(rec *Record) {
	if rec.Type == source.Bookmark {
		if rec.Initial {
			f.listed, f.start, f.last = true, rec.T, rec.T
		}
		return
	}
	f.sizes.add(float64(rec.Size))
	if f.listed {
		f.alive += float64(len(f.keys)) * float64(rec.T-f.last)
		f.last = rec.T
		f.short.add((rec.T - f.start) / int64(shortWindow))
		f.long.add((rec.T - f.start) / int64(longWindow))
	}
	key := string(rec.Key)
	l := f.keys[key]
	switch rec.Type {
	case source.Added:
		l = &fitLife{}
		f.keys[key] = l
		if _, again := f.deleted[key]; again && !rec.Initial {
			f.readded++
			delete(f.deleted, key)
		}
	case source.Modified:
		f.update(l)
	case source.Deleted:
		f.updates.add(l.updates)
		f.recent.leave(l)
		delete(f.keys, key)
		f.remember(key)
		return
	}
	f.recent.touch(l)
}

// update takes account of an update.
func (f *fitter) update(l *fitLife) {
	f.rankLogs += math.Log(float64(f.recent.rank(l)))
	f.amongLogs += math.Log(float64(f.recent.taken))
	f.modified++
	l.updates++
}

// remember notes that a key was deleted, in place of the oldest if there is no room.
func (f *fitter) remember(key string) {
	if len(f.recently) < mostDeleted {
		f.recently = append(f.recently, key)
	} else {
		delete(f.deleted, f.recently[f.next])
		f.recently[f.next] = key
		f.next = (f.next + 1) % mostDeleted
	}
	f.deleted[key] = struct{}{}
}

func (f *fitter) fitted(name string, recorded ResourceInfo, end int64) (Fitted, error) {
	for _, l := range f.keys {
		f.updates.add(l.updates)
	}
	f.short.end((end - f.start) / int64(shortWindow))
	f.long.end((end - f.start) / int64(longWindow))
	span := max(end-f.start, 1)
	events := float64(recorded.Events())
	out := Fitted{
		Resource: recorded.Name, Trace: name, Span: time.Duration(span), Recorded: recorded,
		Rate: min(round(events/(float64(span)/1e9)), mostRate),
	}
	// Shares are rounded down, so that they never make more than 100 together.
	share := func(n int64) float64 {
		percent := math.Floor(100*100*float64(n)/events) / 100
		if percent < leastShare {
			return 0
		}
		return percent
	}
	p := &out.Population
	keys := (f.alive + float64(len(f.keys))*float64(end-f.last)) / float64(span)
	p.Keys = min(max(1, int(math.Round(keys))), mostKeys)
	p.Churn = share(2 * f.readded)
	p.Grow, p.Shrink = share(recorded.Added-f.readded), share(recorded.Deleted-f.readded)
	out.Sizes.Mean = int(math.Round(f.sizes.mean))
	if f.sizes.mean > 0 {
		out.Sizes.Sigma = round(math.Sqrt(math.Log(1 + f.sizes.variation())))
	}
	out.Peak, out.Period = f.bursts(recorded.Events(), out.Rate)
	return out, out.resemble(f.picks())
}

// resemble draws the twin with each pick that there is, and keeps the one that
// comes nearest to what was recorded.
func (f *Fitted) resemble(picks []population.Population) error {
	least := math.Inf(1)
	for _, p := range picks {
		twin := *f
		twin.Population.Pick, twin.Population.Skew = p.Pick, p.Skew
		var err error
		if twin.Drawn, err = twin.draw(); err != nil {
			return err
		}
		if miss := twin.miss(); miss < least {
			least, *f = miss, twin
		}
	}
	return nil
}

// miss tells how far the shares that a buffer feels are from the recorded ones.
func (f *Fitted) miss() float64 {
	sum := math.Abs(f.Drawn.Lives.Top10 - f.Recorded.Lives.Top10)
	for i, share := range f.Recorded.Coalescible {
		sum += math.Abs(f.Drawn.Coalescible[i] - share)
	}
	return sum
}

// picks returns how the keys of MODIFIED may be picked.
func (f *fitter) picks() []population.Population {
	all := []population.Population{{Pick: "uniform"}}
	if f.modified < enoughEvents {
		return all
	}
	lives, meanLog := f.updates.ranks()
	zipf := fitZipf(lives, meanLog)
	among := math.Exp(f.amongLogs / f.modified)
	recent := fitZipf(int64(math.Round(among)), f.rankLogs/f.modified)
	for _, p := range []population.Population{{Pick: "zipf", Skew: zipf}, {Pick: "recent", Skew: recent}} {
		if p.Skew = round(p.Skew); p.Skew >= leastSkew {
			all = append(all, p)
		}
	}
	return append(all, population.Population{Pick: "turns"})
}

// bursts fits the arrival process.
func (f *fitter) bursts(events int64, rate float64) (peak float64, period time.Duration) {
	if events < enoughEvents {
		return 1, 0
	}
	peak, period = FitBursts(rate, shortWindow, f.short.dispersion(), longWindow, f.long.dispersion())
	least := time.Duration(leastInPeriod / rate * 1e9)
	peak, period = min(round(peak), highestPeak), min(max(period, least), max(longestBurst, least))
	if peak <= 1 {
		return 1, 0
	}
	return peak, time.Duration(round(float64(period)))
}

// draw returns what the twin makes.
func (f *Fitted) draw() (ResourceInfo, error) {
	d, random := newDescriber(), rand.New(rand.NewPCG(1, 1))
	life := f.Population.Begin(random)
	rec := Record{Resource: []byte(f.Resource), Type: source.Added, Initial: true}
	happen := func(key uint32) {
		rec.Key = strconv.AppendUint(rec.Key[:0], uint64(key), 10)
		rec.Size = int64(f.Sizes.Draw(random))
		d.take(&rec)
	}
	for key := range uint32(f.Population.Keys) {
		happen(key)
	}
	rec.Initial = false
	process, err := f.arrival()
	if err != nil {
		return ResourceInfo{}, err
	}
	for due := range process.Times(rand.New(rand.NewPCG(1, 2))) {
		if due > f.Span || d.all.result.Events() == mostDrawn {
			break
		}
		rec.T = int64(due)
		var key uint32
		key, rec.Type = life.Next()
		happen(key)
	}
	return d.infos()[0], nil
}

func (f *Fitted) arrival() (arrival.Process, error) {
	if f.Peak == 1 {
		return arrival.New("poisson", arrival.Options{PerSecond: f.Rate})
	}
	return arrival.New("bursts", arrival.Options{PerSecond: f.Rate, Peak: f.Peak, Period: f.Period})
}

// round returns x with four digits.
func round(x float64) float64 {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 4, 64), 64) // it has just been formatted
	return rounded
}

// Moments are those of numbers that come one by one, by B. P. Welford's method
// ("Note on a method for calculating corrected sums of squares and products",
// Technometrics 4(3), 1962).
type moments struct{ count, mean, squares float64 }

func (m *moments) add(x float64) {
	m.count++
	off := x - m.mean
	m.mean += off / m.count
	m.squares += float64(off * (x - m.mean))
}

// variation returns the variance over the square of the mean, which is not 0.
func (m *moments) variation() float64 { return m.squares / m.count / (m.mean * m.mean) }

// A windowCount counts events in windows, and keeps the moments of the counts.
type windowCount struct {
	window, inside int64
	count          int64 // of windows that are over
	sum, squares   float64
}

func (c *windowCount) add(window int64) {
	c.end(window)
	c.inside++
}

// end ends all windows before another one.
func (c *windowCount) end(window int64) {
	if window == c.window {
		return
	}
	n := float64(c.inside)
	c.sum, c.squares = c.sum+n, c.squares+float64(n*n)
	c.count += window - c.window
	c.window, c.inside = window, 0
}

// dispersion returns the variance of the counts over their mean: 1 for a Poisson
// process, more for bursts.
func (c *windowCount) dispersion() float64 {
	mean := c.sum / float64(max(c.count, 1))
	if mean == 0 {
		return 0
	}
	return (c.squares/float64(c.count) - float64(mean*mean)) / mean
}
