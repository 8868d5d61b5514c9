package page

import (
	_ "embed" // for the template
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"informerlab/bench/chart"
	"informerlab/bench/format"
	"informerlab/bench/judge"
	"informerlab/bench/report"
)

// An Entry is what the front page tells of a run: a line of results/history.jsonl.
type Entry struct {
	Folder  string    `json:"folder"`
	Tag     string    `json:"tag,omitempty"`
	Started time.Time `json:"started"`
	Commit  string    `json:"commit"`
	// Machine is its fingerprint: what figures must share to be compared over time.
	Machine string   `json:"machine"`
	Status  string   `json:"status"`
	Fit     bool     `json:"fit"`
	Verdict string   `json:"verdict"` // in a few words
	Figures []Figure `json:"figures"`
	// Page says that the run has a page to link to; the history is kept for longer
	// than the runs.
	Page bool `json:"-"`
}

// A Figure is one median of a run.
type Figure struct {
	Workload string  `json:"workload"`
	Buffer   string  `json:"buffer"`
	Unit     string  `json:"unit"`
	Value    float64 `json:"value"`
	Lossy    bool    `json:"lossy,omitempty"`
}

// Summarize makes the entry of a run: the figure that each workload is about, of
// every buffer. Of two sides, head's are kept.
func Summarize(j *judge.Judged) Entry {
	d := newData(j)
	m := &j.Run.Manifest
	e := &m.Environment
	entry := Entry{
		Folder: d.folder, Tag: m.Tag, Started: m.Started.UTC(), Commit: e.ShortCommit(), Status: m.Status,
		Fit: !j.Sided || j.Fit(), Machine: e.Fingerprint(), Verdict: d.verdict(),
	}
	if e.Dirty {
		entry.Commit += "+"
	}
	for _, l := range d.loads {
		name := d.Primary(l.Label)
		for _, a := range d.arms {
			if s, has := d.get(a.row(l.Label), name); has && (a.info.Side == "" || a.info.Side == "head") {
				entry.Figures = append(entry.Figures, Figure{l.Label, a.info.Buffer, name, s.middle, d.lossy(a)})
			}
		}
	}
	return entry
}

// verdict sums up what a run came to.
func (d *data) verdict() string {
	var names []string
	for i := range d.Winners {
		if w := &d.Winners[i]; w.Word() == "winner" && !slices.Contains(names, w.Best[0]) {
			names = append(names, w.Best[0])
		}
	}
	if len(names) > 0 {
		return "winners: " + strings.Join(names, ", ")
	}
	alike := slices.DeleteFunc(slices.Clone(d.Rows), func(r judge.Row) bool { return r.Unlike })
	return report.Tally(alike)
}

//go:embed front.html
var frontText string

var frontTemplate = template.Must(template.New("front").Parse(frontText))

// A frontView is what the template of the front page shows.
type frontView struct {
	CSS      template.CSS
	Runs     []runView
	Machines []machineView
	Swatches []swatch
	Arms     []armView
	Panels   []panel
}

type runView struct {
	Entry
	Number        int // the oldest is 1
	When, Machine string
}

type machineView struct{ Name, What string }

// Front writes the front page of all runs: a table, the newest first, and the
// history of each workload, where a line joins figures of the same machine only.
// Runs that are not complete, or not fit, are in the table alone. Errors are those
// of the writer.
func Front(w io.Writer, entries []Entry) error {
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b Entry) int {
		if c := a.Started.Compare(b.Started); c != 0 {
			return c
		}
		return strings.Compare(a.Folder, b.Folder)
	})
	v := &frontView{CSS: template.CSS(chart.CSS + pageCSS)}
	machines := map[string]string{}
	for i, e := range entries {
		if machines[e.Machine] == "" {
			machines[e.Machine] = machineName(len(machines))
			v.Machines = append(v.Machines, machineView{machines[e.Machine], e.Machine})
		}
		v.Runs = append(v.Runs, runView{e, i + 1, e.Started.Format(report.Minute), machines[e.Machine]})
	}
	slices.Reverse(v.Runs)
	v.history(entries, machines)
	if err := frontTemplate.Execute(w, v); err != nil {
		return fmt.Errorf("page: front page: %w", err)
	}
	return nil
}

// machineName is A, B … Z, AA.
func machineName(i int) string {
	name := ""
	for ; i >= 0; i = i/26 - 1 {
		name = string(rune('A'+i%26)) + name
	}
	return name
}

// history draws a panel for each workload that was measured more than once.
func (v *frontView) history(entries []Entry, machines map[string]string) {
	entries = slices.Clone(entries)
	styles, coloured := map[string]chart.Style{}, 0
	type key struct{ workload, unit string }
	var keys []key
	for i := range entries {
		e := &entries[i]
		if e.Status != "complete" || !e.Fit {
			e.Figures = nil
		}
		for _, f := range e.Figures {
			if _, known := styles[f.Buffer]; !known {
				s := chart.Style{Index: coloured, Lossy: f.Lossy, Neutral: f.Buffer == judge.Reference}
				styles[f.Buffer] = s
				if !s.Neutral {
					coloured++
				}
				id := fmt.Sprintf("arm-%d", len(styles))
				v.Swatches = append(v.Swatches, swatch{id, html(s.Swatch())})
				v.Arms = append(v.Arms, armView{Swatch: id, Label: f.name()})
			}
			if k := (key{f.Workload, f.Unit}); !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	for _, k := range keys {
		y := axis(k.unit)
		plot := chart.Plot{
			Name: y.Title + " over runs, " + k.workload, Width: half, Height: 300,
			X: chart.Axis{Title: "run", Unit: "number, oldest first", Ticks: numbers(len(entries))},
			Y: y,
		}
		plot.Y.Log = true
		measured := map[int]bool{}
		at := map[[2]string]int{}
		for i, e := range entries {
			for _, f := range e.Figures {
				if f.Workload != k.workload || f.Unit != k.unit {
					continue
				}
				measured[i] = true
				line := [2]string{f.Buffer, e.Machine}
				n, known := at[line]
				if !known {
					n = len(plot.Series)
					at[line] = n
					series := chart.Series{Tooltip: f.name(), Style: styles[f.Buffer], Line: true}
					plot.Series = append(plot.Series, series)
				}
				plot.Series[n].Points = append(plot.Series[n].Points, chart.Point{
					X: float64(i + 1), Y: f.Value,
					Title: fmt.Sprintf("%s, run %d, machine %s: %s",
						f.name(), i+1, machines[e.Machine], format.Value(f.Value, k.unit)),
				})
			}
		}
		if svg := plot.SVG(); len(measured) > 1 && svg != "" {
			v.Panels = append(v.Panels, panel{Title: k.workload, SVG: html(svg)})
		}
	}
}

func (f *Figure) name() string {
	if f.Lossy {
		return f.Buffer + report.LossMark
	}
	return f.Buffer
}

// numbers are 1 to n, or at most ten evenly among them.
func numbers(n int) (ticks []float64) {
	step := math.Ceil(float64(n) / 10)
	for v := 1.0; v <= float64(n); v += step {
		ticks = append(ticks, v)
	}
	return ticks
}
