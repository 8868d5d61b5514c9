package processor_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/core/processor"
)

// A state is one state of the only object of these tests. Its value may change
// although its version does not.
type state struct {
	version string
	value   int
}

func (*state) GetNamespace() string         { return "n" }
func (*state) GetName() string              { return "o" }
func (s *state) GetResourceVersion() string { return s.version }

var nothing = event.Tombstone{Namespace: "n", Name: "o"}

func TestMerge(t *testing.T) {
	const initial, unknown = event.Initial, event.FinalStateUnknown
	a, b, c, d := &state{"1", 1}, &state{"2", 2}, &state{"3", 3}, &state{"4", 4}
	type n = event.Notification
	deletion := func(last, before event.Object, flags event.Flags) n {
		return n{Kind: event.Delete, Old: last, New: before, Seq: 5, Flags: flags}
	}
	addA := n{Kind: event.Add, New: a, Seq: 5, Flags: initial}
	aToB := n{Kind: event.Update, Old: a, New: b, Seq: 5}
	syncA := n{Kind: event.Update, Old: a, New: a, Seq: 5, Round: 3}
	syncB := n{Kind: event.Update, Old: b, New: b, Seq: 9, Round: 4}
	bToC := n{Kind: event.Update, Old: b, New: c, Seq: 9}
	addD := n{Kind: event.Add, New: d, Seq: 9, Flags: initial}
	goneC := n{Kind: event.Delete, Old: c, New: b, Seq: 9}
	staleB := n{Kind: event.Delete, Old: b, Seq: 9, Flags: unknown}
	bare := n{Kind: event.Delete, Old: nothing, New: b, Seq: 9, Flags: unknown}
	nobody := n{Kind: event.Delete, Old: nothing, Seq: 5, Flags: unknown}
	stranger := n{Kind: event.Delete, Old: c, New: nothing, Seq: 5}
	// Deletes that wait after the handler has been told of a.
	exactA := n{Kind: event.Delete, Old: a, Seq: 5}
	lateA := n{Kind: event.Delete, Old: b, New: a, Seq: 5}
	staleA := n{Kind: event.Delete, Old: a, Seq: 5, Flags: unknown}
	bareA := n{Kind: event.Delete, Old: nothing, New: a, Seq: 5, Flags: unknown}
	// Deletes of what the cache did not hold.
	otherD := n{Kind: event.Delete, Old: d, New: nothing, Seq: 9}
	otherStale := n{Kind: event.Delete, Old: d, New: nothing, Seq: 9, Flags: unknown}
	otherBare := n{Kind: event.Delete, Old: nothing, New: nothing, Seq: 9, Flags: unknown}

	for name, row := range map[string]struct {
		pending, next, want event.Notification
	}{
		"add, update":  {addA, aToB, n{Kind: event.Add, New: b, Seq: 5, Flags: initial}},
		"add, sync":    {addA, syncA, addA},
		"add, add":     {addA, addD, n{Kind: event.Add, New: d, Seq: 5, Flags: initial}},
		"update, sync": {aToB, syncB, aToB},

		"update, update": {aToB, bToC, n{Kind: event.Update, Old: a, New: c, Seq: 5}},
		"sync, update":   {syncA, aToB, n{Kind: event.Update, Old: a, New: b, Seq: 5}},
		"sync, sync":     {syncA, syncA, syncA},

		"update, delete":       {aToB, goneC, deletion(c, a, 0)},
		"update, stale delete": {aToB, staleB, deletion(b, a, unknown)},
		"update, bare delete":  {aToB, bare, deletion(nothing, a, unknown)},
		"sync, delete":         {syncA, lateA, deletion(b, a, 0)},

		"delete, add":                   {exactA, addD, n{Kind: event.Update, Old: a, New: d, Seq: 5}},
		"delete of a later state, add":  {lateA, addD, n{Kind: event.Update, Old: a, New: d, Seq: 5}},
		"stale delete, add":             {staleA, addD, n{Kind: event.Update, Old: a, New: d, Seq: 5}},
		"bare delete, add":              {bareA, addD, n{Kind: event.Update, Old: a, New: d, Seq: 5}},
		"delete of nobody, add":         {nobody, addD, n{Kind: event.Add, New: d, Seq: 5}},
		"delete of a stranger, add":     {stranger, addD, n{Kind: event.Add, New: d, Seq: 5}},
		"delete, sync":                  {exactA, syncA, exactA},
		"delete, delete":                {exactA, otherD, deletion(d, a, 0)},
		"delete, stale delete":          {exactA, otherStale, deletion(a, a, 0)},
		"delete, bare delete":           {lateA, otherBare, lateA},
		"stale delete, delete":          {staleA, otherD, deletion(d, a, 0)},
		"stale delete, stale delete":    {staleA, otherStale, deletion(d, a, unknown)},
		"stale delete, bare delete":     {staleA, otherBare, deletion(a, a, unknown)},
		"bare delete, delete":           {bareA, otherD, deletion(d, a, 0)},
		"bare delete, bare delete":      {bareA, otherBare, bareA},
		"delete of nobody, delete":      {nobody, otherD, deletion(d, nothing, 0)},
		"delete of a stranger, another": {stranger, otherD, deletion(d, nothing, 0)},
	} {
		got, outcome := processor.Merge(row.pending, row.next)
		assert.Equal(t, buffer.Merged, outcome, name)
		assert.Equal(t, row.want, got, name)
	}
	_, outcome := processor.Merge(addA, goneC)
	assert.Equal(t, buffer.Cancel, outcome)
}

// A sync may bring another state of the same version.
func TestMergeKeepsTheStateOfASync(t *testing.T) {
	a, b, b2 := &state{"1", 1}, &state{"2", 2}, &state{"2", 3}
	type n = event.Notification
	sync := n{Kind: event.Update, Old: b, New: b2, Seq: 9, Round: 4}
	for name, row := range map[string]struct{ pending, want n }{
		"add": {
			n{Kind: event.Add, New: a, Seq: 5, Flags: event.Initial},
			n{Kind: event.Add, New: b2, Seq: 5, Flags: event.Initial},
		},
		"update": {n{Kind: event.Update, Old: a, New: b, Seq: 5}, n{Kind: event.Update, Old: a, New: b2, Seq: 5}},
		"sync": {
			n{Kind: event.Update, Old: a, New: a, Seq: 5, Round: 3},
			n{Kind: event.Update, Old: a, New: b2, Seq: 5, Round: 3},
		},
	} {
		got, outcome := processor.Merge(row.pending, sync)
		assert.Equal(t, buffer.Merged, outcome, name)
		assert.Equal(t, row.want, got, name)
	}
}

type mergeFunc func(pending, next event.Notification) (event.Notification, buffer.Outcome)

// A tale is a random history of one object, folded by a merge function wherever
// the handler has not come, and told to a handler that applies what it hears.
type tale struct {
	rng   *rand.Rand
	merge mergeFunc

	// What the controller does.
	version int
	value   int
	seq     uint64
	cached  *state
	synced  bool // the initial list has ended

	waiting   *event.Notification
	firstSeq  uint64          // of what waits
	unsettled map[uint64]bool // pushed with the initial flag

	told *state // what the handler knows
}

// fold tells a tale of that many events and returns the first thing wrong with
// what the handler is told.
func fold(merge mergeFunc, seed uint64, events int) error {
	s := tale{rng: rand.New(rand.NewPCG(seed, 1)), merge: merge, unsettled: map[uint64]bool{}}
	pace := s.rng.IntN(6) // how many events come before the handler is ready, about
	for range events {
		if n, ok := s.happen(); ok {
			if err := s.push(n); err != nil {
				return err
			}
		}
		if s.rng.IntN(1+pace) == 0 {
			if err := s.pop(); err != nil {
				return err
			}
		}
	}
	if err := s.pop(); err != nil {
		return err
	}
	if len(s.unsettled) > 0 {
		return fmt.Errorf("initial adds %v were never settled", s.unsettled)
	}
	if s.told != nil && s.cached == nil || s.cached != nil && (s.told == nil || *s.told != *s.cached) {
		return fmt.Errorf("the cache is at %v, the handler at %v", s.cached, s.told)
	}
	return nil
}

func (s *tale) next() *state {
	s.version++
	s.value++
	return &state{strconv.Itoa(s.version), s.value}
}

// happen makes the notification of the next event, as the controller would. Not
// every event makes one.
func (s *tale) happen() (n event.Notification, ok bool) {
	s.seq++
	n.Seq = s.seq
	s.synced = s.synced || s.rng.IntN(5) == 0
	before := s.cached
	if before == nil && s.rng.IntN(3) > 0 {
		s.cached = s.next()
		n.Kind, n.New = event.Add, s.cached
		if !s.synced {
			n.Flags = event.Initial
		}
		return n, true
	}
	if before != nil {
		switch s.rng.IntN(5) {
		case 0, 1:
			s.cached = s.next()
			n.Kind, n.Old, n.New = event.Update, before, s.cached
			return n, true
		case 2: // from a relist, so that it is another object, perhaps in another state
			n.Kind, n.Old, n.Round = event.Update, before, uint32(s.seq)
			if s.rng.IntN(2) == 0 { // this handler is not due
				s.cached = &state{before.version, before.value}
				return n, false
			}
			s.value++
			s.cached = &state{before.version, s.value}
			n.New = s.cached
			return n, true
		}
	}
	return s.deleted(n, before), true
}

// deleted makes n a delete, of what the cache may not have held.
func (s *tale) deleted(n event.Notification, before *state) event.Notification {
	s.cached = nil
	n.Kind, n.New = event.Delete, nothing
	if before != nil {
		n.New = before
	}
	if s.rng.IntN(2) == 0 {
		n.Flags = event.FinalStateUnknown
	}
	switch s.rng.IntN(3) {
	case 0:
		n.Old = s.next()
	case 1:
		n.Old, n.Flags = nothing, event.FinalStateUnknown
	default:
		if before == nil {
			n.Old = s.next()
		} else {
			n.Old, n.New = before, nil
		}
	}
	return n
}

func (s *tale) push(n event.Notification) error {
	if n.Flags&event.Initial != 0 {
		s.unsettled[n.Seq] = true
	}
	if s.waiting == nil {
		s.waiting, s.firstSeq = &n, n.Seq
		return nil
	}
	merged, outcome := s.merge(*s.waiting, n)
	switch outcome {
	case buffer.Merged:
		s.waiting = &merged
		return s.settle(n)
	case buffer.Cancel:
		first := *s.waiting
		s.waiting = nil
		if err := s.settle(first); err != nil {
			return err
		}
		return s.settle(n)
	}
	return fmt.Errorf("outcome %d", outcome)
}

// settle counts off a notification that was discarded or handled.
func (s *tale) settle(n event.Notification) error {
	if n.Flags&event.Initial == 0 {
		return nil
	}
	if !s.unsettled[n.Seq] {
		return fmt.Errorf("initial add %d was settled twice", n.Seq)
	}
	delete(s.unsettled, n.Seq)
	return nil
}

// pop tells the handler what waits, and checks that it makes sense to it.
func (s *tale) pop() error {
	if s.waiting == nil {
		return nil
	}
	n := *s.waiting
	s.waiting = nil
	if n.Seq != s.firstSeq {
		return fmt.Errorf("%v has seq %d, the first that it stands for %d", n, n.Seq, s.firstSeq)
	}
	version := func(o event.Object) string {
		if o == nil {
			return ""
		}
		return o.GetResourceVersion()
	}
	knows := ""
	if s.told != nil {
		knows = s.told.version
	}
	if got := version(n.Before()); got != knows {
		return fmt.Errorf("%v comes after state %q, the handler was told %q", n, got, knows)
	}
	if s.told == nil != (n.Kind == event.Add) && n.Kind != event.Delete {
		return fmt.Errorf("%v, and the handler was told %q", n, knows)
	}
	if n.Kind != event.Add {
		s.told = nil
	}
	if n.Kind == event.Delete {
		return nil
	}
	s.told = n.New.(*state)
	if n.Kind == event.Add {
		return s.settle(n)
	}
	return nil
}

func TestMergedHistoriesMakeSense(t *testing.T) {
	for seed := range uint64(20000) {
		if err := fold(processor.Merge, seed, 3+int(seed%40)); err != nil {
			require.NoError(t, err, "seed %d", seed)
		}
	}
}

// TestMergedHistoriesCatch shows that each rule of the table is needed.
func TestMergedHistoriesCatch(t *testing.T) {
	merged := func(change func(got *event.Notification, pending, next event.Notification)) mergeFunc {
		return func(pending, next event.Notification) (event.Notification, buffer.Outcome) {
			got, outcome := processor.Merge(pending, next)
			change(&got, pending, next)
			return got, outcome
		}
	}
	for name, merge := range map[string]mergeFunc{
		"the last one wins": func(_, next event.Notification) (event.Notification, buffer.Outcome) {
			return next, buffer.Merged
		},
		"cancels every delete": func(pending, next event.Notification) (event.Notification, buffer.Outcome) {
			if next.Kind == event.Delete {
				return next, buffer.Cancel
			}
			return processor.Merge(pending, next)
		},
		"the old state is the one overwritten": merged(func(got *event.Notification, _, next event.Notification) {
			if got.Kind == event.Update && next.Old != nil {
				got.Old = next.Old
			}
		}),
		"a delete forgets what was told": merged(func(got *event.Notification, _, _ event.Notification) {
			if got.Kind == event.Delete {
				got.New = nil
			}
		}),
		"a revived object is always an update": merged(func(got *event.Notification, pending, _ event.Notification) {
			if pending.Kind == event.Delete && got.Kind == event.Add {
				got.Kind, got.Old = event.Update, pending.Old
			}
		}),
		"the flag moves": merged(func(got *event.Notification, _, next event.Notification) {
			got.Flags |= next.Flags & event.Initial
		}),
		"the flag is lost": merged(func(got *event.Notification, _, _ event.Notification) {
			got.Flags &^= event.Initial
		}),
		"a sync tells nothing new": merged(func(got *event.Notification, pending, next event.Notification) {
			if next.Round != 0 && next.Kind == event.Update {
				got.New = pending.New
			}
		}),
		"syncs bring back what they saw": merged(func(got *event.Notification, pending, next event.Notification) {
			if next.Round != 0 {
				got.Old = next.Old
			}
		}),
	} {
		var caught error
		for seed := uint64(0); caught == nil && seed < 1000; seed++ {
			caught = fold(merge, seed, 40)
		}
		assert.Error(t, caught, name)
		t.Log(name, "->", caught)
	}
}

func BenchmarkMerge(b *testing.B) {
	v1, v2 := &state{"1", 1}, &state{"2", 2}
	update := event.Notification{Kind: event.Update, Old: v1, New: v2}
	sync, gone := update, event.Notification{Kind: event.Delete, Old: v2}
	sync.Round = 1
	for name, next := range map[string]event.Notification{"update": update, "sync": sync, "delete": gone} {
		b.Run("next="+name, func(b *testing.B) {
			var merge mergeFunc = processor.Merge // as a buffer calls it
			waiting := make([]event.Notification, 64)
			for k := range waiting {
				waiting[k] = update
			}
			for k := range b.N {
				merged, outcome := merge(waiting[k%64], next)
				if outcome != buffer.Merged || next.Kind == event.Delete {
					continue
				}
				waiting[k%64] = merged
			}
		})
	}
}
