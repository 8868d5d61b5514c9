package buffertest

import (
	"math/rand/v2"
	"testing"

	"informerlab/core/buffer"
)

// Fuzz lets the fuzzer write histories, with integer items: for one goroutine,
// or for several whose calls overlap where it says so. The first byte chooses
// which, and the capacity or the number of keys; two more are an operation.
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
		if err := subjectOf(t, v, v.Ints, uintItems).decode(bytes); err != nil {
			t.Error(err)
		}
	})
}

// decode reads a history and tries it.
func (s subject[T]) decode(bytes []byte) error {
	h, several := decodeHistory(bytes, s.traits)
	if several {
		return s.explain(h, subject[T].rehearse)
	}
	return s.explain(h, subject[T].play)
}

// decodeHistory reads a history, and whether it is for several goroutines.
func decodeHistory(bytes []byte, traits buffer.Traits) (h history, several bool) {
	if len(bytes) == 0 {
		return h, false
	}
	most := 200      // operations; longer histories find nothing more
	overlapping := 0 // items of the operations beside the next one
	choice := limits(traits)
	several = bytes[0]&1 != 0
	h.limit = choice[int(bytes[0]>>1)%len(choice)]
	h.keyed = coalesces(traits) && h.limit > 0
	if several {
		most = 24 // a checker's time grows fast
	}
	for bytes = bytes[1:]; len(bytes) > 1 && len(h.steps) < most; bytes = bytes[2:] {
		if several {
			o := decodeShared(bytes[0], bytes[1], traits)
			overlapping += o.n
			o.beside = o.beside && overlapping < mostOverlapping
			if !o.beside {
				overlapping = 0
			}
			h.steps = append(h.steps, o)
		} else {
			h.steps = append(h.steps, decodeSingle(bytes[0], bytes[1]))
		}
	}
	return h, several
}

// mostOverlapping is how many items may be on their way at once: where a push
// takes its items one by one, a checker tries them in all orders.
const mostOverlapping = 8

// decodeSingle reads an operation of one goroutine: two bits of verb, the rest
// an edge.
func decodeSingle(b, salt byte) operation {
	o := operation{verb: verb(b) % numVerbs, n: edges[int(b/byte(numVerbs))%len(edges)], salt: salt}
	if o.verb == closing && b < 128 {
		o.verb = pop // half of the closes would end most histories early
	}
	if o.verb == pop {
		o.n = max(1, o.n)
	}
	return o
}

// decodeShared reads an operation of one of several: who, whether beside the
// next one, and a small size.
func decodeShared(b, salt byte, traits buffer.Traits) operation {
	o := operation{n: 1 + int(b>>2&3), salt: salt, beside: b&2 != 0}
	switch {
	case b>>4 < 6:
		o.verb = pop
	case b>>4 < 14:
		o.verb, o.actor = push, 1+int(b>>4)%pushers(traits)
	case b&1 == 0:
		o.verb, o.actor = length, driver
	default:
		o.verb, o.actor = closing, closer
	}
	return o
}
