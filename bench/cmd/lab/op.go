package main

import (
	"context"
	"flag"
	"fmt"

	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/core/processor"
	"informerlab/variants"
)

// What a wave of lab op is: as many items as a listener pops at once, single
// ones and a batch, of half as many keys, so that a buffer that merges has to.
const (
	opWave    = 64
	opSingles = 8
	opKeys    = opWave / 2
)

// op pushes n items through a buffer on one goroutine, wave by wave: the work
// whose instructions can be counted. It prints what became of the items.
func (l *lab) op(flags *flag.FlagSet) action {
	spec := flags.String("buffer", "ring", "`name` of the buffer, which must not need a second goroutine")
	n := flags.Int("n", 100_000, "items to push")
	return func(_ context.Context) error {
		if *n < 0 {
			return usagef("-n=%d: expected a whole number, not negative", *n)
		}
		v, err := variants.Find[event.Notification](*spec)
		if err != nil {
			return usage{err}
		}
		if v.Traits.Bound == buffer.Nothing {
			return usagef("-buffer %s: nothing that is pushed there can be popped", *spec)
		}
		popped := 0
		discarded := 0
		b := v.New(buffer.Params[event.Notification]{
			Key:     func(item event.Notification) event.Key { return event.KeyOf(item.New) },
			Merge:   processor.Merge,
			Discard: func(event.Notification, buffer.Reason) { discarded++ },
		})
		wave, dst := opItems(), make([]event.Notification, opWave)
		for left := *n; left > 0; left -= opWave {
			items := wave[:min(left, opWave)]
			singles := min(opSingles, len(items))
			for i := range singles {
				b.Push(items[i : i+1])
			}
			if len(items) > singles {
				b.Push(items[singles:])
			}
			for b.Len() > 0 {
				popped += b.Pop(dst)
			}
		}
		_, err = fmt.Fprintf(l.out, "%s: pushed %d, popped %d, discarded %d\n", *spec, *n, popped, discarded)
		return err
	}
}

// opItems returns the items of a wave.
func opItems() []event.Notification {
	items := make([]event.Notification, opWave)
	for i := range items {
		o := opObject{Namespace: "default", Name: fmt.Sprintf("frontend-%02d", i%opKeys)}
		items[i] = event.Notification{Kind: event.Update, Old: o, New: o, Seq: uint64(i + 1)}
	}
	return items
}

// An opObject is nothing but its key.
type opObject event.Key

func (o opObject) GetNamespace() string     { return o.Namespace }
func (o opObject) GetName() string          { return o.Name }
func (opObject) GetResourceVersion() string { return "1" }
