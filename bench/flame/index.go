package flame

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"os"
	"slices"

	"github.com/google/pprof/profile"
)

// A link is one line of the index.
type link struct {
	*subject
	View       string
	Page       string // file name
	Difference string // file name; "" = there is nothing to compare with
}

// A share is what one pipeline stage took of a CPU profile.
type share struct {
	Stage   string
	Percent float64
}

// A row of the index: one workload and buffer.
type row struct {
	Workload, Buffer string
	Links            []link
	Shares           []share
}

var index = template.Must(template.New("index").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>informerlab: flame graphs</title>
<style>
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em }
table { border-collapse: collapse }
th, td { text-align: left; padding: .3em 1em .3em 0; border-bottom: 1px solid #8884; vertical-align: top }
.stages { font-size: 85% }
</style></head><body>
<h1>Flame graphs</h1>
<p>Profiled apart from the timed runs; all figures are means for one run. The first frames of cpu are
pipeline stages; what has none is the runtime (garbage collector, scheduler), the harness, or a contestant
from outside. “Against reference” shows the difference: green is less than the reference, red is more.</p>
<table><tr><th>workload</th><th>buffer</th><th>pages</th><th>CPU by stage</th></tr>
{{range .}}<tr><td>{{.Workload}}</td><td>{{.Buffer}}</td><td>
{{range .Links}}<a href="{{.Page}}">{{.View}}</a>
{{- if .Difference}} (<a href="{{.Difference}}">against reference</a>){{end}}<br>
{{end}}</td><td class="stages">{{range .Shares}}{{.Stage}} {{printf "%.0f" .Percent}} %<br>{{end}}</td></tr>
{{end}}</table></body></html>
`))

func escape(s string) string { return template.HTMLEscapeString(s) }

func writeIndex(path string, subjects []*subject, links []link) error {
	var rows []*row
	for _, s := range subjects {
		same := func(r *row) bool { return r.Workload == s.workload && r.Buffer == s.buffer }
		at := slices.IndexFunc(rows, same)
		if at < 0 {
			at = len(rows)
			rows = append(rows, &row{Workload: s.workload, Buffer: s.buffer})
		}
		for _, l := range links {
			if l.subject == s {
				rows[at].Links = append(rows[at].Links, l)
			}
		}
		if s.kind == CPU {
			rows[at].Shares = shares(s.profile)
		}
	}
	var page bytes.Buffer
	if err := index.Execute(&page, rows); err != nil {
		return fmt.Errorf("flame: index: %w", err)
	}
	if err := os.WriteFile(path, page.Bytes(), 0o666); err != nil {
		return fmt.Errorf("flame: %w", err)
	}
	return nil
}

// shares adds up the CPU time of each stage label, the largest first.
func shares(p *profile.Profile) []share {
	if len(p.SampleType) == 0 {
		return nil
	}
	value := len(p.SampleType) - 1 // CPU profiles end with the time
	total := int64(0)
	byStage := map[string]int64{}
	for _, sample := range p.Sample {
		stage := noStage
		if names := sample.Label[stageLabel]; len(names) > 0 {
			stage = names[0]
		}
		byStage[stage] += sample.Value[value]
		total += sample.Value[value]
	}
	var all []share
	for stage, used := range byStage {
		all = append(all, share{stage, 100 * float64(used) / float64(max(total, 1))})
	}
	slices.SortFunc(all, func(a, b share) int {
		return cmp.Or(cmp.Compare(b.Percent, a.Percent), cmp.Compare(a.Stage, b.Stage))
	})
	return all
}
