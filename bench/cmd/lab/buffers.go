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

	"informerlab/bench/contestants"
	"informerlab/bench/format"
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
	program := worker.Program{Command: p.command()}
	listings, err := program.Listings(ctx)
	switch {
	case err == nil:
		p.listings = listings
	case !errors.Is(err, fs.ErrNotExist):
		p.missing, _, _ = strings.Cut(err.Error(), "\n")
	case path == peersPath:
		p.missing = "not built: make peers"
	default:
		p.missing = "there is no " + path
	}
	return p
}

// neededPeers is findPeers; if somebody has named the program, it is an error that it has
// nothing.
func neededPeers(ctx context.Context, path string) (*peers, error) {
	if path == "" {
		return nil, usagef("-peers is empty: expected a program")
	}
	p := findPeers(ctx, path)
	if p.missing != "" && path != peersPath {
		return nil, usagef("-peers %s: %s", path, p.missing)
	}
	return p, nil
}

func (p *peers) command() []string {
	path := p.path
	if !strings.ContainsRune(path, os.PathSeparator) {
		path = "." + string(os.PathSeparator) + path // a name alone would be looked for in $PATH
	}
	return []string{path}
}

// buffersFlag defines -buffers: a list, or one buffer whose options hold commas.
func buffersFlag(flags *flag.FlagSet, buffers *[]string, none string) {
	flags.Func("buffers", "`name,name`, repeatable, one with options alone; none = "+none, func(value string) error {
		specs := []string{value}
		if !strings.Contains(value, ":") {
			specs = strings.Split(value, ",")
		}
		for _, spec := range specs {
			if spec == "" {
				return errors.New("a name is empty")
			}
			if slices.Contains(*buffers, spec) {
				return fmt.Errorf("%s is named twice", spec)
			}
			*buffers = append(*buffers, spec)
		}
		return nil
	})
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
func listBuffers(w io.Writer, p *peers) error {
	table := format.Table{Head: []string{"BUFFER", "CONTRACT", "WHAT IT IS"}}
	bounds := format.Table{Head: []string{"BOUND", "CONTRACT", "NOT A CONTESTANT: WHAT OTHERS COULD REACH"}}
	for _, c := range contestants.Ours() {
		if c.Bound {
			bounds.Add(c.Name, c.Traits.String(), c.Summary)
		} else {
			table.Add(c.Name, c.Traits.String(), c.Summary)
		}
	}
	for _, l := range p.listings {
		table.Add(l.Name, l.Traits.String(), l.Summary+" (outside peer)")
	}
	if p.missing != "" {
		table.Add("client-go", "", "(outside peer: "+p.missing+")")
	}
	return errors.Join(table.Text(w), newline(w), bounds.Text(w))
}

func newline(w io.Writer) error {
	_, err := io.WriteString(w, "\n")
	return err
}

func (l *lab) list(flags *flag.FlagSet) action {
	path := flags.String("peers", peersPath, "`program` that serves outside contestants")
	return func(ctx context.Context) error {
		if err := errors.Join(listBuffers(l.out, findPeers(ctx, *path)), newline(l.out)); err != nil {
			return err
		}
		workloads := format.Table{Head: []string{
			"WORKLOAD", "CHECKED AFTER EVERY RUN: WHAT EVERY HANDLER WAS TOLD, ITS ACCOUNT, AND THE CACHE",
		}}
		for _, known := range loadgen.Workloads() {
			workloads.Add(known.Name, known.Summary)
		}
		workloads.Add("", "lab describe W tells the options of one; -workload takes a file of your own, too")
		suites := format.Table{}
		for _, suite := range run.Suites {
			suites.Add("SUITE "+suite.Name, suite.Summary+": "+strings.Join(suite.Buffers, ", "))
			for _, workload := range suite.Workloads() {
				suites.Add("", workload.String())
			}
		}
		return errors.Join(workloads.Text(l.out), newline(l.out), suites.Text(l.out))
	}
}
