package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"informerlab/bench/contestants"
	"informerlab/bench/run"
	"informerlab/bench/worker"
	"informerlab/loadgen"
)

// peersPath is where the worker of the nested module bench/peers is built.
const peersPath = ".build/peers-worker"

// Peers are the contestants of another program.
type peers struct {
	path     string
	listings []worker.Listing
	missing  string // why there are none, in one line; "" = there are
}

// findPeers asks the peers' worker what it has. Without one, the lab goes on
// with its own contestants.
func findPeers(ctx context.Context, path string) *peers {
	p := &peers{path: path}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.missing = "there is no " + path
		if path == peersPath {
			p.missing = "not built: make peers"
		}
		return p
	case err != nil:
		p.missing = err.Error()
		return p
	case !info.Mode().IsRegular():
		p.missing = path + " is not a program"
		return p
	}
	program := worker.Program{Command: p.command()}
	if p.listings, err = program.Listings(ctx); err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		p.missing = first
	}
	return p
}

func (p *peers) command() []string {
	path := p.path
	if !strings.ContainsRune(path, os.PathSeparator) {
		path = "." + string(os.PathSeparator) + path // a name alone would be looked for in $PATH
	}
	return []string{path}
}

// buffersFlag collects the contestants of -buffers: a list, or one whose options
// hold commas.
type buffersFlag []string

func (b *buffersFlag) String() string { return strings.Join(*b, ",") }

func (b *buffersFlag) Set(value string) error {
	specs := []string{value}
	if !strings.Contains(value, ":") {
		specs = strings.Split(value, ",")
	}
	for _, spec := range specs {
		if spec == "" {
			return errors.New("a name is empty")
		}
		if slices.Contains(*b, spec) {
			return fmt.Errorf("%s is named twice", spec)
		}
		*b = append(*b, spec)
	}
	return nil
}

// available returns those of a suite's buffers that there are: outside ones may not
// be built.
func available(names []string, p *peers) (there []string) {
	for _, name := range names {
		_, err := worker.Find(contestants.Ours(), name)
		listed := slices.ContainsFunc(p.listings, func(l worker.Listing) bool { return l.Name == name })
		if err == nil || listed {
			there = append(there, name)
		}
	}
	return there
}

// arms returns the arms that specs name; none stands for the default ones.
func arms(specs []string, p *peers) ([]run.Arm, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	all := contestants.Ours()
	own := len(all)
	for _, l := range p.listings {
		all = append(all, worker.Contestant{Name: l.Name, Summary: l.Summary, Traits: l.Traits})
	}
	if len(specs) == 0 {
		specs = available(run.Suites[0].Buffers, p)
	}
	var arms []run.Arm
	for _, spec := range specs {
		c, err := worker.Find(all, spec)
		if errors.Is(err, worker.ErrUnknown) && p.missing != "" {
			err = fmt.Errorf("%w (outside peers: %s)", err, p.missing)
		}
		if err != nil {
			return nil, err
		}
		command := []string{self, "worker"}
		if slices.IndexFunc(all, func(other worker.Contestant) bool { return other.Name == c.Name }) >= own {
			command = p.command()
		}
		arms = append(arms, run.Arm{Buffer: c.Name, Traits: c.Traits, Command: command})
	}
	return arms, nil
}

// fitting returns an error if a workload makes no sense for one of the arms.
func fitting(arms []run.Arm, workloads []loadgen.Workload) error {
	for _, arm := range arms {
		for _, w := range workloads {
			if err := worker.Fits(arm.Traits, w); err != nil {
				return fmt.Errorf("buffer %s: %w", arm.Buffer, err)
			}
		}
	}
	return nil
}

// listBuffers writes the contestants and, apart from them, the bounds.
func listBuffers(w io.Writer, p *peers) {
	fmt.Fprintln(w, "BUFFER\tCONTRACT\tWHAT IT IS")
	for _, c := range contestants.Ours() {
		if !c.Bound {
			fmt.Fprintf(w, "%s\t%s\t%s\n", c.Name, c.Traits, c.Summary)
		}
	}
	for _, l := range p.listings {
		fmt.Fprintf(w, "%s\t%s\t%s (outside peer)\n", l.Name, l.Traits, l.Summary)
	}
	if p.missing != "" {
		fmt.Fprintf(w, "client-go\t\t(outside peer: %s)\n", p.missing)
	}
	fmt.Fprintln(w, "\nBOUND\t\tnot a contestant: it shows what others could reach")
	for _, c := range contestants.Ours() {
		if c.Bound {
			fmt.Fprintf(w, "%s\t%s\t%s\n", c.Name, c.Traits, c.Summary)
		}
	}
}

func (l *lab) list(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("list", flag.ContinueOnError)
	path := flags.String("peers", peersPath, "`program` that serves outside contestants")
	if err := l.parse(flags, args, 0, ""); err != nil {
		return err
	}
	w := tabwriter.NewWriter(l.out, 0, 0, 2, ' ', 0)
	listBuffers(w, findPeers(ctx, *path))
	listWorkloads(w)
	for _, suite := range run.Suites {
		fmt.Fprintf(w, "\nSUITE %s\t\t%s: %s\n", suite.Name, suite.Summary, strings.Join(suite.Buffers, ", "))
		for _, workload := range suite.Workloads() {
			fmt.Fprintf(w, "\t\t%s\n", workload.String())
		}
	}
	return w.Flush()
}
