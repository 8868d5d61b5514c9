// Package clientgo makes the real k8s.io/client-go a contestant of the lab: its
// shared informer, unchanged, driven by the very loads that drive ours.
//
//	loadgen.Load ─▶ lister-watcher ─▶ cache.SharedIndexInformer ─▶ loadgen.Recorder
//	      └─ every object converted to a Kubernetes one: before the clock
//	         starts, or if the load is fresh, when it is handed out
//
// The informer has its defaults of v0.37.2 (in-order queue, atomic replace,
// batches), an index by namespace, and lists in the classic way. In a closed
// loop it reads channels that were filled beforehand, so its source costs one
// receive per event; in an open one, after a prefill, or if the load is fresh, a
// goroutine puts the events into such channels when they are due. It waits for
// the informer only during a prefill, and in a fresh load, so that what was made
// and not read yet takes bounded memory. Where a version expires the channel ends
// with status 410, and the informer pauses and lists again as it would of a server.
//
// Limits: client-go cannot tell how many notifications wait for a handler. Making
// the twins of a fresh load is part of what its runs cost, as decoding would be.
// client-go resyncs no more often than once a second.
package clientgo

import (
	"context"
	"fmt"
	"time"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
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

// SurvivePanics makes client-go go on after a handler has panicked, silently: it
// leaves out the rest of that call and pauses the handler for a second. This is
// for the whole process, whose main has to call it before anything runs; unless
// it does, a panic ends the process.
func SurvivePanics() {
	utilruntime.ReallyCrash = false
	utilruntime.PanicHandlers = nil
}

// A pipeline is one client-go informer over one load.
type pipeline struct {
	source   *listWatch
	informer cache.SharedIndexInformer
	handlers []cache.ResourceEventHandlerRegistration
	ctx      context.Context
	cancel   context.CancelFunc
	ended    chan struct{} // nil before Start
}

var _ worker.Pipeline = (*pipeline)(nil)

// nominalResync is longer than any run. An informer that is made without a resync
// period does not resync at all, whatever its handlers ask for.
const nominalResync = 24 * time.Hour

func newPipeline(ctx context.Context, c *conversion) *pipeline {
	p := &pipeline{source: newListWatch(c)}
	p.informer = cache.NewSharedIndexInformer(p.source, &object{}, nominalResync,
		cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	p.ctx, p.cancel = context.WithCancel(ctx)
	return p
}

// AddHandler registers the recorder, before or after Start.
func (p *pipeline) AddHandler(r *loadgen.Recorder, resync time.Duration) error {
	registration, err := p.informer.AddEventHandlerWithResyncPeriod(handler{r}, resync)
	if err != nil {
		return fmt.Errorf("clientgo: add handler: %w", err)
	}
	p.handlers = append(p.handlers, registration)
	return nil
}

// RemoveHandler removes the registration of the handler with this number.
func (p *pipeline) RemoveHandler(number int) error {
	if err := p.informer.RemoveEventHandler(p.handlers[number]); err != nil {
		return fmt.Errorf("clientgo: remove handler: %w", err)
	}
	return nil
}

// startLimit is how long the initial list may take. One of 100,000 objects takes
// client-go half a second.
const startLimit = 2 * time.Minute

// Start runs the informer and waits until it and all handlers have synced.
func (p *pipeline) Start() error {
	p.ended = make(chan struct{})
	go func() {
		defer close(p.ended)
		p.informer.RunWithContext(p.ctx)
	}()
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	synced := []<-chan struct{}{p.informer.HasSyncedChecker().Done()}
	for _, h := range p.handlers {
		synced = append(synced, h.HasSyncedChecker().Done())
	}
	for i, done := range synced {
		select {
		case <-done:
		case <-limit.C:
			return fmt.Errorf("clientgo: %d of %d had synced after %v", i, len(synced), startLimit)
		}
	}
	return nil
}

// Release lets the next part of the load flow.
func (p *pipeline) Release(start time.Time) { p.source.release(start) }

// Get returns the mark of the object that the informer's store holds of a key.
func (p *pipeline) Get(key event.Key) (m loadgen.Mark, held bool) {
	o, held, err := p.informer.GetStore().GetByKey(key.String())
	if !held || err != nil {
		return m, false
	}
	return o.(*object).mark, true
}

// Each calls f for each object in the informer's store.
func (p *pipeline) Each(f func(key event.Key, m loadgen.Mark, version string)) {
	for _, o := range p.informer.GetStore().List() {
		twin := o.(*object)
		f(event.KeyOf(twin), twin.mark, twin.ResourceVersion)
	}
}

// Accounts returns nil: client-go keeps its backlog to itself.
func (p *pipeline) Accounts() []processor.Stats { return nil }

// Pace tells how the load's stream kept to its intended times.
func (p *pipeline) Pace() loadgen.Pace { return p.source.stream.Pace() }

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
func (h handler) OnAdd(o any, initial bool) { h.recorder.Add(o.(*object).mark, initial) }

// OnUpdate records an update.
func (h handler) OnUpdate(before, after any) {
	h.recorder.Update(before.(*object).mark, after.(*object).mark)
}

// OnDelete records a delete.
func (h handler) OnDelete(o any) {
	if inferred, unknown := o.(cache.DeletedFinalStateUnknown); unknown {
		h.recorder.Delete(inferred.Obj.(*object).mark, true)
		return
	}
	h.recorder.Delete(o.(*object).mark, false)
}
