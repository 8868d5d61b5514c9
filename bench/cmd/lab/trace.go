package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"informerlab/loadgen"
	"informerlab/loadgen/recorded"
	"informerlab/loadgen/trace"
)

// A traceInput is what a trace is read from.
type traceInput struct {
	ctx  context.Context
	name string
	from io.Reader
	read bool // once at least
}

// useTrace hands use the input that an operand names: a path, "-" for standard
// input, "" for the recording that comes with lab. An interrupt ends reading.
func (l *lab) useTrace(ctx context.Context, path string, use func(*traceInput) error) error {
	input := &traceInput{ctx: ctx, name: path}
	switch path {
	case "":
		input.name, input.from = recorded.Name, recorded.Open()
	case "-":
		input.name, input.from = "standard input", l.in
	default:
		file, err := os.Open(path)
		if err != nil {
			return usage{err}
		}
		defer func() { _ = file.Close() }() // it was only read
		input.from = file
	}
	return traceError(use(input))
}

// open begins to read, at the beginning also when called again.
func (t *traceInput) open() (*trace.Reader, error) {
	if seeker, ok := t.from.(io.Seeker); ok && t.read {
		if _, err := seeker.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("read %s again: %w", t.name, err)
		}
	}
	t.read = true
	return trace.NewReader(ctxReader{t.ctx, t.from}, t.name)
}

// A ctxReader fails once a context has ended, so that what is half done is
// cleaned up.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// traceError makes errors of the input the caller's to mend.
func traceError(err error) error {
	var bad *trace.Error
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &bad), errors.Is(err, trace.ErrCut):
		return usage{err}
	}
	return err
}

// readTrace hands the trace that an operand names to use.
func (l *lab) readTrace(ctx context.Context, path string, use func(*trace.Reader) error) error {
	return l.useTrace(ctx, path, func(input *traceInput) error {
		r, err := input.open()
		if err != nil {
			return err
		}
		defer r.Close()
		return use(r)
	})
}

func (l *lab) traceInfo(flags *flag.FlagSet) action {
	return func(ctx context.Context) error {
		return l.readTrace(ctx, flags.Arg(0), func(r *trace.Reader) error {
			info, err := trace.Describe(r)
			if err != nil {
				return err
			}
			return info.Write(l.out)
		})
	}
}

func (l *lab) traceFit(flags *flag.FlagSet) action {
	resource := flags.String("resource", "", "this `name` alone, as the file of a workload; \"\" = all, a table each")
	speed := flags.Float64("speed", 1, "`times` the recorded pace")
	return func(ctx context.Context) error {
		if !(*speed >= leastFitSpeed && *speed <= mostFitSpeed) {
			return usagef("-speed=%v: expected %v to %v", *speed, leastFitSpeed, mostFitSpeed)
		}
		return l.readTrace(ctx, flags.Arg(0), func(r *trace.Reader) error {
			all, err := trace.Fit(r)
			if err != nil {
				return err
			}
			if len(all) == 0 {
				return usagef("found no events in %s, expected some", r.Name())
			}
			var names []string
			var text strings.Builder
			for _, f := range all {
				names = append(names, f.Resource)
				if *resource != "" && *resource != f.Resource {
					continue
				}
				workload, err := fittedWorkload(&f, *speed, fitCommand(f.Resource, *speed, flags.Arg(0)))
				if err != nil {
					return err
				}
				if *resource == "" {
					workload = fmt.Sprintf("[%q]\n%s\n", f.Resource, workload)
				}
				text.WriteString(workload)
			}
			if *resource != "" && !slices.Contains(names, *resource) {
				return usagef("found no events of %q, expected one of %s",
					*resource, strings.Join(names, ", "))
			}
			_, err = io.WriteString(l.out, text.String())
			return err
		})
	}
}

// The paces of a fit: what is a run of 25 s at the recorded pace takes 40 minutes
// at the one, and is over in 25 ms at the other.
const leastFitSpeed, mostFitSpeed = 0.01, 1000

// fittedWorkload returns the file of a twin. It is refused here if lab run would refuse
// it: what is recorded is not always within the limits of workloads.
func fittedWorkload(f *trace.Fitted, speed float64, command string) (string, error) {
	var text strings.Builder
	if err := f.WriteTOML(&text, speed, command); err != nil {
		return "", err
	}
	var w loadgen.Workload
	err := w.UnmarshalText([]byte("name = \"fitted\"\n" + text.String()))
	var wrong *loadgen.FileError
	if errors.As(err, &wrong) {
		return "", usagef("%q at -speed=%v is no workload: found %s, expected %s",
			f.Resource, speed, wrong.Found, wrong.Expected)
	}
	return text.String(), err
}

// fitCommand returns the command that prints the twin of a resource.
func fitCommand(resource string, speed float64, path string) string {
	command := "lab trace fit -resource " + resource
	if speed != 1 {
		command += fmt.Sprintf(" -speed %v", speed)
	}
	if path != "" {
		command += " " + path
	}
	return command
}

// An outputFlags is where a trace is written to.
type outputFlags struct {
	path  *string
	force *bool
}

func newOutputFlags(flags *flag.FlagSet) outputFlags {
	return outputFlags{
		flags.String("o", "-", "`file` to write: .gz = gzip, .zst = zstd; - = standard output, plain"),
		flags.Bool("force", false, "replace the file if there is one"),
	}
}

// write calls use with where the trace goes to. A file is there afterwards whole
// or not at all.
func (o outputFlags) write(l *lab, use func(out io.Writer, c trace.Compression) error) (err error) {
	if *o.path == "-" {
		buffered := bufio.NewWriter(l.out)
		if err := use(buffered, trace.Plain); err != nil {
			return err
		}
		return buffered.Flush()
	}
	if *o.path == "" {
		return usagef("-o is empty: expected a file")
	}
	if info, err := os.Stat(*o.path); err == nil && !info.Mode().IsRegular() {
		return usagef("%s is no regular file: expected another name", *o.path)
	}
	if _, err := os.Lstat(*o.path); err == nil && !*o.force {
		return usagef("%s exists: expected another name, or -force", *o.path)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return usage{err}
	}
	temporary, err := os.CreateTemp(filepath.Dir(*o.path), "."+filepath.Base(*o.path)+"-*")
	if err != nil {
		return usage{err}
	}
	defer func() {
		if err != nil {
			_ = temporary.Close() // twice does no harm
			_ = os.Remove(temporary.Name())
		}
	}()
	if err := use(temporary, trace.CompressionOf(*o.path)); err != nil {
		return err
	}
	const permissions = 0o644 // CreateTemp's are for secrets
	if err := errors.Join(temporary.Chmod(permissions), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), *o.path)
}

func (l *lab) traceCut(flags *flag.FlagSet) action {
	var o trace.CutOptions
	flags.DurationVar(&o.From, "from", 0, "`time` in the trace where it begins; what exists then is its initial list")
	flags.DurationVar(&o.To, "to", 0, "`time` in the trace before which it ends; 0 = the end")
	resources := flags.String("resource", "", "`name,name`: these alone")
	flags.BoolVar(&o.Compact, "compact", false, "leave objects out")
	flags.IntVar(&o.Repeat, "repeat", 1, "`times` on end; at each join what exists is deleted and comes again")
	output := newOutputFlags(flags)
	return func(ctx context.Context) error {
		if *resources != "" {
			o.Resources = strings.Split(*resources, ",")
		}
		if o.Repeat < 1 {
			return usagef("-repeat=%d: expected a whole number from 1", o.Repeat)
		}
		if o.Repeat > 1 && flags.Arg(0) == "-" {
			return usagef("-repeat=%d: expected a file, since standard input can be read once", o.Repeat)
		}
		return l.useTrace(ctx, flags.Arg(0), func(input *traceInput) error {
			return output.write(l, func(out io.Writer, c trace.Compression) error {
				n, err := trace.Cut(input.open, out, c, o)
				if err == nil {
					fmt.Fprintf(l.errOut, "lab: %d records\n", n)
				}
				return err
			})
		})
	}
}

func (l *lab) traceFromKubectl(flags *flag.FlagSet) action {
	var o trace.KubectlOptions
	flags.StringVar(&o.Resource, "resource", "", "`name` of the resource; \"\" = the plural of the objects' kind")
	flags.Float64Var(&o.Rate, "rate", 0, "space events evenly, so many `a second`")
	clock := flags.Bool("clock", false, "each event has the time at which it is read: as without -rate")
	compact := flags.Bool("compact", false, "leave objects out")
	output := newOutputFlags(flags)
	return func(ctx context.Context) error {
		given := map[string]bool{}
		flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
		switch {
		case given["rate"] && *clock:
			return usagef("-rate and -clock: expected one of them")
		case given["rate"] && !(o.Rate > 0 && o.Rate <= 1e9) || math.IsNaN(o.Rate):
			return usagef("-rate=%v: expected events a second, more than 0", o.Rate)
		}
		// Ctrl-C is meant for kubectl, which gets it too: what it printed until then
		// is the trace. Only reading of a file ends. The second one ends lab.
		ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
		defer stop()
		defer context.AfterFunc(ctx, stop)()
		in, name := l.in, "standard input"
		if path := flags.Arg(0); path != "" && path != "-" {
			file, err := os.Open(path)
			if err != nil {
				return usage{err}
			}
			defer func() { _ = file.Close() }() // it was only read
			in, name = ctxReader{ctx, file}, path
		}
		return output.write(l, func(out io.Writer, c trace.Compression) error {
			w, err := trace.NewWriter(out, trace.Header{Objects: !*compact, Compression: c})
			if err != nil {
				return err
			}
			summary, err := trace.FromKubectl(in, name, w, o)
			if err != nil {
				return traceError(err)
			}
			fmt.Fprintf(l.errOut, "lab: %s\n", summary)
			return w.Close()
		})
	}
}
