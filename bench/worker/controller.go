package worker

import (
	"fmt"
	"sync"

	"informerlab/core/event"
	"informerlab/core/workqueue"
	"informerlab/loadgen"
)

// A controller is what stands behind a handler that fills a work queue: workers
// that take a key, look it up in the cache and note which state they saw, as a
// reconciler does.
type controller struct {
	queue   *workqueue.Queue[event.Key]
	workers sync.WaitGroup
	once    sync.Once

	mu         sync.Mutex
	seen       map[event.Key]uint64 // ID of the object; 0 = it was gone
	reconciles int
}

// newControllers starts one controller per handler of a pipeline.
func newControllers(w loadgen.Workload, p Pipeline) []*controller {
	all := make([]*controller, w.Listeners)
	for i := range all {
		c := &controller{queue: workqueue.New[event.Key](workqueue.Options{}), seen: map[event.Key]uint64{}}
		for number := range w.Workers {
			spend := w.NewCost(i*w.Workers + number)
			c.workers.Go(func() { c.work(p, spend) })
		}
		all[i] = c
	}
	return all
}

func (c *controller) work(p Pipeline, spend func()) {
	for {
		key, shutdown := c.queue.Get()
		if shutdown {
			return
		}
		m, _ := p.Get(key)
		if spend != nil {
			spend()
		}
		c.mu.Lock()
		c.seen[key] = m.ID()
		c.reconciles++
		c.mu.Unlock()
		c.queue.Done(key)
	}
}

// stop lets the workers finish what is queued and waits for them.
func (c *controller) stop() {
	c.once.Do(func() {
		c.queue.ShutDownWithDrain()
		c.workers.Wait()
	})
}

// check compares what was seen last of each key with what there is.
func (c *controller) check(final map[event.Key]uint64) error {
	for key, id := range final {
		if c.seen[key] != id {
			return fmt.Errorf("worker: controller: saw object %d of %s last: expected %d", c.seen[key], key, id)
		}
	}
	for key, id := range c.seen {
		if id != final[key] {
			return fmt.Errorf("worker: controller: saw object %d of %s last: expected it gone", id, key)
		}
	}
	return nil
}

// settleQueues waits until all work queues are empty and checks that every
// controller ended at the final state.
func (r *run) settleQueues(result *Result) error {
	if err := r.visitors.await(r); err != nil {
		return err
	}
	for load, controllers := range r.controllers {
		final := r.expects[load].Final()
		for handler, c := range controllers {
			stopped := make(chan struct{})
			go func() { defer close(stopped); c.stop() }()
			select {
			case <-stopped:
			case <-r.deadline:
				return fmt.Errorf("%s: handler %d: its workers had not emptied the queue of %d keys after %v",
					r.loads[load].Resource, handler, c.queue.Len(), r.span+r.Limit)
			}
			result.Reconciles += c.reconciles
			if err := c.check(final); err != nil {
				return fmt.Errorf("%s: handler %d: %w", r.loads[load].Resource, handler, err)
			}
		}
	}
	return nil
}
