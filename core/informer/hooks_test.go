package informer_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/atomic"

	"informerlab/core/event"
	"informerlab/core/indexer"
	"informerlab/core/informer"
	"informerlab/core/processor"
	"informerlab/core/source"
)

// hooks are all functions of a user that a pipeline calls, except those of Source,
// Fanout, Logger and Rand. Each call of the one that is named by the key is
// preceded by a call of explode, which may panic.
var hooks = map[string]func(o *informer.Options, h *informer.DetailedFuncs, explode func(name string)){
	"transform": func(o *informer.Options, _ *informer.DetailedFuncs, explode func(string)) {
		o.Transform = func(e event.Object) (event.Object, error) { explode(e.GetName()); return e, nil }
	},
	"accept": func(o *informer.Options, _ *informer.DetailedFuncs, explode func(string)) {
		o.Accept = func(e event.Object) error { explode(e.GetName()); return nil }
	},
	"index": func(o *informer.Options, _ *informer.DetailedFuncs, explode func(string)) {
		o.Indexers = map[string]indexer.IndexFunc{"x": func(e event.Object, dst []string) ([]string, error) {
			explode(e.GetName())
			return dst, nil
		}}
	},
	"watch error": func(o *informer.Options, _ *informer.DetailedFuncs, explode func(string)) {
		o.OnWatchError = func(error) { explode("b") }
	},
	"process error": func(o *informer.Options, _ *informer.DetailedFuncs, explode func(string)) {
		o.Accept = func(e event.Object) error {
			if e.GetName() == "b" {
				return errors.New("refused")
			}
			return nil
		}
		o.OnProcessError = func(error) { explode("b") }
	},
	"handler": func(_ *informer.Options, h *informer.DetailedFuncs, explode func(string)) {
		h.Add = func(e event.Object, _ bool) { explode(e.GetName()) }
	},
	"clone": func(o *informer.Options, _ *informer.DetailedFuncs, explode func(string)) {
		o.Mutation = idleDetector()
		o.Mutation.Clone = func(e event.Object) event.Object { explode(e.GetName()); return e }
	},
	"equal": func(o *informer.Options, _ *informer.DetailedFuncs, explode func(string)) {
		o.Mutation = idleDetector()
		o.Mutation.Equal = func(a, _ event.Object) bool { explode(a.GetName()); return true }
	},
	"on mutation": func(o *informer.Options, _ *informer.DetailedFuncs, explode func(string)) {
		o.Mutation = idleDetector()
		o.Mutation.Equal = func(_, _ event.Object) bool { return false }
		o.Mutation.OnMutation = func(a, _ event.Object) { explode(a.GetName()) }
	},
}

func idleDetector() *informer.MutationDetector {
	return &informer.MutationDetector{
		Clone: func(o event.Object) event.Object { return o },
		Equal: func(_, _ event.Object) bool { return true },
	}
}

// leavesOut are the hooks whose panic leaves an object out of the cache, and
// heard those whose panic is reported to OnProcessError. The others' is logged.
var (
	leavesOut = map[string]bool{"transform": true, "accept": true, "index": true, "process error": true}
	heard     = map[string]bool{
		"transform": true, "accept": true, "index": true, "clone": true, "equal": true, "on mutation": true,
	}
)

// With Panic.Recover a hook that panics for one object ends nothing, holds up
// nothing, and is reported with its stack. For the rest see
// TestPanicsEndTheProcessByDefault.
func TestEveryHookMayPanic(t *testing.T) {
	for name, hook := range hooks {
		for _, w := range worlds {
			t.Run(name+"/"+w.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(t, w)
					s.server = source.NewServer(source.ServerOptions{Streaming: source.StreamingRefused})
					if name == "watch error" {
						s.server.NextLists(1, source.Fault{Err: errors.New("refused")})
					}
					panics := playHook(s, hook)
					pass(time.Minute)
					s.put("d")
					pass(time.Minute)
					want := []string{"a", "b", "c", "d"}
					if leavesOut[name] {
						want = []string{"a", "c", "d"}
					}
					var cached []string
					for _, key := range s.informer.Indexer().Keys() {
						cached = append(cached, key.Name)
					}
					assert.ElementsMatch(t, want, cached)
					assert.True(t, s.informer.HasSynced())
					assert.Len(t, s.actors[0].take(), len(want), "the other handler")
					s.close()
					panics(name)
				})
			})
		}
	}
}

// playHook runs an informer of which a hook panics for the object b. The function
// that it returns checks what was reported and logged.
func playHook(s *stage, hook func(*informer.Options, *informer.DetailedFuncs, func(string))) (check func(name string)) {
	var log bytes.Buffer
	var told []error
	o := informer.Options{
		Panic: processor.SkipAndHold, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		OnProcessError: func(err error) { told = append(told, err) },
	}
	var h informer.DetailedFuncs
	hook(&o, &h, explodeFor("b"))
	s.open(o)
	s.cast(informer.HandlerOptions{})
	_, err := s.informer.AddHandler(h, informer.HandlerOptions{})
	require.NoError(s, err)
	s.put("a", "b", "c")
	s.start()
	return func(name string) {
		if !heard[name] {
			assert.Contains(s, log.String(), "the hook's own words")
			if name != "handler" { // the listener's log has a test of its own
				assert.Contains(s, log.String(), "explodeFor", "the stack")
			}
			return
		}
		require.Len(s, told, 1, "once")
		var p *event.PanicError
		require.ErrorAs(s, told[0], &p)
		assert.Equal(s, "the hook's own words", p.Value)
		assert.Contains(s, string(p.Stack), "explodeFor")
		assert.Contains(s, told[0].Error(), "n/b")
	}
}

func explodeFor(name string) func(string) {
	return func(n string) {
		if n == name {
			panic("the hook's own words")
		}
	}
}

// A filter runs inside the handler's call.
func TestAFilterMayPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, worlds[0])
		s.open(informer.Options{Panic: processor.SkipAndHold})
		var got []string
		reg, err := s.informer.AddHandler(informer.Filtering{
			Filter:  func(o event.Object) bool { explodeFor("b")(o.GetName()); return true },
			Handler: informer.Funcs{Add: func(o event.Object) { got = append(got, o.GetName()) }},
		}, informer.HandlerOptions{})
		require.NoError(t, err)
		s.put("a", "b", "c")
		s.start()
		pass(time.Minute)
		s.stop()
		assert.Equal(t, []string{"a", "c"}, got)
		assert.EqualValues(t, 1, reg.Stats().Panicked)
	})
}

// Each call of an inline handler stands for itself: the rest of the batch is
// delivered, and then the loop pauses.
func TestInlineHandlersMayPanic(t *testing.T) {
	eachInline(t, func(i *inline, q informer.QueueKind) {
		var reported []error
		i.during = func(call string) {
			if strings.Contains(call, "n/b") {
				panic("the hook's own words")
			}
		}
		for _, name := range []string{"a", "b", "c", "d"} {
			i.put(name)
		}
		i.start(informer.Options{
			Queue: q, Panic: processor.SkipAndHold,
			OnProcessError: func(err error) { reported = append(reported, err) },
		})
		time.Sleep(time.Second)
		assert.Equal(i, []string{
			"add n/a ->2 initial", "add n/b ->3 initial", "add n/c ->4 initial", "add n/d ->5 initial",
		}, i.take())
		assert.True(i, i.informer.HasSynced())
		require.Len(i, reported, 1)
		assert.ErrorContains(i, reported[0], "informer: handler at add n/b ->3 initial: panic: the hook's own words\n")
		assert.ErrorContains(i, reported[0], "TestInlineHandlersMayPanic", "the stack")
	})
}

func TestInlineLeavesOneBadObjectOut(t *testing.T) {
	for by, reject := range rejecting {
		t.Run(by, func(t *testing.T) {
			eachInline(t, func(i *inline, q informer.QueueKind) {
				var reported []error
				o := informer.Options{Queue: q, OnProcessError: func(err error) { reported = append(reported, err) }}
				reject(&o, func() error { return errors.New("no good") })
				c := &critic{stage: &stage{T: i.T, server: i.server}}
				c.give("a", "good")
				c.give("b", "bad")
				c.give("c", "good")
				i.start(o)
				assert.Len(i, i.take(), 2)
				assert.True(i, i.informer.HasSynced())
				assert.Equal(i, 2, i.informer.Indexer().Len())
				require.Len(i, reported, 1)
				assert.ErrorContains(i, reported[0], "no good")
				assert.EqualValues(i, 1, i.informer.Rejected())
			})
		})
	}
}

// A clone that fails is one object less to compare, and no deletion is cloned.
func TestClonesMayFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, worlds[0])
		var told []string
		d := idleDetector()
		d.Clone = func(o event.Object) event.Object {
			if o.(*source.Item).Name == "b" { // panics for a Tombstone
				return nil
			}
			return o
		}
		s.open(informer.Options{Mutation: d, OnProcessError: func(err error) { told = append(told, err.Error()) }})
		a := s.cast(informer.HandlerOptions{}, func(a *actor) { a.lenient = true })
		s.put("a", "b", "c")
		s.start()
		pass(time.Minute)
		assert.Len(t, a.take(), 3)
		s.remove("a")
		s.relist()
		pass(time.Minute)
		assert.Equal(t, []string{
			`object n/b at version "3" left out: informer: mutation detector: clone: returned no object`,
		}, told, "once, however often it is cloned")
		s.close()
	})
}

// The deletion of an object that was never cached has no state to clone.
func TestAnUnknownDeletionIsNotCloned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, worlds[0])
		d := idleDetector()
		d.Clone = func(o event.Object) event.Object { return o.(*source.Item) }
		s.open(informer.Options{Mutation: d, Transform: refuse("b", atomic.NewBool(true))})
		s.start()
		s.put("a", "b")
		s.remove("b")
		synctest.Wait()
		assert.Equal(t, 1, s.informer.Indexer().Len())
		s.close()
	})
}

func TestAFactoryOpensWithoutItsLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var factory *informer.Factory
		var opened atomic.Int64
		factory = informer.NewFactory(informer.FactoryOptions{
			Open: func(resource string) source.Source {
				opened.Inc()
				time.Sleep(time.Second)
				if resource == "pods" {
					factory.For("nodes")
				}
				return source.NewServer(source.ServerOptions{})
			},
			Tweak: func(resource string, _ *informer.Options) {
				if resource == "pods" {
					factory.For("events")
				}
			},
		})
		made := make(chan *informer.Informer)
		for range 5 {
			go func() { made <- factory.For("pods") }()
		}
		synctest.Wait()
		factory.Start(context.Background()) // does not wait for Open
		pods := <-made
		for range 4 {
			assert.Same(t, pods, <-made)
		}
		assert.EqualValues(t, 3, opened.Load(), "pods, nodes and events, once each")
		assert.Same(t, factory.For("nodes"), factory.For("nodes"))
		assert.EqualValues(t, 3, opened.Load())
	})
}

func TestAPanicOfOpenLeavesTheFactoryUsable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := true
		factory := informer.NewFactory(informer.FactoryOptions{Open: func(string) source.Source {
			time.Sleep(time.Second)
			if fail {
				fail = false
				panic("no connection")
			}
			return source.NewServer(source.ServerOptions{})
		}})
		var waited *informer.Informer
		go func() {
			time.Sleep(time.Second / 2)
			waited = factory.For("pods")
		}()
		assert.PanicsWithValue(t, "no connection", func() { factory.For("pods") })
		pods := factory.For("pods")
		synctest.Wait()
		require.NotNil(t, pods)
		assert.Same(t, pods, waited, "one that waited tries again")
	})
}
