// Package variants is the catalogue of listener buffers: one line for each
// contestant, so that what exists is read in one place and a new one is its
// package and its line.
//
//	"ring" ── Find ──▶ Variant{Summary, Traits, New} ──▶ buffer.Buffer
//	   └───── Fanout ──▶ what the processor needs to use it
//
// A contestant is named "name" or "name:option,option"; that string is flag,
// result label and row alike. Those there are take no options.
//
// The package knows how to make buffers, and nothing of pipelines, loads or
// measurements. Its tests hold every line to the laws of buffertest.
package variants

import (
	"fmt"
	"strings"

	"informerlab/core/buffer"
	"informerlab/variants/chunked"
	"informerlab/variants/linkedlist"
	"informerlab/variants/mpsc"
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
	New       func(buffer.Params[T]) buffer.Buffer[T]
}

// All returns every contestant with its default options, the reference first.
func All[T any]() []Variant[T] {
	fifo := buffer.Traits{
		Order: buffer.FIFO, Loss: buffer.Lossless, Bound: buffer.Unbounded, Producers: buffer.Many,
	}
	perProducer, oneProducer := fifo, fifo
	perProducer.Order = buffer.PerProducer
	oneProducer.Producers = buffer.One
	return []Variant[T]{
		{reference, "client-go's: channel, pump with growing ring, channel", fifo, 0, newReference[T]},
		{"ring", "mutex, growing ring, batches; shrinks after a burst", fifo, ring.KeptBytes, ring.New[T]},
		{"linkedlist", "mutex, one node an item, taken all at once", fifo, linkedlist.KeptBytes, linkedlist.New[T]},
		{"chunked", "mutex, fixed blocks; memory follows the backlog", fifo, chunked.KeptBytes, chunked.New[T]},
		{"mpsc", "lock-free: a fetch-add claims a batch", perProducer, mpsc.KeptBytes, mpsc.New[T]},
		{"spsc", "lock-free chunks, one swap shows a batch", oneProducer, spsc.KeptBytes, spsc.New[T]},
	}
}

// Find returns the contestant of that name. The error of an unknown one lists
// the names there are.
func Find[T any](spec string) (Variant[T], error) {
	name, options, hasOptions := strings.Cut(spec, ":")
	var names []string
	for _, v := range All[T]() {
		if v.Name != name {
			names = append(names, v.Name)
			continue
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
