package informer_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
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

// isBad reports whether an object is one that the rejecting functions reject.
func isBad(o event.Object) bool { return strings.HasPrefix(o.(*source.Item).Value, "bad") }

// rejecting are the functions of a user that can reject an object; fail returns an
// error or panics.
var rejecting = map[string]func(o *informer.Options, fail func() error){
	"transform": func(o *informer.Options, fail func() error) {
		o.Transform = func(e event.Object) (event.Object, error) {
			if isBad(e) {
				return nil, fail()
			}
			return e, nil
		}
	},
	"index": func(o *informer.Options, fail func() error) {
		o.Indexers = map[string]indexer.IndexFunc{"picky": func(e event.Object, dst []string) ([]string, error) {
			if isBad(e) {
				return nil, fail()
			}
			return append(dst, e.GetName()), nil
		}}
	},
	"accept": func(o *informer.Options, fail func() error) {
		o.Accept = func(e event.Object) error {
			if isBad(e) {
				return fail()
			}
			return nil
		}
	},
}

// A critic is a stage with an informer whose user rejects bad objects.
type critic struct {
	*stage
	reported []error
}

// give writes an object with a value.
func (c *critic) give(name, value string) {
	c.Helper()
	o := &source.Item{Namespace: "n", Name: name, Value: value}
	if _, err := c.server.Create(o); err != nil {
		_, err = c.server.Update(o)
		require.NoError(c, err)
	}
}

// reports returns the first lines of what was reported since the last call.
func (c *critic) reports() (lines []string) {
	synctest.Wait()
	for _, err := range c.reported {
		line, _, _ := strings.Cut(err.Error(), "\n")
		lines = append(lines, line)
	}
	c.reported = nil
	return lines
}

// value returns the cached value of an object, or "-".
func (c *critic) value(name string) string {
	o, ok := c.informer.Indexer().Get(event.Key{Namespace: "n", Name: name})
	if !ok {
		return "-"
	}
	return o.(*source.Item).Value
}

// eachRejection plays a story for each function that can reject, with errors and
// with panics, in each kind of queue, with streaming and with plain lists.
func eachRejection(t *testing.T, tell func(c *critic, by string)) {
	for by, reject := range rejecting {
		for how, fail := range map[string]func() error{
			"error": func() error { return errors.New("no good") }, "panic": func() error { panic("no good") },
		} {
			for _, w := range worlds {
				if w.name != "in-order/reference" && w.name != "per-key/per-listener" {
					continue
				}
				for _, streaming := range []source.Streaming{source.StreamingServed, source.StreamingRefused} {
					name := fmt.Sprintf("%s/%s/%s/streaming=%d", by, how, w.name, streaming)
					t.Run(name, func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							c := &critic{stage: newStage(t, w)}
							c.server = source.NewServer(source.ServerOptions{Streaming: streaming})
							o := informer.Options{
								Panic:          processor.SkipAndHold,
								OnProcessError: func(err error) { c.reported = append(c.reported, err) },
							}
							reject(&o, fail)
							c.open(o)
							defer c.stop()
							tell(c, by)
							c.close()
						})
					})
				}
			}
		}
	}
}

// kubernetes#43605: one bad object must not take anything else with it, neither in
// a list nor in a batch of changes, and is reported once.
func TestOneBadObjectIsLeftOut(t *testing.T) {
	eachRejection(t, func(c *critic, by string) {
		for i := range 50 {
			c.give(fmt.Sprintf("a%d", i), "good")
		}
		c.give("b", "bad")
		for i := range 50 {
			c.give(fmt.Sprintf("c%d", i), "good")
		}
		a := c.cast(informer.HandlerOptions{})
		c.start()
		assert.True(c, c.informer.HasSynced())
		assert.True(c, a.reg.HasSynced())
		assert.Equal(c, 100, c.informer.Indexer().Len())
		assert.Len(c, a.take(), 100)
		lines := c.reports()
		require.Len(c, lines, 1)
		assert.Contains(c, lines[0], `object n/b at version "52" left out: `)
		assert.Contains(c, lines[0], "no good")
		assert.EqualValues(c, 1, c.informer.Rejected())

		for range 3 {
			c.relist()
			pass(time.Minute)
		}
		a.take()
		assert.Empty(c, c.reports(), "once per object and version")
		c.give("a1", "bad")
		c.give("b", "bad again")
		c.give("c1", "good 2")
		assert.Len(c, c.reports(), 2)
		assert.Equal(c, "good good 2", c.value("a1")+" "+c.value("c1"))
		assert.Len(c, a.take(), 1, "nothing is published for a bad one")
		assert.EqualValues(c, 3, c.informer.Rejected())
		c.give("b", "good")
		c.give("a1", "good 3")
		assert.Len(c, a.take(), 2)
		assert.Empty(c, c.reports())
		assert.Zero(c, a.account().Lost())
		c.converged()
	})
}

// A list that holds an object in a state that the cache cannot take is no news of
// its deletion.
func TestARejectedStateInAListDeletesNothing(t *testing.T) {
	eachRejection(t, func(c *critic, by string) {
		if by == "accept" {
			return // what Accept refuses is no object of this kind, so it was never listed
		}
		c.give("a", "good")
		c.give("b", "good")
		a := c.cast(informer.HandlerOptions{})
		c.start()
		a.take()
		// Neither the watch nor a streaming list may tell of the change before the list.
		c.server.NextWatches(1, source.Fault{Err: refusal(source.Expired)})
		c.give("a", "bad")
		c.give("c", "bad")
		c.remove("b")
		c.relist()
		pass(time.Minute)
		assert.Len(c, c.reports(), 2)
		assert.Equal(c, "good - -", c.value("a")+" "+c.value("b")+" "+c.value("c"))
		calls := a.take()
		require.NotEmpty(c, calls)
		for _, call := range calls {
			assert.NotContains(c, call, "delete n/a")
			assert.NotContains(c, call, "n/c")
		}
		c.give("a", "good 2")
		assert.Equal(c, []string{"update n/a 2>7"}, a.take())
		c.remove("a")
		assert.Len(c, a.take(), 1)
		assert.Equal(c, "-", c.value("a"))
	})
}

// What is kept so that nothing is reported twice must not grow with names that
// never come back.
func TestRejectionsOfDeletedObjectsAreForgotten(t *testing.T) {
	eachRejection(t, func(c *critic, by string) {
		c.start()
		churn := func(from int) {
			for i := range 30 {
				c.give(fmt.Sprint("o", from+i), "bad")
				if i%3 == 0 {
					synctest.Wait() // else creation and deletion come in one batch
				}
				c.remove(fmt.Sprint("o", from+i))
			}
			synctest.Wait()
		}
		churn(0)
		if by != "accept" { // also the deletion of a bad object is refused
			assert.Zero(c, c.informer.RejectedKept())
		}
		for k := range 5 {
			churn(100 * (k + 1))
			c.relist()
			pass(time.Minute)
		}
		c.relist()
		pass(time.Minute)
		assert.LessOrEqual(c, c.informer.RejectedKept(), 0)
		c.give("stays", "bad")
		c.relist()
		pass(time.Minute)
		assert.Equal(c, 1, c.informer.RejectedKept())
		c.reports()
		c.relist()
		pass(time.Minute)
		assert.Empty(c, c.reports())
	})
}

// The deletion of an object gets through even if its last state is bad.
func TestADeletionIsNotLostWithItsLastState(t *testing.T) {
	eachRejection(t, func(c *critic, by string) {
		if by == "accept" {
			return // what Accept refuses is no object of this kind
		}
		c.give("a", "good")
		a := c.cast(informer.HandlerOptions{})
		c.start()
		a.take()
		_, err := c.server.DeleteAs(&source.Item{Namespace: "n", Name: "a", Value: "bad"})
		require.NoError(c, err)
		synctest.Wait()
		assert.Equal(c, "-", c.value("a"))
		calls := a.take()
		require.Len(c, calls, 1)
		assert.Contains(c, calls[0], "delete n/a")
	})
}

// OnProcessError may take its time: calls do not overlap, whoever rejects, and the
// queue is not locked meanwhile.
func TestASlowOnProcessErrorHoldsNoLock(t *testing.T) {
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, w)
				defer s.stop()
				var calls, now atomic.Int64
				o := informer.Options{OnProcessError: func(error) {
					assert.EqualValues(t, 1, now.Inc(), "calls overlap")
					time.Sleep(time.Minute)
					now.Dec()
					calls.Inc()
				}}
				rejecting["index"](&o, func() error { return errors.New("no good") })
				refuseX := refuse("x", atomic.NewBool(true))
				o.Transform = refuseX
				s.open(o)
				c := &critic{stage: s}
				c.start()
				c.give("a", "bad")
				synctest.Wait() // the controller reports
				c.give("b", "good")
				synctest.Wait() // a queue that is locked would keep the bubble from being idle
				assert.Equal(t, "-", c.value("b"), "the controller waits for its hook")
				c.give("x", "good")
				synctest.Wait() // the reflector's report waits for the other
				assert.Zero(t, calls.Load())
				pass(2 * time.Minute)
				assert.EqualValues(t, 2, calls.Load())
				assert.Equal(t, "good", c.value("b"))
				s.close()
			})
		})
	}
}

// Random histories of good and bad states, deletions, relists and ends of streams:
// the cache converges to the good states, keeps no object that was deleted, and
// handlers see what it holds.
func TestRandomRejections(t *testing.T) {
	seeds := uint64(120)
	if testing.Short() {
		seeds = 24
	}
	bys := slices.Sorted(maps.Keys(rejecting))
	for seed := range seeds {
		w := worlds[seed%uint64(len(worlds))]
		by := bys[seed/uint64(len(worlds))%uint64(len(bys))]
		t.Run(fmt.Sprintf("seed=%d/%s/%s", seed, by, w.name), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 3))
				c := &critic{stage: newStage(t, w)}
				c.server = source.NewServer(source.ServerOptions{Streaming: streaming[r.IntN(len(streaming))]})
				o := informer.Options{
					Panic: processor.PanicPolicy{Recover: true}, Resync: time.Minute,
					OnProcessError: func(err error) { c.reported = append(c.reported, err) },
				}
				var failures atomic.Int64
				rejecting[by](&o, func() error {
					if failures.Inc()%2 == 0 {
						panic("no good")
					}
					return errors.New("no good")
				})
				c.open(o)
				defer c.stop()
				c.cast(informer.HandlerOptions{})
				c.cast(every(0))
				c.misbehave(r)
				c.server.Heal()
				pass(long)
				c.settled(by)
				if by != "accept" { // what it refuses was not listed
					held := c.informer.Indexer().List()
					for _, o := range c.server.Objects() {
						c.give(o.GetName(), "bad")
					}
					c.relist()
					pass(long)
					assert.ElementsMatch(t, held, c.informer.Indexer().List())
				}
				c.close()
			})
		})
	}
}

// misbehave plays 80 random steps, the start among them.
func (c *critic) misbehave(r *rand.Rand) {
	for step := range 80 {
		if step == 10 {
			c.start()
		}
		name := fmt.Sprint("o", r.IntN(6))
		switch op := r.IntN(12); {
		case op < 4:
			c.give(name, fmt.Sprint("good ", step))
		case op < 7:
			c.give(name, fmt.Sprint("bad ", step))
		case op < 9:
			if o := c.server.Objects(); len(o) > 0 {
				final := *o[r.IntN(len(o))].(*source.Item)
				final.Value, final.ResourceVersion = []string{"good", "bad"}[r.IntN(2)], ""
				_, err := c.server.DeleteAs(&final)
				require.NoError(c, err)
			}
		case op < 10:
			c.relist()
		case op < 11:
			c.server.Disconnect()
		default:
			pass(time.Duration(r.IntN(20)) * time.Second)
		}
	}
}

// settled checks the cache against the server, and the actors against the cache.
func (c *critic) settled(by string) {
	truth := map[event.Key]*source.Item{}
	for _, o := range c.server.Objects() {
		truth[event.KeyOf(o)] = o.(*source.Item)
	}
	cached := map[event.Key]string{}
	for o := range c.informer.Indexer().All() {
		key := event.KeyOf(o)
		cached[key] = o.GetResourceVersion()
		assert.False(c, isBad(o), "%s is bad", key)
		if by != "accept" { // it can refuse a deletion, until the next list
			assert.Contains(c, truth, key, "deleted, but cached")
		}
	}
	for key, o := range truth {
		if !isBad(o) {
			assert.Equal(c, o.ResourceVersion, cached[key], "%s is good", key)
		}
	}
	for i, a := range c.actors {
		a.mu.Lock()
		assert.Equal(c, cached, a.view, "the view of actor %d is not the cache", i)
		a.mu.Unlock()
	}
	assert.EqualValues(c, len(c.reported), c.informer.Rejected())
	assert.LessOrEqual(c, c.informer.RejectedKept(), 6)
}
