package informer

import (
	"fmt"
	"sync"
	"time"

	"informerlab/core/controller"
	"informerlab/core/event"
)

// A MutationDetector panics when somebody changes a cached object, which is
// shared by all handlers. It keeps a clone of each object that was added or
// updated and compares from time to time; that costs memory and time, so it is
// for tests. The numbers are client-go's (mutation_detector.go).
type MutationDetector struct {
	Clone func(event.Object) event.Object
	Equal func(a, b event.Object) bool
	// Period is the time between comparisons; 0 = one second.
	Period time.Duration
	// Retain is for how long, at least, an object is compared; 0 = two minutes.
	Retain time.Duration
	// OnMutation hears of a changed object instead of a panic. It is called by
	// the detector's goroutine.
	OnMutation func(original, now event.Object)
}

// A detector watches the objects of one run in two generations: when the
// younger is as old as Retain it becomes the older, which is forgotten.
type detector struct {
	MutationDetector
	mu      sync.Mutex
	younger []pair
	older   []pair
	rotated time.Time
	quit    chan struct{}
	done    chan struct{}
}

type pair struct{ original, cached event.Object }

func (m MutationDetector) start() *detector {
	if m.Period == 0 {
		m.Period = time.Second
	}
	if m.Retain == 0 {
		m.Retain = 2 * time.Minute
	}
	if m.OnMutation == nil {
		m.OnMutation = func(original, now event.Object) {
			panic(fmt.Sprintf("informer: cached object %s was changed: it was %+v and is %+v",
				event.KeyOf(original), original, now))
		}
	}
	d := &detector{MutationDetector: m, rotated: time.Now(), quit: make(chan struct{}), done: make(chan struct{})}
	go d.run()
	return d
}

func (d *detector) stop() {
	close(d.quit)
	<-d.done
}

// observe returns a Do that remembers what is published before it is.
func (d *detector) observe(do controller.Do) controller.Do {
	return func(change func(publish func([]event.Notification))) {
		do(func(publish func([]event.Notification)) {
			change(func(batch []event.Notification) {
				d.add(batch)
				publish(batch)
			})
		})
	}
}

func (d *detector) add(batch []event.Notification) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range batch {
		if obj := batch[i].New; obj != nil {
			d.younger = append(d.younger, pair{d.Clone(obj), obj})
		}
	}
}

func (d *detector) run() {
	defer close(d.done)
	tick := time.NewTicker(d.Period)
	defer tick.Stop()
	for {
		d.compare()
		select {
		case <-tick.C:
		case <-d.quit:
			d.compare()
			return
		}
	}
}

func (d *detector) compare() {
	d.mu.Lock()
	all := append(append([]pair(nil), d.older...), d.younger...)
	if time.Since(d.rotated) >= d.Retain {
		d.older, d.younger, d.rotated = d.younger, nil, time.Now()
	}
	d.mu.Unlock()
	for _, p := range all {
		if !d.Equal(p.original, p.cached) {
			d.OnMutation(p.original, p.cached)
		}
	}
}
