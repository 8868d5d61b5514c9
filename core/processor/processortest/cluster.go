// Package processortest drives a processor with random changes of a cache and
// checks what a level-driven handler is told of them, whatever its buffer loses
// or merges on the way.
//
//	Cluster.Change ──▶ cache ──▶ processor ──▶ buffer ──▶ View: a call at a time,
//	                     │                       │          is it legal, is it due?
//	                     └───────────────────────┴──────▶ Err: view = cache?
//
// It is for tests of fan-outs and of buffers in their place in the pipeline.
package processortest

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"

	"go.uber.org/atomic"

	"informerlab/core/event"
	"informerlab/core/processor"
)

// An Object is one state of one object of a Cluster. Versions grow from change to
// change, whatever the object.
type Object struct {
	name    string
	version int
}

// GetNamespace returns the namespace of all objects.
func (o *Object) GetNamespace() string { return "n" }

// GetName returns the object's number.
func (o *Object) GetName() string { return o.name }

// GetResourceVersion returns the version.
func (o *Object) GetResourceVersion() string { return strconv.Itoa(o.version) }

// A Cluster is a cache of numbered objects, a processor that tells of it, and
// the only one that changes it. One goroutine uses it.
type Cluster struct {
	Processor *processor.Processor
	keys      []event.Key
	cached    map[event.Key]*Object // written and read under the publish lock
	version   atomic.Int64          // of the latest write; written under the publish lock
	written   written
	batch     []event.Notification
}

// NewCluster returns an empty cluster of at most that many objects, over a new
// processor with these options, its cache and a silent logger added.
func NewCluster(objects int, o processor.Options) *Cluster {
	c := &Cluster{cached: map[event.Key]*Object{}, keys: make([]event.Key, objects)}
	for i := range c.keys {
		c.keys[i] = event.Key{Namespace: "n", Name: "object-" + strconv.Itoa(i)}
	}
	o.Logger = slog.New(slog.DiscardHandler)
	o.Cache = func(key event.Key) (event.Object, bool) {
		obj, cached := c.cached[key]
		return obj, cached
	}
	c.Processor = processor.New(o)
	return c
}

// Join adds a view. After the start it gets a replay of the cache.
func (c *Cluster) Join(v processor.Handler) (*processor.Listener, error) {
	return c.Processor.Add(v, processor.ListenerOptions{}, func(yield func(event.Object) bool) {
		for _, key := range c.keys {
			if obj, cached := c.cached[key]; cached && !yield(obj) {
				return
			}
		}
	})
}

// A Verb is what a change does to an object. What cannot be done to it does
// nothing.
type Verb uint8

// The verbs.
const (
	Write  Verb = iota // add or update
	Delete             // if it is cached
	Sync               // an update to the state that is cached
)

// A Change is done to one object, by number.
type Change struct {
	Object int
	Verb   Verb
}

// Change applies the changes and publishes them as one batch, adds as initial
// ones if that is asked for.
func (c *Cluster) Change(initial bool, changes ...Change) {
	c.Processor.Do(func(publish func([]event.Notification)) {
		c.batch = c.batch[:0]
		for _, change := range changes {
			if n, does := c.apply(change); does {
				if n.Kind == event.Add && initial {
					n.Flags = event.Initial
				}
				c.batch = append(c.batch, n)
			}
		}
		if len(c.batch) > 0 {
			publish(c.batch)
		}
		clear(c.batch)
	})
}

func (c *Cluster) apply(change Change) (n event.Notification, does bool) {
	key := c.keys[change.Object]
	old, cached := c.cached[key]
	switch {
	case change.Verb == Write:
		obj := &Object{key.Name, int(c.version.Inc())}
		c.written.write(obj)
		c.cached[key] = obj
		if !cached {
			return event.Notification{Kind: event.Add, New: obj}, true
		}
		return event.Notification{Kind: event.Update, Old: old, New: obj}, true
	case !cached:
		return n, false
	case change.Verb == Delete:
		delete(c.cached, key)
		c.written.delete(old)
		return event.Notification{Kind: event.Delete, Old: old}, true
	default:
		return event.Notification{Kind: event.Update, Old: old, New: old, Round: 1}, true
	}
}

// Random returns n random changes, two thirds of them writes.
func (c *Cluster) Random(rng *rand.Rand, n int) []Change {
	changes := make([]Change, n)
	for i := range changes {
		changes[i] = Change{rng.IntN(len(c.keys)), []Verb{Write, Write, Write, Write, Delete, Sync}[rng.IntN(6)]}
	}
	return changes
}

// Err returns how the view is wrong or differs from the cache. Nothing may move.
func (c *Cluster) Err(v *View) error {
	if v.wrong != nil {
		return v.wrong
	}
	if len(v.has) != len(c.cached) {
		return fmt.Errorf("processortest: the view has %d objects, the cache %d", len(v.has), len(c.cached))
	}
	for key, obj := range c.cached {
		if has := v.has[key.Name]; has != obj.version {
			return fmt.Errorf("processortest: the view has version %d of %s, the cache %d", has, key, obj.version)
		}
	}
	return nil
}
