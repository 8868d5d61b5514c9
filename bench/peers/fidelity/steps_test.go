package fidelity

import (
	"fmt"
	"testing/synctest"
	"time"
)

// This file holds the steps that are about handlers, and the end.

func (r *rig) addHandler(resync time.Duration) error {
	h := &handler{number: len(r.handlers), added: true}
	for i, a := range r.arms {
		h.recorders[i] = &recorder{}
		registration, err := a.pipeline.addHandler(h.recorders[i], resync)
		if err != nil {
			return err
		}
		h.registrations[i] = registration
	}
	r.handlers = append(r.handlers, h)
	return nil
}

// pick returns a handler that has not been removed, or nil if there is none.
func (r *rig) pick(n int) *handler {
	var present []*handler
	for _, h := range r.handlers {
		if !h.removed {
			present = append(present, h)
		}
	}
	if len(present) == 0 {
		return nil
	}
	return present[n%len(present)]
}

// present returns the handlers that get every call, except one.
func (r *rig) present(except *handler) (others []*handler) {
	for _, h := range r.handlers {
		if h != except && !h.removed && !h.stalled {
			others = append(others, h)
		}
	}
	return others
}

func (r *rig) handlerStep(s Step, h *handler) error {
	switch s.Op {
	case Stall:
		r.stall(h)
	case Resume:
		if h.stalled {
			r.resume(h)
		}
	case PanicOnce:
		return r.panicOnce(s, h)
	case RaceRemove:
		return r.raceRemove(s, h)
	case RemoveHandler, ShutHandler:
		r.remove(h, s.Op == ShutHandler && !h.stalled)
		r.settle(Strict)
		if h.stalled { // the call in progress ends, and nothing may follow it
			r.resume(h)
		}
	}
	return nil
}

func (r *rig) stall(h *handler) {
	h.stalled = true
	for _, rec := range h.recorders {
		rec.setStall(true)
	}
}

// resume lets a stalled handler go on. What it has not been called with is in
// no separable groups any more, so all of it is compared key by key.
func (r *rig) resume(h *handler) {
	for _, rec := range h.recorders {
		rec.setStall(false)
	}
	synctest.Wait()
	h.stalled = false
	switch {
	case h.removed && r.history.Classic:
		r.take(h, KindOnly)
	case h.removed:
		r.take(h, CountOnly)
	default:
		r.take(h, ByKey)
	}
}

func (r *rig) remove(h *handler, wait bool) {
	h.removed = true
	for _, registration := range h.registrations {
		if wait {
			registration.shut()
		} else {
			registration.remove()
		}
	}
}

// panicOnce makes a handler panic in its next call and waits until the call
// after that, which is held for a second, has come. A panic in an initial add
// is left out: afterwards client-go's HasSynced hangs, and ours does not, on
// purpose. So is one with versions blanked, as that next call may never come.
func (r *rig) panicOnce(s Step, h *handler) error {
	synced := r.arms[0].pipeline.hasSynced() && r.arms[1].pipeline.hasSynced()
	if h.stalled || !synced || r.history.Rewrite == Blank {
		return nil
	}
	for _, rec := range h.recorders {
		rec.setPanicking(true)
	}
	h.stalled = true // its calls are filed in one take
	if err := r.change(s.Edits); err != nil {
		return err
	}
	r.tick()
	for _, rec := range h.recorders {
		rec.setPanicking(false)
	}
	// The server may be refusing requests meanwhile, but not for ever.
	for range 20 {
		r.tick() // longer than the pause, if one has begun
		if !h.recorders[0].hasPanicked() && !h.recorders[1].hasPanicked() {
			break
		}
		if err := r.change([]Edit{{}}); err != nil {
			return err
		}
	}
	h.stalled = false
	r.take(h, ByKey)
	return nil
}

// racers applies the edits of a racing step without waiting. It returns a
// handler that will be called for all of them, or nil if there is none, and
// then has waited. With versions blanked every update looks like a resync, so
// that no handler can be witness for another.
func (r *rig) racers(s Step, h *handler) (witness *handler, err error) {
	if others := r.present(h); len(others) > 0 && r.history.Rewrite != Blank {
		witness = others[0]
	}
	for _, e := range s.Edits {
		if err := r.edit(e); err != nil {
			return nil, err
		}
	}
	if witness == nil {
		r.settle(Strict)
	}
	return witness, nil
}

// raceRemove removes a handler while calls are on their way to it.
func (r *rig) raceRemove(s Step, h *handler) error {
	if h.stalled {
		return nil
	}
	witness, err := r.racers(s, h)
	if err != nil {
		return err
	}
	r.remove(h, false)
	if witness != nil {
		synctest.Wait()
		owed := witness.calls()
		r.file(Take{Handler: witness.number, Calls: owed})
		r.file(Take{Handler: h.number, Law: Begun, Calls: h.calls(), Owed: owed})
	}
	r.settle(Strict)
	return nil
}

// raceAdd adds a handler while events are on their way.
func (r *rig) raceAdd(s Step) error {
	t := Take{Law: Joined}
	for i, a := range r.arms {
		t.Cached[i] = a.pipeline.cached()
	}
	witness, err := r.racers(s, nil)
	if err != nil {
		return err
	}
	if err := r.addHandler(s.Resync); err != nil {
		return err
	}
	if witness != nil {
		synctest.Wait()
		h := r.handlers[len(r.handlers)-1]
		h.added = false
		owed := witness.calls()
		r.file(Take{Handler: witness.number, Calls: owed})
		t.Handler, t.Calls, t.Owed = h.number, h.calls(), owed
		r.file(t)
	}
	r.settle(Strict)
	return nil
}

// end stops both sides in the way that the history says and sees that they do.
func (r *rig) end() error {
	for _, a := range r.arms {
		a.gate.setOpen(true)
	}
	for _, h := range r.handlers {
		if h.stalled {
			r.resume(h)
		}
	}
	var err error
	witnesses := r.present(nil)
	switch {
	case r.history.End == WhileStall && len(witnesses) > 0: // its calls have an order, as they are live
		r.stall(witnesses[0])
		err = r.change(r.history.Last)
	case r.history.End == WithEdits && r.history.Rewrite != Blank:
		for _, e := range r.history.Last {
			if err == nil {
				err = r.edit(e)
			}
		}
	}
	for _, a := range r.arms {
		a.cancel()
	}
	synctest.Wait()
	if r.history.End == WithEdits {
		r.takeCutOff(witnesses)
	}
	for _, h := range r.handlers {
		if h.stalled {
			r.resume(h)
		}
	}
	return r.finish(err)
}

// takeCutOff files the calls of handlers that a stop cut off. Each is a
// beginning of the longest, on whichever side that is: all got the same events.
func (r *rig) takeCutOff(handlers []*handler) {
	var longest []Call
	var takes []Take
	for _, h := range handlers {
		calls := h.calls()
		for _, c := range calls {
			if len(c) > len(longest) {
				longest = c
			}
		}
		takes = append(takes, Take{Handler: h.number, Law: Begun, Calls: calls})
	}
	for _, t := range takes {
		t.Owed = [2][]Call{longest, longest}
		r.file(t)
	}
}

// finish waits for both sides to end. What they ask the server, and which
// version they have seen, races with the stop and is not compared.
func (r *rig) finish(err error) error {
	time.Sleep(3 * tick) // longer than any backoff that a stop does not interrupt
	synctest.Wait()
	for i, a := range r.arms {
		select {
		case <-a.done:
		default:
			return fmt.Errorf("run of side %d did not return after the stop", i)
		}
		if n := a.server.Streams(); n != 0 {
			return fmt.Errorf("side %d left %d streams open", i, n)
		}
	}
	for _, h := range r.handlers {
		r.take(h, Strict)
	}
	return err
}
