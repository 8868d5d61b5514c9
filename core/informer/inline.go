package informer

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/atomic"

	"informerlab/core/controller"
	"informerlab/core/event"
	"informerlab/core/indexer"
	"informerlab/core/source"
)

// An Inline informer has one handler and no processor: the handler is called by
// the controller, between one batch and the next. There is no buffer, so a slow
// handler holds up the queue and with it the watch (kubernetes#103789). It is
// client-go's non-shared informer, and the bound that no buffer can beat.
type Inline struct {
	front
	handler  Handler
	started  atomic.Bool
	panicked bool // the handler did, during the batch in progress
}

// NewInline returns an informer that calls h itself. Of the options, Fanout,
// OnStop and Mutation are not used, and of Panic only Recover: the panic of a call
// goes to OnProcessError, the calls for the rest of the batch are made, and the
// next batch waits for controller.RestartDelay. Resync goes to h at every period.
func NewInline(src source.Source, h Handler, o Options) *Inline {
	return &Inline{front: newFront(src, o), handler: h}
}

// Run keeps the cache up to date and calls the handler until ctx ends. A second
// Run returns ErrStarted.
func (i *Inline) Run(ctx context.Context) error {
	if !i.started.CompareAndSwap(false, true) {
		return ErrStarted
	}
	do := func(change func(publish func([]event.Notification))) { change(i.deliver) }
	i.run(ctx, i.newReflector(i.o.Resync, nil), do, nil, i.afterPop)
	return nil
}

// afterPop pauses after a batch in which the handler panicked.
func (i *Inline) afterPop(ctx context.Context) {
	i.rejections.flush(ctx)
	if !i.panicked {
		return
	}
	i.panicked = false
	timer := time.NewTimer(controller.RestartDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// deliver makes a call for each notification, whichever panic.
func (i *Inline) deliver(batch []event.Notification) {
	for len(batch) > 0 {
		batch = batch[i.deliverUntilPanic(batch):]
	}
}

// deliverUntilPanic makes calls until one panics, if the informer recovers, and
// returns how many notifications it is done with.
func (i *Inline) deliverUntilPanic(batch []event.Notification) (done int) {
	if i.o.Panic.Recover {
		defer func() {
			if r := recover(); r != nil {
				i.panicked = true
				i.rejections.report(fmt.Errorf("informer: handler at %s: %w", batch[done], event.Recovered(r)))
				done++
			}
		}()
	}
	for ; done < len(batch); done++ {
		switch n := &batch[done]; n.Kind {
		case event.Add:
			i.handler.OnAdd(n.New, n.Flags&event.Initial != 0)
		case event.Update:
			i.handler.OnUpdate(n.Old, n.New)
		case event.Delete:
			i.handler.OnDelete(n.Old, n.Flags&event.FinalStateUnknown != 0)
		}
	}
	return done
}

// Indexer returns the cache. It is for reading.
func (i *Inline) Indexer() *indexer.Indexer { return i.indexer }

// Rejected returns how many objects were left out of the cache; see
// Informer.Rejected.
func (i *Inline) Rejected() uint64 { return i.rejections.total.Load() }

// HasSynced reports whether the initial list has been cached and handled.
func (i *Inline) HasSynced() bool { return i.queue.HasSynced() }

// Synced returns a channel that is closed when HasSynced becomes true.
func (i *Inline) Synced() <-chan struct{} { return i.queue.Synced() }
