// Package variants is the catalogue of listener buffers: one line for each
// contestant, so that what exists is read in one place and a new one is its
// package and its line.
//
//	"ring" ── Find ──▶ Variant{Summary, Traits, New} ──▶ buffer.Buffer
//	   └───── Fanout ──▶ what the processor needs to use it
//
// A contestant is named "name" or "name:option,option"; that string is flag,
// result label and row alike. The bounded one has options, a policy, cap=N and
// timeout=DURATION, and so has the reference: initial=N, the slots that its ring
// begins with.
//
// The package knows how to make buffers, and nothing of pipelines, loads or
// measurements. Its tests hold every line to the laws of buffertest.
package variants

import (
	"fmt"
	"strings"

	"informerlab/core/buffer"
	"informerlab/variants/chunked"
	"informerlab/variants/coalescing"
	"informerlab/variants/linkedlist"
	"informerlab/variants/mpsc"
	"informerlab/variants/null"
	"informerlab/variants/ring"
	"informerlab/variants/spsc"
)

// A Variant is a contestant for one type of item. It may be copied and used by
// any number of goroutines.
type Variant[T any] struct {
	Name    string // as Find takes it, with its options
	Summary string // what it is, in one line
	Traits  buffer.Traits
	// KeptBytes is the most memory that it keeps once it is drained; 0
	// promises nothing.
	KeptBytes int
	// New returns an empty buffer. A bounded one has the policy of its name;
	// its capacity and its timeout are those of the Params, or where these are
	// 0 those of the name. A coalescing one needs Key and Merge. New panics if
	// such Params are missing or make no sense.
	New func(buffer.Params[T]) buffer.Buffer[T]
}

// All returns every contestant with its default options, the reference first.
func All[T any]() []Variant[T] {
	fifo := buffer.Traits{
		Order: buffer.FIFO, Loss: buffer.Lossless, Bound: buffer.Unbounded, Producers: buffer.Many,
	}
	perProducer, oneProducer := fifo, fifo
	perProducer.Order = buffer.PerProducer
	oneProducer.Producers = buffer.One
	perKey := buffer.Traits{
		Order: buffer.PerKey, Loss: buffer.Coalesces, Bound: buffer.ByKeys, Producers: buffer.Many,
	}
	return []Variant[T]{
		{reference, "client-go's: channel, pump with growing ring, channel", fifo, 0, newReference[T]},
		{"ring", "mutex, growing ring, batches; shrinks after a burst", fifo, ring.KeptBytes, ring.New[T]},
		{"linkedlist", "mutex, one node an item, taken all at once", fifo, linkedlist.KeptBytes, linkedlist.New[T]},
		{"chunked", "mutex, fixed blocks; memory follows the backlog", fifo, chunked.KeptBytes, chunked.New[T]},
		{"mpsc", "lock-free: a fetch-add claims a batch", perProducer, mpsc.KeptBytes, mpsc.New[T]},
		{"spsc", "lock-free chunks, one swap shows a batch", oneProducer, spsc.KeptBytes, spsc.New[T]},
		newBounded[T]("drop-newest", buffer.DropNewest, "mutex, ring; full, it discards what is pushed"),
		newBounded[T]("drop-oldest", buffer.DropOldest, "mutex, ring; full, it discards what waited longest"),
		newBounded[T]("block", buffer.Block, "mutex, ring; full, it lets the pusher wait"),
		newBounded[T]("block-timeout", buffer.BlockTimeout, "mutex, ring; full, it lets the pusher wait a while"),
		{
			"coalescing", "mutex, hash table, list; one waiting item a key", perKey,
			coalescing.KeptBytes, must(coalescing.New[T]),
		},
	}
}

// Bounds returns the buffers that are no contestants but show what any of them
// could reach.
func Bounds[T any]() []Variant[T] {
	holdsNothing := buffer.Traits{
		Order: buffer.FIFO, Loss: buffer.DropsEvery, Bound: buffer.Nothing, Producers: buffer.Many,
	}
	return []Variant[T]{
		{"null", "discards all: what a pipeline costs without buffer and handler", holdsNothing, 0, null.New[T]},
	}
}

// Find returns the contestant, or the bound, of that name. The error of an
// unknown one lists the names there are.
func Find[T any](spec string) (Variant[T], error) {
	return find(append(All[T](), Bounds[T]()...), spec)
}

func find[T any](rows []Variant[T], spec string) (Variant[T], error) {
	name, options, hasOptions := strings.Cut(spec, ":")
	if name == "bounded" {
		return findBounded(rows, spec, options)
	}
	var names []string
	for _, v := range rows {
		if v.Name != name {
			names = append(names, v.Name)
			continue
		}
		if hasOptions && name == reference {
			return findReference(v, spec, options)
		}
		if hasOptions {
			return Variant[T]{}, fmt.Errorf("variants: %s: option %q: it takes none", name, options)
		}
		return v, nil
	}
	return Variant[T]{}, fmt.Errorf("variants: no buffer is named %q: there are %s",
		name, strings.Join(names, ", "))
}

// reference is the name that Fanout must know.
const reference = "reference"

func newReference[T any](p buffer.Params[T]) buffer.Buffer[T] { return buffer.NewReference(p) }

// must makes a constructor panic instead of failing.
func must[T any](newBuffer func(buffer.Params[T]) (buffer.Buffer[T], error)) func(buffer.Params[T]) buffer.Buffer[T] {
	return func(p buffer.Params[T]) buffer.Buffer[T] {
		b, err := newBuffer(p)
		if err != nil {
			panic(err)
		}
		return b
	}
}
