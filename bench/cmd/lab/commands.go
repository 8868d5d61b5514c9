package main

import (
	"context"
	_ "embed" // for the texts of commands
	"flag"
	"fmt"
	"math"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// A command is one subcommand of lab. Its texts are those of commands.toml.
type command struct {
	Name     string // a word, or two of lab trace
	Group    string // of lab help; "" = hidden
	Operands string
	Summary  string // a line of lab help
	About    string // full sentences, then examples
	define   func(l *lab, flags *flag.FlagSet) action
}

// An action does what a command line asks for, once it has been parsed. Errors of usage
// get the command's name from who calls it.
type action func(ctx context.Context) error

// operands returns how many operands there may be, of a list as [RUN] or NAME….
func (c *command) operands() (least, most int) {
	for _, operand := range strings.Fields(c.Operands) {
		if most++; !strings.HasPrefix(operand, "[") {
			least++
		}
		if strings.Contains(operand, "…") {
			most = math.MaxInt
		}
	}
	return least, most
}

// The groups of lab help, in its order.
var groups = []string{
	"Measure", "Compare", "Show runs", "Workloads and recorded watches", "The lab itself",
}

//go:embed commands.toml
var commandTexts []byte

// commands are all there are.
func commands() []command {
	var texts struct{ Command []command }
	if err := toml.Unmarshal(commandTexts, &texts); err != nil {
		panic(fmt.Sprintf("commands.toml: %v", err)) // a mistake in this package
	}
	functions := map[string]func(*lab, *flag.FlagSet) action{
		"run": (*lab).run, "resume": (*lab).resume, "replay": (*lab).replay, "micro": (*lab).micro,
		"finding": (*lab).finding, "compare": (*lab).compare, "gate": (*lab).gate, "diff": (*lab).diff,
		"runs": (*lab).runs, "show": (*lab).show, "report": (*lab).report, "flame": (*lab).flame,
		"index": (*lab).index, "list": (*lab).list, "describe": (*lab).describe, "trace info": (*lab).traceInfo,
		"trace cut": (*lab).traceCut, "trace from-kubectl": (*lab).traceFromKubectl, "trace fit": (*lab).traceFit,
		"overhead": (*lab).overhead, "mutants": (*lab).mutants, "version": (*lab).version, "trials": (*lab).trials,
		"busy": (*lab).busy, "op": (*lab).op, "worker": (*lab).worker,
	}
	for i := range texts.Command {
		texts.Command[i].define = functions[texts.Command[i].Name]
	}
	return texts.Command
}

// statuses is what the exit status of any command means.
const statuses = `The exit status is 0; 1 for a run that failed, or a head that is slower; 2 for a wrong command line
or input that cannot be used, when nothing was measured; 3 for a comparison without a verdict; 130
for what was interrupted.`
