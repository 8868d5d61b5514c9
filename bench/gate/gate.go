// Package gate decides whether a change makes the lab's pipelines worse: it
// builds the program lab from two trees, base and head, and compares them layer
// by layer, the cheapest first. It stops at the first layer that fails.
//
//	git ref ─▶ base's tree ─┐          conformance ▶ allocations ▶ instructions ▶ CPU ▶ wall, tails
//	working tree = head ────┴▶ 2 labs ─▶ rows ── slower? ─▶ 2 labs linked anew ─▶ confirmed? ─▶ Report
//
// A row is one workload, buffer and unit. One that is worse fails the gate only
// if it is so twice, the second time in fresh processes of programs that were
// linked again with their functions in another order. A row that head lacks
// fails it too; one that base lacks is new and compared with nothing. Whatever
// cannot be told is said to be inconclusive, never fine:
//
//   - a timed layer whose controls failed: base differed from itself, or a known
//     slowdown went unseen. Its rows prove nothing, whatever they say;
//   - a row whose interval does not even exclude a slowdown of blindFactor floors;
//   - no row at all that could be compared, as where base speaks another version
//     of the worker protocol.
//
// A row that is merely inconclusive, so that the change may be anything below that,
// fails nothing: on a noisy machine some always are.
//
// All that a gate makes lies in one temporary folder, which is removed in the
// end, or by the next gate if this one was killed. Nothing is registered with
// git: base's tree is checked out there with an index of its own. What is still
// running when a gate is killed ends by itself, as it loses its standard input
// or its leash.
//
// Limits: one machine, Unix, a git repository whose top folder is the module. The
// instructions are counted only where valgrind is installed.
package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"informerlab/bench/judge"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
)

// A Gate compares two trees. The zero values of Seed and Log will do.
type Gate struct {
	Base, Head Tree
	Layers     []Layer // in the order to go through
	Seed       uint64  // of the order of functions in the programs for confirmation
	// Log hears, in one line each, what begins and how long all may still take.
	Log func(line string)
}

// A Layer is one kind of measurement. Its functions are called by one goroutine.
type Layer struct {
	Name  string
	Guess time.Duration // what it takes, to tell the time left
	// Subjects returns what to compare of the contestants that base or head have.
	// Nil: the layer compares nothing, but Measure may fail head.
	Subjects func(contestants []worker.Listing) []Subject
	// Lacks returns which of the subjects a program lacks, and why.
	Lacks func(ctx context.Context, p Program, subjects []Subject) (map[Subject]string, error)
	// Measure compares subjects that both programs have.
	Measure func(ctx context.Context, s Sides, subjects []Subject) (Outcome, error)
}

// A Subject is a workload and a buffer. The workload of those that are measured
// without a pipeline is their own name for what they do.
type Subject struct{ Workload, Buffer string }

// Sides are the two programs to compare.
type Sides struct{ Base, Head Program }

// An Outcome is what a layer found.
type Outcome struct {
	Rows     []judge.Row
	Controls []judge.Control
	Unfit    string // why the rows prove nothing; "" = they do
	Skipped  string // why nothing was measured; "" = it was
	Failure  string // what is wrong with head, beyond being slower; may have many lines
}

// Run compares. Its errors are about what stood in the way; what is wrong with
// head is in the report. If ctx ends, its error is returned.
func (g *Gate) Run(ctx context.Context) (*Report, error) {
	r, err := g.run(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err() // whatever failed, failed because it was ended
	}
	return r, err
}

func (g *Gate) run(ctx context.Context) (_ *Report, err error) {
	scratch, err := newScratch()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, scratch.remove()) }()
	began := time.Now()
	g.tell(0, "building base and head")
	first, second, err := g.build(ctx, scratch)
	if err != nil {
		return nil, err
	}
	report, err := g.compare(ctx, first, second)
	if err == nil {
		report.Took = time.Since(began)
	}
	return report, err
}

// compare goes through the layers with programs for the comparison and for its
// confirmation.
func (g *Gate) compare(ctx context.Context, first, second Sides) (*Report, error) {
	report := &Report{Base: g.Base.Label, Head: g.Head.Label}
	contestants, different, err := catalogue(ctx, first)
	if err != nil || different != "" {
		report.Incomparable = different
		return report, err
	}
	for i, layer := range g.Layers {
		g.tell(i, layer.Name)
		began := time.Now()
		result, err := g.layer(ctx, i, contestants, first, second)
		if err != nil {
			return nil, fmt.Errorf("gate: %s: %w", layer.Name, err)
		}
		result.Took = time.Since(began)
		report.Layers = append(report.Layers, result)
		if result.failed() || result.Unfit != "" {
			for _, rest := range g.Layers[i+1:] {
				report.Layers = append(report.Layers, LayerReport{
					Name: rest.Name, Outcome: Outcome{Skipped: "a layer before it ended the gate"}})
			}
			break
		}
	}
	return report, nil
}

// build makes the programs for the comparison and those for its confirmation, all
// before anything is measured: the working tree may change meanwhile.
func (g *Gate) build(ctx context.Context, scratch *scratch) (first, second Sides, err error) {
	programs := []*Program{&first.Base, &first.Head, &second.Base, &second.Head}
	trees := []Tree{g.Base, g.Head, g.Base, g.Head}
	names := []string{"base", "head", "base-again", "head-again"}
	for i, program := range programs {
		layout := uint64(0)
		if i > 1 {
			layout = g.Seed*2 + uint64(i) // each its own: base may be head
		}
		*program, err = trees[i].build(ctx, scratch.file(names[i]), layout)
		if err != nil {
			return first, second, err
		}
	}
	return first, second, nil
}

// catalogue returns the contestants of both programs, those of head first, or
// why the two cannot be compared at all.
func catalogue(ctx context.Context, s Sides) (all []worker.Listing, different string, err error) {
	head, err := s.Head.list(ctx)
	if err != nil {
		return nil, "", err
	}
	base, err := s.Base.list(ctx)
	if err != nil {
		return nil, "", err
	}
	if base.Version != head.Version {
		return nil, fmt.Sprintf("base speaks version %d of the worker protocol, head version %d: "+
			"nothing can be compared over that change", base.Version, head.Version), nil
	}
	all = head.Contestants
	for _, listing := range base.Contestants {
		same := func(l worker.Listing) bool { return l.Name == listing.Name }
		if !slices.ContainsFunc(head.Contestants, same) {
			all = append(all, listing)
		}
	}
	return all, "", nil
}

// layer measures one layer and confirms what it finds worse.
func (g *Gate) layer(
	ctx context.Context, number int, contestants []worker.Listing, first, second Sides,
) (LayerReport, error) {
	layer := g.Layers[number]
	report := LayerReport{Name: layer.Name}
	subjects, rows, err := layer.both(ctx, contestants, first)
	if err != nil {
		return report, err
	}
	if len(subjects) > 0 || layer.Subjects == nil {
		if report.Outcome, err = layer.Measure(ctx, first, subjects); err != nil {
			return report, err
		}
	}
	red := worse(report.Rows)
	if len(red) > 0 && report.Unfit == "" {
		g.tell(number, fmt.Sprintf("%s: again, as %d of %d are slower", layer.Name, len(red), len(subjects)))
		again, err := layer.Measure(ctx, second, red)
		if err != nil {
			return report, err
		}
		report.confirm(again)
	}
	report.Rows = append(report.Rows, rows...)
	return report, nil
}

// both returns the subjects that both programs have, and rows for the others.
func (l *Layer) both(
	ctx context.Context, contestants []worker.Listing, s Sides,
) (subjects []Subject, rows []judge.Row, err error) {
	if l.Subjects == nil {
		return nil, nil, nil
	}
	all := l.Subjects(contestants)
	base, err := l.Lacks(ctx, s.Base, all)
	if err != nil {
		return nil, nil, err
	}
	head, err := l.Lacks(ctx, s.Head, all)
	if err != nil {
		return nil, nil, err
	}
	for _, subject := range all {
		inBase, inHead := base[subject] == "", head[subject] == ""
		switch {
		case inBase && inHead:
			subjects = append(subjects, subject)
		case inHead:
			rows = append(rows, judge.Unmeasured(subject.row(), stats.New, "base: "+base[subject]))
		case inBase:
			rows = append(rows, judge.Unmeasured(subject.row(), stats.Missing, "head: "+head[subject]))
		default:
			return nil, nil, fmt.Errorf("%s, %s: neither base nor head has it: %s",
				subject.Workload, subject.Buffer, head[subject])
		}
	}
	return subjects, rows, nil
}

// tell logs what begins, with the time that the layers from number on may take.
func (g *Gate) tell(number int, what string) {
	if g.Log == nil {
		return
	}
	left := time.Duration(0)
	for _, layer := range g.Layers[number:] {
		left += layer.Guess
	}
	g.Log(fmt.Sprintf("%s, about %v left", what, left.Round(time.Second)))
}
