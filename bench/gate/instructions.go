package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"informerlab/bench/worker"
	"informerlab/core/buffer"
)

// instructionsFloor is the change in instructions that matters. Counts of one
// program differ by less.
const instructionsFloor = 0.01

// The two numbers of items whose difference in instructions is counted, so that
// the start of the program cancels out.
const fewItems, manyItems = 1_000, 1_001_000

// instructionsPerItem is the unit of the layer of instructions.
const instructionsPerItem = "instructions/item"

// opLoop names what lab op does, in the place of a workload.
const opLoop = "lab op"

// Instructions is the layer of instructions for each item that goes through a
// buffer on one goroutine, which valgrind counts; they are the same on every
// machine however busy. Without valgrind the layer is skipped.
func Instructions(quick bool) Layer {
	guess := 20 * time.Second
	if quick {
		guess = 5 * time.Second
	}
	return Layer{
		Name: "instructions", Guess: guess,
		Subjects: func(contestants []worker.Listing) []Subject { return alone(contestants, quick) },
		Lacks:    ops,
		Measure: func(ctx context.Context, s Sides, subjects []Subject) (Outcome, error) {
			valgrind, err := exec.LookPath("valgrind")
			if err != nil {
				return Outcome{Skipped: "valgrind is not installed"}, nil
			}
			return instructions(ctx, valgrind, s, subjects)
		},
	}
}

// alone returns the buffers that one goroutine can push into and pop from: not the
// reference, which has one of its own, nor what holds nothing. Of a family one is
// enough, as what a full buffer does plays no part.
func alone(contestants []worker.Listing, quick bool) (subjects []Subject) {
	families := map[string]bool{"reference": true}
	for _, c := range contestants {
		family, _, _ := strings.Cut(c.Name, ":")
		if families[family] || c.Traits.Bound == buffer.Nothing || quick && !quickBuffers[c.Name] {
			continue
		}
		families[family] = true
		subjects = append(subjects, Subject{opLoop, c.Name})
	}
	return subjects
}

// opArgs is the command line of lab op.
func opArgs(s Subject, items int) []string {
	return []string{"op", "-buffer", s.Buffer, "-n", strconv.Itoa(items)}
}

// ops returns the subjects that a program's lab op cannot do, and why.
func ops(ctx context.Context, p Program, subjects []Subject) (map[Subject]string, error) {
	lacks := map[Subject]string{}
	for _, subject := range subjects {
		out, err := exec.CommandContext(ctx, p.Path, opArgs(subject, 1)...).CombinedOutput()
		if err != nil {
			lacks[subject] = firstError(out, err)
		}
	}
	return lacks, ctx.Err()
}

func instructions(ctx context.Context, valgrind string, s Sides, subjects []Subject) (Outcome, error) {
	// By subject: base with few and many items, then head.
	counts := make([][4]float64, len(subjects))
	var jobs []func() error
	for i, subject := range subjects {
		for k, program := range []Program{s.Base, s.Base, s.Head, s.Head} {
			items := fewItems
			if k%2 == 1 {
				items = manyItems
			}
			jobs = append(jobs, func() (err error) {
				counts[i][k], err = count(ctx, valgrind, program, opArgs(subject, items))
				return err
			})
		}
	}
	if err := sideBySide(jobs); err != nil {
		return Outcome{}, err
	}
	var outcome Outcome
	for i, subject := range subjects {
		base := (counts[i][1] - counts[i][0]) / (manyItems - fewItems)
		head := (counts[i][3] - counts[i][2]) / (manyItems - fewItems)
		row := exact(subject, instructionsPerItem, base, head, instructionsFloor, 0)
		row.Blocks = 1
		outcome.Rows = append(outcome.Rows, row)
	}
	return outcome, nil
}

// total finds the number of instructions in what cachegrind prints.
var total = regexp.MustCompile(`I\s+refs:\s+([\d,]+)`)

// count returns the instructions that a command of a program takes. There is no
// collection, as when one begins is a matter of chance.
func count(ctx context.Context, valgrind string, p Program, args []string) (float64, error) {
	command := exec.CommandContext(ctx, valgrind, append([]string{
		"--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", p.Path}, args...)...)
	command.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=off")
	command.WaitDelay = time.Second
	var errOut bytes.Buffer
	command.Stderr = &errOut
	err := command.Run()
	found := total.FindStringSubmatch(errOut.String())
	if err == nil && found == nil {
		err = errors.New("no count")
	}
	if err != nil {
		return 0, fmt.Errorf("%s: valgrind lab %s: %w%s", p.Tree.Label, strings.Join(args, " "), err,
			indented(errOut.String()))
	}
	return strconv.ParseFloat(strings.ReplaceAll(found[1], ",", ""), 64)
}
