package page

import (
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"

	"informerlab/bench/chart"
	"informerlab/bench/format"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
	"informerlab/core/buffer"
)

// The sides that serve as controls; they are in no figure but the forest.
var controlSides = []string{"base-again", "base-slowed"}

// reference is the buffer that others are held against, drawn in the colour of text.
const reference = "reference"

// lossMark follows the name of a buffer that loses or merges. Its space does not
// break.
const lossMark = "\u00a0≠"

// data is a run by rows, for figures.
type data struct {
	in      *Input
	folder  string
	arms    []*arm // without controls
	loads   []*load
	spreads map[run.Row]map[string]spread // by unit
}

// An arm is a buffer, or one side of it.
type arm struct {
	info  run.ArmInfo
	id    string // in a page
	style chart.Style
}

func (a *arm) lossy() bool { return a.info.Traits.Loss != "" && a.info.Traits.Loss != buffer.Lossless }

// label names an arm, with a mark if it does other work than most.
func (a *arm) label() string {
	label := a.info.Buffer
	if a.info.Side != "" {
		label += " " + a.info.Side
	}
	if a.lossy() {
		label += lossMark
	}
	return label
}

func (a *arm) row(workload string) run.Row {
	return run.Row{Workload: workload, Buffer: a.info.Buffer, Side: a.info.Side}
}

// A load is a workload and the options in its label.
type load struct {
	label, name string
	options     []option
}

type option struct{ key, value string }

func newLoad(label string) *load {
	l := &load{label: label}
	name, options, _ := strings.Cut(label, ":")
	l.name = name
	for part := range strings.SplitSeq(options, ",") {
		if key, value, found := strings.Cut(part, "="); found {
			l.options = append(l.options, option{key, value})
		}
	}
	return l
}

// number returns the value of an option that is one, underscores and all.
func (l *load) number(key string) (float64, bool) {
	for _, o := range l.options {
		if v, err := strconv.ParseFloat(strings.ReplaceAll(o.value, "_", ""), 64); o.key == key && err == nil {
			return v, true
		}
	}
	return 0, false
}

// without returns the label less one option: what loads share that differ in it.
func (l *load) without(key string) string {
	label, separator := l.name, ":"
	for _, o := range l.options {
		if o.key != key {
			label += separator + o.key + "=" + o.value
			separator = ","
		}
	}
	return label
}

// A spread is one figure of a row over process blocks.
type spread struct{ middle, low, high float64 }

func newData(in *Input) *data {
	d := &data{in: in, folder: in.folder(), spreads: map[run.Row]map[string]spread{}}
	for _, info := range in.Run.Manifest.Arms {
		if !slices.Contains(controlSides, info.Side) {
			a := &arm{info: info, id: fmt.Sprintf("arm-%d", len(d.arms)+1)}
			a.style.Lossy = a.lossy()
			a.style.Neutral = info.Buffer == reference && info.Side == ""
			d.arms = append(d.arms, a)
		}
	}
	index := 0
	for _, a := range d.arms { // the neutral one takes no colour from the others
		if !a.style.Neutral {
			a.style.Index = index
			index++
		}
	}
	for _, label := range in.Run.Manifest.Workloads {
		d.loads = append(d.loads, newLoad(label))
	}
	d.spread()
	return d
}

// spread takes of each metric the median over the rounds of each block, then over
// blocks.
func (d *data) spread() {
	type block struct {
		run.Row
		unit string
		n    int
	}
	rounds := map[block][]float64{}
	var order []block
	for _, s := range d.in.Run.Slices {
		for unit, v := range s.Values {
			b := block{s.Row, unit, s.Block}
			if rounds[b] == nil {
				order = append(order, b)
			}
			rounds[b] = append(rounds[b], v)
		}
	}
	blocks := map[run.Row]map[string][]float64{}
	for _, b := range order {
		if blocks[b.Row] == nil {
			blocks[b.Row] = map[string][]float64{}
		}
		blocks[b.Row][b.unit] = append(blocks[b.Row][b.unit], stats.Median(rounds[b]))
	}
	for row, units := range blocks {
		d.spreads[row] = map[string]spread{}
		for unit, values := range units {
			d.spreads[row][unit] = spread{stats.Median(values), slices.Min(values), slices.Max(values)}
		}
	}
}

// get returns a metric of a row, the first of several units that it has.
func (d *data) get(row run.Row, units ...string) (spread, bool) {
	for _, unit := range units {
		if s, has := d.spreads[row][unit]; has {
			return s, true
		}
	}
	return spread{}, false
}

// bound reports whether a p99 is but a bound, as the generator was late by more than
// a tenth of it.
func (d *data) bound(row run.Row, unit string) bool {
	s, has := d.get(row, worker.P99)
	late, told := d.get(row, worker.LateP99)
	return unit == worker.P99 && has && told && late.middle > s.middle/10
}

// A figure that is but a bound has the mark, of which the legend tells.
const (
	boundMark   = " †"
	boundLegend = "† is a bound: more than a tenth of it may be the generator's lateness."
)

// bounds reports whether a figure that decides who wins is but a bound.
func (d *data) bounds() bool {
	for _, w := range d.in.Winners {
		for _, a := range d.arms {
			if d.bound(a.row(w.Workload), w.Unit) {
				return true
			}
		}
	}
	return false
}

// arm returns the one of a row, or nil.
func (d *data) arm(buffer, side string) *arm {
	for _, a := range d.arms {
		if a.info.Buffer == buffer && a.info.Side == side {
			return a
		}
	}
	return nil
}

func html(svg string) template.HTML { return template.HTML(svg) }

// A unit is how the values of a metric are told to people.
type unit struct {
	name    string
	meaning string
	format  func(float64) string
	measure string // of an axis
}

// units are those that a workload is judged by, the first that it has before the
// others.
var units = []unit{
	{"ns/event", "time per event", format.Nanoseconds, "s per event"},
	{"others-ns/event", "time per event, unstalled handlers", format.Nanoseconds, "s per event"},
	{"p99-ns", "latency, 99th percentile", format.Nanoseconds, "s"},
	{"p50-ns", "latency, median", format.Nanoseconds, "s"},
	{"p90-ns", "latency, 90th percentile", format.Nanoseconds, "s"},
	{"p99.9-ns", "latency, 99.9th percentile", format.Nanoseconds, "s"},
	{"max-ns", "longest latency", format.Nanoseconds, "s"},
	{"pause-ns", "longest time without a call", format.Nanoseconds, "s"},
	{"cpu-ns/event", "CPU time per event", format.Nanoseconds, "s per event"},
	{"B/event", "bytes allocated per event", format.Bytes, "B per event"},
	{"allocs/event", "allocations per event", format.Count, "allocations per event"},
	{"B/pending", "live heap per waiting notification", format.Bytes, "B per notification"},
	{"drain-ns/event", "time to catch up, per waiting notification", format.Nanoseconds, "s per notification"},
	{"drain-ns", "time to catch up", format.Nanoseconds, "s"},
	{"retained-B", "live heap that stays", format.Bytes, "B"},
	{"ns/event·listener", "time per event and handler", format.Nanoseconds, "s per call"},
}

// unitOf returns how to tell a metric, also one that is not in the list.
func unitOf(name string) unit {
	for _, u := range units {
		if u.name == name {
			return u
		}
	}
	return unit{name, name, format.Count, name}
}

// primary is the metric that a load is judged by, or "".
func (d *data) primary(workload string) string {
	for _, u := range units {
		for _, a := range d.arms {
			if _, has := d.get(a.row(workload), u.name); has {
				return u.name
			}
		}
	}
	return ""
}
