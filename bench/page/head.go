package page

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"informerlab/bench/run"
	"informerlab/loadgen"
)

const minute = "2006-01-02 15:04 UTC"

// facts are what the head of a page tells.
func facts(r *run.Recorded) []fact {
	m := &r.Manifest
	e := &m.Environment
	commit := e.ShortCommit()
	if e.Dirty {
		commit += " (with changes)"
	}
	when := m.Started.UTC().Format(minute)
	if m.Finished != nil {
		when += ", for " + m.Finished.Sub(m.Started).Round(time.Second).String()
	}
	memory := fmt.Sprintf("%.0f GiB", float64(e.MemoryBytes)/(1<<30))
	all := []fact{
		{"measured", when},
		{"what", fmt.Sprintf("%s under %s, %s", count(len(m.Arms), "arm"), count(len(m.Workloads), "workload"),
			"at most "+count(len(m.Blocks), "process block"))},
		{"commit", commit},
		{"machine", fmt.Sprintf("%s, %s, %s; kernel %s", e.CPU, count(e.Cores, "core"), memory, e.Kernel)},
		{"Go", fmt.Sprintf("%s, GOMAXPROCS=%d, GOGC=%s", e.Go, e.GOMAXPROCS, cmp.Or(e.GOGC, "default"))},
		{"seed", strconv.FormatUint(m.Seed, 10)},
	}
	return slices.DeleteFunc(all, func(f fact) bool { return f.Value == "" })
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

// commands make the run, and its page, again.
func (d *data) commands() []command {
	line := ".build/lab"
	for _, arg := range d.in.Run.Manifest.Args {
		line += " " + quote(arg)
	}
	if e := &d.in.Run.Manifest.Environment; e.Commit != "" {
		line = "git checkout " + e.ShortCommit() + " && make build && " + line
	}
	return []command{{"measure it again", line}, {"write this page again", d.pageCommand()}}
}

func (d *data) pageCommand() string { return ".build/lab report -html results/" + d.folder }

// measure is the command that measures what a figure shows. Sides come from two
// programs, which only the command of the whole run builds.
func (d *data) measure(workloads []string, arms []*arm) string {
	if slices.ContainsFunc(d.arms, func(a *arm) bool { return a.info.Side != "" }) {
		return d.commands()[0].Line
	}
	for _, w := range workloads {
		if _, err := loadgen.ParseWorkload(w); err != nil { // it was in a file
			return d.commands()[0].Line
		}
	}
	line := ".build/lab run"
	if n := d.in.Run.Manifest.PlannedBlocks; n > 0 {
		line += " -blocks " + strconv.Itoa(n)
	}
	if n := d.in.Run.Manifest.PlannedRounds; n > 0 {
		line += " -rounds " + strconv.Itoa(n)
	}
	if seed := d.in.Run.Manifest.Seed; seed != 1 {
		line += " -seed " + strconv.FormatUint(seed, 10)
	}
	for _, w := range workloads {
		line += " -workload " + quote(w)
	}
	var plain []string
	for _, a := range arms {
		if !strings.Contains(a.info.Buffer, ",") {
			plain = append(plain, a.info.Buffer)
		}
	}
	if len(plain) > 0 {
		line += " -buffers " + quote(strings.Join(plain, ","))
	}
	for _, a := range arms {
		if strings.Contains(a.info.Buffer, ",") { // options have commas too
			line += " -buffers " + quote(a.info.Buffer)
		}
	}
	return line
}

// quote makes an argument one word of a shell.
func quote(arg string) string {
	plain := func(r rune) bool {
		word := r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r))
		return word || strings.ContainsRune("-_=:,./+%@", r)
	}
	if arg != "" && strings.IndexFunc(arg, func(r rune) bool { return !plain(r) }) < 0 {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
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
		views = append(views, armView{Swatch: a.id, Label: a.label()})
	}
	return views
}

func (d *data) winners() (views []winnerView) {
	for _, w := range d.in.Winners {
		u := unitOf(w.Unit)
		v := winnerView{Workload: w.Workload, Metric: u.meaning, Note: w.Note, Verdict: "undecided"}
		v.Name = template.HTML(strings.ReplaceAll(template.HTMLEscapeString(w.Workload), ",", ",<wbr/>"))
		switch len(w.Buffers) {
		case 0:
		case 1:
			v.Verdict = "winner"
		default:
			v.Verdict = "tie"
		}
		for _, a := range d.arms {
			view := armView{Swatch: a.id, Label: a.label()}
			if s, has := d.get(a.row(w.Workload), w.Unit); has {
				view.Figure = u.format(s.middle)
				if d.bound(a.row(w.Workload), w.Unit) {
					view.Figure += boundMark
				}
			}
			view.Missing = w.missing(a)
			switch {
			case view.Missing != "":
				v.Others = append(v.Others, view)
			case slices.Contains(w.Buffers, a.info.Buffer):
				v.Arms = append(v.Arms, view)
			case view.Figure != "" && a.lossy():
				v.Unranked = append(v.Unranked, view)
			case view.Figure != "":
				v.Others = append(v.Others, view)
			}
		}
		views = append(views, v)
	}
	return views
}

// missing tells what an arm lacks, or nothing.
func (w *Winner) missing(a *arm) string {
	for _, m := range w.Missing {
		if m.Name == a.info.Buffer && a.info.Side == "" {
			return m.Text()
		}
	}
	return ""
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
			armView{Swatch: a.id, Label: a.label()},
			string(t.Order), string(t.Loss), string(t.Bound), "no", string(t.Producers), a.lossy(),
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

func links(has []string) (all []link) {
	for _, l := range linkMeanings {
		if slices.Contains(has, l.Name) {
			all = append(all, l)
		}
	}
	return all
}
