package main

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/bench/micro"
	"informerlab/core/buffer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestPeersPassEverything pushes batches of several producers through each peer.
func TestPeersPassEverything(t *testing.T) {
	const batches, batch = 500, 7
	for _, c := range queues() {
		t.Run(c.Name, func(t *testing.T) {
			producers := 4
			if c.Traits.Producers == buffer.One {
				producers = 1
			}
			q := c.New(buffer.Params[any]{})
			var pushing sync.WaitGroup
			for p := range producers {
				pushing.Go(func() {
					for k := range batches {
						items := make([]any, batch)
						for i := range items {
							items[i] = [2]int{p, k*batch + i}
						}
						q.Push(items)
					}
				})
			}
			go func() {
				pushing.Wait()
				q.Close()
			}()
			next, dst := make([]int, producers), make([]any, 100)
			for n := q.Pop(dst); n > 0; n = q.Pop(dst) {
				for _, item := range dst[:n] {
					at := item.([2]int)
					require.Equal(t, next[at[0]], at[1])
					next[at[0]]++
				}
			}
			for _, n := range next {
				assert.Equal(t, batches*batch, n)
			}
			assert.Zero(t, q.Pop(dst), "closed and drained for ever")
		})
	}
}

// TestEndsWithoutItems closes peers that were never used.
func TestEndsWithoutItems(t *testing.T) {
	for _, c := range queues() {
		q := c.New(buffer.Params[any]{})
		q.Close()
		assert.Zero(t, q.Pop(make([]any, 1)), c.Name)
	}
}

// TestPeersAreMeasured runs the smallest measurement with the peers.
func TestPeersAreMeasured(t *testing.T) {
	plan := micro.Plan{Match: "Footprint", Item: "any", Rounds: 1, Base: "client-go", Raw: true}
	for _, c := range queues() {
		plan.Buffers = append(plan.Buffers, c.Name)
	}
	var out bytes.Buffer
	require.NoError(t, plan.Run(t.Context(), &out, queues()))
	for _, c := range queues() {
		assert.Contains(t, out.String(), fmt.Sprintf("BenchmarkFootprint/buffer=%s/", c.Name))
	}
}
