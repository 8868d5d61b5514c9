package gate

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"informerlab/bench/trials"
)

const (
	ringFile  = "variants/ring/ring.go"
	listFile  = "bench/contestants/contestants.go"
	ringPush  = "func (s *store[T]) Push(items []T) {\n"
	ringAdded = "\t\tall = append(all, contestant(v, false))\n"
)

// The mutants that a gate has to recognise. Their files are of packages near the
// program, so that few others have to be compiled again.
var (
	slowMutant = trials.Mutant{
		Name: "slow-ring", What: "a ring that wastes some time for each item", File: ringFile,
		Edits: []trials.Edit{{Old: ringPush, New: ringPush + `
	wasted := 1
	for range 40 * len(items) {
		wasted = wasted*3 + 1
	}
	if wasted == 0 {
		panic("a sum of powers of three")
	}
`}},
	}
	allocatingMutant = trials.Mutant{
		Name: "allocating-ring", What: "a ring that allocates for each item", File: ringFile,
		Edits: []trials.Edit{{
			Old: ringPush, New: "var sink *int\n\n" + ringPush + "\tfor range items {\n\t\tsink = new(int)\n\t}\n",
		}},
	}
	missingMutant = trials.Mutant{
		Name: "no-ring", What: "a catalogue without ring", File: listFile,
		Edits: []trials.Edit{{Old: ringAdded, New: "\t\tif v.Name != \"ring\" {\n\t" + ringAdded + "\t\t}\n"}},
	}
	brokenMutant = trials.Mutant{
		Name: "broken", What: "a broken tree", File: listFile,
		Edits: []trials.Edit{{Old: "const startLimit = ", New: "const startLimit string = "}},
	}
)

// mutant returns the tree with a mutant in it. The tree itself stays as it is: only
// go build sees the other file.
func (t Tree) mutant(m trials.Mutant, scratch *scratch) (Tree, error) {
	overlay, err := m.Overlay(t.Dir, scratch.path)
	if err != nil {
		return t, fmt.Errorf("gate: %w", err)
	}
	return Tree{Label: m.What, Dir: t.Dir, Overlay: overlay}, nil
}

// SelfCheck lets quick gates judge the working tree against itself, which must
// not fail, and against mutants, which must. It returns what was not as expected;
// an error says that it could not be tried.
func SelfCheck(ctx context.Context, r Repository, measure Timed, seed uint64, log func(string)) ([]string, error) {
	scratch, err := newScratch()
	if err != nil {
		return nil, err
	}
	c := &checker{scratch: scratch, seed: seed, log: log}
	err = c.check(ctx, r, measure)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return c.wrong, errors.Join(err, scratch.remove())
}

// A checker is one SelfCheck.
type checker struct {
	scratch *scratch
	seed    uint64
	log     func(string)
	head    [2]Program // as they are linked by default, and for confirmation
	base    Tree
	wrong   []string
}

func (c *checker) check(ctx context.Context, r Repository, measure Timed) (err error) {
	if c.base, err = r.Head(ctx); err != nil {
		return err
	}
	if c.head, err = c.build(ctx, c.base); err != nil {
		return err
	}
	// The laws are for other steps of the same tests to check.
	layers := Layers(measure, true)[1:]
	err = c.expect(ctx, "the tree itself", c.head, layers, StatusFine, StatusInconclusive)
	if err != nil {
		return err
	}
	type trial struct {
		mutant trials.Mutant
		layer  Layer
	}
	trials := []trial{{missingMutant, Allocations(true)}, {allocatingMutant, Allocations(true)}}
	if _, err := exec.LookPath("valgrind"); err == nil {
		trials = append(trials, trial{slowMutant, Instructions(true)})
	}
	trials = append(trials, trial{slowMutant, CPU(measure, true)})
	for _, trial := range trials {
		tree, err := c.base.mutant(trial.mutant, c.scratch)
		if err != nil {
			return err
		}
		programs, err := c.build(ctx, tree)
		if err != nil {
			return err
		}
		name := trial.layer.Name + ": " + trial.mutant.What
		if err := c.expect(ctx, name, programs, []Layer{trial.layer}, StatusSlower); err != nil {
			return err
		}
	}
	return c.broken(ctx)
}

// build builds a tree for a comparison and its confirmation.
func (c *checker) build(ctx context.Context, t Tree) (programs [2]Program, err error) {
	for i := range programs {
		path := c.scratch.file(fmt.Sprintf("%s-%d", strings.ReplaceAll(t.Label, " ", "-"), i))
		if programs[i], err = t.build(ctx, path, uint64(i)*(c.seed+1)); err != nil {
			return programs, err
		}
	}
	return programs, nil
}

// tries is how often a mutant may be inconclusive: other programs may be busy.
const tries = 3

// expect lets a gate compare programs with those of the tree. Where it is to fail
// and can say nothing, it is asked again.
func (c *checker) expect(ctx context.Context, what string, head [2]Program, layers []Layer, expected ...int) error {
	g := Gate{Base: c.base, Head: head[0].Tree, Layers: layers}
	told := ""
	for range tries {
		began := time.Now()
		report, err := g.compare(ctx, Sides{c.head[0], head[0]}, Sides{c.head[1], head[1]})
		if err != nil {
			return err
		}
		status, why := report.Status()
		told = fmt.Sprintf("%s: status %d", what, status)
		if slices.Contains(expected, status) {
			c.log(fmt.Sprintf("%s, as expected, %v", told, time.Since(began).Round(time.Second/10)))
			return nil
		}
		told += fmt.Sprintf(", expected %d: %s", expected[0], strings.Join(why, "; "))
		c.log(told)
		if status != StatusInconclusive {
			break
		}
	}
	c.wrong = append(c.wrong, told)
	return nil
}

// broken checks that a base that does not build is an error that says where.
func (c *checker) broken(ctx context.Context) error {
	tree, err := c.base.mutant(brokenMutant, c.scratch)
	if err != nil {
		return err
	}
	_, err = tree.build(ctx, c.scratch.file("broken"), 0)
	if err == nil || !strings.Contains(err.Error(), "does not build: ") || !strings.Contains(err.Error(), ".go:") {
		c.wrong = append(c.wrong, fmt.Sprintf("%s: found %v, expected the place of the mistake", tree.Label, err))
		return nil
	}
	c.log("base: " + tree.Label + ": an error, as expected")
	return ctx.Err()
}
