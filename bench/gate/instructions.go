package gate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"informerlab/bench/judge"
	"informerlab/bench/process"
	"informerlab/bench/stats"
	"informerlab/bench/worker"
	"informerlab/core/buffer"
)

// instructionsFloor is the change in instructions that matters. Counts of one
// program differ by less, nearly always: the runtime's monitor wakes by the clock,
// and what it does is counted, too.
const instructionsFloor = 0.01

// countsAtMost is how often a subject is counted that seems to differ. What the
// monitor does only adds, so the least of some counts is the nearest.
const countsAtMost = 3

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
		out, err := process.Combined(ctx, exec.Command(p.Path, opArgs(subject, 1)...))
		if err != nil {
			lacks[subject] = firstError(out, err)
		}
	}
	return lacks, ctx.Err()
}

func instructions(ctx context.Context, valgrind string, s Sides, subjects []Subject) (Outcome, error) {
	all := make([]counted, len(subjects))
	for n := range countsAtMost {
		var jobs []func() error
		for i, subject := range subjects {
			if n == 0 || all[i].row(subject).Verdict != stats.Equivalent {
				jobs = append(jobs, all[i].again(ctx, valgrind, s, subject)...)
			}
		}
		if err := sideBySide(jobs); err != nil {
			return Outcome{}, err
		}
	}
	var outcome Outcome
	for i, subject := range subjects {
		outcome.Rows = append(outcome.Rows, all[i].row(subject))
	}
	return outcome, nil
}

// A counted holds the least counts so far of one subject: of base with few and many
// items, then of head.
type counted struct {
	least [4]float64
	times int
}

// again returns jobs that count once more, which may be done at the same time.
func (c *counted) again(ctx context.Context, valgrind string, s Sides, subject Subject) (jobs []func() error) {
	c.times++
	first := c.times == 1
	for k, program := range []Program{s.Base, s.Base, s.Head, s.Head} {
		items := fewItems
		if k%2 == 1 {
			items = manyItems
		}
		jobs = append(jobs, func() error {
			n, err := count(ctx, valgrind, program, opArgs(subject, items))
			if first || n < c.least[k] {
				c.least[k] = n
			}
			return err
		})
	}
	return jobs
}

func (c *counted) row(subject Subject) judge.Row {
	base := (c.least[1] - c.least[0]) / (manyItems - fewItems)
	head := (c.least[3] - c.least[2]) / (manyItems - fewItems)
	row := judge.Exact(subject.row(), instructionsPerItem, base, head, instructionsFloor, 0)
	row.Estimate.Blocks = c.times
	return row
}

// total finds the number of instructions in what cachegrind prints.
var total = regexp.MustCompile(`I\s+refs:\s+([\d,]+)`)

// count returns the instructions that a command of a program takes. There is no
// collection, as when one begins is a matter of chance.
func count(ctx context.Context, valgrind string, p Program, args []string) (float64, error) {
	command := exec.Command(valgrind, append([]string{
		"--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", p.Path}, args...)...)
	command.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=off")
	errOut := &process.Tail{}
	command.Stderr = errOut
	err := process.Run(ctx, command)
	found := total.FindStringSubmatch(errOut.String())
	if err == nil && found == nil {
		err = errors.New("no count")
	}
	if err != nil {
		return 0, fmt.Errorf("%s: valgrind lab %s: %w%s", p.Tree.Label, strings.Join(args, " "), err, errOut)
	}
	return strconv.ParseFloat(strings.ReplaceAll(found[1], ",", ""), 64)
}
