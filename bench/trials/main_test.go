package trials

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"informerlab/bench/contestants"
	"informerlab/bench/worker"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "worker" { // as Overhead starts it
		if err := worker.Main(os.Stdin, os.Stdout, contestants.Ours()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}
