package informer

import (
	"context"
	"log/slog"

	"go.uber.org/atomic"

	"informerlab/core/controller"
	"informerlab/core/event"
	"informerlab/core/indexer"
	"informerlab/core/queue"
	"informerlab/core/source"
)

// An Inline informer has one handler and no processor: the handler is called by
// the controller, between one batch and the next. There is no buffer, so a slow
// handler holds up the queue and with it the watch (kubernetes#103789). It is
// client-go's non-shared informer, and the bound that no buffer can beat.
type Inline struct {
	o       Options
	handler Handler
	source  source.Source
	indexer *indexer.Indexer
	queue   queue.Queue
	started atomic.Bool
}

// NewInline returns an informer that calls h itself. Of the options, Fanout,
// OnStop and Mutation are not used, and of Panic only Recover: the rest of the
// batch in which h panicked is cached but never told. Resync goes to h at every
// period.
func NewInline(src source.Source, h Handler, o Options) *Inline {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	ix := indexer.New(o.Indexers)
	return &Inline{o: o, handler: h, source: src, indexer: ix, queue: o.newQueue(ix)}
}

// Run keeps the cache up to date and calls the handler until ctx ends. A second
// Run returns ErrStarted.
func (i *Inline) Run(ctx context.Context) error {
	if !i.started.CompareAndSwap(false, true) {
		return ErrStarted
	}
	do := func(change func(publish func([]event.Notification))) { change(i.deliver) }
	controller.New(controller.Config{
		Queue:   i.queue,
		Feed:    i.o.newReflector(i.source, i.queue, i.o.Resync, nil).Run,
		Process: controller.NewApplier(i.indexer, do).Process,
		OnError: i.o.OnProcessError, Recover: i.o.Panic.Recover, Logger: i.o.Logger,
	}).Run(ctx)
	return nil
}

func (i *Inline) deliver(batch []event.Notification) {
	for k := range batch {
		switch n := &batch[k]; n.Kind {
		case event.Add:
			i.handler.OnAdd(n.New, n.Flags&event.Initial != 0)
		case event.Update:
			i.handler.OnUpdate(n.Old, n.New)
		case event.Delete:
			i.handler.OnDelete(n.Old, n.Flags&event.FinalStateUnknown != 0)
		}
	}
}

// Indexer returns the cache. It is for reading.
func (i *Inline) Indexer() *indexer.Indexer { return i.indexer }

// HasSynced reports whether the initial list has been cached and handled.
func (i *Inline) HasSynced() bool { return i.queue.HasSynced() }

// Synced returns a channel that is closed when HasSynced becomes true.
func (i *Inline) Synced() <-chan struct{} { return i.queue.Synced() }
