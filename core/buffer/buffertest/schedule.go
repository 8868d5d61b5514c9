package buffertest

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"informerlab/core/buffer"
)

// Who does what in a history of several: 0 pops, the next ones push.
const (
	closer = 1 + numProducers
	driver = 1 + closer // looks at what is at rest
)

// pushers returns how many goroutines may push.
func pushers(traits buffer.Traits) int {
	if traits.Producers == buffer.One {
		return 1
	}
	return numProducers
}

// linearizable has several goroutines call a buffer, and records when each call
// began and returned, and with what. There must be an order of the calls that
// fits these times and in which the model gives the same answers.
func (s subject[T]) linearizable() error {
	for k := range scaled(25, 400) {
		seed := s.seed + uint64(k)
		h := randomSchedule(rand.New(rand.NewPCG(seed, 5)), s.traits)
		s.seed = seed
		if err := s.explain(h, subject[T].rehearse); err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
	}
	if s.traits.Bound == buffer.ByCapacity || !s.holds() {
		return nil // a push may go in piece by piece
	}
	if err := s.stormy(1, func(s subject[T], _ int) error { return s.pushWhole(scaled(40, 1500)) }); err != nil {
		return err
	}
	if testing.Short() || s.object != nil || s.traits.Order == buffer.PerProducer {
		return nil
	}
	return s.stormy(1, func(s subject[T], _ int) error { return s.pushAtOnce(6, 60_000) })
}

// pushAtOnce lets producers push batches that take long, so that those who wait for
// a mutex come to be served in turn, and looks whether each comes out in one piece.
func (s subject[T]) pushAtOnce(rounds, size int) error {
	b := s.open(nil)
	id := func(producer, round, left int) uint64 {
		return uint64(1+producer*rounds+round)<<producerShift | uint64(left)
	}
	var producers sync.WaitGroup
	for p := range s.producers() {
		batches := make([][]T, rounds)
		for round := range batches {
			for left := size >> round; left > 0; left-- {
				batches[round] = append(batches[round], s.item(id(p, round, left)))
			}
		}
		producers.Go(func() {
			for _, batch := range batches {
				b.Push(batch)
			}
		})
	}
	last := id(0, 0, 1)
	var wrong error
	consumer := s.consume(b, 1000, func(items []T) {
		for _, id := range s.ids(items) {
			if left := uint32(last); wrong == nil && left > 1 && id != last-1 {
				wrong = fmt.Errorf("an item of another push came before the last %d of a push", left-1)
			}
			last = id
		}
	})
	producers.Wait()
	consumer.closeAndWait()
	return wrong
}

// pushWhole pushes batches of all sizes while the consumer looks all the time. When
// it finds the first item of one, the others must be there.
func (s subject[T]) pushWhole(rounds int) error {
	b := s.open(nil)
	defer s.finish(b)
	rng := rand.New(rand.NewPCG(s.seed, 15))
	batches := make(chan []T)
	var producer sync.WaitGroup
	producer.Go(func() {
		for batch := range batches {
			b.Push(batch)
		}
	})
	defer producer.Wait()
	defer close(batches)
	dst := make([]T, 1000)
	for round := range rounds {
		size := 2 + rng.IntN(2<<(round%scaled(9, 12)))
		batches <- s.run(1, size)
		for looks := 1; b.Len() == 0; looks++ {
			if looks%256 == 0 {
				runtime.Gosched()
			}
		}
		popped := b.Pop(dst[:1])
		if n := b.Len(); n != size-popped {
			return fmt.Errorf("of a push of %d one item was popped when Len was %d", size, n)
		}
		for popped < size {
			popped += b.Pop(dst)
		}
	}
	return nil
}

// randomSchedule returns a history for several goroutines, some of whose calls
// overlap.
func randomSchedule(rng *rand.Rand, traits buffer.Traits) history {
	choice := limits(traits)
	h := history{limit: choice[rng.IntN(min(4, len(choice)))], steps: make([]operation, 4+rng.IntN(10))}
	h.keyed = coalesces(traits) && h.limit > 0
	for k := range h.steps {
		o := operation{n: 1 + rng.IntN(3), salt: uint8(rng.Uint32()), beside: rng.IntN(4) > 0}
		switch d := rng.IntN(100); {
		case d < 40:
			o.verb = pop
		case d < 92:
			o.verb, o.actor = push, 1+rng.IntN(pushers(traits))
		case d < 96:
			o.verb, o.actor = length, driver
		default:
			o.verb, o.actor = closing, closer
		}
		h.steps[k] = o
	}
	return h
}

// A recording is a history as it happened.
type recording[T any] struct {
	subject[T]
	history
	buffer buffer.Buffer[T]
	rngs   [driver]*rand.Rand // of each goroutine, for its pauses
	counts [driver]int        // items pushed by each
	clock  atomic.Int64       // ticks at each begin and each return
	inside [driver]atomic.Bool

	mu    sync.Mutex
	calls []porcupine.Operation
	fates map[uint64]buffer.Reason // of what was discarded
	wrong error
}

// A call is the input of an operation.
type call struct {
	operation
	ids []uint64
	at  int // how many items its producer had pushed before these
}

// A rest is the output of a look at a buffer in which nobody can go on.
type rest struct {
	length           int
	popping, pushing bool // somebody waits in such a call
	discarded        int
}

// rehearse performs a history and has the record explained.
func (s subject[T]) rehearse(h history) error {
	r := &recording[T]{subject: s, history: h, fates: map[uint64]buffer.Reason{}}
	for actor := range r.rngs {
		r.rngs[actor] = rand.New(rand.NewPCG(s.seed, uint64(actor)))
	}
	if err := s.bubble(r.perform); err != nil {
		return err
	}
	if r.wrong != nil {
		return r.wrong
	}
	return r.explained()
}

// perform is in a bubble, so that it can tell when all is at rest.
func (r *recording[T]) perform() error {
	r.buffer = r.tight(r.limit, r.discard)
	var inboxes [driver]chan operation
	var actors sync.WaitGroup
	for actor := range inboxes {
		inboxes[actor] = make(chan operation, len(r.steps))
		actors.Go(func() {
			for o := range inboxes[actor] {
				r.do(o)
			}
		})
	}
	for _, o := range append(slices.Clip(r.steps), operation{verb: closing, actor: closer}) {
		if o.actor < driver {
			inboxes[o.actor] <- o
			if o.beside {
				continue
			}
		} else if givesUp(r.traits) {
			time.Sleep(r.timeout)
		}
		r.rest()
	}
	for _, inbox := range inboxes {
		close(inbox)
	}
	for synctest.Wait(); r.do(operation{verb: pop, n: 8}) > 0; {
	}
	actors.Wait()
	r.rest()
	return nil
}

// rest waits until nobody can go on, and looks.
func (r *recording[T]) rest() {
	synctest.Wait()
	now := rest{length: r.buffer.Len(), popping: r.inside[0].Load(), discarded: len(r.fates)}
	for actor := 1; actor < closer; actor++ {
		now.pushing = now.pushing || r.inside[actor].Load()
	}
	begun := r.clock.Add(1)
	r.record(call{operation: operation{verb: length, actor: driver}}, begun, now)
}

// do does one operation, on the goroutine of its actor, and returns the number of
// items popped.
func (r *recording[T]) do(o operation) (popped int) {
	pause(r.rngs[o.actor])
	c := call{operation: o, at: r.counts[o.actor]}
	base := uint64(o.actor) << producerShift
	if r.keyed {
		base = uint64(o.actor) << feedShift
	}
	var batch []T
	switch o.verb {
	case push:
		c.ids = r.ids(o, base+uint64(c.at)+1)
		r.counts[o.actor] += len(c.ids)
		batch = r.made(c.ids...)
	case pop:
		batch = make([]T, max(1, o.n))
	}
	begun := r.clock.Add(1)
	r.inside[o.actor].Store(true)
	switch o.verb {
	case push:
		r.buffer.Push(batch)
	case pop:
		popped = r.buffer.Pop(batch)
	case closing:
		r.buffer.Close()
	}
	r.inside[o.actor].Store(false)
	if o.verb == pop {
		r.record(c, begun, r.items.ids(batch[:popped]))
	} else {
		r.record(c, begun, nil)
	}
	return popped
}

func (r *recording[T]) discard(item T, why buffer.Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := r.id(item)
	if r.fates[id] != 0 && r.wrong == nil {
		r.wrong = fmt.Errorf("discarded %s twice: as %v and as %v", name(id), r.fates[id], why)
	}
	r.fates[id] = why
}

// whole reports whether a push has to look like one instant. With a capacity it may
// go in piece by piece.
func (r *recording[T]) whole() bool { return r.traits.Bound != buffer.ByCapacity }

// record notes a call that has just returned; where a push goes in piece by piece
// it is as many calls as it has items, all at the same time.
func (r *recording[T]) record(c call, begun int64, output any) {
	ended := r.clock.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	pieces := [][]uint64{c.ids}
	if c.verb == push && !r.whole() {
		pieces = slices.Collect(slices.Chunk(c.ids, 1))
	}
	for _, c.ids = range pieces {
		r.calls = append(r.calls, porcupine.Operation{
			ClientId: c.actor, Input: c, Call: begun, Output: output, Return: ended,
		})
		c.at += len(c.ids)
	}
}

// A sheet is a model, and how many items of each producer it has taken.
type sheet struct {
	*model
	taken [closer]int
}

// explained looks for an order of the calls.
func (r *recording[T]) explained() error {
	seed := maphash.MakeSeed()
	machine := porcupine.Model{
		Init: func() any { return sheet{model: newModel(r.traits, r.limit)} },
		Step: func(state, input, output any) (bool, any) {
			after := state.(sheet)
			after.model = after.clone()
			return r.step(&after, input.(call), output), after
		},
		Equal: func(a, b any) bool {
			x, y := a.(sheet), b.(sheet)
			return x.taken == y.taken && x.closed == y.closed && x.discarded == y.discarded &&
				slices.Equal(x.waiting, y.waiting)
		},
		Hash: func(state any) uint64 {
			s := state.(sheet)
			return maphash.Comparable(seed, [2]int{s.discarded, len(s.waiting)}) ^ maphash.Comparable(seed, s.taken)
		},
	}
	switch porcupine.CheckOperationsTimeout(machine, r.calls, r.patience) {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return fmt.Errorf("the checker found no answer in %v", r.patience)
	}
	return fmt.Errorf("no order of these calls explains them (begin-end of each): %s; discarded: %q",
		r.tellCalls(), r.tellFates())
}

// step lets a call happen at once, now, and reports whether it can have had this
// output.
func (r *recording[T]) step(m *sheet, c call, output any) bool {
	switch c.verb {
	case push:
		if len(c.ids) == 0 {
			return true
		}
		if !r.whole() && m.taken[c.actor] != c.at || r.waitsForRoom() && m.full() {
			return false
		}
		m.taken[c.actor] += len(c.ids)
		for _, id := range c.ids {
			if !r.mayPush(m.model, id) {
				return false
			}
		}
		return true
	case pop:
		ids := output.([]uint64)
		return m.pop(ids) && (len(ids) > 0 || m.closed && len(m.waiting) == 0)
	case length:
		now := output.(rest)
		return now.length == len(m.waiting) && now.discarded == m.discarded &&
			(!now.popping || len(m.waiting) == 0 && !m.closed) && (!now.pushing || blocks(r.traits) && m.full())
	default:
		m.closed = true
		return true
	}
}

// mayPush pushes an item and reports whether what that discards was discarded,
// and for the item itself the converse.
func (r *recording[T]) mayPush(m *model, id uint64) bool {
	refused := false
	for _, l := range m.push(id) {
		if r.fates[l.id] != l.why {
			return false
		}
		refused = refused || l.id == id
	}
	switch r.fates[id] {
	case buffer.Closed, buffer.Superseded:
		return refused
	case buffer.Overflow:
		return refused || r.traits.Loss == buffer.DropsOld
	}
	return true
}

func (r *recording[T]) tellCalls() string {
	slices.SortStableFunc(r.calls, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var told []string
	for _, o := range r.calls {
		c := o.Input.(call)
		s := fmt.Sprintf("%d-%d %d: %s", o.Call, o.Return, c.actor, r.tell(c.operation))
		switch output := o.Output.(type) {
		case []uint64:
			s += fmt.Sprintf(" -> %q", names(output))
		case rest:
			s += fmt.Sprintf(" -> %+v", output)
		default:
			if c.verb == push {
				s = fmt.Sprintf("%d-%d %d: push %q", o.Call, o.Return, c.actor, names(c.ids))
			}
		}
		told = append(told, s)
	}
	return strings.Join(told, "; ")
}

func (r *recording[T]) tellFates() []string {
	var told []string
	for id, why := range r.fates {
		told = append(told, fmt.Sprintf("%s as %v", name(id), why))
	}
	slices.Sort(told)
	return told
}
