package flame

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/pprof/profile"
)

// writePages writes the page of one view of one profile and, if there is a base,
// the page of the difference.
func writePages(out string, s *subject, v view, subjects []*subject) (link, error) {
	l := link{subject: s, View: v.Name}
	name := strings.TrimSuffix(filepath.Base(s.path), "."+s.kind+suffix) + "." + v.Name
	title := fmt.Sprintf("%s · %s · %s", s.workload, s.arm(), v.Name)
	page, err := render(s.profile, nil, v.sampleIndex)
	if err == nil {
		l.Page = name + ".html"
		err = page.write(filepath.Join(out, l.Page), title, nil)
	}
	base, against := baseOf(subjects, s)
	if err == nil && base != nil {
		l.Difference, l.Against = name+".vs-"+against+".html", against
		err = writeDifference(filepath.Join(out, l.Difference), title+" against "+against, v, s, base)
	}
	if err != nil {
		return l, fmt.Errorf("flame: %s: %w", s.path, err)
	}
	return l, nil
}

func writeDifference(path, title string, v view, s, base *subject) error {
	page, err := render(s.profile, base.profile, v.sampleIndex)
	if err != nil {
		return err
	}
	grown, err := growthOf(s.profile, base.profile, v)
	if err != nil {
		return err
	}
	return page.write(path, title, grown)
}

// A page is what pprof's driver shows.
type page []byte

// render returns the flame graph of p, or of its difference from base.
func render(p, base *profile.Profile, sampleIndex string) (page, error) {
	handlers, err := handlersOf(p, base)
	if err != nil {
		return nil, err
	}
	flamegraph := handlers["/flamegraph"]
	if flamegraph == nil {
		return nil, fmt.Errorf("pprof's driver has no flame graph view")
	}
	request := httptest.NewRequest(http.MethodGet, "/flamegraph?si="+url.QueryEscape(sampleIndex), nil)
	recorder := httptest.NewRecorder()
	flamegraph.ServeHTTP(recorder, request)
	text := recorder.Body.Bytes()
	if recorder.Code != http.StatusOK {
		return nil, fmt.Errorf("pprof's driver: status %d: %s", recorder.Code, bytes.TrimSpace(text))
	}
	return text, nil
}

// style hides what does not work in a saved page, and sets what is added.
const style = `<style>
.header .menu-item, .header .title, #action-menu { display: none !important }
.back { padding: 0 1em; align-self: center }
.top { font: 13px sans-serif; padding: .5em 1em; border-bottom: 1px solid #ccc }
.top table { border-collapse: collapse; width: auto }
.top th, .top td { text-align: left; padding: .1em 1.5em .1em 0; white-space: nowrap }
.top .figure { text-align: right; font-variant-numeric: tabular-nums }
</style>
`

// script leaves the right mouse button to the browser, as pprof's menu under it
// leads to other views too. And where a browser refuses a page from a file to change
// its own address, which is how pprof zooms, it opens that address instead.
const script = `<script>
document.addEventListener('contextmenu', (e) => e.stopPropagation(), true);
const pushState = history.pushState.bind(history);
history.pushState = (state, title, address) => {
  try { pushState(state, title, address) } catch { location.assign(address) }
};
</script>
`

// write saves the page under a title, with the way back and what grew, if that is
// known.
func (p page) write(path, title string, grown *growth) error {
	var above bytes.Buffer
	if err := header.Execute(&above, title); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	var below bytes.Buffer
	if grown != nil {
		if err := topTable.Execute(&below, grown); err != nil {
			return fmt.Errorf("table: %w", err)
		}
	}
	for _, insert := range []struct {
		at    string
		after bool
		text  string
	}{
		{"</head>", false, style + script},
		{`<div class="header">`, true, above.String()},
		{`<div id="current-details">`, false, below.String()},
	} {
		before, after, found := bytes.Cut(p, []byte(insert.at))
		if !found {
			return fmt.Errorf("pprof's page has no %s to write to", insert.at)
		}
		parts := [][]byte{before, []byte(insert.text), []byte(insert.at), after}
		if insert.after {
			parts[1], parts[2] = parts[2], parts[1]
		}
		p = bytes.Join(parts, nil)
	}
	return os.WriteFile(path, p, 0o666)
}

var header = template.Must(template.New("header").Parse(
	`<a class="back" href="index.html">← all pages</a><b>{{.}}</b>`))

// topShown is how many functions a page of a difference names.
const topShown = 5

// A growth is what the page of a difference says in words.
type growth struct {
	Top       []frame
	Elsewhere frame
}

// A frame is a Frame as it is shown.
type frame struct{ Function, Base, Head, Growth string }

var topTable = template.Must(template.New("top").Parse(`<div class="top"><table>
<tr><th>grew most</th><th class="figure">from</th><th class="figure">to</th><th class="figure">by</th></tr>
{{range .Top}}<tr><td>{{.Function}}</td><td class="figure">{{.Base}}</td><td class="figure">{{.Head}}</td>
<td class="figure">{{.Growth}}</td></tr>
{{else}}<tr><td>nothing</td></tr>
{{end}}{{with .Elsewhere}}<tr><td><i>{{.Function}}</i></td><td class="figure">{{.Base}}</td>
<td class="figure">{{.Head}}</td><td class="figure">{{.Growth}}</td></tr>{{end}}
</table></div>
`))

func growthOf(head, base *profile.Profile, v view) (*growth, error) {
	top, elsewhere, err := Top(head, base, v.sampleIndex, topShown)
	if err != nil {
		return nil, err
	}
	index, err := head.SampleIndexByName(v.sampleIndex)
	if err != nil {
		return nil, err
	}
	unit := head.SampleType[index].Unit
	shown := func(f Frame) frame {
		return frame{f.Function, quantity(f.Base, unit), quantity(f.Head, unit), quantity(f.Growth(), unit)}
	}
	g := &growth{Elsewhere: shown(elsewhere)}
	g.Elsewhere.Function = "the runtime by itself"
	for _, f := range top {
		g.Top = append(g.Top, shown(f))
	}
	return g, nil
}

// quantity returns a value of a profile with three digits and a unit.
func quantity(value int64, unit string) string {
	if unit == "nanoseconds" {
		return fmt.Sprintf("%.3g ms", float64(value)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.3g MB", float64(value)/1e6)
}
