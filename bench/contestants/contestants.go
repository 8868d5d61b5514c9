// Package contestants makes this module's own buffers measurable: each becomes
// a whole informer over a load.
//
//	loadgen.Source ─▶ informer.Informer, its fan-out from package variants ─▶ loadgen.Recorder
//
// Everything else about the informers is equal: in-order queue, index by
// namespace, the policies of today's client-go. What is measured is therefore always
// the pipeline with the buffer in its place, not the buffer alone. Contestants
// from elsewhere live in the nested module bench/peers.
package contestants

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"informerlab/bench/worker"
	"informerlab/core/event"
	"informerlab/core/indexer"
	"informerlab/core/informer"
	"informerlab/core/processor"
	"informerlab/loadgen"
	"informerlab/variants"
)

// Ours returns a contestant per entry of the catalogue of variants, and then the
// bounds.
func Ours() []worker.Contestant {
	var all []worker.Contestant
	for _, v := range variants.All[event.Notification]() {
		all = append(all, contestant(v, false))
	}
	for _, v := range variants.FanoutBounds() {
		all = append(all, contestant(v, true))
	}
	return all
}

func contestant(v variants.Variant[event.Notification], bound bool) worker.Contestant {
	return worker.Contestant{
		Name: v.Name, Summary: v.Summary, Traits: v.Traits, Bound: bound,
		New: func(ctx context.Context, load *loadgen.Load) (worker.Pipeline, error) {
			return newPipeline(ctx, v.Name, load)
		},
		Parse: func(spec string) (worker.Contestant, error) {
			_, named, err := variants.Fanout(spec)
			return contestant(named, bound), err
		},
	}
}

// A pipeline is one informer over one load.
type pipeline struct {
	informer *informer.Informer
	sampler  *processor.Sampler
	source   *loadgen.Source
	handlers []*informer.Registration
	ctx      context.Context
	cancel   context.CancelFunc
	ended    chan error // what Run returned
	started  bool
}

// nominalResync is longer than any run. An informer that is made without a resync
// period does not resync at all, whatever its handlers ask for.
const nominalResync = 24 * time.Hour

func newPipeline(ctx context.Context, spec string, load *loadgen.Load) (worker.Pipeline, error) {
	fanout, _, err := variants.Fanout(spec)
	if err != nil {
		return nil, err
	}
	p := &pipeline{source: loadgen.NewSource(load), ended: make(chan error, 1)}
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.informer = informer.New(p.source, informer.Options{
		Name:     load.Resource,
		Fanout:   fanout,
		Resync:   nominalResync,
		Panic:    processor.SkipAndHold,
		Indexers: map[string]indexer.IndexFunc{"namespace": indexer.ByNamespace},
		Logger:   slog.New(slog.DiscardHandler), // of panics that were asked for
	})
	p.sampler = p.informer.NewSampler()
	return p, nil
}

func (p *pipeline) AddHandler(r *loadgen.Recorder, resync time.Duration) error {
	registration, err := p.informer.AddHandler(r.Handler(), informer.HandlerOptions{Resync: &resync})
	if err != nil {
		return err
	}
	p.handlers = append(p.handlers, registration)
	return nil
}

func (p *pipeline) RemoveHandler(number int) error {
	p.informer.RemoveHandler(p.handlers[number])
	return nil
}

// startLimit is how long the initial list may take. The largest one, a million
// objects, takes a few seconds.
const startLimit = 2 * time.Minute

func (p *pipeline) Start() error {
	p.started = true
	go func() { p.ended <- p.informer.Run(p.ctx) }()
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	synced := []<-chan struct{}{p.informer.Synced()}
	for _, h := range p.handlers {
		synced = append(synced, h.Synced())
	}
	for i, done := range synced {
		select {
		case <-done:
		case <-limit.C:
			return fmt.Errorf("contestants: %d of %d had synced after %v", i, len(synced), startLimit)
		}
	}
	return nil
}

func (p *pipeline) Release(start time.Time) { p.source.Release(start) }

func (p *pipeline) Get(key event.Key) (m loadgen.Mark, held bool) {
	o, held := p.informer.Indexer().Get(key)
	if !held {
		return m, false
	}
	return markOf(o), true
}

func (p *pipeline) Each(f func(key event.Key, m loadgen.Mark, version string)) {
	for o := range p.informer.Indexer().All() {
		f(event.KeyOf(o), markOf(o), o.GetResourceVersion())
	}
}

// markOf returns the mark of an object of a load, or that of none.
func markOf(o event.Object) loadgen.Mark {
	if o, ok := o.(*loadgen.Object); ok {
		return o.Mark
	}
	return loadgen.Mark{}
}

func (p *pipeline) Accounts() []processor.Stats {
	accounts := make([]processor.Stats, 0, len(p.handlers))
	for _, h := range p.handlers {
		accounts = append(accounts, h.Stats())
	}
	return accounts
}

// Backlogs implements worker.Watched.
func (p *pipeline) Backlogs(now time.Time) []processor.Backlog { return p.sampler.Sample(now) }

func (p *pipeline) Pace() loadgen.Pace { return p.source.Pace() }

func (p *pipeline) Stop() {
	p.cancel()
	if p.started {
		<-p.ended
	}
	p.source.Close()
}
