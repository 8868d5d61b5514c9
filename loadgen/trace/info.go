package trace

import (
	"io"
	"maps"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"informerlab/core/source"
)

// rateWindow is the window that rates are counted in: about as long as a
// consumer's buffers smooth over.
const rateWindow = 100 * time.Millisecond

// CoalesceWindows are the windows of ResourceInfo.Coalescible.
var CoalesceWindows = [...]time.Duration{10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second}

// StallWindows are the windows of ResourceInfo.Stalled. The last is the longest.
var StallWindows = [...]time.Duration{time.Second, 5 * time.Second, 30 * time.Second}

// An Info is what a trace looks like from outside.
type Info struct {
	Header    Header
	Length    time.Duration  // the time of the last record
	Resources []ResourceInfo // by name
	All       ResourceInfo   // all resources as one stream
}

// A ResourceInfo describes the events of one resource: what followed its initial
// list, bookmarks apart.
type ResourceInfo struct {
	Name                                         string
	Initial, Added, Modified, Deleted, Bookmarks int64
	PerWindow                                    Quantiles // events per 100 ms, from the trace's zero to its end
	Gaps                                         Quantiles // nanoseconds from one event to the next
	Sizes                                        Quantiles // bytes of the objects, those of the initial list too
	// Lives tells of each life of a key how many records it had, from ADDED,
	// also in the initial list, to DELETED.
	Lives Lives
	// Coalescible are the shares of events that another event of the same key
	// follows within each of CoalesceWindows: what a keep-latest buffer could
	// save if it held every event for so long.
	Coalescible [len(CoalesceWindows)]float64
	// Stalled is what a listener that stands still for each of StallWindows
	// collects at worst.
	Stalled [len(StallWindows)]Backlog
}

// Events returns how many events there are.
func (r *ResourceInfo) Events() int64 { return r.Added + r.Modified + r.Deleted }

// Quantiles sum up a distribution. Quantiles are exact up to 2000, and to 0.1 %
// beyond.
type Quantiles struct {
	Mean          float64
	P50, P99, Max int64
}

// Lives sum up how updates are spread over keys.
type Lives struct {
	Count       int64
	Mean        float64
	P99, Max    int64
	Top1, Top10 float64 // the share of all records that the busiest 1 % and 10 % of lives have
	Gini        float64 // 0 = all alike, 1 = one life has all
}

// A Backlog is a heap of events that wait.
type Backlog struct{ Events, Keys, Bytes int64 }

// Describe reads a trace to its end. Beside what the Reader remembers, it holds
// the events of the last 30 s, and the keys that were deleted in that time.
func Describe(r *Reader) (*Info, error) {
	d := newDescriber()
	var rec Record
	err := r.Next(&rec)
	for ; err == nil; err = r.Next(&rec) {
		d.take(&rec)
	}
	if err != io.EOF {
		return nil, err
	}
	info := &Info{Header: r.Header(), Length: time.Duration(d.last), Resources: d.infos()}
	info.All = d.all.info(d.last)
	return info, nil
}

// infos returns what there is to say of each resource, by name, once all is taken.
func (d *describer) infos() (all []ResourceInfo) {
	for _, name := range slices.Sorted(maps.Keys(d.resources)) {
		s := d.resources[name]
		for _, l := range s.keys {
			if !l.deleted {
				s.stats.lives.add(l.records)
				d.all.lives.add(l.records)
			}
		}
		all = append(all, s.stats.info(d.last))
	}
	return all
}

// A describer collects what Describe tells.
type describer struct {
	resources  map[string]*resourceStats
	all        *stats
	tombstones []tombstone // of keys deleted in the last 30 s, by time; older ones are forgotten
	forgotten  int         // how many of tombstones are
	last       int64
}

func newDescriber() *describer {
	return &describer{resources: map[string]*resourceStats{}, all: newStats("all", 1)}
}

type resourceStats struct {
	stats *stats
	keys  map[string]*life // that exist, or did 30 s ago
}

// A life is what is known of a key.
type life struct {
	records int64 // of this life
	last    int64 // time of its last event
	heard   bool  // there was an event, so that last means something
	deleted bool
	held    [2][len(StallWindows)]int64 // events in each sliding window: of the resource, of all
}

type tombstone struct {
	t   int64
	of  *resourceStats
	key string
}

func (d *describer) take(rec *Record) {
	d.last = rec.T
	d.forget()
	s := d.resources[string(rec.Resource)]
	if s == nil {
		s = &resourceStats{newStats(string(rec.Resource), 0), map[string]*life{}}
		d.resources[string(rec.Resource)] = s
	}
	if rec.Type == source.Bookmark {
		s.stats.result.Bookmarks++
		d.all.result.Bookmarks++
		return
	}
	l := s.keys[string(rec.Key)]
	if l == nil {
		l = &life{}
		s.keys[string(rec.Key)] = l
	}
	if l.deleted {
		l.deleted, l.records = false, 0
	}
	l.records++
	for _, stats := range []*stats{s.stats, d.all} {
		stats.sizes.record(rec.Size, 1)
		if rec.Initial {
			stats.result.Initial++
		} else {
			stats.event(rec, l)
		}
	}
	l.last, l.heard = rec.T, !rec.Initial
	if rec.Type == source.Deleted {
		s.stats.lives.add(l.records)
		d.all.lives.add(l.records)
		l.deleted = true
		d.tombstones = append(d.tombstones, tombstone{rec.T, s, string(rec.Key)})
	}
}

// forget drops the keys that were deleted long enough ago to matter no more.
func (d *describer) forget() {
	for ; d.forgotten < len(d.tombstones); d.forgotten++ {
		g := d.tombstones[d.forgotten]
		if d.last-g.t <= int64(StallWindows[len(StallWindows)-1]) {
			break
		}
		if l := g.of.keys[g.key]; l != nil && l.deleted && l.last == g.t {
			delete(g.of.keys, g.key)
		}
	}
	if d.forgotten == len(d.tombstones) || d.forgotten >= 1024 {
		d.tombstones = append(d.tombstones[:0], d.tombstones[d.forgotten:]...)
		d.forgotten = 0
	}
}

// Stats collect what there is to say of a stream of events.
type stats struct {
	result   ResourceInfo
	scope    int // index in life.held
	window   int64
	inWindow int64 // events in the current window
	last     int64 // time of the event before; -1 = none
	follow   [len(CoalesceWindows)]int64
	rates    *distribution
	gaps     *distribution
	sizes    *distribution
	lives    tally
	recent   []recentEvent // of the longest stall window
	sliding  [len(StallWindows)]slide
}

type recentEvent struct {
	t, size int64
	life    *life
}

// A slide is a window that ends at the newest event.
type slide struct {
	first int // index in recent
	held  Backlog
}

func newStats(name string, scope int) *stats {
	return &stats{
		result: ResourceInfo{Name: name}, scope: scope, last: -1,
		rates: newDistribution(), gaps: newDistribution(), sizes: newDistribution(), lives: tally{},
	}
}

func (s *stats) event(rec *Record, l *life) {
	switch rec.Type {
	case source.Added:
		s.result.Added++
	case source.Modified:
		s.result.Modified++
	case source.Deleted:
		s.result.Deleted++
	}
	s.advance(rec.T / int64(rateWindow))
	s.inWindow++
	if s.last >= 0 {
		s.gaps.record(rec.T-s.last, 1)
	}
	s.last = rec.T
	if l.heard {
		for i, w := range CoalesceWindows {
			if rec.T-l.last <= int64(w) {
				s.follow[i]++
			}
		}
	}
	s.slide(recentEvent{rec.T, rec.Size, l})
}

// advance counts the windows up to another one.
func (s *stats) advance(window int64) {
	if window > s.window {
		s.rates.record(s.inWindow, 1)
		s.rates.record(0, window-s.window-1)
		s.window, s.inWindow = window, 0
	}
}

// slide moves all stall windows on to an event.
func (s *stats) slide(e recentEvent) {
	s.recent = append(s.recent, e)
	for i, w := range StallWindows {
		window, best := &s.sliding[i], &s.result.Stalled[i]
		for ; e.t-s.recent[window.first].t >= int64(w); window.first++ {
			old := s.recent[window.first]
			window.held.Events--
			window.held.Bytes -= old.size
			if old.life.held[s.scope][i]--; old.life.held[s.scope][i] == 0 {
				window.held.Keys--
			}
		}
		window.held.Events++
		window.held.Bytes += e.size
		if e.life.held[s.scope][i]++; e.life.held[s.scope][i] == 1 {
			window.held.Keys++
		}
		if window.held.Events > best.Events {
			*best = window.held
		}
	}
	if gone := s.sliding[len(StallWindows)-1].first; gone > 1024 && gone > len(s.recent)/2 {
		s.recent = append(s.recent[:0], s.recent[gone:]...)
		for i := range s.sliding {
			s.sliding[i].first -= gone
		}
	}
}

func (s *stats) info(end int64) ResourceInfo {
	s.advance(end/int64(rateWindow) + 1)
	s.result.PerWindow, s.result.Gaps, s.result.Sizes = s.rates.quantiles(), s.gaps.quantiles(), s.sizes.quantiles()
	s.result.Lives = s.lives.lives()
	for i, n := range s.follow {
		s.result.Coalescible[i] = float64(n) / float64(max(1, s.result.Events()))
	}
	return s.result
}

// A distribution is a histogram that knows its mean and maximum exactly.
type distribution struct {
	histogram       *hdrhistogram.Histogram
	count, sum, max int64
}

// mostRecorded, some 3 hours in nanoseconds, is where histograms end; beyond it
// only the maximum and the mean are right.
const mostRecorded = 1e13

func newDistribution() *distribution {
	return &distribution{histogram: hdrhistogram.New(1, mostRecorded, 3)}
}

func (d *distribution) record(value, times int64) {
	if times > 0 {
		_ = d.histogram.RecordValues(min(value, mostRecorded), times) // it is in the range
		d.count, d.sum, d.max = d.count+times, d.sum+value*times, max(d.max, value)
	}
}

func (d *distribution) quantiles() Quantiles {
	return Quantiles{
		Mean: float64(d.sum) / float64(max(1, d.count)),
		P50:  min(d.max, d.histogram.ValueAtQuantile(50)),
		P99:  min(d.max, d.histogram.ValueAtQuantile(99)),
		Max:  d.max,
	}
}
