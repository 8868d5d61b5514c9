package main

import (
	"fmt"
	"iter"

	"github.com/smarty/go-disruptor"

	"informerlab/bench/micro"
)

// disruptorSlots is the capacity of the disruptor's own benchmarks.
const disruptorSlots = 1 << 16

// A ring has its slots in advance and asks a disruptor which of them are whose.
type ring struct {
	disruptor.Disruptor
	slots []any
	yield func([]any) bool // hands a part of the slots to Pop
	next  func() ([]any, bool)
	ready []any // handed over and not yet popped
}

func newDisruptor(writers uint8) micro.Queue[any] {
	r := &ring{slots: make([]any, disruptorSlots)}
	d, err := disruptor.New(disruptor.Options.BufferCapacity(disruptorSlots),
		disruptor.Options.WriterCount(writers), disruptor.Options.NewHandlerGroup(r))
	if err != nil {
		panic(fmt.Sprintf("micro: disruptor: %v", err))
	}
	r.Disruptor = d
	r.next, _ = iter.Pull(func(yield func([]any) bool) {
		r.yield = yield
		d.Listen()
	})
	return r
}

// Handle implements disruptor.Handler. The slots are the handler's until it
// returns.
func (r *ring) Handle(lower, upper int64) {
	const mask = disruptorSlots - 1
	if first, last := lower&mask, upper&mask; first <= last {
		r.yield(r.slots[first : last+1])
	} else {
		r.yield(r.slots[first:])
		r.yield(r.slots[:last+1])
	}
}

func (r *ring) Push(items []any) {
	upper := r.Reserve(uint32(len(items)))
	lower := upper - int64(len(items)) + 1
	for k, item := range items {
		r.slots[(lower+int64(k))&(disruptorSlots-1)] = item
	}
	r.Commit(lower, upper)
}

func (r *ring) Pop(dst []any) int {
	for len(r.ready) == 0 {
		ready, more := r.next()
		if !more {
			return 0
		}
		r.ready = ready
	}
	n := copy(dst, r.ready)
	r.ready = r.ready[n:]
	return n
}

// Close lets the disruptor end once it has handled what was committed.
func (r *ring) Close() { _ = r.Disruptor.Close() } // it returns no error
