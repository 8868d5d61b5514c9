package queue

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"informerlab/core/event"
)

func TestFIFOKeepsEveryDeltaInOrder(t *testing.T) {
	q := NewFIFO(FIFOOptions{})
	require.NoError(t, q.Add(deltas("+a1 ~b2 ~a3")))
	require.NoError(t, q.Add(deltas("-a4 -a4 -c9")))
	require.Equal(t, 6, q.Len())
	require.Equal(t, []string{"+a1 ~b2 ~a3 -a4 -a4 -c9"}, drain(t, q),
		"nothing is merged, a key may come twice, an unknown key may be deleted")
}

func TestFIFOHandsOutAloneWhatConcernsTheWholeCache(t *testing.T) {
	q := NewFIFO(FIFOOptions{})
	require.NoError(t, q.Add(deltas("+a1")))
	require.NoError(t, q.Replace(objs("a2 b2"), "2"))
	require.NoError(t, q.Bookmark("3"))
	require.NoError(t, q.Bookmark("4"))
	require.NoError(t, q.Add(deltas("~a5 ~b6")))
	require.NoError(t, q.Resync())
	require.NoError(t, q.Add(deltas("-b7")))
	want := []string{"+a1", "all@2(a2 b2)", "mark@3", "mark@4", "~a5 ~b6", "sync", "-b7"}
	require.Equal(t, want, drain(t, q))
}

func TestFIFOInitialPopulationIsTheWholeQueueAtTheFirstReplace(t *testing.T) {
	q := NewFIFO(FIFOOptions{})
	require.NoError(t, q.Bookmark("1"))
	require.NoError(t, q.Resync())
	require.Equal(t, "initial: mark@1", pop(t, q), "neither populates the queue")
	require.False(t, q.HasSynced())
	require.NoError(t, q.Replace(objs("a1 b1"), "2"))
	require.NoError(t, q.Add(deltas("~a3")))
	require.NoError(t, q.Replace(objs("a1"), "4"))
	require.Equal(t, "initial: sync", pop(t, q))
	require.False(t, q.HasSynced())
	require.Equal(t, "initial: all@2(a1 b1)", pop(t, q))
	require.True(t, q.HasSynced())
	require.Equal(t, []string{"~a3", "all@4(a1)"}, drain(t, q))
}

// TestFIFOWhatIsInHandIsNotOwed: a bookmark is being processed while the first
// Replace comes. Its end must not count as the end of the ReplacedAll.
func TestFIFOWhatIsInHandIsNotOwed(t *testing.T) {
	q := NewFIFO(FIFOOptions{})
	require.NoError(t, q.Bookmark("1"))
	require.NoError(t, q.Pop(func([]Delta, bool) error { return q.Replace(nil, "2") }))
	require.False(t, q.HasSynced())
	require.Equal(t, "initial: all@2()", pop(t, q))
	require.True(t, q.HasSynced())
}

func TestFIFOBatchesAreLargeAndBounded(t *testing.T) {
	const n = 10*maxBatch + 123
	q := NewFIFO(FIFOOptions{})
	for i := range n {
		require.NoError(t, q.Add([]Delta{{Type: Updated, Object: &object{"a", i}}}))
	}
	next, pops := 0, 0
	for q.Len() > 0 {
		require.NoError(t, q.Pop(func(deltas []Delta, _ bool) error {
			require.LessOrEqual(t, len(deltas), maxBatch)
			for _, d := range deltas {
				require.Equal(t, next, d.Object.(*object).version)
				next++
			}
			return nil
		}))
		pops++
	}
	require.Equal(t, n, next)
	require.LessOrEqual(t, pops, n/maxBatch+2)
}

func TestFIFOUnlocksWhileProcessingUnlessLong(t *testing.T) {
	for remaining, blocked := range map[int]bool{valve - 1: false, valve: true} {
		t.Run(fmt.Sprint(remaining), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := NewFIFO(FIFOOptions{})
				require.NoError(t, q.Resync())
				for i := range remaining {
					require.NoError(t, q.Add([]Delta{{Type: Added, Object: &object{"a", i}}}))
				}
				added := false
				require.NoError(t, q.Pop(func([]Delta, bool) error {
					go func() { _ = q.Resync(); added = true }()
					if blocked {
						// A goroutine that waits for a mutex is not durably
						// blocked, so give it every chance to run instead.
						for range 100 {
							runtime.Gosched()
						}
					} else {
						synctest.Wait()
					}
					require.Equal(t, !blocked, added)
					return nil
				}))
				synctest.Wait()
				require.True(t, added)
			})
		})
	}
}

var fifoRequeues = []struct {
	name  string
	first func(q *FIFO) error // queued and failed
	then  func(q *FIFO) error // queued meanwhile
	want  []string
}{
	{
		"deltas go to the back, all of a key in order",
		func(q *FIFO) error { return q.Add(deltas("+a1 +b1 ~a2")) },
		func(q *FIFO) error { return q.Add(deltas("+c1")) },
		[]string{"+c1 +a1 +b1 ~a2"},
	}, {
		"a key with something newer is dropped",
		func(q *FIFO) error { return q.Add(deltas("+a1 +b1 ~a2")) },
		func(q *FIFO) error { return q.Add(deltas("-a3 +c1")) },
		[]string{"-a3 +c1 +b1"},
	}, {
		"a relist is newer than all",
		func(q *FIFO) error { return q.Add(deltas("+a1 +b1")) },
		func(q *FIFO) error { return q.Replace(objs("c2"), "2") },
		[]string{"all@2(c2)"},
	}, {
		"a resync or a bookmark is not",
		func(q *FIFO) error { return q.Add(deltas("+a1")) },
		func(q *FIFO) error { return errors.Join(q.Resync(), q.Bookmark("2")) },
		[]string{"sync", "mark@2", "+a1"},
	}, {
		"a relist goes to the front",
		func(q *FIFO) error { return q.Replace(objs("a1"), "1") },
		func(q *FIFO) error { return q.Add(deltas("~a2")) },
		[]string{"initial: all@1(a1)", "~a2"},
	}, {
		"unless there is a newer one",
		func(q *FIFO) error { return q.Replace(objs("a1"), "1") },
		func(q *FIFO) error { return errors.Join(q.Add(deltas("~a2")), q.Replace(objs("a2"), "2")) },
		[]string{"~a2", "all@2(a2)"},
	}, {
		"a relist at the front of storage that has grown meanwhile",
		func(q *FIFO) error { return q.Replace(nil, "1") },
		func(q *FIFO) error {
			for i := range 3 * minChunk {
				if err := q.Bookmark(fmt.Sprint(i)); err != nil {
					return err
				}
			}
			return nil
		},
		append([]string{"initial: all@1()"}, marks(3*minChunk)...),
	}, {
		"a resync goes to the back",
		(*FIFO).Resync,
		func(q *FIFO) error { return q.Add(deltas("+a1")) },
		[]string{"+a1", "sync"},
	}, {
		"unless there is one",
		(*FIFO).Resync,
		func(q *FIFO) error { return errors.Join(q.Add(deltas("+a1")), q.Resync()) },
		[]string{"+a1", "sync"},
	}, {
		"a bookmark stays last",
		func(q *FIFO) error { return q.Bookmark("1") },
		func(q *FIFO) error { return nil },
		[]string{"initial: mark@1"},
	}, {
		"a bookmark with anything behind it is dropped",
		func(q *FIFO) error { return q.Bookmark("1") },
		func(q *FIFO) error { return q.Add(deltas("+a1")) },
		[]string{"+a1"},
	}, {
		"nothing is put back after Close",
		func(q *FIFO) error { return q.Add(deltas("+a1")) },
		func(q *FIFO) error { q.Close(); return nil },
		nil,
	},
}

func TestFIFORequeue(t *testing.T) {
	refused := errors.New("refused")
	for _, c := range fifoRequeues {
		t.Run(c.name, func(t *testing.T) {
			q := NewFIFO(FIFOOptions{Requeue: true})
			require.NoError(t, c.first(q))
			require.Equal(t, refused, q.Pop(func([]Delta, bool) error {
				require.NoError(t, c.then(q)) // unlocked, the queue is short
				return refused
			}))
			require.Equal(t, len(c.want) == 0, q.Len() == 0)
			require.Equal(t, c.want, drain(t, q))
			require.Zero(t, q.backlog.alone)
		})
	}
}

func marks(n int) (pops []string) {
	for i := range n {
		pops = append(pops, fmt.Sprintf("mark@%d", i))
	}
	return pops
}

func TestFIFORequeuedInitialListIsStillOwed(t *testing.T) {
	q := NewFIFO(FIFOOptions{Requeue: true})
	require.NoError(t, q.Replace(objs("a1"), "1"))
	for range 3 {
		require.Error(t, q.Pop(failing(errors.New("refused"))))
		require.False(t, q.HasSynced())
	}
	require.Equal(t, "initial: all@1(a1)", pop(t, q))
	require.True(t, q.HasSynced())
}

// TestFIFOTransformDoesNotHoldUpThePopper: a popper gets what is queued while a
// transform of the next objects is stuck.
func TestFIFOTransformDoesNotHoldUpThePopper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		q := NewFIFO(FIFOOptions{Transform: func(o event.Object) (event.Object, error) {
			if o.GetName() == "s" {
				<-stuck
			}
			return o, nil
		}})
		require.NoError(t, q.Add(deltas("+a1")))
		go func() { _ = q.Add(deltas("+b1 +s1")) }()
		synctest.Wait()
		require.Equal(t, "+a1", pop(t, q))
		require.Zero(t, q.Len())
		close(stuck)
		require.Equal(t, "+b1 +s1", pop(t, q))
	})
}

// bytesHeld is what the backlog's chunks take.
func (b *backlog) bytesHeld() (bytes int) {
	for c := b.head; c != nil; c = c.next {
		bytes += cap(c.deltas) * 32
	}
	for c := b.spare; c != nil; c = c.next {
		bytes += cap(c.deltas) * 32
	}
	return bytes
}

func TestFIFOGivesMemoryBack(t *testing.T) {
	q := NewFIFO(FIFOOptions{})
	require.NoError(t, q.Add(deltas("+a1 +b1")))
	require.LessOrEqual(t, q.backlog.bytesHeld(), 512, "a quiet informer holds little")
	batch := make([]Delta, 256)
	for i := range batch {
		batch[i] = deltas("+a1")[0]
	}
	for range 400 {
		require.NoError(t, q.Add(batch))
	}
	require.Greater(t, q.backlog.bytesHeld(), 3_000_000)
	for half := q.Len() / 2; q.Len() > half; {
		pop(t, q)
	}
	require.Less(t, q.backlog.bytesHeld(), 1_800_000, "the footprint follows the backlog down")
	drain(t, q)
	require.LessOrEqual(t, q.backlog.bytesHeld(), 144<<10)
	for range maxSpare {
		require.NoError(t, q.Add(batch[:1]))
		drain(t, q)
	}
	require.LessOrEqual(t, q.backlog.bytesHeld(), 16<<10)
}

func TestFIFOAllocatesNothingInSteadyState(t *testing.T) {
	batch := make([]Delta, 256)
	for i := range batch {
		batch[i] = deltas("~a1")[0]
	}
	count := 0
	process := func(deltas []Delta, _ bool) error { count += len(deltas); return nil }
	same := func(o event.Object) (event.Object, error) { return o, nil }
	for name, o := range map[string]FIFOOptions{
		"plain": {}, "transform": {Transform: same}, "requeue": {Requeue: true},
	} {
		t.Run(name, func(t *testing.T) {
			q := NewFIFO(o)
			step := func() {
				for _, keep := range []int{600, 256, 0} { // the chunks rotate, then run empty
					for range 12 {
						_ = q.Add(batch)
					}
					for q.Len() > keep {
						_ = q.Pop(process)
					}
				}
			}
			for range 20 {
				step()
			}
			require.Zero(t, testing.AllocsPerRun(100, step))
		})
	}
	require.NotZero(t, count)
}
