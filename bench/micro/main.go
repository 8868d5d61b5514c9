package micro

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"syscall"

	"informerlab/core/event"
)

// A command is what the flags ask for.
type command struct {
	out     io.Writer
	match   *regexp.Regexp
	buffers specs
	item    string
	rounds  int
	base    string
	raw     bool
	seed    uint64
}

// specs collects contestants: a list, or one whose options hold commas.
type specs []string

func (s *specs) String() string { return strings.Join(*s, ",") }

func (s *specs) Set(value string) error {
	named := []string{value}
	if !strings.Contains(value, ":") {
		named = strings.Split(value, ",")
	}
	*s = append(*s, named...)
	return nil
}

// Main is the command micro: it measures what args ask for, among the catalogue
// and others, prints to out, and returns the exit status: 0, 1 if a contestant
// did wrong, 2 for a wrong command line, or 130 if it was interrupted.
func Main(args []string, out, errOut io.Writer, others []Contestant[any]) int {
	c, err := parse(args, out)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(errOut, "micro: %v\n", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if c.item == notifications.name {
		err = measureAll(ctx, c, notifications, Ours[event.Notification]())
	} else {
		err = measureAll(ctx, c, boxed, append(Ours[any](), others...))
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		return 130
	}
	fmt.Fprintln(errOut, err)
	if errors.As(err, new(usage)) {
		return 2
	}
	return 1
}

// usage marks errors that are the caller's to mend.
type usage struct{ error }

func parse(args []string, out io.Writer) (*command, error) {
	c := &command{out: out}
	flags := flag.NewFlagSet("micro", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	match := flags.String("measure", "", "`regexp` that names of measurements must match")
	flags.Var(&c.buffers, "buffers", "`list` of contestants; again for one with options (default: all)")
	flags.StringVar(&c.item, "item", boxed.name, "`type` of items: any (16 bytes) or notification (48)")
	flags.IntVar(&c.rounds, "rounds", 9, "`number` of runs of each contestant")
	flags.StringVar(&c.base, "base", "reference", "`name` of the contestant to compare with")
	flags.BoolVar(&c.raw, "raw", false, "print every run in the Go benchmark format instead of tables")
	flags.Uint64Var(&c.seed, "seed", 1, "`number` that decides the orders of the rounds")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(out, "usage: micro [flags]")
		flags.SetOutput(out)
		flags.PrintDefaults()
		fmt.Fprintln(out, "measurements:")
		for _, m := range measurements[any]() {
			fmt.Fprintf(out, "  %s\n", m.name())
		}
		return nil, err
	}
	switch {
	case err != nil:
		return nil, err
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case c.item != boxed.name && c.item != notifications.name:
		return nil, fmt.Errorf("unknown item %q: expected %s or %s", c.item, boxed.name, notifications.name)
	case c.rounds < 1:
		return nil, fmt.Errorf("%d rounds: expected at least 1", c.rounds)
	}
	if c.match, err = regexp.Compile(*match); err != nil {
		return nil, fmt.Errorf("measure: %w", err)
	}
	return c, nil
}

// measureAll measures all that the command wants of one kind of items.
func measureAll[T any](ctx context.Context, c *command, k kind[T], all []Contestant[T]) error {
	chosen := all
	if len(c.buffers) > 0 {
		chosen = nil
		for _, spec := range c.buffers {
			found, err := find(all, spec)
			if err != nil {
				return usage{err}
			}
			chosen = append(chosen, found)
		}
	}
	if c.raw {
		fmt.Fprintf(c.out, "goos: %s\ngoarch: %s\ngomaxprocs: %d\n",
			runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0))
	}
	measured := false
	for _, m := range measurements[T]() {
		if !c.match.MatchString(m.name()) {
			continue
		}
		measured = true
		if err := interleave(ctx, c, m, k, chosen); err != nil {
			return err
		}
	}
	if !measured {
		return usage{fmt.Errorf("micro: no measurement matches %q", c.match)}
	}
	if !c.raw {
		fmt.Fprintf(c.out, "Medians of %d rounds. × is how many times less than %s in the same round:\n"+
			"the median of the rounds and their quartiles. Above 1 is better.\n", c.rounds, c.base)
	}
	return nil
}
