// Package flame turns the profiles of a run into flame graph pages that open
// from a file, without a network and without another file.
//
//	profiles/*.pb.gz ── pprof's driver, served into memory ──▶ flame/*.html + index.html
//
// Each page is the one that `pprof -http` shows, rooted by pipeline stage. Its
// menus lead to other views, which a saved page does not have, so they are
// hidden; search, zoom and details work. A page whose name ends in .vs-reference
// shows in red and green what a buffer spends more and less than the reference
// in one run.
//
// Limits: pprof's driver keeps global state, so pages are made one after the
// other, and this package must not be used concurrently.
package flame

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

// Profile file names are "workload@buffer.kind.pb.gz", the slashes of the
// workload's label written as commas.
const (
	suffix    = ".pb.gz"
	reference = "reference"
	// CPU and Heap are the kinds of profile.
	CPU  = "cpu"
	Heap = "heap"
)

// FileName returns the name of the file that holds one profile of a run.
// workload is a label such as "workload=saturate/listeners=8".
func FileName(workload, buffer, kind string) string {
	workload = strings.ReplaceAll(strings.TrimPrefix(workload, "workload="), "/", ",")
	return workload + "@" + strings.ReplaceAll(buffer, "/", "_") + "." + kind + suffix
}

// A subject is one profile file.
type subject struct {
	path                   string
	workload, buffer, kind string
	profile                *profile.Profile
}

// A view is one way to look at a kind of profile.
type view struct {
	Name        string // of the page, and in the index
	kind        string
	sampleIndex string
	workload    string // what the names of workloads begin with for which it says something
}

var views = []view{
	{"cpu", CPU, "cpu", ""},
	{"alloc", Heap, "alloc_space", ""},
	{"backlog", Heap, "inuse_space", "stall"},
}

// Write makes the pages of all profiles in the folder profiles, and an index of
// them, in the folder out, which it creates. It returns the path of the index.
func Write(profiles, out string) (string, error) {
	subjects, err := read(profiles)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(out, 0o777); err != nil {
		return "", fmt.Errorf("flame: %w", err)
	}
	var links []link
	for _, s := range subjects {
		for _, v := range views {
			if v.kind != s.kind || !strings.HasPrefix(s.workload, v.workload) {
				continue
			}
			made, err := writePages(out, s, v, baseOf(subjects, s))
			if err != nil {
				return "", err
			}
			links = append(links, made)
		}
	}
	path := filepath.Join(out, "index.html")
	return path, writeIndex(path, subjects, links)
}

// read parses all profiles of a folder, ordered by name.
func read(folder string) ([]*subject, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*"+suffix))
	if err != nil {
		return nil, fmt.Errorf("flame: %w", err)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("flame: no profiles in %s: make them with lab run -profile", folder)
	}
	slices.Sort(paths)
	var subjects []*subject
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), suffix)
		dot := strings.LastIndexByte(name, '.')
		workload, buffer, found := strings.Cut(name[:max(dot, 0)], "@")
		if dot < 0 || !found {
			return nil, fmt.Errorf("flame: %s: expected a name like workload@buffer.kind%s", path, suffix)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("flame: %w", err)
		}
		p, err := profile.ParseData(data)
		if err != nil {
			return nil, fmt.Errorf("flame: %s: %w", path, err)
		}
		s := &subject{path, workload, buffer, name[dot+1:], p}
		s.tidy()
		subjects = append(subjects, s)
	}
	return subjects, nil
}

// The label that the pipeline's goroutines carry, and what stands for it in CPU
// profiles where there is none. Heap profiles have no labels.
const (
	stageLabel = "stage"
	noStage    = "no stage"
)

// tidy makes the profile fit to be shown.
func (s *subject) tidy() {
	s.profile.DocURL = "" // a page of ours points at nothing outside
	for _, f := range s.profile.Function {
		f.Name = withoutTypes(f.Name)
	}
	if s.kind != CPU {
		return
	}
	for _, sample := range s.profile.Sample {
		if len(sample.Label[stageLabel]) == 0 {
			if sample.Label == nil {
				sample.Label = map[string][]string{}
			}
			sample.Label[stageLabel] = []string{noStage}
		}
	}
}

// staged tells whether a sample says which stage it is from.
func staged(p *profile.Profile) bool {
	return slices.ContainsFunc(p.Sample, func(s *profile.Sample) bool { return len(s.Label[stageLabel]) > 0 })
}

// withoutTypes shortens type arguments to […]: those of a notification, field by
// field, are longer than any frame, and dots in them hide the function's name.
func withoutTypes(name string) string {
	var short strings.Builder
	depth := 0
	for _, r := range name {
		switch {
		case r == '[':
			if depth++; depth == 1 {
				short.WriteString("[…")
			}
		case r == ']' && depth > 0:
			depth--
		}
		if depth == 0 {
			short.WriteRune(r)
		}
	}
	return short.String()
}

// baseOf returns the reference's profile beside s, or nil.
func baseOf(subjects []*subject, s *subject) *subject {
	for _, other := range subjects {
		if other.workload == s.workload && other.kind == s.kind && other.buffer == reference && other != s {
			return other
		}
	}
	return nil
}

// writePages writes the page of one view of one profile and, with a base, the
// page of the difference.
func writePages(out string, s *subject, v view, base *subject) (link, error) {
	l := link{subject: s, View: v.Name}
	name := strings.TrimSuffix(filepath.Base(s.path), "."+s.kind+suffix) + "." + v.Name
	title := fmt.Sprintf("%s · %s · %s", s.workload, s.buffer, v.Name)
	var err error
	if l.Page, err = writePage(out, name, title, v, s, nil); err != nil || base == nil {
		return l, err
	}
	l.Difference, err = writePage(out, name+".vs-"+reference, title+" against "+reference, v, s, base)
	return l, err
}

func writePage(out, name, title string, v view, s, base *subject) (file string, err error) {
	page, err := render(s.profile, profileOf(base), v.sampleIndex, title)
	if err != nil {
		return "", fmt.Errorf("flame: %s: %w", s.path, err)
	}
	file = name + ".html"
	if err := os.WriteFile(filepath.Join(out, file), page, 0o666); err != nil {
		return "", fmt.Errorf("flame: %w", err)
	}
	return file, nil
}

func profileOf(s *subject) *profile.Profile {
	if s == nil {
		return nil
	}
	return s.profile
}

// style hides what does not work in a saved page and sets the way back.
const style = `<style>
.header .menu-item, .header .title { display: none }
.back { padding: 0 1em; align-self: center }
</style>
`

// render returns the flame graph page of p, or of its difference from base.
func render(p, base *profile.Profile, sampleIndex, title string) ([]byte, error) {
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
	page := recorder.Body.Bytes()
	if recorder.Code != http.StatusOK {
		return nil, fmt.Errorf("pprof's driver: status %d: %s", recorder.Code, bytes.TrimSpace(page))
	}
	head, header := []byte("</head>"), []byte(`<div class="header">`)
	if !bytes.Contains(page, head) || !bytes.Contains(page, header) {
		return nil, fmt.Errorf("pprof's page has no head or no header to write into")
	}
	page = bytes.Replace(page, head, []byte(style+"</head>"), 1)
	back := `<a class="back" href="index.html">← all pages</a><b>` + escape(title) + `</b>`
	return bytes.Replace(page, header, append(header, back...), 1), nil
}
