// Command worker measures what is from outside the module informerlab. The command lab
// builds and starts it.
//
//	worker          client-go, through the protocol of package informerlab/bench/worker:
//	                JSON lines on standard input and output
//	worker micro    queues from elsewhere beside the catalogue, operation by operation, for
//	                lab micro, which hands over its plan as JSON
//	worker cost     what a listener and a pending notification cost, reference against
//	                client-go
//	worker both     client-go and the catalogue, for worker cost
//
// The exit status is 0, 1 for what failed, 2 for a wrong command line, 130 for what was
// interrupted.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"informerlab/bench/contestants"
	"informerlab/bench/micro"
	"informerlab/bench/peers/clientgo"
	"informerlab/bench/worker"
)

func main() {
	name := ""
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	err := run(name)
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return
	case errors.Is(err, context.Canceled):
		os.Exit(130)
	}
	fmt.Fprintln(os.Stderr, "worker:", err)
	if errors.Is(err, micro.ErrInput) {
		os.Exit(2)
	}
	os.Exit(1)
}

func run(name string) error {
	switch name {
	case "":
		clientgo.SurvivePanics()
		return worker.Main(os.Stdin, os.Stdout, clientgo.Contestants())
	case "both":
		return worker.Main(os.Stdin, os.Stdout, append(clientgo.Contestants(), contestants.Ours()...))
	case "micro", "cost":
	default:
		return fmt.Errorf("%w: unknown command %q: expected micro, cost or nothing", micro.ErrInput, name)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if name == "micro" {
		var plan micro.Plan
		if err := json.Unmarshal([]byte(strings.Join(os.Args[2:], " ")), &plan); err != nil {
			return fmt.Errorf("micro: %w: %w", micro.ErrInput, err)
		}
		return plan.Run(ctx, os.Stdout, queues())
	}
	var c cost
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	c.define(flags)
	if err := flags.Parse(os.Args[2:]); err != nil {
		return fmt.Errorf("%w: %w", micro.ErrInput, err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%w: unexpected argument %q", micro.ErrInput, flags.Arg(0))
	}
	return c.run(ctx, os.Stdout)
}
