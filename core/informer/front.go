package informer

import (
	"context"
	"log/slog"
	"time"

	"informerlab/core/controller"
	"informerlab/core/event"
	"informerlab/core/indexer"
	"informerlab/core/queue"
	"informerlab/core/reflector"
	"informerlab/core/source"
)

// A front is what Informer and Inline have in common: all from the source to the
// cache.
type front struct {
	o          Options
	source     source.Source
	indexer    *indexer.Indexer
	queue      queue.Queue
	rejections *rejections
}

func newFront(src source.Source, o Options) front {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	newIndexer := indexer.New
	if o.Panic.Recover {
		newIndexer = indexer.NewRecovering
	}
	f := front{o: o, source: src, indexer: newIndexer(o.Indexers), rejections: newRejections(&o)}
	if o.Queue == PerKey {
		f.queue = queue.NewDeltaFIFO(queue.DeltaFIFOOptions{
			Known: f.indexer, Transform: o.Transform, Recover: o.Panic.Recover, OnReject: f.rejections.reject,
			Logger: o.Logger,
		})
	} else {
		f.queue = queue.NewFIFO(queue.FIFOOptions{
			Transform: o.Transform, Recover: o.Panic.Recover, OnReject: f.rejections.reject, Logger: o.Logger,
		})
	}
	return f
}

func (f *front) newReflector(resync time.Duration, due func() bool) *reflector.Reflector {
	return reflector.New(f.source, store{f.queue, f.rejections}, reflector.Options{
		Name: f.o.Name, Resync: resync, ShouldResync: due,
		PageSize: f.o.PageSize, ClassicList: f.o.ClassicList, BookmarkTimeout: f.o.BookmarkTimeout,
		Faithful: f.o.Faithful, Accept: f.o.Accept, OnReject: f.rejections.reject, Recover: f.o.Panic.Recover,
		OnWatchError: f.o.OnWatchError, Logger: f.o.Logger, Rand: f.o.Rand,
	})
}

// run feeds the cache from r until ctx ends. observe, if not nil, sees each batch
// before it is published, and afterPop runs between two batches.
func (f *front) run(ctx context.Context, r *reflector.Reflector, do controller.Do,
	observe func(batch []event.Notification), afterPop func(ctx context.Context)) {
	applier := controller.NewApplier(f.indexer, do)
	applier.BlankIsSync = f.o.Faithful
	applier.OnReject = f.rejections.rejectLater
	applier.Observe = func(batch []event.Notification) {
		f.rejections.observe(batch)
		if observe != nil {
			observe(batch)
		}
	}
	controller.New(controller.Config{
		Queue: f.queue, Feed: r.Run, Process: applier.Process, AfterPop: afterPop,
		OnError: f.rejections.report, Recover: f.o.Panic.Recover, Logger: f.o.Logger,
	}).Run(ctx)
}
