package loadgen

import "informerlab/core/event"

// A Handler is what an informer calls.
type Handler interface {
	OnAdd(obj event.Object, initial bool)
	OnUpdate(old, new event.Object)
	OnDelete(obj event.Object, finalStateUnknown bool)
}

// Handler returns what an informer of this module is to call for the recorder.
func (r *Recorder) Handler() Handler {
	if r.options.Bare {
		return (*bare)(r)
	}
	return r
}

// bare is a recorder that only counts.
type bare Recorder

func (b *bare) OnAdd(event.Object, bool)        { b.count() }
func (b *bare) OnUpdate(_, _ event.Object)      { b.count() }
func (b *bare) OnDelete(_ event.Object, _ bool) { b.count() }

func (b *bare) count() {
	if b.calls++; b.calls == b.next {
		(*Recorder)(b).pass()
	}
}
