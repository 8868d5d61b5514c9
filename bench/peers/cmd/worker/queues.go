package main

import (
	deque1 "github.com/edwingeng/deque/v2"
	deque2 "github.com/gammazero/deque"
	"github.com/puzpuzpuz/xsync/v4"

	"informerlab/bench/micro"
	"informerlab/core/buffer"
)

// queues returns the queues from elsewhere, which have items of type any only:
//
//	channel        a Go channel of 1,024 slots. Pop waits for one item and takes what
//	               else is there without waiting. A channel cannot be unbounded, so
//	               nothing is measured of it that needs items to pile up.
//	client-go      the pattern of client-go's processorListener around its own ring,
//	               k8s.io/utils/buffer.TypedRingGrowing: what reference is held against.
//	               One item at a time; each goes through two unbuffered channels.
//	nats-swap      the pattern of nats-server's ipQueue: a slice under a mutex, taken
//	               whole, a token in a channel when it was empty, small slices used
//	               again. Pop hands out what was taken.
//	xsync-umpsc    UMPSCQueue of puzpuzpuz/xsync: lock-free, unbounded, parks on a
//	               WaitGroup in every slot. It has neither batches nor close: Push and
//	               Pop are loops of one, and nil is the end.
//	gammazero      the ring of gammazero/deque and
//	edwingeng      the chunks of edwingeng/deque, both in buffer.Locked: our mutex
//	               and wake-up, batches by loops under one lock.
//	disruptor      smarty/go-disruptor: a ring of 65,536 slots, filled in advance, one
//	               producer, a reservation a batch; disruptor-shared takes several
//	               producers. It waits as it does by default: the consumer looks every
//	               500 ns. It calls a handler with all there is; a coroutine turns that
//	               into Pop. It is bounded, as the channel is.
func queues() []micro.Contestant[any] {
	unbounded := buffer.Traits{
		Order: buffer.FIFO, Loss: buffer.Lossless, Bound: buffer.Unbounded, Producers: buffer.Many,
	}
	bounded, perProducer := unbounded, unbounded
	bounded.Bound, bounded.Blocks = buffer.ByCapacity, true
	perProducer.Order = buffer.PerProducer
	oneProducer := bounded
	oneProducer.Producers = buffer.One
	row := func(name string, traits buffer.Traits, open func() micro.Queue[any]) micro.Contestant[any] {
		return micro.Contestant[any]{
			Name: name, Traits: traits, New: func(buffer.Params[any]) micro.Queue[any] { return open() },
		}
	}
	return []micro.Contestant[any]{
		row("channel", bounded, newChannel),
		row("client-go", unbounded, newClientGo),
		row("nats-swap", unbounded, newSwap),
		row("xsync-umpsc", perProducer, newUMPSC),
		row("gammazero", unbounded, newGammazero),
		row("edwingeng", unbounded, newEdwingeng),
		row("disruptor", oneProducer, func() micro.Queue[any] { return newDisruptor(1) }),
		row("disruptor-shared", bounded, func() micro.Queue[any] { return newDisruptor(4) }),
	}
}

// channelSlots is as many as client-go's listener has room for at first.
const channelSlots = 1024

type channel chan any

func newChannel() micro.Queue[any] { return make(channel, channelSlots) }

func (c channel) Push(items []any) {
	for _, item := range items {
		c <- item
	}
}

func (c channel) Pop(dst []any) int {
	item, open := <-c
	if !open {
		return 0
	}
	dst[0] = item
	for n := 1; n < len(dst); n++ {
		select {
		case item, open := <-c:
			if !open {
				return n
			}
			dst[n] = item
		default:
			return n
		}
	}
	return len(dst)
}

func (c channel) Close() { close(c) }

type umpsc struct {
	queue *xsync.UMPSCQueue[any]
	ended bool // the consumer's
}

func newUMPSC() micro.Queue[any] { return &umpsc{queue: xsync.NewUMPSCQueue[any]()} }

func (u *umpsc) Push(items []any) {
	for _, item := range items {
		u.queue.Enqueue(item)
	}
}

func (u *umpsc) Pop(dst []any) int {
	if u.ended {
		return 0
	}
	if dst[0] = u.queue.Dequeue(); dst[0] == nil {
		u.ended = true
		return 0
	}
	return 1
}

func (u *umpsc) Close() { u.queue.Enqueue(nil) }

// Bytes of the deques are nobody's question here: neither tells.

type gammazero struct{ deque2.Deque[any] }

func newGammazero() micro.Queue[any] {
	return buffer.NewLocked[any](&gammazero{}, buffer.Params[any]{})
}

func (g *gammazero) Push(items []any) {
	for _, item := range items {
		g.PushBack(item)
	}
}

func (g *gammazero) Pop(dst []any) int {
	n := min(len(dst), g.Len())
	for k := range n {
		dst[k] = g.PopFront()
	}
	return n
}

func (*gammazero) Bytes() int { return 0 }

type edwingeng struct{ *deque1.Deque[any] }

func newEdwingeng() micro.Queue[any] {
	return buffer.NewLocked[any](edwingeng{deque1.NewDeque[any]()}, buffer.Params[any]{})
}

func (e edwingeng) Push(items []any) {
	for _, item := range items {
		e.PushBack(item)
	}
}

func (e edwingeng) Pop(dst []any) int { return len(e.DequeueManyWithBuffer(len(dst), dst)) }

func (edwingeng) Bytes() int { return 0 }
