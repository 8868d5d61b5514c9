// Mutants tests whether differential flame graphs name the function that made a
// program slower.
//
//	mutants                           all of them, with a table, in a few minutes
//	mutants -run 'spin|lost-batch'    some
//	mutants worker                    what it builds and starts: requests on stdin, answers on stdout
//
// Package informerlab/bench/mutants says how, and what the exit status means.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"informerlab/bench/contestants"
	"informerlab/bench/mutants"
	"informerlab/bench/worker"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "worker" {
		if err := worker.Main(os.Stdin, os.Stdout, contestants.Ours()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := mutants.Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}
