// Micro measures the catalogue of buffers beside queues from elsewhere, operation
// by operation; it takes the flags of informerlab/bench/cmd/micro.
//
//	go run ./micro                                     everything, of everybody
//	go run ./micro -measure Stream -buffers reference,mpsc,xsync-umpsc
//	go run ./micro -measure Wake -base channel
//
// The queues have items of type any only. What each is, and how it is fed:
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
package main

import (
	"os"

	"informerlab/bench/micro"
)

func main() { os.Exit(micro.Main(os.Args[1:], os.Stdout, os.Stderr, peers())) }
