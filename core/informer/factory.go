package informer

import (
	"context"
	"sync"
	"time"

	"informerlab/core/source"
)

// FactoryOptions configure a Factory.
type FactoryOptions struct {
	// Open returns the source of a resource. It is called once per resource.
	Open func(resource string) source.Source
	// Defaults are the options of every informer. Name is set to the resource.
	Defaults Options
	// Resync overrides Defaults.Resync by resource.
	Resync map[string]time.Duration
	// Tweak, if not nil, changes the options of one resource's informer.
	Tweak func(resource string, o *Options)
}

// A Factory makes at most one informer per resource, so that all who need it
// share its cache, and starts and stops them together. All methods may be
// called concurrently.
type Factory struct {
	o         FactoryOptions
	mu        sync.Mutex
	informers map[string]*Informer
	started   map[string]bool
	closed    bool
	running   sync.WaitGroup
}

// NewFactory returns a Factory without informers.
func NewFactory(o FactoryOptions) *Factory {
	return &Factory{o: o, informers: make(map[string]*Informer), started: make(map[string]bool)}
}

// For returns the informer of a resource, made on first use.
func (f *Factory) For(resource string) *Informer {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := f.informers[resource]; i != nil {
		return i
	}
	o := f.o.Defaults
	o.Name = resource
	if period, ok := f.o.Resync[resource]; ok {
		o.Resync = period
	}
	if f.o.Tweak != nil {
		f.o.Tweak(resource, &o)
	}
	i := New(f.o.Open(resource), o)
	f.informers[resource] = i
	return i
}

// Start runs all informers that do not run yet, until ctx ends. It does not
// wait, may be called again after For, and does nothing after Shutdown.
func (f *Factory) Start(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	for resource, i := range f.informers {
		if f.started[resource] {
			continue
		}
		f.started[resource] = true
		f.running.Go(func() {
			if err := i.Run(ctx); err != nil {
				i.o.Logger.Warn("informer not run by the factory", "resource", resource, "error", err)
			}
		})
	}
}

// WaitForSync waits until each informer that Start has started has synced, or
// until ctx ends, and returns which of them have.
func (f *Factory) WaitForSync(ctx context.Context) map[string]bool {
	f.mu.Lock()
	waiting := make(map[string]*Informer)
	for resource := range f.started {
		waiting[resource] = f.informers[resource]
	}
	f.mu.Unlock()
	synced := make(map[string]bool)
	for resource, i := range waiting {
		synced[resource] = WaitForSync(ctx, i)
	}
	return synced
}

// Shutdown refuses further starts and waits until all informers have ended. The
// caller cancels the contexts given to Start.
func (f *Factory) Shutdown() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.running.Wait()
}
