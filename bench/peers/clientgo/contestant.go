// Package clientgo makes the real k8s.io/client-go a contestant of the lab: its
// shared informer, unchanged, driven by the very loads that drive ours.
//
//	loadgen.Load ─▶ lister-watcher ─▶ cache.SharedIndexInformer ─▶ loadgen.Recorder
//	      └─ every object converted to a Kubernetes one before the clock starts
//
// The informer has its defaults of v0.37.2 (in-order queue, atomic replace,
// batches), an index by namespace, no resync, and lists in the classic way. In a
// closed loop it reads a channel that was filled beforehand, so its source costs
// one receive per event; in an open one, or after a prefill, a goroutine puts the
// events into such a channel when they are due, and waits for the informer only
// during the prefill.
//
// Limits: client-go cannot tell how many notifications wait for a handler.
package clientgo

import (
	"context"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"k8s.io/client-go/tools/cache"

	"informerlab/bench/worker"
	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/core/processor"
	"informerlab/loadgen"
)

// Contestants returns the contestant "client-go". It may be called once per
// worker: conversions are kept in what it returns.
func Contestants() []worker.Contestant {
	var kept conversions
	return []worker.Contestant{{
		Name:    "client-go",
		Summary: "the real thing, k8s.io/client-go v0.37.2",
		Traits: buffer.Traits{
			Order: buffer.FIFO, Loss: buffer.Lossless, Bound: buffer.Unbounded, Producers: buffer.Many,
		},
		New: func(ctx context.Context, load *loadgen.Load) (worker.Pipeline, error) {
			return newPipeline(ctx, kept.of(load)), nil
		},
	}}
}

// A pipeline is one client-go informer over one load.
type pipeline struct {
	source   *listWatch
	informer cache.SharedIndexInformer
	synced   []<-chan struct{}
	failed   error // of AddHandler; Start tells it
	ctx      context.Context
	cancel   context.CancelFunc
	ended    chan struct{} // nil before Start
}

var _ worker.Pipeline = (*pipeline)(nil)

func newPipeline(ctx context.Context, c *conversion) *pipeline {
	p := &pipeline{source: newListWatch(c)}
	p.informer = cache.NewSharedIndexInformer(p.source, &object{}, 0,
		cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	p.synced = []<-chan struct{}{p.informer.HasSyncedChecker().Done()}
	p.ctx, p.cancel = context.WithCancel(ctx)
	return p
}

// AddHandler registers the recorder.
func (p *pipeline) AddHandler(r *loadgen.Recorder) {
	registration, err := p.informer.AddEventHandler(handler{r})
	if err != nil {
		p.failed = fmt.Errorf("clientgo: add handler: %w", err)
		return
	}
	p.synced = append(p.synced, registration.HasSyncedChecker().Done())
}

// startLimit is how long the initial list may take. One of 100,000 objects takes
// client-go half a second.
const startLimit = 2 * time.Minute

// Start runs the informer and waits until it and all handlers have synced.
func (p *pipeline) Start() error {
	if p.failed != nil {
		return p.failed
	}
	p.ended = make(chan struct{})
	go func() {
		defer close(p.ended)
		p.informer.RunWithContext(p.ctx)
	}()
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	for i, done := range p.synced {
		select {
		case <-done:
		case <-limit.C:
			return fmt.Errorf("clientgo: %d of %d had synced after %v", i, len(p.synced), startLimit)
		}
	}
	return nil
}

// Release lets the next part of the load flow.
func (p *pipeline) Release(start time.Time) { p.source.release(start) }

// Has reports whether the informer's store holds the key.
func (p *pipeline) Has(key event.Key) bool {
	_, found, err := p.informer.GetStore().GetByKey(key.String())
	return found && err == nil
}

// Each calls f for each object in the informer's store.
func (p *pipeline) Each(f func(key event.Key, id uint64)) {
	for _, o := range p.informer.GetStore().List() {
		f(event.KeyOf(o.(*object)), o.(*object).id)
	}
}

// Accounts returns nil: client-go keeps its backlog to itself.
func (p *pipeline) Accounts() []processor.Stats { return nil }

// Lateness returns what the load's stream recorded.
func (p *pipeline) Lateness() *hdrhistogram.Histogram { return p.source.stream.Lateness() }

// Stop ends the informer and the source and waits for their goroutines.
func (p *pipeline) Stop() {
	p.cancel()
	if p.ended != nil {
		<-p.ended
	}
	p.source.stop()
}

// A handler passes what client-go says on to a recorder.
type handler struct{ recorder *loadgen.Recorder }

// OnAdd records an add.
func (h handler) OnAdd(o any, initial bool) { h.recorder.Add(o.(*object).id, initial) }

// OnUpdate records an update.
func (h handler) OnUpdate(before, after any) {
	h.recorder.Update(before.(*object).id, after.(*object).id)
}

// OnDelete records a delete.
func (h handler) OnDelete(o any) {
	if inferred, unknown := o.(cache.DeletedFinalStateUnknown); unknown {
		id := uint64(0) // of no object of a load
		if state, found := inferred.Obj.(*object); found {
			id = state.id
		}
		h.recorder.Delete(id, true)
		return
	}
	h.recorder.Delete(o.(*object).id, false)
}
