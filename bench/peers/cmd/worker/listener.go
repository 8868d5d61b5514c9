package main

import (
	"k8s.io/utils/buffer"

	"informerlab/bench/micro"
)

// ringSlots is the initialBufferSize of client-go's listeners.
const ringSlots = 1024

// A listener moves items as client-go's processorListener does: a goroutine
// between two unbuffered channels keeps in a ring what cannot be handed on yet.
// Other than there, it hands out everything after Close.
type listener struct{ in, out chan any }

func newClientGo() micro.Queue[any] {
	l := listener{make(chan any), make(chan any)}
	go l.pump(buffer.NewTypedRingGrowing[any](buffer.RingGrowingOptions{InitialSize: ringSlots}))
	return l
}

func (l listener) pump(ring *buffer.TypedRingGrowing[any]) {
	defer close(l.out)
	in := l.in
	var slot any
	var out chan<- any // l.out while slot is to be handed on
	for in != nil || out != nil {
		select {
		case out <- slot:
			var more bool
			if slot, more = ring.ReadOne(); !more {
				out = nil
			}
		case item, open := <-in:
			switch {
			case !open:
				in = nil
			case out == nil:
				slot, out = item, l.out
			default:
				ring.WriteOne(item)
			}
		}
	}
}

func (l listener) Push(items []any) {
	for _, item := range items {
		l.in <- item
	}
}

func (l listener) Pop(dst []any) int {
	item, open := <-l.out
	if !open {
		return 0
	}
	dst[0] = item
	return 1
}

func (l listener) Close() { close(l.in) }
