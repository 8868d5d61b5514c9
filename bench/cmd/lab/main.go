// Lab measures listener buffers inside a whole informer pipeline.
//
//	lab list                             the buffers and workloads there are
//	lab describe stall                   a workload as a file, with all options
//	lab run                              the default workloads and buffers
//	lab run -workload saturate:listeners=8 -buffers reference,ring -blocks 10
//	lab run -workload my.toml -set keys=5    a workload of yours, with another option
//	lab resume DIR                       the rest of a run that was cut short
//	lab replay -speed 1 FILE             a trace as recorded: how faithful, how late, how much memory
//	lab compare -base OTHER/lab          is this program slower than that of another checkout?
//	lab gate -base main                  the same against a git ref, layer by layer, as CI does
//	lab report -base client-go DIR       the table of a run again, or of several runs in one
//	lab runs; lab show RUN; lab diff RUN RUN
//	lab flame DIR                        flame graph pages of a run with -profile
//	lab trace info FILE                  what a recorded watch is like; lab trace -h tells more
//	lab finding ring-size                a page under results/findings, with its data
//	lab worker                           what lab run starts: requests on stdin, answers on stdout
//
// Tables go to standard output, progress and messages to standard error. The
// exit status is 0, or 2 for a wrong command line or input that cannot be used
// (nothing has been measured or written then) and for a gate that could not do its
// work, 1 for a run that failed or a head that is slower, 3 for a comparison without
// a verdict, 130 for what was interrupted; what a run had measured until it failed or
// was interrupted is kept.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"informerlab/bench/contestants"
	"informerlab/bench/worker"
)

// The exit statuses beside 0.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitUnfit       = 3
	exitInterrupted = 130
)

// errUsage marks errors that are the caller's to mend.
var errUsage = errors.New("usage")

// usagef returns an error for which lab exits with status 2.
func usagef(format string, args ...any) error { return usage{fmt.Errorf(format, args...)} }

type usage struct{ error }

func (usage) Is(target error) bool { return target == errUsage }
func (u usage) Unwrap() error      { return u.error }

// A command is one subcommand of lab.
type command struct {
	name, summary string
	run           func(l *lab, ctx context.Context, args []string) error
}

func commands() []command {
	return []command{
		{"list", "list buffers and workloads", (*lab).list},
		{"describe", "print a workload as a file, with all options and what they mean", (*lab).describe},
		{"run", "measure buffers under workloads", (*lab).run},
		{"resume", "measure what is missing of a run that was cut short", (*lab).resume},
		{"replay", "play a trace to buffers and tell how faithfully", (*lab).replay},
		{"compare", "tell whether one program is slower than another", (*lab).compare},
		{"report", "print the table of a run, or of several as one", (*lab).report},
		{"runs", "list the runs of a folder", (*lab).runs},
		{"show", "tell what a run measured, and who did best", (*lab).show},
		{"diff", "compare two runs of one machine", (*lab).diff},
		{"index", "make the front page of all runs, and README's table", (*lab).index},
		{"flame", "make flame graph pages of a run with profiles", (*lab).flame},
		{"gate", "compare the working tree with a base, and fail if it is slower", (*lab).gate},
		{"trace", "describe, cut, convert and fit recorded watches", (*lab).trace},
		{"trials", "try the comparison itself: false alarms, power", (*lab).trials},
		{"busy", "keep a processor busy for a share of the time, for trials", (*lab).busy},
		{"op", "push items through a buffer on one goroutine, for those who count instructions", (*lab).op},
		{"finding", "measure what answers an open question, and make its page", (*lab).finding},
		{"worker", "serve measurements on standard input and output", (*lab).worker},
	}
}

// A lab is one execution of the program.
type lab struct {
	in     io.Reader
	out    io.Writer // data
	errOut *os.File  // progress and messages
	argv   []string
}

func main() {
	l := &lab{os.Stdin, os.Stdout, os.Stderr, os.Args[1:]}
	os.Exit(l.main(context.Background()))
}

// main runs the subcommand and returns the exit status.
func (l *lab) main(ctx context.Context) int {
	err := l.dispatch(ctx)
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(l.errOut, "lab: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(l.errOut, "lab: %v\n", err)
	if errors.Is(err, errUsage) {
		return exitUsage
	}
	if errors.Is(err, errInconclusive) {
		return exitUnfit
	}
	return exitFailed
}

func (l *lab) dispatch(ctx context.Context) error {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
		if len(l.argv) > 0 && c.name == l.argv[0] {
			return c.run(l, ctx, l.argv[1:])
		}
	}
	expected := strings.Join(names, ", ")
	if len(l.argv) == 0 {
		return usagef("expected a command: one of %s; lab -h tells more", expected)
	}
	switch l.argv[0] {
	case "-h", "-help", "--help", "help":
		fmt.Fprint(l.out, "lab measures listener buffers inside a whole informer pipeline.\n\n"+
			"usage: lab COMMAND [flags]\n\n")
		for _, c := range commands() {
			fmt.Fprintf(l.out, "  %-10s%s\n", c.name, c.summary)
		}
		fmt.Fprintln(l.out, "\nlab COMMAND -h tells the flags of a command.")
		return nil
	}
	return usagef("unknown command %q: expected one of %s", l.argv[0], expected)
}

// parse parses flags so that a mistake is one line, and help goes to standard
// output. operands is the number of arguments that may follow.
func (l *lab) parse(flags *flag.FlagSet, args []string, operands int, example string) error {
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(l.out, "usage: lab %s [flags] %s\n\n", flags.Name(), example)
		flags.SetOutput(l.out)
		flags.PrintDefaults()
		return err
	}
	if err != nil {
		return usagef("%s: %w", flags.Name(), err)
	}
	if extra := flags.NArg() - operands; extra > 0 {
		return usagef("%s: unexpected argument %q", flags.Name(), flags.Arg(operands))
	}
	return nil
}

func (l *lab) worker(_ context.Context, args []string) error {
	if err := l.parse(flag.NewFlagSet("worker", flag.ContinueOnError), args, 0, ""); err != nil {
		return err
	}
	return worker.Main(l.in, l.out, contestants.Ours())
}
