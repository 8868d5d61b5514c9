// Package flame turns the profiles of a run into flame graph pages that open
// from a file, without a network and without another file.
//
//	profiles/*.pb.gz ── pprof's driver, served into memory ──▶ flame/*.html + index.html
//
// Each page is the one that `pprof -http` shows, rooted by pipeline stage. Its
// menus lead to other views, which a saved page does not have, so they are
// hidden; search, zoom and details work. There are pages of CPU time, of bytes
// allocated, of the backlog of a stall, and of waiting for locks and for anything.
//
// A page whose name ends in .vs-reference shows in red and green what a buffer
// spends more and less than the reference in one run; in a comparison, one that
// ends in .vs-base does so for a side of it and the base. Above the graph such a
// page names the functions that grew most.
//
// Limits: pprof's driver keeps global state, so pages are made one after the
// other, and this package must not be used concurrently.
package flame

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/pprof/profile"

	"informerlab/bench/worker"
)

// Profile file names are "workload@buffer.kind.pb.gz" or, in a comparison,
// "workload@buffer@side.kind.pb.gz", the slashes of the workload's label written
// as commas.
const (
	suffix    = worker.ProfileSuffix
	reference = "reference" // the buffer that others are compared with in an ordinary run
	baseSide  = "base"      // the side that others are compared with in a comparison
)

// Prefix returns what the names of the files that hold the profiles of one arm
// begin with, up to the kind. workload is a label such as
// "workload=saturate/listeners=8"; side is "" in an ordinary run.
func Prefix(workload, buffer, side string) string {
	workload = strings.ReplaceAll(strings.TrimPrefix(workload, "workload="), "/", ",")
	prefix := workload + "@" + strings.ReplaceAll(buffer, "/", "_")
	if side != "" {
		prefix += "@" + side
	}
	return prefix
}

// A subject is one profile file.
type subject struct {
	path                         string
	workload, buffer, side, kind string
	profile                      *profile.Profile
}

func (s *subject) arm() string {
	if s.side == "" {
		return s.buffer
	}
	return s.buffer + " " + s.side
}

// A view is one way to look at a kind of profile.
type view struct {
	Name        string // of the page, and in the index
	kind        string
	sampleIndex string
	workload    string // what the names of workloads begin with for which it says something
}

var views = []view{
	{"cpu", worker.CPUProfile, "cpu", ""},
	{"alloc", worker.HeapProfile, "alloc_space", ""},
	{"backlog", worker.HeapProfile, "inuse_space", "stall"},
	{"mutex", worker.MutexProfile, "delay", ""},
	{"block", worker.BlockProfile, "delay", ""},
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
			if len(s.profile.Sample) == 0 {
				continue // nobody waited, for instance
			}
			made, err := writePages(out, s, v, subjects)
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
		parts := strings.Split(name[:max(dot, 0)], "@")
		if len(parts) < 2 || len(parts) > 3 {
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
		s := &subject{path: path, workload: parts[0], buffer: parts[1], kind: name[dot+1:], profile: p}
		if len(parts) == 3 {
			s.side = parts[2]
		}
		s.tidy()
		subjects = append(subjects, s)
	}
	return subjects, nil
}

// The label that the pipeline's goroutines carry, and what stands for it where
// there is none.
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
	if !staged(s.profile) {
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

// baseOf returns what s is compared with, and its name, or nil: in an ordinary
// run the reference's profile, in a comparison that of the base side.
func baseOf(subjects []*subject, s *subject) (base *subject, name string) {
	buffer, side, name := reference, "", reference
	if s.side != "" {
		buffer, side, name = s.buffer, baseSide, baseSide
	}
	for _, other := range subjects {
		if other.workload == s.workload && other.kind == s.kind && other.buffer == buffer && other.side == side &&
			other != s {
			return other, name
		}
	}
	return nil, ""
}
