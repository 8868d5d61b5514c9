package page

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"informerlab/bench/chart"
	"informerlab/bench/format"
	"informerlab/bench/judge"
	"informerlab/bench/report"
	"informerlab/bench/run"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
)

// controls are the sides that serve as such; they are in no figure but the forest.
var controls = []string{judge.Again, judge.Slowed}

// data is a run by rows, for figures.
type data struct {
	*judge.Judged
	folder string
	arms   []*arm // without controls
	loads  []*report.Load
}

// An arm is a buffer, or one side of it.
type arm struct {
	info  run.ArmInfo
	id    string // in a page
	style chart.Style
	label string // with a mark if it does other work than most
}

func (a *arm) row(workload string) run.Row {
	return run.Row{Workload: workload, Buffer: a.info.Buffer, Side: a.info.Side}
}

// A spread is one figure of a row over process blocks.
type spread struct{ middle, low, high float64 }

func newData(j *judge.Judged) *data {
	d := &data{Judged: j, folder: report.Name(j.Run)}
	index := 0
	for _, info := range j.Run.Manifest.Arms {
		if slices.Contains(controls, info.Side) {
			continue
		}
		a := &arm{info: info, id: fmt.Sprintf("arm-%d", len(d.arms)+1)}
		a.label = report.Label(j, a.row(""))
		a.style.Lossy = d.lossy(a)
		a.style.Neutral = info.Buffer == judge.Reference && info.Side == ""
		if !a.style.Neutral { // which takes no colour from the others
			a.style.Index = index
			index++
		}
		d.arms = append(d.arms, a)
	}
	for _, l := range report.Loads(j.Run.Manifest.Workloads) {
		d.loads = append(d.loads, &l)
	}
	return d
}

func (d *data) lossy(a *arm) bool { return d.Loss(a.row("")) != "" }

// get returns a metric of a row, the first of several units that it has.
func (d *data) get(row run.Row, units ...string) (spread, bool) {
	for _, unit := range units {
		if d.Blocks.Has(row, unit) {
			values := slices.DeleteFunc(d.Blocks.Values(row, unit), math.IsNaN)
			return spread{stats.Median(values), slices.Min(values), slices.Max(values)}, true
		}
	}
	return spread{}, false
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

// axis returns an axis for a unit, with its title.
func axis(name string) chart.Axis {
	u := worker.UnitOf(name)
	a := chart.Axis{Title: u.Meaning, Format: func(v float64) string { return format.Short(v, name) }}
	switch {
	case strings.Contains(name, "ns/"):
		a.Unit = "s per event"
	case strings.HasSuffix(name, "-ns"):
		a.Unit = "s"
	case strings.HasPrefix(name, "B/"):
		a.Unit = "B per " + strings.TrimPrefix(name, "B/")
	case strings.HasSuffix(name, "-B"):
		a.Unit = "B"
	default:
		a.Unit = name
	}
	return a
}
