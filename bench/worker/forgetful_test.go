package worker_test

import (
	"sync"

	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/core/processor"
	"informerlab/core/source"
	"informerlab/loadgen"
)

// forgetful is a handler's way through a buffer that loses every third event:
// the calls between go on from what the handler was told last, and before the
// last event all that was lost is healed.
type forgetful struct {
	recorder     *loadgen.Recorder
	fault        string
	told, cached map[event.Key]loadgen.Mark
	lost         []event.Key
	events, last int
	skipped      bool
	mu           sync.Mutex
	stats        processor.Stats // guarded by mu
}

func newForgetful(load *loadgen.Load, r *loadgen.Recorder, fault string) *forgetful {
	f := &forgetful{recorder: r, fault: fault, last: load.Len()}
	f.told, f.cached = map[event.Key]loadgen.Mark{}, map[event.Key]loadgen.Mark{}
	for _, o := range load.Lists[0].Objects {
		f.told[event.KeyOf(o)], f.cached[event.KeyOf(o)] = o.Mark, o.Mark
	}
	f.stats.Routed, f.stats.Handled = uint64(len(load.Lists[0].Objects)), uint64(len(load.Lists[0].Objects))
	return f
}

func (f *forgetful) account() processor.Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}

func (f *forgetful) count(change func(s *processor.Stats)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.stats)
}

func (f *forgetful) apply(e loadgen.Event, _ loadgen.Mark) {
	key := event.KeyOf(e.Object)
	f.cached[key] = e.Object.Mark
	if e.Type == source.Deleted {
		f.cached[key] = loadgen.Mark{}
	}
	f.events++
	f.count(func(s *processor.Stats) { s.Routed++ })
	switch {
	case f.events == f.last:
		f.heal()
	case f.events%3 == 0:
		f.lost = append(f.lost, key)
		f.count(func(s *processor.Stats) {
			if f.fault != "forgets to count" || f.events > 3 {
				s.Discarded[buffer.Overflow]++
			}
		})
		return
	case f.cached[key].ID() == 0 && f.told[key].ID() == 0:
		f.count(func(s *processor.Stats) { s.Discarded[buffer.Superseded]++ })
		return
	}
	if e.Type == source.Deleted {
		f.recorder.Delete(e.Object.Mark, false)
		f.told[key] = loadgen.Mark{}
	} else {
		f.tell(key, e.Object.Mark)
	}
	f.count(func(s *processor.Stats) { s.Handled++ })
}

// tell makes the call that brings the handler to the present state of a key.
func (f *forgetful) tell(key event.Key, m loadgen.Mark) {
	switch told := f.told[key]; {
	case told.ID() != 0 && m.ID() == 0:
		f.recorder.OnDelete(event.Tombstone(key), true)
	case told.ID() == 0:
		f.recorder.Add(m, false)
	case f.fault == "adds twice":
		f.recorder.Add(m, false)
	default:
		f.recorder.Update(told, m)
	}
	f.told[key] = m
}

func (f *forgetful) heal() {
	for _, key := range f.lost {
		told, cached := f.told[key], f.cached[key]
		switch {
		case told == cached:
			continue
		case f.fault == "loses a key" && !f.skipped:
			f.skipped = true
			f.cached[key] = told // of the same key, lost again
			continue
		case f.fault == "heals backwards" && told.ID() != 0 && cached.ID() != 0:
			f.tell(key, told)
		}
		f.tell(key, cached)
		f.count(func(s *processor.Stats) {
			if f.fault != "forgets what it healed" {
				s.Healed++
			}
		})
	}
}
