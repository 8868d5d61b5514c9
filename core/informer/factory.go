package informer

import (
	"context"
	"sync"
	"time"

	"informerlab/core/source"
)

// FactoryOptions configure a Factory.
type FactoryOptions struct {
	// Open returns the source of a resource. It is called once per resource, by
	// the first For of it and without a lock. Like Tweak it may call For for
	// another resource, but not for its own, which would wait for itself.
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
	making    map[string]chan struct{} // closed when a For that makes one has ended
	started   map[string]bool
	closed    bool
	running   sync.WaitGroup
}

// NewFactory returns a Factory without informers.
func NewFactory(o FactoryOptions) *Factory {
	return &Factory{
		o: o, informers: make(map[string]*Informer), making: make(map[string]chan struct{}),
		started: make(map[string]bool),
	}
}

// For returns the informer of a resource, made on first use. While one call makes
// it, others for the same resource wait. A panic of Open or Tweak is that caller's,
// and the next call tries again.
func (f *Factory) For(resource string) *Informer {
	for {
		i, making, mine := f.find(resource)
		switch {
		case i != nil:
			return i
		case mine:
			return f.make(resource, making)
		}
		<-making
	}
}

// find returns the informer of a resource, or what is closed when somebody has
// tried to make it, and whether the caller is to do that.
func (f *Factory) find(resource string) (i *Informer, making chan struct{}, mine bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i = f.informers[resource]; i != nil {
		return i, nil, false
	}
	if making = f.making[resource]; making == nil {
		making, mine = make(chan struct{}), true
		f.making[resource] = making
	}
	return nil, making, mine
}

// make makes the informer of a resource, and closes making whether or not it can.
func (f *Factory) make(resource string, making chan struct{}) (i *Informer) {
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if i != nil {
			f.informers[resource] = i
		}
		delete(f.making, resource)
		close(making)
	}()
	o := f.o.Defaults
	o.Name = resource
	if period, ok := f.o.Resync[resource]; ok {
		o.Resync = period
	}
	if f.o.Tweak != nil {
		f.o.Tweak(resource, &o)
	}
	return New(f.o.Open(resource), o)
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
