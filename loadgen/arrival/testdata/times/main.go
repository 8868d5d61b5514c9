// Command times prints a hash of the first times of each process, to be
// compared between builds and machines.
package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"informerlab/loadgen/arrival"
)

const draws = 100_000

func main() {
	options := arrival.Options{PerSecond: 20_000, Times: []time.Duration{5, 1005, 1005, 7777, 123_456}}
	for _, kind := range arrival.Kinds() {
		p, err := arrival.New(kind, options)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		var bytes []byte
		for due := range p.Times(rand.New(rand.NewPCG(1, 0))) {
			bytes = binary.LittleEndian.AppendUint64(bytes, uint64(due))
			if len(bytes) == 8*draws {
				break
			}
		}
		fmt.Printf("%x %v\n", sha256.Sum256(bytes), p)
	}
}
