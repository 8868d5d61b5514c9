package informer_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/atomic"

	"informerlab/core/buffer"
	"informerlab/core/buffer/buffertest"
	"informerlab/core/event"
	"informerlab/core/informer"
	"informerlab/core/processor"
	"informerlab/core/source"
)

// fanouts are the three shapes of seam 2: client-go's own, a buffer per
// listener, and one log for all.
var fanouts = map[string]func() processor.Fanout{
	"reference":    processor.Reference,
	"per-listener": processor.PerListener(buffertest.NewPlain[event.Notification]),
	"shared-log":   newSharedLog,
}

// A world is one way to put an informer together.
type world struct {
	name   string
	queue  informer.QueueKind
	fanout func() processor.Fanout
}

var worlds = func() (all []world) {
	for _, q := range []string{"in-order", "per-key"} {
		for _, f := range []string{"reference", "per-listener", "shared-log"} {
			w := world{name: q + "/" + f, fanout: fanouts[f]}
			if q == "per-key" {
				w.queue = informer.PerKey
			}
			all = append(all, w)
		}
	}
	return all
}()

// A story is a test that must come out the same in every world.
type story struct {
	name string
	tell func(s *stage)
}

// tell plays each story in each world, in a bubble of its own: a goroutine that
// is left makes the bubble, and so the test, fail.
func tell(t *testing.T, stories []story) {
	for _, st := range stories {
		for _, w := range worlds {
			t.Run(st.name+"/"+w.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(t, w)
					defer s.stop() // also after a failure, so that it is the failure that is reported
					st.tell(s)
					s.close()
				})
			})
		}
	}
}

// A stage is where a story is played: a server, an informer and its handlers.
type stage struct {
	*testing.T
	world
	server   *source.Server
	informer *informer.Informer
	cancel   context.CancelFunc // nil = not started
	ended    chan struct{}      // closed when Run has returned
	actors   []*actor
}

func newStage(t *testing.T, w world) *stage {
	return &stage{T: t, world: w, server: source.NewServer(source.ServerOptions{})}
}

// fill puts the world and the quiet defaults into options.
func (s *stage) fill(o informer.Options) informer.Options {
	o.Queue, o.Fanout = s.queue, s.fanout
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Rand = func() float64 { return 0 }
	return o
}

// open makes the informer of the story.
func (s *stage) open(o informer.Options) { s.informer = informer.New(s.server, s.fill(o)) }

// start runs the informer, made with default options if there is none yet, and
// waits until nothing moves.
func (s *stage) start() {
	if s.informer == nil {
		s.open(informer.Options{})
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.ended = cancel, make(chan struct{})
	go func() {
		defer close(s.ended)
		assert.NoError(s, s.informer.Run(ctx))
	}()
	synctest.Wait()
}

// stop ends the informer and waits for it.
func (s *stage) stop() {
	if s.cancel != nil {
		s.cancel()
		<-s.ended
	}
}

// over reports whether Run has returned, once nothing moves.
func (s *stage) over() bool {
	synctest.Wait()
	return isClosed(s.ended)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// close ends the story: whatever it was about, no handler may have been called
// in a way that it must not be, and every notification must be accounted for.
func (s *stage) close() {
	s.stop()
	for _, a := range s.actors {
		a.audit()
	}
}

// put creates or updates objects of the namespace n.
func (s *stage) put(names ...string) {
	s.Helper()
	for _, name := range names {
		o := &source.Item{Namespace: "n", Name: name}
		if _, err := s.server.Create(o); err != nil {
			_, err = s.server.Update(o)
			require.NoError(s, err)
		}
	}
}

// remove deletes objects of the namespace n.
func (s *stage) remove(names ...string) {
	s.Helper()
	for _, name := range names {
		_, err := s.server.Delete(event.Key{Namespace: "n", Name: name})
		require.NoError(s, err)
	}
}

// relist makes the informer list again: its version is refused. It takes the
// reflector's backoff of 0.8 s; the caller sleeps.
func (s *stage) relist() {
	s.server.EndStreams(&source.Error{Reason: source.Expired, Message: "ordered"})
}

// converged checks that the cache equals the server, and that so does the view
// of each actor that is still on stage.
func (s *stage) converged() {
	s.Helper()
	synctest.Wait()
	truth := map[event.Key]string{}
	for _, o := range s.server.Objects() {
		truth[event.KeyOf(o)] = o.GetResourceVersion()
	}
	cached := map[event.Key]string{}
	for o := range s.informer.Indexer().All() {
		cached[event.KeyOf(o)] = o.GetResourceVersion()
	}
	require.Equal(s, truth, cached, "the cache is not the server's state")
	for i, a := range s.actors {
		if !a.left {
			a.mu.Lock()
			require.Equal(s, truth, a.view, "the view of actor %d is not the server's state", i)
			a.mu.Unlock()
		}
	}
}

// An actor is a handler that keeps its calls and finds fault with those that
// must not come.
type actor struct {
	s   *stage
	reg *informer.Registration
	// during, if set, runs inside each call, with the call as a line.
	during func(call string)
	// lenient: the story breaks the chain of versions on purpose.
	lenient bool
	left    bool // removed or broken: its view ends early

	calling atomic.Bool
	mu      sync.Mutex
	calls   []string // since the last take
	handled uint64   // calls that returned
	view    map[event.Key]string
	faults  []string
}

var _ informer.Handler = (*actor)(nil)

// cast puts an actor on stage. Each option changes it before it is registered.
func (s *stage) cast(o informer.HandlerOptions, options ...func(*actor)) *actor {
	s.Helper()
	if s.informer == nil {
		s.open(informer.Options{})
	}
	a := &actor{s: s, view: map[event.Key]string{}}
	for _, option := range options {
		option(a)
	}
	reg, err := s.informer.AddHandler(a, o)
	require.NoError(s, err)
	a.reg = reg
	s.actors = append(s.actors, a)
	return a
}

func during(f func(call string)) func(*actor) { return func(a *actor) { a.during = f } }

// blocked makes an actor wait in every call until the gate is closed.
func blocked(gate <-chan struct{}) func(*actor) { return during(func(string) { <-gate }) }

func (a *actor) OnAdd(o event.Object, initial bool) {
	n := event.Notification{New: o, Kind: event.Add}
	if initial {
		n.Flags = event.Initial
	}
	a.call(n)
}

func (a *actor) OnUpdate(old, new event.Object) {
	a.call(event.Notification{Old: old, New: new, Kind: event.Update})
}

func (a *actor) OnDelete(o event.Object, unknown bool) {
	n := event.Notification{Old: o, Kind: event.Delete}
	if unknown {
		n.Flags = event.FinalStateUnknown
	}
	a.call(n)
}

func (a *actor) call(n event.Notification) {
	if a.calling.Swap(true) {
		a.fault("calls overlap at %s", n)
	}
	defer a.calling.Store(false)
	a.mu.Lock()
	a.check(&n)
	key := event.KeyOf(n.Object())
	if n.Kind == event.Delete {
		delete(a.view, key)
	} else {
		a.view[key] = n.New.GetResourceVersion()
	}
	a.calls = append(a.calls, n.String())
	a.mu.Unlock()
	if a.during != nil {
		a.during(n.String())
	}
	a.mu.Lock()
	a.handled++
	a.mu.Unlock()
}

// check holds a call against what the actor has seen and against the cache.
func (a *actor) check(n *event.Notification) {
	key := event.KeyOf(n.Object())
	cached, held := a.s.informer.Indexer().Get(key)
	if n.Kind != event.Delete && held && version(cached) < version(n.New) && !a.lenient {
		a.fault("%s comes before the cache knows of it", n)
	}
	seen, known := a.view[key]
	switch {
	case a.lenient:
	case n.Kind == event.Add && known:
		a.fault("%s, although it was at %s", n, seen)
	case n.Kind == event.Update && !known:
		a.fault("%s was never added", n)
	case n.Kind == event.Update && n.Old.GetResourceVersion() != seen:
		a.fault("%s, although it was at %s", n, seen)
	case n.Kind == event.Update && version(n.New) < version(n.Old):
		a.fault("%s goes back", n)
	}
}

func version(o event.Object) int {
	v, _ := strconv.Atoi(o.GetResourceVersion())
	return v
}

func (a *actor) fault(format string, args ...any) {
	a.faults = append(a.faults, fmt.Sprintf(format, args...))
}

// take returns the calls since the last take, once nothing moves.
func (a *actor) take() []string {
	synctest.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	calls := a.calls
	a.calls = nil
	return calls
}

// takeSorted is take for what comes in no order.
func (a *actor) takeSorted() []string {
	calls := a.take()
	slices.Sort(calls)
	return calls
}

// audit holds the account of an actor against its own book. Nothing may move.
func (a *actor) audit() {
	a.mu.Lock()
	defer a.mu.Unlock()
	stats := a.reg.Stats()
	assert.NoError(a.s, stats.Check())
	assert.Equal(a.s, a.handled, stats.Handled, "calls that returned")
	if isClosed(a.reg.Finished()) {
		assert.Zero(a.s, stats.Pending, "pending after the end")
		assert.Zero(a.s, stats.InHand, "in hand after the end")
	}
	assert.Empty(a.s, a.faults)
}

// account returns the actor's account, once nothing moves, and checks it.
func (a *actor) account() processor.Stats {
	synctest.Wait()
	stats := a.reg.Stats()
	assert.NoError(a.s, stats.Check())
	return stats
}

// gone counts the notifications that were discarded because of the end.
func gone(s processor.Stats) int { return int(s.Discarded[buffer.Closed]) }
