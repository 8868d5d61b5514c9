package workqueue

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// subject is what a history is played on.
type subject interface {
	Add(item int)
	AddAfter(item int, delay time.Duration)
	Get() (item int, shutdown bool)
	Done(item int)
	Len() int
	Scheduled() int
	ShutDown()
	ShutDownWithDrain()
	ShuttingDown() bool
}

// twin is a Delaying queue as one would explain it: lists that are searched
// from the front. It never waits: the player asks it first whether it would.
type twin struct {
	now       time.Duration
	ready     []int
	hand      []int
	again     []int        // in hand and added meanwhile
	scheduled []entry[int] // in the order in which they are due
	seq       uint64
	down      bool
	drains    int // that have not returned
}

func (w *twin) add(item int) {
	switch {
	case w.down || slices.Contains(w.ready, item) || slices.Contains(w.again, item):
	case slices.Contains(w.hand, item):
		w.again = append(w.again, item)
	default:
		w.ready = append(w.ready, item)
	}
}

func (w *twin) addAfter(item int, delay time.Duration) {
	if w.down {
		return
	}
	if delay <= 0 {
		w.add(item)
		return
	}
	w.seq++
	e := entry[int]{item, time.Time{}.Add(w.now + delay), w.seq}
	if i := slices.IndexFunc(w.scheduled, func(e entry[int]) bool { return e.item == item }); i >= 0 {
		if !e.due.Before(w.scheduled[i].due) {
			return
		}
		w.scheduled = slices.Delete(w.scheduled, i, i+1)
	}
	at := slices.IndexFunc(w.scheduled, func(other entry[int]) bool { return e.before(&other) })
	if at < 0 {
		at = len(w.scheduled)
	}
	w.scheduled = slices.Insert(w.scheduled, at, e)
}

func (w *twin) pass(d time.Duration) {
	w.now += d
	for len(w.scheduled) > 0 && !w.scheduled[0].due.After(time.Time{}.Add(w.now)) {
		w.add(w.scheduled[0].item)
		w.scheduled = w.scheduled[1:]
	}
}

func (w *twin) get() (item int, shutdown bool) {
	if len(w.ready) == 0 {
		return 0, true
	}
	item = w.ready[0]
	w.ready = w.ready[1:]
	w.hand = append(w.hand, item)
	return item, false
}

func (w *twin) done(item int) {
	i := slices.Index(w.hand, item)
	if i < 0 {
		return
	}
	w.hand = slices.Delete(w.hand, i, i+1)
	if i := slices.Index(w.again, item); i >= 0 {
		w.again = slices.Delete(w.again, i, i+1)
		w.ready = append(w.ready, item)
	}
	if len(w.hand) == 0 {
		w.drains = 0
	}
}

func (w *twin) shutDown(drain bool) {
	w.down, w.scheduled = true, nil
	switch {
	case !drain:
		w.drains = 0
	case len(w.hand) > 0:
		w.drains++
	}
}

// step is one call, or the passing of time.
type step struct {
	verb  string
	item  int
	delay time.Duration
}

func (s step) String() string {
	switch s.verb {
	case "AddAfter":
		return fmt.Sprintf("AddAfter(%d, %v)", s.item, s.delay)
	case "Add", "Done":
		return fmt.Sprintf("%s(%d)", s.verb, s.item)
	case "pass":
		return fmt.Sprintf("pass(%v)", s.delay)
	}
	return s.verb
}

// verbs in the proportions in which random histories have them; a shutdown is
// rare, because little happens after it.
var verbs = func() (all []string) {
	shares := map[string]int{
		"Add": 20, "AddAfter": 12, "Get": 18, "Done": 18, "pass": 9, "down": 1, "drain": 2,
	}
	for verb, share := range shares {
		for range share {
			all = append(all, verb)
		}
	}
	slices.Sort(all)
	return all
}()

// stepOf makes a step of two bytes: few items and few delays, so that they meet.
func stepOf(a, b byte) step {
	return step{verbs[int(a)%len(verbs)], int(b % 7), time.Duration(b/7%6) * time.Millisecond}
}

// play runs a history on a subject, in a bubble, and compares all that can be
// seen with the twin after each step.
func play(t *testing.T, fresh func() subject, history []step) (failure error) {
	synctest.Test(t, func(t *testing.T) {
		q, w, drains := fresh(), &twin{}, []func() bool{}
		defer q.ShutDown() // ends the drains, too
		for i, s := range history {
			if failure = apply(q, w, s, &drains); failure == nil {
				failure = compare(q, w, drains)
			}
			if failure != nil {
				failure = fmt.Errorf("step %d, %v: %w", i, s, failure)
				return
			}
		}
	})
	return failure
}

// apply makes one step on both sides.
func apply(q subject, w *twin, s step, drains *[]func() bool) error {
	switch s.verb {
	case "Add":
		q.Add(s.item)
		w.add(s.item)
	case "AddAfter":
		q.AddAfter(s.item, s.delay)
		w.addAfter(s.item, s.delay)
	case "Done":
		q.Done(s.item)
		w.done(s.item)
	case "pass":
		time.Sleep(s.delay)
		w.pass(s.delay)
	case "down":
		q.ShutDown()
		w.shutDown(false)
	case "drain":
		*drains = append(*drains, done(q.ShutDownWithDrain))
		w.shutDown(true)
	case "Get":
		if len(w.ready) == 0 && !w.down {
			return nil // it would wait
		}
		wantItem, wantShutdown := w.get()
		var item int
		var shutdown bool
		if !done(func() { item, shutdown = q.Get() })() {
			q.ShutDown()
			return fmt.Errorf("waits, want %d, %v", wantItem, wantShutdown)
		}
		if item != wantItem || shutdown != wantShutdown {
			return fmt.Errorf("got %d, %v, want %d, %v", item, shutdown, wantItem, wantShutdown)
		}
	}
	synctest.Wait()
	return nil
}

// compare compares what can be seen without changing anything.
func compare(q subject, w *twin, drains []func() bool) error {
	waiting := 0
	for _, returned := range drains {
		if !returned() {
			waiting++
		}
	}
	got := fmt.Sprint(q.Len(), q.Scheduled(), q.ShuttingDown(), waiting)
	want := fmt.Sprint(len(w.ready), len(w.scheduled), w.down, w.drains)
	if got != want {
		return fmt.Errorf("got Len, Scheduled, ShuttingDown, waiting drains = %s, want %s", got, want)
	}
	return nil
}

// shrink drops steps of a failing history as long as it still fails.
func shrink(t *testing.T, fresh func() subject, history []step) []step {
	for size := len(history) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(history); {
			shorter := slices.Concat(history[:at], history[at+size:])
			if play(t, fresh, shorter) == nil {
				at += size
			} else {
				history = shorter
			}
		}
	}
	return history
}

// explain is play with a readable failure.
func explain(t *testing.T, fresh func() subject, history []step) error {
	if play(t, fresh, history) == nil {
		return nil
	}
	history = shrink(t, fresh, history)
	lines := []string{}
	for _, s := range history {
		lines = append(lines, s.String())
	}
	return fmt.Errorf("%w\nhistory:\n  %s", play(t, fresh, history), strings.Join(lines, "\n  "))
}

// randomHistory is a history of n steps.
func randomHistory(random *rand.Rand, n int) []step {
	history := make([]step, n)
	for i := range history {
		history[i] = stepOf(byte(random.Uint32()), byte(random.Uint32()))
	}
	return history
}

func newSubject() subject { return NewDelaying[int](Options{Name: "q", Metrics: NewRegistry()}) }

func TestRandomHistories(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		require.NoError(t, explain(t, newSubject, randomHistory(random, 200)), "seed %d", seed)
	}
}

// brokenQueue is a queue with one method that is wrong in a likely way.
type brokenQueue struct {
	*Delaying[int]
	add      func(q *Delaying[int], item int)
	addAfter func(q *Delaying[int], item int, delay time.Duration)
	done     func(q *Delaying[int], item int)
	drain    func(q *Delaying[int])
}

func (b *brokenQueue) Add(item int)                       { b.add(b.Delaying, item) }
func (b *brokenQueue) AddAfter(item int, d time.Duration) { b.addAfter(b.Delaying, item, d) }
func (b *brokenQueue) Done(item int)                      { b.done(b.Delaying, item) }
func (b *brokenQueue) ShutDownWithDrain()                 { b.drain(b.Delaying) }

// Histories that no broken queue fails would prove nothing.
func TestHistoriesFindBrokenQueues(t *testing.T) {
	for name, spoil := range map[string]func(*brokenQueue){
		"an add while in hand is lost": func(b *brokenQueue) {
			b.add = func(q *Delaying[int], item int) {
				if q.states[item]&inHand == 0 {
					q.Add(item)
				}
			}
		},
		"a waiting item is there twice": func(b *brokenQueue) {
			b.add = func(q *Delaying[int], item int) {
				if q.states[item] == dirty && !q.shuttingDown {
					q.push(item)
				}
				q.Add(item)
			}
		},
		"the newest time counts": func(b *brokenQueue) {
			b.addAfter = func(q *Delaying[int], item int, delay time.Duration) {
				if i, known := q.schedule.index[item]; known && delay > 0 {
					q.schedule.heap[i].due = time.Now().Add(delay)
				}
				q.AddAfter(item, delay)
			}
		},
		"done brings an item back always": func(b *brokenQueue) {
			b.done = func(q *Delaying[int], item int) { q.Add(item); q.Done(item) }
		},
		"done brings an item back to the front": func(b *brokenQueue) {
			b.done = func(q *Delaying[int], item int) {
				before := q.Len()
				q.Done(item)
				if q.Len() > before {
					for range before {
						q.ready.push(q.ready.pop())
					}
				}
			}
		},
		"a drain waits for nothing": func(b *brokenQueue) { b.drain = (*Delaying[int]).ShutDown },
	} {
		t.Run(name, func(t *testing.T) {
			broken := func() subject {
				b := &brokenQueue{
					NewDelaying[int](Options{}), (*Delaying[int]).Add, (*Delaying[int]).AddAfter,
					(*Delaying[int]).Done, (*Delaying[int]).ShutDownWithDrain,
				}
				spoil(b)
				return b
			}
			random := rand.New(rand.NewPCG(1, 0))
			found := false
			for range 20 {
				found = found || play(t, broken, randomHistory(random, 200)) != nil
			}
			assert.True(t, found)
		})
	}
}

func FuzzHistory(f *testing.F) {
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz"))
	random := rand.New(rand.NewPCG(1, 2))
	for range 10 {
		seed := make([]byte, 200)
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		history := []step{}
		for ; len(data) > 1 && len(history) < 500; data = data[2:] {
			history = append(history, stepOf(data[0], data[1]))
		}
		require.NoError(t, explain(t, newSubject, history))
	})
}
