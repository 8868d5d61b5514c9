package queue

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"informerlab/core/event"
)

func TestAddBeforeReplaceSyncsAtOnce(t *testing.T) {
	both(t, func(t *testing.T, q Queue) {
		require.False(t, q.HasSynced())
		require.NoError(t, q.Add(nil))
		require.False(t, q.HasSynced(), "nothing was added")
		require.NoError(t, q.Add(deltas("+a1")))
		require.True(t, q.HasSynced())
		require.True(t, isSynced(q))
		require.NoError(t, q.Replace(objs("a1 b1"), "1"))
		require.True(t, q.HasSynced(), "never goes back")
		for _, s := range drain(t, q) {
			require.NotContains(t, s, "initial")
		}
	})
}

func TestSyncedIsLateNeverEarly(t *testing.T) {
	for _, how := range []string{"returns", "fails", "panics", "exits"} {
		t.Run(how, func(t *testing.T) {
			both(t, func(t *testing.T, q Queue) {
				require.NoError(t, q.Replace(objs("a1"), "1"))
				require.False(t, q.HasSynced())
				end := make(chan struct{})
				go func() {
					defer close(end)
					defer func() { _ = recover() }()
					_ = q.Pop(func(_ []Delta, initial bool) error {
						require.True(t, initial)
						require.False(t, q.HasSynced())
						require.False(t, isSynced(q))
						switch how {
						case "fails":
							return errors.New("refused")
						case "panics":
							panic("in process")
						case "exits":
							runtime.Goexit()
						}
						return nil
					})
				}()
				<-end
				require.True(t, q.HasSynced())
				require.True(t, isSynced(q))
				require.NoError(t, q.Add(deltas("+b1")))
				require.Equal(t, "+b1", pop(t, q), "the queue is usable afterwards")
			})
		})
	}
}

func TestEmptyFirstReplace(t *testing.T) {
	f := NewFIFO(FIFOOptions{})
	require.NoError(t, f.Replace(nil, "1"))
	require.False(t, f.HasSynced(), "one ReplacedAll is owed")
	require.Equal(t, []string{"initial: all@1()"}, drain(t, f))
	require.True(t, f.HasSynced())

	d := NewDeltaFIFO(DeltaFIFOOptions{})
	require.NoError(t, d.Replace(nil, "1"))
	require.True(t, d.HasSynced(), "no key is owed")
}

func TestPopReturnsTheErrorAsItIs(t *testing.T) {
	both(t, func(t *testing.T, q Queue) {
		require.NoError(t, q.Add(deltas("+a1")))
		want := errors.New("refused")
		require.Equal(t, want, q.Pop(failing(want)))
		require.Zero(t, q.Len(), "without Requeue, what failed is gone")
	})
}

func TestCloseHandsOutWhatIsLeft(t *testing.T) {
	both(t, func(t *testing.T, q Queue) {
		require.NoError(t, q.Add(deltas("+a1")))
		q.Close()
		q.Close()
		require.NoError(t, q.Add(deltas("+b1")), "later additions are queued")
		drain(t, q)
		require.ErrorIs(t, q.Pop(nil), ErrClosed)
		require.ErrorIs(t, q.Pop(nil), ErrClosed)
		require.NoError(t, q.Add(deltas("+c1")))
		require.Equal(t, "+c1", pop(t, q))
	})
}

func TestPopWaits(t *testing.T) {
	wakers := map[string]func(q Queue) error{
		"Add":     func(q Queue) error { return q.Add(deltas("+a1")) },
		"Replace": func(q Queue) error { return q.Replace(objs("a1"), "1") },
		"Close":   func(q Queue) error { q.Close(); return nil },
	}
	for name, wake := range wakers {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, q Queue) {
				synctest.Test(t, func(t *testing.T) {
					pops := 0
					go func() { _ = q.Pop(failing(nil)); pops++ }()
					synctest.Wait()
					require.Zero(t, pops, "nothing is queued")
					require.NoError(t, wake(q))
					synctest.Wait()
					require.Equal(t, 1, pops)
				})
			})
		})
	}
	t.Run("what leaves nothing does not wake", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := NewDeltaFIFO(DeltaFIFOOptions{Known: knownObjects("")})
			pops := 0
			go func() { _ = q.Pop(failing(nil)); pops++ }()
			synctest.Wait()
			require.NoError(t, q.Add(deltas("-a1")))
			require.NoError(t, q.Replace(nil, "1"))
			require.NoError(t, q.Resync())
			require.NoError(t, q.Bookmark("2"))
			synctest.Wait()
			require.Zero(t, pops)
			q.Close()
		})
	})
}

// TestPopWakesForEach hands over one delta at a time, each to a popper that waits.
func TestPopWakesForEach(t *testing.T) {
	both(t, func(t *testing.T, q Queue) {
		synctest.Test(t, func(t *testing.T) {
			got := 0
			go func() {
				for q.Pop(func(d []Delta, _ bool) error { got += len(d); return nil }) != ErrClosed {
				}
			}()
			for i := range 100 {
				synctest.Wait()
				require.Equal(t, i, got)
				require.NoError(t, q.Add(deltas("+a1")))
			}
			q.Close()
			synctest.Wait()
			require.Equal(t, 100, got)
		})
	})
}

func TestSecondPopperPanics(t *testing.T) {
	both(t, func(t *testing.T, q Queue) {
		synctest.Test(t, func(t *testing.T) {
			end := make(chan struct{})
			go func() { defer close(end); _ = q.Pop(failing(nil)) }()
			synctest.Wait()
			require.PanicsWithValue(t, "queue: Pop: called while another Pop is running",
				func() { _ = q.Pop(failing(nil)) })
			require.NoError(t, q.Add(deltas("+a1")), "the panic left the lock free")
			<-end
		})
	})
}

func TestReadersNeverWait(t *testing.T) {
	both(t, func(t *testing.T, q Queue) {
		require.NoError(t, q.Replace(objs("a1"), "1"))
		for i := range valve + 1 {
			require.NoError(t, q.Add([]Delta{{Type: Added, Object: &object{"k", i}}}))
		}
		n := q.Len()
		require.NoError(t, q.Pop(func([]Delta, bool) error {
			require.Equal(t, n-1, q.Len())
			require.False(t, q.HasSynced())
			require.False(t, isSynced(q))
			return nil
		}))
	})
}

func TestInvalidDeltasAreToldAndOthersQueued(t *testing.T) {
	both(t, func(t *testing.T, q Queue) {
		batch := deltas("+a1 +b1 +c1 +d1")
		batch[1].Type = Sync
		batch[2].Object = nil
		before := fmt.Sprint(batch)
		err := q.Add(batch)
		require.ErrorContains(t, err, "queue: add: delta type Sync (5), want Added, Updated or Deleted")
		require.ErrorContains(t, err, "queue: add: Added without object")
		require.Equal(t, before, fmt.Sprint(batch))
		require.Equal(t, 2, q.Len())
	})
}

func TestANilItemIsLeftOutOfAList(t *testing.T) {
	eachWith(t, nil, func(t *testing.T, q Queue, left *[]string) {
		require.NoError(t, q.Replace([]event.Object{obj("e1"), nil, obj("f1")}, "1"))
		require.Equal(t, []string{`object  at version "" left out: queue: replace: item 1 is nil`}, *left)
		if _, fifo := q.(*FIFO); fifo {
			require.Equal(t, []string{"initial: all@1(e1 f1)"}, drain(t, q))
		} else {
			require.Equal(t, []string{"initial: =e1", "initial: =f1"}, drain(t, q)[:2])
		}
		require.True(t, q.HasSynced())
	})
}

func TestSliceStaysTheCallers(t *testing.T) {
	both(t, func(t *testing.T, q Queue) {
		batch := deltas("+a1 ~a2")
		require.NoError(t, q.Add(batch))
		clear(batch)
		require.Equal(t, []string{"+a1 ~a2"}, drain(t, q))
	})
}

// suffix is a transform that counts its calls, adds 100 to a version, and
// refuses the object named x.
type suffix struct{ calls int }

func (s *suffix) transform(o event.Object) (event.Object, error) {
	s.calls++
	switch v := o.(*object); v.name {
	case "x":
		return nil, errors.New("no x here")
	case "z":
		return nil, nil
	default:
		return &object{v.name, v.version + 100}, nil
	}
}

func TestTransform(t *testing.T) {
	for name, new := range map[string]func(Transform) Queue{
		"FIFO":      func(f Transform) Queue { return NewFIFO(FIFOOptions{Transform: f}) },
		"DeltaFIFO": func(f Transform) Queue { return NewDeltaFIFO(DeltaFIFOOptions{Transform: f}) },
	} {
		t.Run(name, func(t *testing.T) {
			var s suffix
			q := new(s.transform)
			batch := deltas("+a1 +x1 ~a2 -a3 ~b1 +z1 ?b2")
			before := fmt.Sprint(batch)
			err := q.Add(batch)
			require.ErrorContains(t, err, "queue: transform x: no x here")
			require.ErrorContains(t, err, "queue: transform z: returned no object")
			require.Equal(t, 6, s.calls, "once each; not for a state seen before")
			require.Equal(t, before, fmt.Sprint(batch))
			require.True(t, q.HasSynced(), "a failure counts as an Add")
			want := []string{"+a101 ~a102 -a103 ~b101 ?b2"}
			if name == "DeltaFIFO" {
				want = []string{"+a101 ~a102 -a103", "~b101 ?b2"}
			}
			require.Equal(t, want, drain(t, q))

			s.calls = 0
			require.NoError(t, q.Replace(objs("a1 b1"), "5"))
			require.NoError(t, q.Resync())
			require.Equal(t, 2, s.calls)
		})
	}
}

// eachWith runs a test for each queue with a transform, recovering, and with an
// OnReject that notes the first line of what it is called with, and checks that no
// lock is held.
func eachWith(t *testing.T, f Transform, test func(t *testing.T, q Queue, left *[]string)) {
	for _, name := range []string{"FIFO", "DeltaFIFO"} {
		t.Run(name, func(t *testing.T) {
			var left []string
			var locks []*sync.Mutex
			reject := func(r *event.Rejection) {
				line, _, _ := strings.Cut(r.Error(), "\n")
				left = append(left, line)
				for _, mu := range locks {
					require.True(t, mu.TryLock(), "OnReject is called under a lock")
					mu.Unlock()
				}
			}
			if name == "FIFO" {
				q := NewFIFO(FIFOOptions{Transform: f, Recover: true, OnReject: reject})
				locks = []*sync.Mutex{&q.mu, &q.intake.mu}
				test(t, q, &left)
				return
			}
			q := NewDeltaFIFO(DeltaFIFOOptions{
				Transform: f, Recover: true, OnReject: reject, Known: knownObjects("k1 x1 y1"),
			})
			locks = []*sync.Mutex{&q.mu, &q.intake.mu}
			test(t, q, &left)
		})
	}
}

// picky is a transform that fails for x and z, panics for y, and damages each
// object before it fails.
func picky(o event.Object) (event.Object, error) {
	v := o.(*object)
	name := v.name
	v.name, v.version = name+"'", 0
	switch name {
	case "x":
		return nil, errors.New("no x here")
	case "y":
		panic("no y either")
	case "z":
		return nil, nil
	}
	v.name = name
	return v, nil
}

func TestWhatATransformRejectsIsLeftOutAlone(t *testing.T) {
	eachWith(t, picky, func(t *testing.T, q Queue, left *[]string) {
		require.NoError(t, q.Add(deltas("+a1 +x2 ~y3 ~b4 +z5 ~y6 -c7")), "OnReject is told, so no error is returned")
		require.Equal(t, []string{
			`object x at version "2" left out: queue: transform x: no x here`,
			`object y at version "3" left out: queue: transform y: panic: no y either`,
			`object z at version "5" left out: queue: transform z: returned no object`,
			`object y at version "6" left out: queue: transform y: panic: no y either`,
		}, *left)
		if _, fifo := q.(*FIFO); fifo {
			require.Equal(t, []string{"+a0 ~b0 -c0"}, drain(t, q))
		} else {
			require.Equal(t, []string{"+a0", "~b0"}, drain(t, q), "c was not known")
		}
	})
}

// client-go relists for ever if one object of a list fails.
func TestWhatATransformRejectsIsLeftOutOfAList(t *testing.T) {
	eachWith(t, picky, func(t *testing.T, q Queue, left *[]string) {
		require.NoError(t, q.Replace(objs("a1 x2 b3 y4 z5"), "9"))
		require.Len(t, *left, 3)
		require.Contains(t, (*left)[1], `object y at version "4" left out: queue: transform y: panic: no y either`)
		if f, fifo := q.(*FIFO); fifo {
			list := f.backlog.head.deltas[0].List
			require.Equal(t, []event.Key{{Name: "x"}, {Name: "y"}, {Name: "z"}}, list.Kept, "they were listed")
			require.Equal(t, []string{"initial: all@9(a0 b0)"}, drain(t, q))
		} else {
			require.Equal(t, []string{"initial: =a0", "initial: =b0", "initial: ?k1"}, drain(t, q),
				"x and y are known and were listed: no deletion is inferred")
		}
		require.True(t, q.HasSynced())
	})
}

// A deletion that is lost would leave a ghost in the cache.
func TestADeletionIsQueuedWhateverItsTransformDoes(t *testing.T) {
	eachWith(t, picky, func(t *testing.T, q Queue, left *[]string) {
		require.NoError(t, q.Add(deltas("-x2 -y3")))
		require.Len(t, *left, 2)
		if _, fifo := q.(*FIFO); fifo {
			require.Equal(t, []string{"?x ?y"}, drain(t, q))
		} else {
			require.Equal(t, []string{"?x", "?y"}, drain(t, q))
		}
	})
}

// Without Recover a panic is the caller's, and the queue stays usable.
func TestAPanicOfATransformPassesThrough(t *testing.T) {
	for _, q := range []Queue{
		NewFIFO(FIFOOptions{Transform: picky}), NewDeltaFIFO(DeltaFIFOOptions{Transform: picky}),
	} {
		require.PanicsWithValue(t, "no y either", func() { _ = q.Add(deltas("+a1 +y2")) })
		require.PanicsWithValue(t, "no y either", func() { _ = q.Replace(objs("a1 y2"), "3") })
		require.Zero(t, q.Len())
		require.NoError(t, q.Add(deltas("+b1")))
		require.Equal(t, "+b0", pop(t, q))
	}
}

func TestWithoutOnRejectRejectionsAreReturnedOrLogged(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	for _, q := range []Queue{
		NewFIFO(FIFOOptions{Transform: picky, Logger: logger}),
		NewDeltaFIFO(DeltaFIFOOptions{Transform: picky, Logger: logger}),
	} {
		log.Reset()
		var r *event.Rejection
		require.ErrorAs(t, q.Add(deltas("+a1 +x2")), &r)
		require.Equal(t, event.Key{Name: "x"}, r.Key)
		require.Zero(t, log.Len())
		require.NoError(t, q.Replace(objs("x3 a4"), "5"))
		require.Contains(t, log.String(), "transform x: no x here")
	}
}

func TestOnlyTheFirstPanicsOfAListKeepTheirStacks(t *testing.T) {
	stacks, all := 0, 0
	q := NewFIFO(FIFOOptions{Recover: true, Transform: picky, OnReject: func(r *event.Rejection) {
		var p *event.PanicError
		require.ErrorAs(t, r, &p)
		all++
		if p.Stack != nil {
			require.Contains(t, string(p.Stack), "picky")
			stacks++
		}
	}})
	require.NoError(t, q.Replace(objs(strings.Repeat("y1 ", 3*keptStacks)), "2"))
	require.Equal(t, 3*keptStacks, all)
	require.Equal(t, keptStacks, stacks)
}

func TestPoppedObjectsAreNotRetained(t *testing.T) {
	both(t, func(t *testing.T, q Queue) {
		var refs []weak.Pointer[object]
		add := func(n int) {
			for i := range n {
				o := &object{"a", i}
				refs = append(refs, weak.Make(o))
				require.NoError(t, q.Add([]Delta{{Type: Updated, Object: o}}))
			}
		}
		add(40)
		require.NoError(t, q.Pop(func([]Delta, bool) error {
			if _, fifo := q.(*FIFO); fifo {
				add(40) // unlocked: grows the storage under the batch in hand
			}
			return nil
		}))
		drain(t, q)
		add(3) // storage that is kept for reuse
		drain(t, q)
		runtime.GC()
		runtime.GC()
		for i, r := range refs {
			require.Nil(t, r.Value(), "object %d", i)
		}
		runtime.KeepAlive(q)
	})
}

func TestSlowProcessingIsReported(t *testing.T) {
	cases := []struct {
		name    string
		waiting int
		took    time.Duration
		want    string
	}{
		{"few waiting", 10, time.Hour, ""},
		{"fast", 11, 99 * time.Millisecond, ""},
		{"slow", 11, 100 * time.Millisecond, `first="Added a @1" deltas=1 waiting=11 took=100ms`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				logger := slog.New(slog.NewTextHandler(&log, nil))
				for _, q := range []Queue{
					NewFIFO(FIFOOptions{Logger: logger}), NewDeltaFIFO(DeltaFIFOOptions{Logger: logger}),
				} {
					log.Reset()
					require.NoError(t, q.Add(deltas("+a1")))
					for i := range c.waiting {
						require.NoError(t, q.Bookmark("1"))
						if _, fifo := q.(*FIFO); !fifo {
							o := &object{"k" + string(rune('a'+i)), 1}
							require.NoError(t, q.Add([]Delta{{Type: Added, Object: o}}))
						}
					}
					require.NoError(t, q.Pop(func([]Delta, bool) error { time.Sleep(c.took); return nil }))
					require.Contains(t, log.String(), c.want)
					require.Equal(t, c.want == "", log.Len() == 0)
				}
			})
		})
	}
}

// TestManyProducers races producers, resyncs, bookmarks and readers with one
// popper, and checks that each producer's deltas come whole and in order.
func TestManyProducers(t *testing.T) {
	const producers, each = 4, 3000
	run := func(t *testing.T, q Queue) {
		var wg sync.WaitGroup
		for p := range producers {
			wg.Go(func() {
				batch := make([]Delta, 0, 7)
				for i := range each {
					batch = append(batch, Delta{Type: Updated, Object: &object{fmt.Sprint(p), i}})
					if len(batch) == cap(batch) || i == each-1 {
						require.NoError(t, q.Add(batch))
						batch = batch[:0]
					}
				}
			})
		}
		stop := make(chan struct{})
		go func() {
			for range 200 {
				_, _ = q.Resync(), q.Bookmark("1")
				_, _ = q.Len(), q.HasSynced()
				runtime.Gosched()
			}
			wg.Wait()
			q.Close()
			close(stop)
		}()
		next := map[string]int{}
		for {
			err := q.Pop(func(deltas []Delta, _ bool) error {
				for _, d := range deltas {
					if d.Type != Updated {
						continue
					}
					o := d.Object.(*object)
					require.Equal(t, next[o.name], o.version)
					next[o.name]++
				}
				return nil
			})
			if err != nil {
				require.ErrorIs(t, err, ErrClosed)
				break
			}
		}
		<-stop
		for p := range producers {
			require.Equal(t, each, next[fmt.Sprint(p)])
		}
	}
	both(t, run)
	same := func(o event.Object) (event.Object, error) { return o, nil }
	t.Run("FIFO with transform", func(t *testing.T) { run(t, NewFIFO(FIFOOptions{Transform: same})) })
	t.Run("DeltaFIFO with known objects", func(t *testing.T) {
		run(t, NewDeltaFIFO(DeltaFIFOOptions{Transform: same, Known: knownObjects("a1 b1")}))
	})
}
