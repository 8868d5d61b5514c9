// Package page writes what people look at: the page of a run, its summary in
// Markdown, the front page of all runs, and the table of the README.
//
//	run.Recorded ─┐
//	verdicts ─────┴─▶ Input ──▶ Write    report.html: one file, light and dark
//	                        ├─▶ Summary  summary.md
//	                        ├─▶ Readme   a table between two marks
//	                        └─▶ Summarize ─▶ Entry … ─▶ Front  index.html
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
	"informerlab/bench/report"
	"informerlab/bench/run"
)

// An Input is all that is known of a run.
type Input struct {
	Run      *run.Recorded // only the last element of its path is used
	Verdicts []Verdict     // in the order of rows
	Winners  []Winner      // one per workload
	Controls []Control
	// Unfit says why the verdicts are not to be trusted; "" if they are.
	Unfit string
	// Links are files of the run's folder, by slash-separated names in it, that a
	// page may link to.
	Links []string
}

// A Verdict is one row of a comparison: a metric of a buffer against the same of
// the base, under one workload.
type Verdict struct {
	Workload, Buffer, Unit string
	Side, Base             string  // what was compared: "" and a buffer, or two sides
	Ratio, Low, High       float64 // of head to base, with its 95 % interval
	Floor                  float64 // the least change that matters, as a share of 1
	Visible                float64 // the smallest change that would have been seen, as a share of 1; 0 = unknown
	Verdict                string  // slower, faster, equivalent or inconclusive
	Needs                  int     // blocks that are missing, if inconclusive
	Blocks                 int
	Missing                string // which of the two lacks blocks, and why; then there is no verdict; "" = none
	Unlike                 bool   // the two lose unlike things: not to be ranked
	Control                string // what of: such a row says how far the others are to be trusted; "" = none
}

// A Winner is what won a workload, by one metric.
type Winner struct {
	Workload, Unit string
	Buffers        []string         // several tie; none = undecided
	Note           string           // such as by how much
	Missing        []report.Missing // that lack blocks, and are not ranked
}

// A Control is a comparison whose outcome is known.
type Control struct {
	Name            string
	Expected, Found string
	Fine            bool
}

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
	Facts               []fact
	Commands            []command
	Fitness             []string
	Unfit               string
	Controls            []Control
	Winners             []winnerView
	Swatches            []swatch
	Arms                []armView
	Lossy               bool
	Bounds              string // what is to be said of them, if there are any
	Figures             []figure
	Contracts           []contract
	Links               []link
}

type fact struct{ Name, Value string }

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

// Write writes the page of a run. Any number of goroutines may call it. Errors
// are those of the writer.
func Write(w io.Writer, in Input) error {
	d := newData(&in)
	v := &view{
		Title: "informerlab: " + d.folder, Name: d.folder, Folder: "results/" + d.folder,
		CSS:    template.CSS(chart.CSS + pageCSS),
		Status: in.Run.Manifest.Status, Facts: facts(in.Run), Commands: d.commands(),
		Unfit: in.Unfit, Controls: in.Controls, Winners: d.winners(), Arms: d.armViews(), Swatches: d.swatches(),
		Contracts: d.contracts(), Links: links(in.Links), Lossy: d.lossy(),
	}
	if d.bounds() {
		v.Bounds = boundLegend
	}
	for _, f := range in.Run.Manifest.Fitness {
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
