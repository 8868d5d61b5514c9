package page

import (
	"html/template"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"informerlab/bench/report"
	"informerlab/bench/worker"
	"informerlab/loadgen"
)

func (d *data) pageCommand() string { return ".build/lab report -html results/" + d.folder }

// measure is the command that measures what a figure shows. Sides come from two
// programs, which only the command of the whole run builds.
func (d *data) measure(workloads []string, arms []*arm) string {
	if slices.ContainsFunc(d.arms, func(a *arm) bool { return a.info.Side != "" }) {
		return report.Again(d.Run)
	}
	for _, w := range workloads {
		if _, err := loadgen.ParseWorkload(w); err != nil { // it was in a file
			return report.Again(d.Run)
		}
	}
	line := ".build/lab run"
	if n := d.Run.Manifest.PlannedBlocks; n > 0 {
		line += " -blocks " + strconv.Itoa(n)
	}
	if n := d.Run.Manifest.PlannedRounds; n > 0 {
		line += " -rounds " + strconv.Itoa(n)
	}
	if seed := d.Run.Manifest.Seed; seed != 1 {
		line += " -seed " + strconv.FormatUint(seed, 10)
	}
	for _, w := range workloads {
		line += " -workload " + report.Quote(w)
	}
	var plain []string
	for _, a := range arms {
		if !strings.Contains(a.info.Buffer, ",") {
			plain = append(plain, a.info.Buffer)
		}
	}
	if len(plain) > 0 {
		line += " -buffers " + report.Quote(strings.Join(plain, ","))
	}
	for _, a := range arms {
		if strings.Contains(a.info.Buffer, ",") { // options have commas too
			line += " -buffers " + report.Quote(a.info.Buffer)
		}
	}
	return line
}

// A winnerView is a line of the summary.
type winnerView struct {
	Workload, Verdict, Metric, Note string
	Name                            template.HTML // of the workload, which may break at commas
	Arms                            []armView
	Others, Unranked                []armView // with their figures
}

// A swatch is the marker of an arm, drawn once in a page.
type swatch struct {
	ID  string
	SVG template.HTML
}

// An armView is an arm with its marker.
type armView struct {
	Swatch string // its ID
	Label  string
	Figure string
	// Missing tells how many blocks have no figure, and why; "" = none.
	Missing string
}

func (d *data) swatches() (all []swatch) {
	for _, a := range d.arms {
		all = append(all, swatch{a.id, html(a.style.Swatch())})
	}
	return all
}

func (d *data) armViews() (views []armView) {
	for _, a := range d.arms {
		views = append(views, armView{Swatch: a.id, Label: a.label})
	}
	return views
}

func (d *data) winners() (views []winnerView) {
	for i := range d.Winners {
		w := &d.Winners[i]
		v := winnerView{
			Workload: w.Workload, Metric: worker.UnitOf(w.Unit).Meaning, Note: w.Note(), Verdict: w.Word(),
		}
		v.Name = template.HTML(strings.ReplaceAll(template.HTMLEscapeString(w.Workload), ",", ",<wbr/>"))
		for _, a := range d.arms {
			row := a.row(w.Workload)
			view := armView{Swatch: a.id, Label: a.label}
			if d.Blocks.Has(row, w.Unit) {
				view.Figure = report.Figure(d.Judged, row, w.Unit)
			}
			if missing := d.Blocks.Lacking(row, w.Unit); missing.Any() {
				view.Missing = missing.Text()
			}
			switch {
			case view.Missing != "":
				v.Others = append(v.Others, view)
			case slices.Contains(w.Best, a.info.Buffer): // of an undecided one, the least so far
				v.Arms = append(v.Arms, view)
			case view.Figure != "" && d.lossy(a):
				v.Unranked = append(v.Unranked, view)
			case view.Figure != "":
				v.Others = append(v.Others, view)
			}
		}
		views = append(views, v)
	}
	return views
}

// A contract is what a buffer declares.
type contract struct {
	armView
	Order, Loss, Bound, Blocks, Producers string
	Lossy                                 bool
}

func (d *data) contracts() (all []contract) {
	for _, a := range d.arms {
		t := a.info.Traits
		if t.Order == "" {
			continue // an outside contestant declares nothing
		}
		c := contract{
			armView{Swatch: a.id, Label: a.label},
			string(t.Order), string(t.Loss), string(t.Bound), "no", string(t.Producers), d.lossy(a),
		}
		if t.Blocks {
			c.Blocks = "yes"
		}
		all = append(all, c)
	}
	return all
}

// linkMeanings are the files worth a link, in this order.
var linkMeanings = []link{
	{"raw.txt", "Go benchmark text, a line for each process block and arm"},
	{"slices.csv.gz", "every measured run with all its figures, steal and pressure"},
	{"latency.hlog", "the full latency histograms"},
	{"timeline.csv.gz", "backlog, age and memory over time"},
	{"table.txt", "the table that lab printed"},
	{"summary.md", "the verdicts as Markdown"},
	{"run.json", "what was run, and where"},
	{"env.txt", "the machine"},
	{"flame/index.html", "flame graphs, and their differences"},
}

func linked(has []string) (all []link) {
	for _, l := range linkMeanings {
		if slices.Contains(has, l.Name) {
			all = append(all, l)
		}
	}
	return all
}

// Links returns the files of a run's folder that a page links to.
func Links(folder fs.FS) (has []string) {
	for _, l := range linkMeanings {
		if info, err := fs.Stat(folder, l.Name); err == nil && info.Mode().IsRegular() {
			has = append(has, l.Name)
		}
	}
	return has
}
