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
	told, cached map[event.Key]uint64
	lost         []event.Key
	events, last int
	skipped      bool
	mu           sync.Mutex
	stats        processor.Stats // guarded by mu
}

func newForgetful(load *loadgen.Load, r *loadgen.Recorder, fault string) *forgetful {
	f := &forgetful{recorder: r, fault: fault, last: load.Len()}
	f.told, f.cached = map[event.Key]uint64{}, map[event.Key]uint64{}
	for _, o := range load.Initial {
		f.told[event.KeyOf(o)], f.cached[event.KeyOf(o)] = o.ID, o.ID
	}
	f.stats.Routed, f.stats.Handled = uint64(len(load.Initial)), uint64(len(load.Initial))
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

func (f *forgetful) apply(e loadgen.Event, _ uint64) {
	key := event.KeyOf(e.Object)
	f.cached[key] = e.Object.ID
	if e.Type == source.Deleted {
		f.cached[key] = 0
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
	case f.cached[key] == 0 && f.told[key] == 0:
		f.count(func(s *processor.Stats) { s.Discarded[buffer.Superseded]++ })
		return
	}
	if e.Type == source.Deleted {
		f.recorder.Delete(e.Object.ID, false)
		f.told[key] = 0
	} else {
		f.tell(key, e.Object.ID)
	}
	f.count(func(s *processor.Stats) { s.Handled++ })
}

// tell makes the call that brings the handler to the present state of a key.
func (f *forgetful) tell(key event.Key, id uint64) {
	switch told := f.told[key]; {
	case told != 0 && id == 0:
		f.recorder.OnDelete(event.Tombstone(key), true)
	case told == 0:
		f.recorder.Add(id, false)
	case f.fault == "adds twice":
		f.recorder.Add(id, false)
	default:
		f.recorder.Update(told, id)
	}
	f.told[key] = id
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
		case f.fault == "heals backwards" && told != 0 && cached != 0:
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
