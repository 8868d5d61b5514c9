// Command worker measures the contestants from outside the module informerlab,
// through the protocol of package informerlab/bench/worker: JSON lines on
// standard input and output. The command lab builds and starts it.
package main

import (
	"fmt"
	"os"

	"informerlab/bench/peers/clientgo"
	"informerlab/bench/worker"
)

func main() {
	clientgo.SurvivePanics()
	if err := worker.Main(os.Stdin, os.Stdout, clientgo.Contestants()); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}
