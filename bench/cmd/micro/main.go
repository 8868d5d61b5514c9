// Micro measures listener buffers alone, operation by operation.
//
//	micro                                              everything, of every buffer
//	micro -measure 'Stream|Burst' -buffers reference,ring,chunked -rounds 15
//	micro -item notification -measure Updates -buffers reference,coalescing
//	micro -raw > new.txt                               for benchstat
//
// Package informerlab/bench/micro says how. The exit status is 0, 1 if a buffer
// lost or doubled items, 2 for a wrong command line, 130 if it was interrupted.
package main

import (
	"os"

	"informerlab/bench/micro"
)

func main() { os.Exit(micro.Main(os.Args[1:], os.Stdout, os.Stderr, nil)) }
