package fidelity

import (
	"context"
	"fmt"
	"sync"
	"time"

	"informerlab/core/source"
)

// tick is the time between two moments at which servers answer requests. It is
// longer than the longest backoff of a reflector (30 s doubled by jitter).
const tick = 100 * time.Second

// A gate stands before a server. It lets requests pass only at a tick, and only
// while it is open, and keeps a log of them.
type gate struct {
	source source.Source
	epoch  time.Time // a tick

	mu   sync.Mutex
	open chan struct{} // closed while the gate is open
	log  []string
}

var _ source.Source = (*gate)(nil)

func newGate(s source.Source, epoch time.Time) *gate {
	g := &gate{source: s, epoch: epoch, open: make(chan struct{})}
	close(g.open)
	return g
}

// List passes the request on at the next tick.
func (g *gate) List(ctx context.Context, o source.ListOptions) (*source.List, error) {
	if err := g.pass(ctx, fmt.Sprintf("list rv=%q match=%q limit=%d continued=%t",
		o.ResourceVersion, o.Match, o.Limit, o.Continue != "")); err != nil {
		return nil, err
	}
	return g.source.List(ctx, o)
}

// Watch passes the request on at the next tick. The timeout, which is random,
// is dropped.
func (g *gate) Watch(ctx context.Context, o source.WatchOptions) (source.Watch, error) {
	if err := g.pass(ctx, fmt.Sprintf("watch rv=%q match=%q bookmarks=%t initial=%t",
		o.ResourceVersion, o.Match, o.AllowBookmarks, o.SendInitialEvents)); err != nil {
		return nil, err
	}
	o.Timeout = 0
	return g.source.Watch(ctx, o)
}

// pass waits for a tick at which the gate is open and logs the request.
func (g *gate) pass(ctx context.Context, request string) error {
	for {
		if err := sleep(ctx, (tick-time.Since(g.epoch)%tick)%tick); err != nil {
			return err
		}
		g.mu.Lock()
		open := g.open
		select {
		case <-open:
			g.log = append(g.log, request)
			g.mu.Unlock()
			return nil
		default:
			g.mu.Unlock()
		}
		select {
		case <-open:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sleep waits for d or for the end of the context, whose error it returns.
func sleep(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// setOpen opens or shuts the gate. Requests that have passed are not affected.
func (g *gate) setOpen(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		if !open {
			g.open = make(chan struct{})
		}
	default:
		if open {
			close(g.open)
		}
	}
}

// take returns the requests since the last take.
func (g *gate) take() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	log := g.log
	g.log = nil
	return log
}
