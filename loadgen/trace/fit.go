package trace

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"informerlab/core/source"
)

// A Fitted is a synthetic workload that resembles a resource of a trace, and how
// well it does. Shares are in percent of all events.
type Fitted struct {
	Resource string
	Events   int64         // behind the initial list, bookmarks apart
	Span     time.Duration // from the end of the initial list to the end of the trace

	Rate                float64 // events per second
	Bursts              Bursts
	Keys                int64 // that existed, averaged over time
	KeysEnd, KeysMost   int64
	Skew                float64 // of MODIFIED over all lives
	Top10, Top10Model   float64 // the share of MODIFIED that the busiest tenth of lives have
	Churn, Grow, Shrink float64
	Size                float64 // bytes, mean
	Sigma               float64 // of the logarithm of sizes
	SizeP99             int64
	SizeP99Model        float64
}

// fitWindows are the windows in which events are counted for the fit of bursts.
// The first two that are far enough apart and of which the trace has enough are
// compared.
var fitWindows = [...]time.Duration{10 * time.Second, time.Second, rateWindow}

// enoughWindows is how many windows make a variance worth something.
const enoughWindows = 20

// enoughEvents is from how many events on the fit looks for bursts and skew:
// fewer look like both, whatever they came from.
const enoughEvents = 100

// graveyard is how many deleted keys of a resource a fit remembers, to know a
// key that comes back from a new one.
const graveyard = 1 << 16

// Fit reads a trace to its end and returns a synthetic twin of each resource
// that has events, by name. Beside what the Reader remembers it holds the last
// 65536 deleted keys of each resource.
//
// Rates and shares are the recorded ones. Bursts are fitted by FitBursts, skew by
// maximum likelihood, sizes by moments: a lognormal size with the recorded mean
// m and variance v has sigma² = ln(1+v/m²). Fewer than 100 events are taken for a
// Poisson process, fewer than 100 MODIFIED for uniform keys.
func Fit(r *Reader) ([]Fitted, error) {
	f := map[string]*fitter{}
	var rec Record
	err := r.Next(&rec)
	end := int64(0)
	for ; err == nil; err = r.Next(&rec) {
		fit := f[string(rec.Resource)]
		if fit == nil {
			fit = newFitter(string(rec.Resource))
			f[fit.resource] = fit
		}
		fit.take(&rec)
		end = rec.T
	}
	if err != io.EOF {
		return nil, err
	}
	var all []Fitted
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if fit := f[name]; fit.added+fit.modified+fit.deleted > 0 {
			all = append(all, fit.fitted(end))
		}
	}
	return all, nil
}

// A fitter collects what the fit of one resource needs.
type fitter struct {
	resource                 string
	keys                     map[string]int64    // MODIFIED of each life
	graves                   map[string]struct{} // deleted keys
	buried                   []string            // the same in a ring, the oldest at next
	next                     int
	start, last              int64 // the end of the list, the event before
	listed                   bool
	alive                    float64 // the integral of the number of keys over time, in ns
	most                     int64
	added, modified, deleted int64
	readded                  int64
	updates                  tally
	windows                  [len(fitWindows)]windowCount
	rates, sizes             *distribution
	sizeMean, sizeSquares    float64 // Welford's running mean and sum of squares
	sizeCount                float64
}

func newFitter(resource string) *fitter {
	return &fitter{
		resource: resource, keys: map[string]int64{}, graves: map[string]struct{}{}, updates: tally{},
		rates: newDistribution(), sizes: newDistribution(),
	}
}

func (f *fitter) take(rec *Record) {
	if rec.Type == source.Bookmark {
		if rec.Initial {
			f.listed, f.start, f.last = true, rec.T, rec.T
			f.most = int64(len(f.keys))
		}
		return
	}
	f.size(rec.Size)
	if f.listed {
		f.alive += float64(len(f.keys)) * float64(rec.T-f.last)
		f.last = rec.T
		for i, w := range fitWindows {
			f.windows[i].add((rec.T-f.start)/int64(w), f.rateOf(w))
		}
	}
	switch rec.Type {
	case source.Added:
		f.add(string(rec.Key), rec.Initial)
	case source.Modified:
		f.modified++
		f.keys[string(rec.Key)]++
	case source.Deleted:
		f.deleted++
		f.updates.add(f.keys[string(rec.Key)])
		delete(f.keys, string(rec.Key))
		f.bury(string(rec.Key))
	}
	f.most = max(f.most, int64(len(f.keys)))
}

// rateOf returns the distribution that counts in a window go to, if any.
func (f *fitter) rateOf(w time.Duration) *distribution {
	if w == rateWindow {
		return f.rates
	}
	return nil
}

func (f *fitter) size(bytes int64) {
	f.sizes.record(bytes, 1)
	f.sizeCount++
	off := float64(bytes) - f.sizeMean
	f.sizeMean += off / f.sizeCount
	f.sizeSquares += float64(off * (float64(bytes) - f.sizeMean))
}

func (f *fitter) add(key string, initial bool) {
	f.keys[key] = 0
	if initial {
		return
	}
	f.added++
	if _, again := f.graves[key]; again {
		f.readded++
		delete(f.graves, key)
	}
}

// bury remembers a deleted key, for as long as there is room.
func (f *fitter) bury(key string) {
	if len(f.buried) < graveyard {
		f.buried = append(f.buried, key)
	} else {
		delete(f.graves, f.buried[f.next])
		f.buried[f.next] = key
		f.next = (f.next + 1) % graveyard
	}
	f.graves[key] = struct{}{}
}

func (f *fitter) fitted(end int64) Fitted {
	for _, updates := range f.keys {
		f.updates.add(updates)
	}
	for i, w := range fitWindows {
		f.windows[i].end((end-f.start)/int64(w), f.rateOf(w))
	}
	events, span := f.added+f.modified+f.deleted, end-f.start
	seconds := float64(max(span, 1)) / 1e9
	percent := func(n int64) float64 { return 100 * float64(n) / float64(max(events, 1)) }
	out := Fitted{
		Resource: f.resource, Events: events, Span: time.Duration(span), Rate: float64(events) / seconds,
		Keys:    int64(math.Round((f.alive + float64(len(f.keys))*float64(end-f.last)) / float64(max(span, 1)))),
		KeysEnd: int64(len(f.keys)), KeysMost: f.most,
		Churn: percent(2 * f.readded), Grow: percent(f.added - f.readded), Shrink: percent(f.deleted - f.readded),
		Top10: f.updates.top(10),
		Size:  f.sizeMean, SizeP99: f.sizes.quantiles().P99,
	}
	if f.modified >= enoughEvents {
		out.Skew = f.updates.skew()
	}
	if lives, _ := f.updates.totals(); lives > 0 {
		out.Top10Model = zipfTop((lives+9)/10, lives, out.Skew)
	}
	if f.sizeMean > 0 {
		square := math.Log(1 + f.sizeSquares/f.sizeCount/(f.sizeMean*f.sizeMean))
		out.Sigma = math.Sqrt(square)
		const z99 = 2.3263478740408408 // of the standard normal distribution
		out.SizeP99Model = f.sizeMean * math.Exp(float64(z99*out.Sigma)-square/2)
	}
	out.Bursts = f.bursts(events, out.Rate)
	return out
}

// bursts fits bursts to the counts in the longest windows of which there are
// enough, and those of 100 ms.
func (f *fitter) bursts(events int64, rate float64) Bursts {
	const short = len(fitWindows) - 1
	b := Bursts{Peak: 1, P99: f.rates.quantiles().P99, Max: f.rates.max}
	for i, w := range fitWindows[:short] {
		if events >= enoughEvents && f.windows[i].count >= enoughWindows {
			b.Peak, b.Period = FitBursts(rate, rateWindow, f.windows[short].dispersion(), w, f.windows[i].dispersion())
			break
		}
	}
	b.simulate(rate, f.windows[short].count)
	return b
}

// A windowCount counts events in windows, and keeps the moments of the counts.
type windowCount struct {
	window, inside int64
	count          int64 // of windows that are over
	sum, squares   float64
}

func (c *windowCount) add(window int64, d *distribution) {
	c.end(window, d)
	c.inside++
}

// end ends all windows before another one.
func (c *windowCount) end(window int64, d *distribution) {
	if window == c.window {
		return
	}
	n := float64(c.inside)
	c.sum, c.squares = c.sum+n, c.squares+float64(n*n)
	c.count += window - c.window
	if d != nil {
		d.record(c.inside, 1)
		d.record(0, window-c.window-1)
	}
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

// WriteTOML writes the workload as lines of TOML, each with a remark on how well
// it fits.
func (f *Fitted) WriteTOML(w io.Writer) error {
	arrival, peak := "bursts", fmt.Sprintf("peak = %.3g  # times the rate while a burst lasts; %s\nperiod = %q\n",
		f.Bursts.Peak, f.Bursts.remark(), f.Bursts.Period.Round(time.Millisecond))
	if f.Bursts.Peak <= 1 {
		arrival, peak = "poisson", ""
	}
	pick := "zipf"
	if f.Skew < 0.005 {
		pick = "uniform"
	}
	remark := ""
	if peak == "" {
		remark = "  # " + f.Bursts.remark()
	}
	_, err := fmt.Fprintf(w, "arrival = %q%s\n"+
		"rate = %.4g  # events a second: %d in %.1f s\n%s"+
		"keys = %d  # on average; %d at the end, %d at most\n"+
		"pick = %q\nskew = %.3f  # the busiest tenth of keys has %.1f%% of the updates, %.1f%% recorded\n"+
		"churn = %.4g  # percent of events that delete a key or add it again\n"+
		"grow = %.4g  # percent of events that add a new key\n"+
		"shrink = %.4g  # percent of events that delete a key for good\n"+
		"size = %.0f\nsigma = %.3f  # 99%% of sizes are below %.0f, %d recorded\n",
		arrival, remark, f.Rate, f.Events, f.Span.Seconds(), peak, f.Keys, f.KeysEnd, f.KeysMost,
		pick, f.Skew, 100*f.Top10Model, 100*f.Top10, f.Churn, f.Grow, f.Shrink,
		f.Size, f.Sigma, f.SizeP99Model, f.SizeP99)
	return err
}
