package flame

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"os"
	"slices"

	"github.com/google/pprof/profile"

	"informerlab/bench/worker"
)

// A link is one line of the index.
type link struct {
	*subject
	View       string
	Page       string // file name
	Difference string // file name; "" = there is nothing to compare with
	Against    string // what that is
}

// A share is what one pipeline stage took of a CPU profile.
type share struct {
	Stage   string
	Percent float64
}

// A row of the index: one workload, buffer and side.
type row struct {
	Workload, Arm string
	Links         []link
	Shares        []share
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
<p>Profiled apart from the timed runs; all figures are means for one run. The first frames are
pipeline stages; what has none is the runtime (garbage collector, scheduler), the harness, or a contestant
from outside. cpu is time on a processor, alloc bytes allocated, backlog bytes in use while handlers stalled,
mutex the time that others waited for a lock that the function released, block the time that it waited itself.
“Against …” shows the difference: green is less, red is more; a table names the functions that grew most.</p>
<table><tr><th>workload</th><th>buffer</th><th>pages</th><th>CPU by stage</th></tr>
{{range .}}<tr><td>{{.Workload}}</td><td>{{.Arm}}</td><td>
{{range .Links}}<a href="{{.Page}}">{{.View}}</a>
{{- if .Difference}} (<a href="{{.Difference}}">against {{.Against}}</a>){{end}}<br>
{{end}}</td><td class="stages">{{range .Shares}}{{.Stage}} {{printf "%.0f" .Percent}} %<br>{{end}}</td></tr>
{{end}}</table></body></html>
`))

func writeIndex(path string, subjects []*subject, links []link) error {
	var rows []*row
	for _, s := range subjects {
		same := func(r *row) bool { return r.Workload == s.workload && r.Arm == s.arm() }
		at := slices.IndexFunc(rows, same)
		if at < 0 {
			at = len(rows)
			rows = append(rows, &row{Workload: s.workload, Arm: s.arm()})
		}
		for _, l := range links {
			if l.subject == s {
				rows[at].Links = append(rows[at].Links, l)
			}
		}
		if s.kind == worker.CPUProfile {
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
