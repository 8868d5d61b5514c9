// Lab measures listener buffers inside a whole informer pipeline.
//
//	lab help                 the commands, by task
//	lab help COMMAND         what one does, with its flags and an example
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
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"informerlab/bench/contestants"
	"informerlab/bench/findings"
	"informerlab/bench/micro"
	"informerlab/bench/run"
	"informerlab/bench/trials"
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
	is := func(targets ...error) bool {
		return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
	}
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(l.errOut, "lab: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(l.errOut, "lab: %v\n", err)
	switch {
	case is(errUsage, findings.ErrInput, micro.ErrInput, trials.ErrInput):
		return exitUsage
	case is(errInconclusive, trials.ErrTooFew):
		return exitUnfit
	}
	return exitFailed
}

// find returns the command that begins a command line, and what follows its name.
func find(args []string) (c command, rest []string, found bool) {
	for _, c := range commands() {
		if words := strings.Fields(c.Name); len(args) >= len(words) && slices.Equal(args[:len(words)], words) {
			return c, args[len(words):], true
		}
	}
	return c, args, false
}

func (l *lab) dispatch(ctx context.Context) error {
	if len(l.argv) == 0 {
		return usagef("expected a command: lab help lists them")
	}
	args := l.argv
	if slices.Contains([]string{"-h", "-help", "--help", "help"}, args[0]) {
		if args = args[1:]; len(args) == 0 {
			return l.help("")
		}
		args = append(slices.Clone(args), "-h")
	}
	c, rest, found := find(args)
	if !found && args[0] == "trace" && len(args) > 1 && strings.HasPrefix(args[1], "-h") {
		return l.help("trace ")
	}
	if !found {
		return unknown(args)
	}
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	act := c.define(l, flags)
	if err := l.parse(&c, flags, rest); err != nil {
		return err
	}
	if c.Name == "worker" {
		return act(ctx) // it ends with its input; a signal ends it at once
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // the second Ctrl-C ends lab at once
	err := act(ctx)
	if wrong := (usage{}); errors.As(err, &wrong) && !strings.HasPrefix(err.Error(), c.Name+": ") {
		return usagef("%s: %w", c.Name, err)
	}
	return err
}

// unknown is the error of a command line that begins with no command.
func unknown(args []string) error {
	asked, where := args[0], "lab help lists them"
	if asked == "trace" {
		if where = "lab trace -h lists them"; len(args) == 1 {
			return usagef("trace: expected a command: %s", where)
		}
		asked += " " + args[1]
	}
	var names []string
	for _, c := range commands() {
		names = append(names, c.Name)
	}
	return usagef("unknown command %q%s", asked, suggestion(asked, names, where))
}

// help lists the commands whose names begin with a prefix, by task.
func (l *lab) help(prefix string) error {
	var text strings.Builder
	text.WriteString("lab measures listener buffers inside a whole informer pipeline.\n\nusage: lab COMMAND [flags]\n")
	for _, group := range groups {
		heading := "\n" + group + "\n"
		for _, c := range commands() {
			if c.Group == group && strings.HasPrefix(c.Name, prefix) {
				fmt.Fprintf(&text, "%s  %-20s%s\n", heading, c.Name, c.Summary)
				heading = ""
			}
		}
	}
	text.WriteString("\nlab help COMMAND tells what one does, its flags and examples.\n\n" + statuses + "\n")
	_, err := io.WriteString(l.out, text.String())
	return err
}

// parse parses flags so that a mistake is one line, and help goes to standard output.
func (l *lab) parse(c *command, flags *flag.FlagSet, args []string) error {
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	err := flags.Parse(args)
	switch least, most := c.operands(); {
	case errors.Is(err, flag.ErrHelp):
		l.usage(flags, l.out)
		return err
	case err != nil:
		if name, is := strings.CutPrefix(err.Error(), "flag provided but not defined: "); is {
			var names []string
			flags.VisitAll(func(f *flag.Flag) { names = append(names, "-"+f.Name) })
			err = fmt.Errorf("unknown flag %s%s", name, suggestion(name, names, "lab "+c.Name+" -h lists them"))
		}
		return usagef("%s: %w", c.Name, err)
	case flags.NArg() < least:
		return usagef("%s: expected %s: lab help %s tells more", c.Name, c.Operands, c.Name)
	case flags.NArg() > most:
		return usagef("%s: unexpected argument %q", c.Name, flags.Arg(most))
	}
	return nil
}

// usage writes what a command does, with its flags.
func (l *lab) usage(flags *flag.FlagSet, w io.Writer) {
	c, _, _ := find(strings.Fields(flags.Name()))
	about, examples, _ := strings.Cut(c.About, "\n\n")
	fmt.Fprintf(w, "usage: %s\n\n%s\n", strings.TrimSpace("lab "+c.Name+" [flags] "+c.Operands), about)
	any := false
	flags.VisitAll(func(*flag.Flag) { any = true })
	if any {
		fmt.Fprintln(w, "\nflags:")
		flags.SetOutput(w)
		flags.PrintDefaults()
	}
	if examples != "" {
		fmt.Fprintf(w, "\nexamples:\n%s\n", examples)
	}
	fmt.Fprintf(w, "\n%s\n", statuses)
}

// suggestion returns what to say after an unknown word: the nearest of those known, or
// where to look.
func suggestion(word string, known []string, otherwise string) string {
	best, least := "", max(2, len(word)/3)+1
	for _, candidate := range known {
		if d := distance(word, candidate); d < least {
			best, least = candidate, d
		}
	}
	if best == "" {
		return ": " + otherwise
	}
	return ": did you mean " + best + "?"
}

// distance is that of Levenshtein (Binary codes capable of correcting deletions,
// insertions, and reversals, 1966), where two neighbours that are exchanged count as one
// change: the usual slip.
func distance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

func (l *lab) worker(_ *flag.FlagSet) action {
	return func(_ context.Context) error {
		return worker.Main(l.in, l.out, contestants.Ours())
	}
}

// version prints what the program was built from.
func (l *lab) version(_ *flag.FlagSet) action {
	return func(_ context.Context) error {
		e := run.Here()
		commit := e.Commit
		if commit == "" {
			commit = "unknown"
		}
		if e.Dirty {
			commit += " (with changes)"
		}
		_, err := fmt.Fprintf(l.out, "lab       %s\ncommit    %s\nGo        %s %s/%s\nclient-go %s\n",
			moduleVersion(), commit, runtime.Version(), runtime.GOOS, runtime.GOARCH, clientGoVersion(peersPath))
		return err
	}
}
