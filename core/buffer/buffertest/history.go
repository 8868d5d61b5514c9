package buffertest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"informerlab/core/buffer"
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

// An operation is a step of a history; n is the size of its slice.
type operation struct {
	verb verb
	n    int
}

func (o operation) String() string {
	switch o.verb {
	case push:
		return fmt.Sprintf("push %d", o.n)
	case pop:
		return fmt.Sprintf("pop %d", o.n)
	case length:
		return "len"
	}
	return "close"
}

// A history is what one goroutine does to a buffer.
type history []operation

func (h history) String() string {
	steps := make([]string, len(h))
	for k, o := range h {
		steps[k] = o.String()
	}
	return strings.Join(steps, "; ")
}

// randomHistory pushes more at first and pops more later, and closes late if at all.
func randomHistory(rng *rand.Rand) history {
	h := make(history, 5+rng.IntN(60))
	for k := range h {
		o := operation{push, mostly(rng)}
		switch d := rng.IntN(100); {
		case d < 45+20*k/len(h):
			o = operation{pop, max(1, mostly(rng))}
		case d > 93:
			o = operation{verb: length}
		case d > 91 && k > len(h)/2:
			o = operation{verb: closing}
		}
		h[k] = o
	}
	return h
}

// decodeHistory reads an operation a byte: two bits of verb, the rest an edge.
func decodeHistory(bytes []byte) history {
	h := make(history, len(bytes))
	for k, b := range bytes {
		o := operation{verb(b) % numVerbs, edges[int(b/byte(numVerbs))%len(edges)]}
		if o.verb == closing && b < 128 {
			o.verb = pop // half of the closes would end most histories early
		}
		if o.verb == pop {
			o.n = max(1, o.n)
		}
		h[k] = o
	}
	return h
}

// histories plays random histories. One that fails is shrunk before it is told.
func (s subject[T]) histories() error {
	if !s.lossless() || !s.inOrder() {
		return nil
	}
	for k := range scaled(8, 100) {
		seed := s.seed + uint64(k)
		h := randomHistory(rand.New(rand.NewPCG(seed, 3)))
		if err := s.explain(h); err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
	}
	return nil
}

// explain plays a history and returns what went wrong with the shortest one
// that was found to fail.
func (s subject[T]) explain(h history) error {
	first := s.within(func() error { return s.play(h) })
	if first == nil {
		return nil
	}
	// A history that gets stuck takes its time for every attempt.
	deadline := time.Now().Add(2 * s.patience)
	s.patience = min(s.patience, s.patience/20+50*time.Millisecond)
	short := shrink(h, func(h history) bool {
		return time.Now().Before(deadline) && s.within(func() error { return s.play(h) }) != nil
	})
	err := s.within(func() error { return s.play(short) })
	if err == nil { // it does not fail every time
		short, err = h, first
	}
	return fmt.Errorf("history of %d operations, shortest that fails: %v: %w", len(h), short, err)
}

// play does what the history says to a buffer and to a slice, and compares.
// A pop that would wait is left out. In the end all is closed and drained.
func (s subject[T]) play(h history) error {
	var discarded []uint64
	b := s.open(func(item T, why buffer.Reason) {
		if why == buffer.Closed {
			discarded = append(discarded, s.id(item))
		}
	})
	var waiting, refused []uint64
	closed, next := false, uint64(1)
	dst := make([]T, edges[len(edges)-1])
	h = append(h[:len(h):len(h)], operation{verb: closing})
	for k := 0; k < len(h) || len(waiting) > 0; k++ {
		o := operation{pop, len(dst)}
		if k < len(h) {
			o = h[k]
		}
		switch o.verb {
		case push:
			batch := s.run(next, o.n)
			next += uint64(o.n)
			if b.Push(batch); closed {
				refused = append(refused, s.ids(batch)...)
			} else {
				waiting = append(waiting, s.ids(batch)...)
			}
		case pop:
			if len(waiting) == 0 && !closed {
				continue
			}
			n := b.Pop(dst[:o.n])
			if n > len(waiting) || n > o.n || n == 0 && len(waiting) > 0 {
				return fmt.Errorf("step %d, %v: returned %d with %d waiting", k+1, o, n, len(waiting))
			}
			for j, id := range s.ids(dst[:n]) {
				if id != waiting[j] {
					return fmt.Errorf("step %d, %v: item %d is %d, want %d", k+1, o, j, id, waiting[j])
				}
			}
			waiting = waiting[n:]
		case closing:
			b.Close()
			closed = true
		}
		if n := b.Len(); n != len(waiting) {
			return fmt.Errorf("step %d, %v: Len is %d, want %d", k+1, o, n, len(waiting))
		}
	}
	if n := b.Pop(dst); n != 0 {
		return fmt.Errorf("closed and drained, yet Pop returned %d", n)
	}
	if got, want := fmt.Sprint(discarded), fmt.Sprint(refused); got != want {
		return fmt.Errorf("discarded items %s, want %s", got, want)
	}
	return nil
}

// shrink returns a history that still fails but from which nothing can be left
// out and in which no size can be lowered.
func shrink(h history, fails func(history) bool) history {
	for again := true; again; {
		again = false
		for size := len(h); size > 0; size /= 2 {
			for at := 0; at+size <= len(h); {
				shorter := append(h[:at:at], h[at+size:]...)
				if fails(shorter) {
					h, again = shorter, true
				} else {
					at += size
				}
			}
		}
		for k := range h {
			for _, n := range []int{0, 1, h[k].n / 2, h[k].n - 1} {
				smaller := append(history(nil), h...)
				smaller[k].n = n
				if n >= 0 && n < h[k].n && (n > 0 || h[k].verb == push) && fails(smaller) {
					h, again = smaller, true
					break
				}
			}
		}
	}
	return h
}

// Fuzz lets the fuzzer write histories, with integer items. Only variants that
// are lossless and keep the order of one producer can be fuzzed.
func Fuzz(f *testing.F, v Variant) {
	f.Helper()
	rng := rand.New(rand.NewPCG(v.Seed, 4))
	f.Add([]byte{})
	for range 20 {
		seed := make([]byte, rng.IntN(60))
		for k := range seed {
			seed[k] = byte(rng.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, bytes []byte) {
		const most = 200 // operations; longer histories find nothing more
		h := decodeHistory(bytes[:min(len(bytes), most)])
		if err := subjectOf(t, v, v.Ints, uintItems).explain(h); err != nil {
			t.Error(err)
		}
	})
}
