// Package findings answers open questions of the field with this lab's figures:
// a page each, made from a file of measured data by a pure function.
//
//	recorded trace ─▶ facts ─┐
//	arms, blocks   ─▶ measured ─▶ NAME.json ─┬─ Files ──▶ NAME.md, NAME.svg
//	pages/NAME.md, written by hand ──────────┘
//
// Words are a person's, numbers the data's, and the same data gives the same bytes. Each
// conclusion is a claim that is tested against the committed data; where new data do
// not show one, the page says so.
//
// Measuring goes block by block. In each, every arm is measured in a process of its
// own, in an order of its own: either by a probe, which is this program again, or
// where whole pipelines are compared by the workers of package run, which check
// every call. What finished blocks measured is on disk, so that an interrupted
// measurement is resumed.
//
// Limits: one machine at a time. Figures are of this lab's buffers, those of
// client-go itself where its worker has been built.
package findings

import (
	"fmt"
	"slices"
	"strings"
	"text/template"

	"informerlab/bench/run"
	"informerlab/bench/worker"
)

// A Finding is one question.
type Finding struct {
	Name string // of its files and on the command line

	blocks int // that are measured by default
	probes []probe
	// pipelines are measured too, by workers: figures are those of a result, units
	// what they are at least.
	pipelines []pipeline
	figures   func(*worker.Result) map[string]float64
	units     []string
	facts     func() (map[string]map[string]float64, error)
	columns   []string                     // of each row of facts
	words     func(*Data) template.FuncMap // what the page's template may call, beside files' own
	claims    map[string]claim             // what it concludes, by name
	figure    func(*Data) string           // SVG
}

// A probe is an arm that needs no pipeline.
type probe struct {
	name    string
	units   []string // of what it measures
	measure func() (map[string]float64, error)
}

// A pipeline is a workload and the buffers that go through it.
type pipeline struct {
	name     string // of the case, beginning of the names of arms
	workload string
	buffers  []string
}

// arm returns the name of one of the arms of a pipeline.
func (p pipeline) arm(buffer string) string { return p.name + "/" + buffer }

// outside is a contestant that may be missing: it has a worker of its own.
const outside = "client-go"

// All returns all findings.
func All() []*Finding { return []*Finding{ringSize(), neverShrinks(), slowNeighbours()} }

// Find returns the finding of that name. The error of an unknown one lists the
// names there are.
func Find(name string) (*Finding, error) {
	var names []string
	for _, f := range All() {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return nil, fmt.Errorf("findings: unknown finding %q: expected one of %s", name, strings.Join(names, ", "))
}

// Probe measures one arm in this process and returns its figures by unit.
func (f *Finding) Probe(arm string) (map[string]float64, error) {
	i := slices.IndexFunc(f.probes, func(p probe) bool { return p.name == arm })
	if i < 0 {
		return nil, fmt.Errorf("findings: %s: found no probe %q, expected one that it has", f.Name, arm)
	}
	return f.probes[i].measure()
}

// required returns the units that a data file must have, by arm.
func (f *Finding) required() map[string][]string {
	units := map[string][]string{}
	for _, p := range f.probes {
		units[p.name] = p.units
	}
	for _, p := range f.pipelines {
		for _, buffer := range p.buffers {
			if buffer != outside {
				units[p.arm(buffer)] = f.units
			}
		}
	}
	return units
}

// Options say how to measure.
type Options struct {
	Folder string   // of the data and the page
	Probe  []string // the command that prints what Probe returns, as JSON; name of finding and arm follow
	// Arms returns the arms of these buffers that there are: client-go may be
	// missing.
	Arms   func(buffers []string) ([]run.Arm, error)
	Blocks int // 0 = as many as suit the finding
	Seed   uint64
	Tell   func(line string) // hears of progress
}
