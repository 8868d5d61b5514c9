package informer

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"informerlab/core/event"
)

// A MutationDetector panics when somebody changes a cached object, which is
// shared by all handlers. It keeps a clone of each object that was added or
// updated and compares from time to time; that costs memory and time, so it is
// for tests. The numbers are client-go's (mutation_detector.go).
//
// With PanicPolicy.Recover, a panic of Clone, Equal or OnMutation is reported to
// OnProcessError and takes only that object out of the comparison; without, it ends
// the process. The detector's own panic, for want of an OnMutation, always does.
type MutationDetector struct {
	// Clone copies an object. It is called under the publish lock and must not
	// call the informer. Returning nil takes the object out of the comparison.
	Clone func(event.Object) event.Object
	Equal func(a, b event.Object) bool
	// Period is the time between comparisons; 0 = one second.
	Period time.Duration
	// Retain is for how long, at least, an object is compared; 0 = two minutes.
	Retain time.Duration
	// OnMutation is called with a changed object instead of a panic, by the
	// detector's goroutine.
	OnMutation func(original, now event.Object)
}

// A detector watches the objects of one run in two generations: when the
// younger is as old as Retain it becomes the older, which is forgotten.
type detector struct {
	MutationDetector
	rejections *rejections
	mu         sync.Mutex
	younger    []*pair
	older      []*pair
	rotated    time.Time
	quit       chan struct{}
	done       chan struct{}
}

type pair struct {
	original, cached event.Object
	broken           bool // compared no more; the detector's goroutine's own
}

func (m MutationDetector) start(r *rejections) *detector {
	if m.Period == 0 {
		m.Period = time.Second
	}
	if m.Retain == 0 {
		m.Retain = 2 * time.Minute
	}
	d := &detector{
		MutationDetector: m, rejections: r, rotated: time.Now(), quit: make(chan struct{}), done: make(chan struct{}),
	}
	go d.run()
	return d
}

func (d *detector) stop() {
	close(d.quit)
	<-d.done
}

// add clones what a batch brings, before it is published.
func (d *detector) add(batch []event.Notification) {
	var pairs []*pair
	for done := 0; done < len(batch); {
		done += d.cloneUntilPanic(batch[done:], &pairs)
	}
	d.mu.Lock()
	d.younger = append(d.younger, pairs...)
	d.mu.Unlock()
}

// cloneUntilPanic clones until Clone panics, if the informer recovers, and returns
// how many notifications it is done with.
func (d *detector) cloneUntilPanic(batch []event.Notification, pairs *[]*pair) (done int) {
	if d.rejections.recover {
		defer func() {
			if r := recover(); r != nil {
				d.notCloned(batch[done].New, event.Recovered(r))
				done++
			}
		}()
	}
	for ; done < len(batch); done++ {
		if n := &batch[done]; n.Kind != event.Delete { // of a delete, New is an old state
			if clone := d.Clone(n.New); clone != nil {
				*pairs = append(*pairs, &pair{original: clone, cached: n.New})
			} else {
				d.notCloned(n.New, errors.New("returned no object"))
			}
		}
	}
	return done
}

func (d *detector) notCloned(obj event.Object, err error) {
	d.rejections.rejectLater(event.RejectObject(obj, fmt.Errorf("informer: mutation detector: clone: %w", err)))
}

func (d *detector) run() {
	defer close(d.done)
	tick := time.NewTicker(d.Period)
	defer tick.Stop()
	for {
		d.compareAll()
		select {
		case <-tick.C:
		case <-d.quit:
			d.compareAll()
			return
		}
	}
}

func (d *detector) compareAll() {
	d.mu.Lock()
	all := slices.Concat(d.older, d.younger)
	if time.Since(d.rotated) >= d.Retain {
		d.older, d.younger, d.rotated = d.younger, nil, time.Now()
	}
	d.mu.Unlock()
	for _, p := range all {
		if !p.broken && d.mutated(p) && d.OnMutation == nil {
			panic(fmt.Sprintf("informer: cached object %s was changed: it was %+v and is %+v",
				event.KeyOf(p.original), p.original, p.cached))
		}
	}
}

// mutated compares a pair and calls OnMutation, if there is one.
func (d *detector) mutated(p *pair) (changed bool) {
	compare := func() {
		if changed = !d.Equal(p.original, p.cached); changed && d.OnMutation != nil {
			d.OnMutation(p.original, p.cached)
		}
	}
	if !d.rejections.recover {
		compare()
	} else if panicked := event.Try(compare); panicked != nil {
		p.broken = true
		d.rejections.report(fmt.Errorf("informer: mutation detector: %s: %w", event.KeyOf(p.cached), panicked))
	}
	return changed
}
