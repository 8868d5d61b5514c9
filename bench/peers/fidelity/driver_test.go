package fidelity

import (
	"context"
	"fmt"
	"strings"
	"testing/synctest"
	"time"

	"informerlab/core/event"
	"informerlab/core/source"
)

// A rig drives both sides through one history. It runs inside a bubble, as the
// bubble's first goroutine; all others belong to one of the sides.
type rig struct {
	history   *History
	epoch     time.Time
	arms      [2]*arm
	handlers  []*handler
	exists    map[int]bool // objects on the servers
	when      string       // the step under way
	recording Recording
}

// An arm is one side: ours is 0, client-go's is 1.
type arm struct {
	server   *source.Server
	gate     *gate
	pipeline pipeline
	cancel   context.CancelFunc
	done     chan struct{} // closed when run has returned
}

// A handler is the same handler on both sides.
type handler struct {
	number        int
	recorders     [2]*recorder
	registrations [2]registration
	added         bool // since the last take
	stalled       bool
	removed       bool
}

// play runs a history on two sides and returns what was observed. It must be
// called inside a bubble. The error says what could not be observed at all.
func play(h *History, sides [2]maker) (*Recording, error) {
	r, err := newRig(h, sides)
	if err != nil {
		return nil, err
	}
	if err := r.steps(); err != nil {
		return &r.recording, err
	}
	return &r.recording, r.end()
}

// newRig returns a rig whose sides have not started yet.
func newRig(h *History, sides [2]maker) (*rig, error) {
	r := &rig{history: h, epoch: time.Now(), exists: map[int]bool{}}
	for i, newPipeline := range sides {
		streaming := source.StreamingServed
		if h.Classic {
			streaming = source.StreamingRefused
		}
		a := &arm{server: source.NewServer(source.ServerOptions{Stamp: stamp, Streaming: streaming})}
		a.gate = newGate(a.server, r.epoch)
		var err error
		if a.pipeline, err = newPipeline(a.gate, h); err != nil {
			return nil, err
		}
		r.arms[i] = a
	}
	for key := range h.Objects {
		if err := r.edit(Edit{Key: key % keys}); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// steps starts both sides and takes all steps of the history.
func (r *rig) steps() error {
	r.when = "start"
	for _, resync := range r.history.Handlers {
		if err := r.addHandler(resync); err != nil {
			return err
		}
	}
	r.start()
	for i, s := range r.history.Steps {
		r.when = fmt.Sprintf("step %d (%s)", i, s)
		if err := r.step(s); err != nil {
			return fmt.Errorf("%s: %w", r.when, err)
		}
	}
	r.when = "end"
	return nil
}

// stamp returns a copy of an object with a version.
func stamp(o event.Object, version string) event.Object {
	twin := *o.(*object)
	twin.ResourceVersion = version
	return &twin
}

func (r *rig) start() {
	for _, a := range r.arms {
		ctx, cancel := context.WithCancel(context.Background())
		a.cancel, a.done = cancel, make(chan struct{})
		go func() {
			defer close(a.done)
			a.pipeline.run(ctx)
		}()
	}
	r.settle(LooseInitial)
}

// each does the same to both servers.
func (r *rig) each(do func(s *source.Server)) {
	for _, a := range r.arms {
		do(a.server)
	}
}

func (r *rig) step(s Step) error {
	switch s.Op {
	case Change:
		return r.change(s.Edits)
	case Duplicate, Swap:
		r.each(func(server *source.Server) {
			if s.Op == Swap {
				server.SwapNext(s.Count)
			} else {
				server.DuplicateNext(s.Count)
			}
		})
		return r.change(s.Edits)
	case Tick:
		for range s.Count {
			r.tick()
		}
	case Outage:
		return r.outage(s)
	case AddHandler:
		if err := r.addHandler(s.Resync); err != nil {
			return err
		}
		r.settle(Strict)
	case RaceAdd:
		return r.raceAdd(s)
	case RaceRemove, RemoveHandler, ShutHandler, Stall, Resume, PanicOnce:
		if h := r.pick(s.Handler); h != nil {
			return r.handlerStep(s, h)
		}
	case HoldBookmarks: // releasing them may complete a streaming initial list
		r.fault(s)
		r.settle(LooseList)
	default:
		r.fault(s)
		r.settle(Strict)
	}
	return nil
}

// fault orders one misbehaviour of the servers.
func (r *rig) fault(s Step) {
	err := refusal(s.Reason)
	r.each(func(server *source.Server) {
		switch s.Op {
		case EndStreams:
			if err != nil {
				server.EndStreams(err)
			} else {
				server.Disconnect()
			}
		case FailLists:
			server.NextLists(s.Count, source.Fault{Err: err})
		case FailWatches:
			server.NextWatches(s.Count, source.Fault{Err: err})
		case CutStreams:
			server.NextWatches(s.Count, source.Fault{Cut: true, CutAfter: s.After, CutErr: err})
		case Compact:
			server.Compact()
		case Lag:
			server.SetLag(uint64(s.After))
		case SendBookmark:
			server.SendBookmarks()
		case HoldBookmarks:
			server.HoldBookmarks(s.Count%2 == 0)
		}
	})
}

func refusal(reason source.Reason) error {
	if reason == "" {
		return nil
	}
	return &source.Error{Reason: reason, Message: "ordered by the history"}
}

// outage keeps both servers unreachable for a tick during which they change.
func (r *rig) outage(s Step) error {
	for _, a := range r.arms {
		a.gate.setOpen(false)
	}
	r.each((*source.Server).Disconnect)
	r.settle(Strict)
	if err := r.change(s.Edits); err != nil {
		return err
	}
	if s.Count == 1 {
		r.each((*source.Server).Compact)
	}
	r.between()
	for _, a := range r.arms {
		a.gate.setOpen(true)
	}
	r.settle(Strict)
	return nil
}

// between lets time pass until the next tick and takes what happens before it,
// which can only be resync rounds.
func (r *rig) between() {
	left := tick - time.Since(r.epoch)%tick
	time.Sleep(left - time.Nanosecond)
	r.settle(LooseSync)
	time.Sleep(time.Nanosecond)
}

// tick lets time pass until the next tick has been handled.
func (r *rig) tick() {
	r.between()
	r.settle(Strict)
}

func (r *rig) change(edits []Edit) error {
	for _, e := range edits {
		if err := r.edit(e); err != nil {
			return err
		}
	}
	r.settle(Strict)
	return nil
}

// edit changes one object on both servers.
func (r *rig) edit(e Edit) error {
	o := &object{}
	o.Name = fmt.Sprintf("o%d", e.Key)
	if e.Key%3 > 0 {
		o.Namespace = fmt.Sprintf("n%d", e.Key%3)
	}
	remove := r.exists[e.Key] && (e.Delete || e.Recreate)
	create := !r.exists[e.Key] || e.Recreate
	for _, a := range r.arms {
		var err error
		if remove {
			_, err = a.server.Delete(event.KeyOf(o))
		}
		if err == nil && create {
			_, err = a.server.Create(o)
		}
		if !remove && !create {
			_, err = a.server.Update(o)
		}
		if err != nil {
			return err
		}
	}
	r.exists[e.Key] = create || !remove
	return nil
}

// settle waits until both sides are idle and files what they did.
func (r *rig) settle(order Order) {
	synctest.Wait()
	requests := r.noteState()
	if strings.Contains(requests, "initial=true") {
		order = LooseList
	}
	for _, h := range r.handlers {
		r.take(h, order)
	}
}

// take files the calls of one handler, unless it is stalled: its calls are
// filed when it has caught up.
func (r *rig) take(h *handler, order Order) {
	switch {
	case h.stalled:
		return
	case h.added && order == Strict:
		order = LooseInitial
	}
	h.added = false
	r.file(Take{Handler: h.number, Order: order, Calls: h.calls()})
}

func (r *rig) file(t Take) {
	if t.Law == Same && len(t.Calls[0])+len(t.Calls[1]) == 0 {
		return
	}
	t.When = r.when
	r.recording.Takes = append(r.recording.Takes, t)
}

func (h *handler) calls() (calls [2][]Call) {
	for i, rec := range h.recorders {
		calls[i] = rec.take()
	}
	return calls
}

// noteState files all that is not a call, and returns the requests of client-go.
func (r *rig) noteState() string {
	note := func(what string, read func(i int, a *arm) any) (theirs string) {
		n := Note{When: r.when, What: what}
		n.Ours, n.Theirs = fmt.Sprint(read(0, r.arms[0])), fmt.Sprint(read(1, r.arms[1]))
		r.recording.Notes = append(r.recording.Notes, n)
		return n.Theirs
	}
	requests := note("requests", func(_ int, a *arm) any { return a.gate.take() })
	note("watch errors", func(_ int, a *arm) any { return a.pipeline.takeErrors() })
	note("last version", func(_ int, a *arm) any { return a.pipeline.lastVersion() })
	note("cache", func(_ int, a *arm) any { return content(a.pipeline.cached()) })
	note("informer has synced", func(_ int, a *arm) any { return a.pipeline.hasSynced() })
	for _, h := range r.handlers {
		if !h.removed {
			note(fmt.Sprintf("handler %d has synced", h.number),
				func(i int, _ *arm) any { return h.registrations[i].hasSynced() })
		}
	}
	return requests
}
