// Overhead measures what the lab costs the pipelines that it measures.
//
//	overhead                                     the reference and the ring, in closed and open loops
//	overhead -buffer spsc -workload saturate:listeners=64 -blocks 40
//
// Package informerlab/bench/overhead says how. The exit status is 0, 1 if a run
// failed, 2 for a wrong command line, 130 if it was interrupted.
package main

import (
	"os"

	"informerlab/bench/overhead"
)

func main() { os.Exit(overhead.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
