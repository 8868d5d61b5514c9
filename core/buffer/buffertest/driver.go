package buffertest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"informerlab/core/buffer"
)

// A Driver leads a buffer, or the storage in one, through the states that a test
// wants to look at: it pushes the numbers from 1 on and fails the test if they
// do not come out in that order. It is for one goroutine.
type Driver struct {
	T     testing.TB
	Queue interface {
		Push(items []uint64)
		Pop(dst []uint64) int
		Len() int
	}
	Check func() // looks inside after every push and pop; nil = nobody does

	Pushed, Popped uint64   // the last number of each
	Discarded      []uint64 // what Discard was told
}

// Feed pushes the next n numbers as one batch.
func (d *Driver) Feed(n int) {
	d.T.Helper()
	batch := Numbers(d.Pushed+1, n)
	d.Pushed += uint64(n)
	d.Queue.Push(batch)
	d.check()
}

// Expect pops n numbers, as many at once as there are.
func (d *Driver) Expect(n int) {
	d.T.Helper()
	for dst := make([]uint64, n); n > 0; {
		got := d.Queue.Pop(dst[:n])
		for _, number := range dst[:got] {
			if d.Popped++; number != d.Popped { // a call of require for each would take seconds
				require.Equal(d.T, d.Popped, number)
			}
		}
		n -= got
		d.check()
	}
}

// Drain pops all there are, some at once.
func (d *Driver) Drain(some int) {
	d.T.Helper()
	for d.Queue.Len() > 0 {
		d.Expect(min(some, d.Queue.Len()))
	}
}

// Discard is the hook of a buffer that is to be closed.
func (d *Driver) Discard(number uint64, why buffer.Reason) {
	require.Equal(d.T, buffer.Closed, why)
	d.Discarded = append(d.Discarded, number)
}

func (d *Driver) check() {
	d.T.Helper()
	require.EqualValues(d.T, d.Pushed-d.Popped, d.Queue.Len())
	if d.Check != nil {
		d.Check()
	}
}

// Numbers returns n numbers, in order.
func Numbers(from uint64, n int) []uint64 {
	numbers := make([]uint64, n)
	for k := range numbers {
		numbers[k] = from + uint64(k)
	}
	return numbers
}
