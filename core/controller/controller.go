// Package controller takes deltas from the queue, brings the cache up to date
// with them, and publishes what changed.
//
//	queue ── Pop ──▶ Controller ── Process ──▶ Applier ──┬── Apply, Replace ──▶ indexer
//	                                                     └── publish ─────────▶ processor
//
// Promises: deltas are applied in order by one goroutine; the cache is written
// before the notification is published, so a handler never sees an event that
// the cache does not know; a batch is one transaction, so the cache may be
// ahead of a handler by up to a batch; one object that an index function rejects
// is left out, and everything beside it is applied and published.
//
// Differences from client-go (tools/cache/controller.go) on purpose: an error
// of Process is reported instead of ignored; a batch may hold several deltas
// of one key, because old states are read in order inside the transaction; two
// blank resource versions, which a transform may leave, are not taken for the same
// state, so that an update between them reaches every handler and not only those
// that are due for a resync (falcosecurity/k8s-metacollector#188).
package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/pprof"
	"sync"
	"time"

	"informerlab/core/event"
	"informerlab/core/queue"
)

// RestartDelay is how long the loop pauses after a recovered panic (the period
// of client-go's wait.UntilWithContext around processLoop).
const RestartDelay = time.Second

// Config wires a Controller. Queue, Feed and Process are required.
type Config struct {
	Queue queue.Queue
	// Feed fills the queue until ctx ends: the reflector's Run.
	Feed func(ctx context.Context)
	// Process applies deltas; Applier.Process does it for a cache.
	Process queue.Process
	// AfterPop is called after each Pop that returned, on the controller's
	// goroutine and without a lock of the queue; nil = nothing. It may block
	// until ctx ends: the next Pop waits for it.
	AfterPop func(ctx context.Context)
	// OnError is called with each error of Process, on the controller's
	// goroutine and without a lock of the queue. nil logs it.
	OnError func(error)
	// Recover keeps the process alive when Process or OnError panics: the panic
	// of Process is reported as an error and the loop goes on after
	// RestartDelay; that of OnError is logged.
	Recover bool
	Logger  *slog.Logger // nil = slog.Default
}

// A Controller runs the loop between queue and cache.
type Controller struct{ c Config }

// New returns a Controller that has not started.
func New(c Config) *Controller {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.OnError == nil {
		log := c.Logger
		c.OnError = func(err error) { log.Error("deltas not processed", "error", err) }
	}
	return &Controller{c}
}

// Run feeds and drains the queue until ctx ends, and returns when the feed has
// returned and the last Process call too. What is still queued then is
// abandoned, as in client-go. It must be called once.
func (c *Controller) Run(ctx context.Context) {
	defer context.AfterFunc(ctx, c.c.Queue.Close)()
	var feed sync.WaitGroup
	feed.Go(func() { pprof.Do(ctx, pprof.Labels("stage", "reflector"), c.c.Feed) })
	pprof.Do(ctx, pprof.Labels("stage", "controller"), func(ctx context.Context) {
		for ctx.Err() == nil {
			c.loop(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(RestartDelay):
			}
		}
	})
	feed.Wait() // not deferred: a panic must not wait for a feed that runs on until ctx ends
}

// loop pops until ctx ends, the queue is closed and empty, or Process panics.
func (c *Controller) loop(ctx context.Context) {
	if c.c.Recover {
		defer func() {
			if r := recover(); r != nil {
				p := event.Recovered(r)
				c.report(fmt.Errorf("controller: process panicked: %v\n%s", p.Value, p.Stack))
			}
		}()
	}
	for ctx.Err() == nil {
		switch err := c.c.Queue.Pop(c.c.Process); {
		case errors.Is(err, queue.ErrClosed):
			return
		case err != nil:
			c.report(err)
		}
		if c.c.AfterPop != nil {
			c.c.AfterPop(ctx)
		}
	}
}

// report calls OnError.
func (c *Controller) report(err error) {
	if !c.c.Recover {
		c.c.OnError(err)
		return
	}
	if p := event.Try(func() { c.c.OnError(err) }); p != nil {
		c.c.Logger.Error("OnError panicked", "panic", p.Value, "stack", string(p.Stack), "error", err)
	}
}
