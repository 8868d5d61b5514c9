package fidelity

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"informerlab/core/event"
	"informerlab/core/informer"
	"informerlab/core/processor"
	"informerlab/core/source"
)

// ours is our informer with what corresponds to client-go: the in-order queue,
// its fan-out and its way of recovering from panics.
type ours struct {
	errorLog
	informer *informer.Informer
}

// newOurs returns a maker of our pipeline with a fan-out; nil is the reference.
// Its reflector decides as client-go's does.
func newOurs(fanout func() processor.Fanout) maker { return makeOurs(fanout, true) }

// newImproved returns a maker of our pipeline as it is by default, with a
// reflector that does better than client-go's.
func newImproved(fanout func() processor.Fanout) maker { return makeOurs(fanout, false) }

func makeOurs(fanout func() processor.Fanout, faithful bool) maker {
	return func(s source.Source, h *History) (pipeline, error) {
		o := &ours{}
		options := informer.Options{
			Resync:       h.Resync,
			Fanout:       fanout,
			Panic:        processor.SkipAndHold,
			OnWatchError: o.add,
			ClassicList:  h.Classic,
			Faithful:     faithful,
			Logger:       slog.New(slog.DiscardHandler),
		}
		if h.Rewrite != NoRewrite {
			options.Transform = func(e event.Object) (event.Object, error) { return h.Rewrite.apply(e.(*object)), nil }
		}
		o.informer = informer.New(s, options)
		return o, nil
	}
}

func (o *ours) addHandler(r *recorder, resync time.Duration) (registration, error) {
	options := informer.HandlerOptions{}
	if resync >= 0 {
		options.Resync = &resync
	}
	handle, err := o.informer.AddHandler(ourHandler{r}, options)
	return &ourRegistration{o.informer, handle}, err
}

func (o *ours) run(ctx context.Context) {
	if err := o.informer.Run(ctx); err != nil {
		panic(fmt.Errorf("fidelity: run: %w", err))
	}
}

func (o *ours) hasSynced() bool     { return o.informer.HasSynced() }
func (o *ours) lastVersion() string { return o.informer.LastSyncResourceVersion() }

func (o *ours) cached() map[event.Key]string {
	versions := map[event.Key]string{}
	for obj := range o.informer.Indexer().All() {
		versions[event.KeyOf(obj)] = obj.GetResourceVersion()
	}
	return versions
}

type ourRegistration struct {
	informer *informer.Informer
	handle   *informer.Registration
}

func (r *ourRegistration) hasSynced() bool { return r.handle.HasSynced() }
func (r *ourRegistration) remove()         { r.informer.RemoveHandler(r.handle) }
func (r *ourRegistration) shut()           { r.informer.ShutDownHandler(r.handle) }
