// Package page draws what people look at: the page of a run, and the front page of all
// runs. Package report writes the same as text.
//
//	judge.Judged ──▶ Write      report.html: one file, light and dark
//	             └─▶ Summarize ─▶ Entry … ─▶ Front  index.html
//
// All of it is a function of its input: no clock, no order of maps, no paths of
// the machine, so the same run gives the same bytes. A page needs no network and
// no script. A figure without data is left out. Buffers that lose or merge are
// marked ≠ wherever they stand beside others, and are not ranked with them.
//
// Limits: figures show medians over process blocks and the range of these; what
// is significant is said by the verdicts of the input and by nothing else. Of
// timelines the first block is shown.
package page

import (
	_ "embed" // for the template
	"fmt"
	"html/template"
	"io"

	"informerlab/bench/chart"
	"informerlab/bench/format"
	"informerlab/bench/judge"
	"informerlab/bench/report"
	"informerlab/bench/worker"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageCSS string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// A view is what the template shows.
type view struct {
	Title, Name, Folder string
	CSS                 template.CSS
	Status              string
	Facts               []report.Fact
	Commands            []command
	Fitness             []string
	Unfit               string
	Controls            template.HTML
	Winners             []winnerView
	Swatches            []swatch
	Arms                []armView
	Lossy               bool
	Bounds              string // what is to be said of them, if there are any
	Figures             []figure
	Contracts           []contract
	Links               []link
}

type command struct{ What, Line string }

type link struct{ Name, Meaning string }

// A figure is one or more drawings that answer one question.
type figure struct {
	ID, Title, Caption string
	Panels             []panel
	Legend             bool // its drawings do not name their series
	Folded             bool // long: shown on demand
	Measure            string
}

type panel struct {
	Title string
	SVG   template.HTML
	Wide  bool
}

// Write writes the page of a run. links are the files of the run's folder that it may
// link to: see Links. Any number of goroutines may call it. Errors are those of the
// writer.
func Write(w io.Writer, j *judge.Judged, links []string) error {
	d := newData(j)
	m := &j.Run.Manifest
	v := &view{
		Title: "informerlab: " + d.folder, Name: d.folder, Folder: "results/" + d.folder,
		CSS: template.CSS(chart.CSS + pageCSS), Status: m.Status, Facts: report.Facts(j.Run),
		Commands: []command{{"measure it again", report.Again(j.Run)}, {"write this page again", d.pageCommand()}},
		Winners:  d.winners(), Arms: d.armViews(), Swatches: d.swatches(), Contracts: d.contracts(),
		Links: linked(links), Lossy: report.Lossy(j),
	}
	if j.Sided && len(j.Rows) > 0 {
		v.Unfit = j.Unfit()
	}
	controls := format.Table{Head: []string{"control", "expected", "found", ""}}
	for i := range j.Controls {
		c, mark := &j.Controls[i], "✓ as expected"
		if !c.Passed {
			mark = "✗ not as expected"
		}
		name := fmt.Sprintf("%s · %s, %s, %s", c.Known(), c.Workload, c.Buffer, worker.UnitOf(c.Unit).Meaning)
		controls.Add(name, c.Expected, c.Found(), mark)
	}
	v.Controls = controls.HTML()
	if report.Bounds(j) {
		v.Bounds = report.BoundLegend
	}
	for _, f := range m.Fitness {
		if s := f.String(); s != "" {
			v.Fitness = append(v.Fitness, f.Workload+": "+s)
		}
	}
	for _, figures := range [][]figure{
		d.forests(), d.heat(), d.percentiles(), d.load(), d.listeners(), d.backlog(), d.costs(), d.slices(),
	} {
		v.Figures = append(v.Figures, figures...)
	}
	if err := pageTemplate.Execute(w, v); err != nil {
		return fmt.Errorf("page: %s: %w", d.folder, err)
	}
	return nil
}
