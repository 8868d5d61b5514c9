package buffertest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

// A verb is what an operation of a history does.
type verb uint8

const (
	push verb = iota
	pop
	length
	closing
	numVerbs
)

// An operation is a step of a history.
type operation struct {
	verb verb
	n    int   // size of its slice
	salt uint8 // which changes a push is made of, if it is of changes
	// Of several goroutines actor does it; beside means that the next
	// operation does not wait until this one has done what it can.
	actor  int
	beside bool
}

// changes returns the ids of a push of changes, of which the first is to have
// this number.
func (o operation) changes(number uint64, keys int) []uint64 {
	ids := make([]uint64, o.n)
	key, stride, kind := int(o.salt&7), int(o.salt>>3&1), uint64(o.salt>>4)
	for k := range ids {
		turn := kind + uint64(k)*(1+kind>>2)
		ids[k] = change{(key + k*stride) % keys, event.Kind(turn & 3), number, number}.id()
		number++
	}
	return ids
}

// A history is what is done to a buffer: by one goroutine, or by several of
// which the first pops and the others push.
type history struct {
	limit int  // capacity, or number of keys; 0 = room and keys for all
	keyed bool // it pushes changes
	steps []operation
}

// ids returns what an operation pushes if the first item has this number.
func (h history) ids(o operation, number uint64) []uint64 {
	if h.keyed {
		return o.changes(number, h.limit)
	}
	ids := make([]uint64, o.n)
	for k := range ids {
		ids[k] = number + uint64(k)
	}
	return ids
}

func (h history) String() string {
	var s strings.Builder
	switch {
	case h.keyed:
		fmt.Fprintf(&s, "with %d keys: ", h.limit)
	case h.limit > 0:
		fmt.Fprintf(&s, "with capacity %d: ", h.limit)
	}
	for k, o := range h.steps {
		if k > 0 {
			s.WriteString(map[bool]string{true: " | ", false: "; "}[h.steps[k-1].beside])
		}
		if o.actor > 0 {
			fmt.Fprintf(&s, "%d: ", o.actor)
		}
		s.WriteString(h.tell(o))
	}
	return s.String()
}

// tell returns an operation in words.
func (h history) tell(o operation) string {
	switch {
	case o.verb == push && h.keyed:
		var changes []string
		for _, id := range o.changes(0, h.limit)[:min(o.n, 4)] {
			c, _ := changeOf(id)
			kind := map[event.Kind]string{0: "mark", 1: "add", 2: "update", 3: "delete"}[c.kind]
			changes = append(changes, fmt.Sprintf("%s %d", kind, c.key))
		}
		return fmt.Sprintf("push %d (%s)", o.n, strings.Join(changes, ", "))
	case o.verb == push:
		return fmt.Sprintf("push %d", o.n)
	case o.verb == pop:
		return fmt.Sprintf("pop %d", o.n)
	case o.verb == length:
		return "len"
	}
	return "close"
}

// limits returns what histories of these traits can be limited to.
func limits(traits buffer.Traits) []int {
	if bounded(traits) || coalesces(traits) {
		return append([]int{0}, tiny...)
	}
	return []int{0}
}

// randomHistory is for one goroutine. It pushes more at first and pops more
// later, and closes late if at all.
func randomHistory(rng *rand.Rand, traits buffer.Traits) history {
	choice := limits(traits)
	h := history{limit: choice[rng.IntN(len(choice))], steps: make([]operation, 5+rng.IntN(60))}
	h.keyed = coalesces(traits) && h.limit > 0
	size := func() int {
		if n := mostly(rng); h.limit == 0 || n <= 2*h.limit+2 || rng.IntN(8) == 0 {
			return n
		}
		return rng.IntN(2*h.limit + 2)
	}
	for k := range h.steps {
		o := operation{verb: push, n: size(), salt: uint8(rng.Uint32())}
		switch d := rng.IntN(100); {
		case d < 45+20*k/len(h.steps):
			o = operation{verb: pop, n: max(1, size())}
		case d > 93:
			o = operation{verb: length}
		case d > 91 && k > len(h.steps)/2:
			o = operation{verb: closing}
		}
		h.steps[k] = o
	}
	return h
}

// histories plays random histories. One that fails is shrunk before it is told.
func (s subject[T]) histories() error {
	for k := range scaled(12, 100) {
		seed := s.seed + uint64(k)
		h := randomHistory(rand.New(rand.NewPCG(seed, 3)), s.traits)
		if err := s.explain(h, subject[T].play); err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
	}
	return nil
}

// explain tries a history and returns what went wrong with the shortest one
// that was found to fail.
func (s subject[T]) explain(h history, try func(subject[T], history) error) error {
	first := try(s, h)
	if first == nil {
		return nil
	}
	// A history that gets stuck takes its time for every attempt.
	deadline := time.Now().Add(2 * s.patience)
	s.patience = min(s.patience, s.patience/20+50*time.Millisecond)
	again := func(h history) (err error) {
		for attempts := 0; attempts < 3 && err == nil && time.Now().Before(deadline); attempts++ {
			err = try(s, h)
		}
		return err
	}
	short := shrink(h, func(h history) bool { return again(h) != nil })
	deadline = deadline.Add(s.patience)
	err := again(short)
	if err == nil { // it does not fail every time
		short, err = h, first
	}
	return fmt.Errorf("history of %d operations, shortest that fails: %v: %w", len(h.steps), short, err)
}

// play does what the history says to a buffer and to its model, and compares.
func (s subject[T]) play(h history) error {
	if givesUp(s.traits) {
		return s.bubble(func() error { return s.playThrough(h) })
	}
	return s.within(func() error { return s.playThrough(h) })
}

// playThrough leaves out a call that would wait for ever. In the end all is closed
// and drained.
func (s subject[T]) playThrough(h history) error {
	m := newModel(s.traits, h.limit)
	var lost []loss
	b := s.tight(h.limit, func(item T, why buffer.Reason) { lost = append(lost, loss{s.id(item), why}) })
	number := uint64(1)
	dst := make([]T, edges[len(edges)-1])
	steps := append(h.steps[:len(h.steps):len(h.steps)], operation{verb: closing})
	for k := 0; k < len(steps) || len(m.waiting) > 0; k++ {
		o := operation{verb: pop, n: len(dst)}
		if k < len(steps) {
			o = steps[k]
		}
		var err error
		switch lost = nil; o.verb {
		case push:
			if s.waitsForRoom() && m.limit > 0 && !m.closed {
				o.n = min(o.n, m.limit-len(m.waiting))
			}
			ids := h.ids(o, number)
			number += uint64(len(ids))
			b.Push(s.made(ids...))
			err = m.compare(ids, lost)
		case pop:
			if len(m.waiting) > 0 || m.closed {
				waiting := len(m.waiting)
				n := b.Pop(dst[:o.n])
				if n > waiting || n > o.n || n == 0 && waiting > 0 {
					err = fmt.Errorf("returned %d with %d waiting", n, waiting)
				} else if err = m.take(s.ids(dst[:n])); err == nil && len(lost) > 0 {
					err = fmt.Errorf("discarded %s", tellLosses(lost))
				}
			}
		case closing:
			b.Close()
			m.closed = true
		}
		if n := b.Len(); err == nil && n != len(m.waiting) {
			err = fmt.Errorf("Len is %d, want %d", n, len(m.waiting))
		}
		if err != nil {
			return fmt.Errorf("step %d, %s: %w", k+1, h.tell(o), err)
		}
	}
	if n := b.Pop(dst); n != 0 {
		return fmt.Errorf("closed and drained, yet Pop returned %d", n)
	}
	return nil
}

// compare pushes ids and compares what that discards with what was discarded.
// In which order one push discards is left to the buffer.
func (m *model) compare(ids []uint64, lost []loss) error {
	var want []loss
	for _, id := range ids {
		want = append(want, m.push(id)...)
	}
	for _, losses := range [][]loss{lost, want} {
		slices.SortFunc(losses, func(a, b loss) int {
			return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.why, b.why))
		})
	}
	if !slices.Equal(lost, want) {
		return fmt.Errorf("discarded %s, want %s", tellLosses(lost), tellLosses(want))
	}
	return nil
}

// take pops one id after the other.
func (m *model) take(ids []uint64) error {
	for k, id := range ids {
		oldest := m.waiting[0]
		if !m.pop(ids[k : k+1]) {
			return fmt.Errorf("item %d is %s, want %s", k, name(id), name(oldest))
		}
	}
	return nil
}

func tellLosses(losses []loss) string {
	if len(losses) == 0 {
		return "nothing"
	}
	told := make([]string, min(len(losses), 20))
	for k := range told {
		told[k] = fmt.Sprintf("%s as %v", name(losses[k].id), losses[k].why)
	}
	if more := len(losses) - len(told); more > 0 {
		told = append(told, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(told, ", ")
}

// shrink returns a history that still fails but from which nothing can be left
// out and in which no size can be lowered.
func shrink(h history, fails func(history) bool) history {
	for again := true; again; {
		again = false
		for size := len(h.steps); size > 0; size /= 2 {
			for at := 0; at+size <= len(h.steps); {
				shorter := h
				shorter.steps = slices.Concat(h.steps[:at], h.steps[at+size:])
				if fails(shorter) {
					h, again = shorter, true
				} else {
					at += size
				}
			}
		}
		for k, o := range h.steps {
			for _, n := range []int{0, 1, o.n / 2, o.n - 1} {
				smaller := h
				smaller.steps = slices.Clone(h.steps)
				smaller.steps[k].n = n
				if n >= 0 && n < o.n && (n > 0 || o.verb == push) && fails(smaller) {
					h, again = smaller, true
					break
				}
			}
		}
	}
	return h
}
