package buffertest

import (
	"fmt"
	"slices"
	"strings"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

// keys pushes to keys that are nearly equal, and then to very many.
func (s subject[T]) keysApart() error {
	for _, pair := range similarKeys() {
		if err := s.within(func() error { return s.pushToPair(pair) }); err != nil {
			return fmt.Errorf("keys %s and %s: %w", tellKey(pair[0]), tellKey(pair[1]), err)
		}
	}
	for _, n := range append(tiny[:len(tiny):len(tiny)], s.sizes(64, scaled(2000, maxKeys/2))...) {
		if err := s.within(func() error { return s.pushTwice(min(n, maxKeys)) }); err != nil {
			return fmt.Errorf("%d keys: %w", n, err)
		}
	}
	return nil
}

// similarKeys returns pairs of keys that differ in one byte, one byte's place, or
// the border between namespace and name; of all lengths that a key may have.
func similarKeys() (pairs [][2]event.Key) {
	for length := 1; length <= maxName; length += 1 + length/16 {
		long := strings.Repeat("y", length)
		for at := 0; at < length; at += 1 + length/24 {
			pairs = append(pairs, [2]event.Key{
				{Namespace: "n", Name: long}, {Namespace: "n", Name: long[:at] + "z" + long[at+1:]},
			})
		}
		last := long[:length-1] + "z"
		pairs = append(pairs,
			[2]event.Key{{Namespace: "n", Name: long}, {Namespace: "n", Name: last}},
			[2]event.Key{{Namespace: "n", Name: long}, {Namespace: "n", Name: long + "y"}},
			[2]event.Key{{Namespace: "n", Name: long}, {Namespace: "m", Name: long}},
			[2]event.Key{{Namespace: "n", Name: long}, {Name: long}},
			[2]event.Key{{Namespace: long, Name: "n"}, {Namespace: last, Name: "n"}},
			[2]event.Key{{Namespace: long, Name: "n"}, {Namespace: "n", Name: long}},
			[2]event.Key{{Namespace: "n" + long, Name: long}, {Namespace: "n", Name: long + long}},
			[2]event.Key{{Namespace: "n", Name: long}, {Name: "n/" + long}},
		)
	}
	return slices.DeleteFunc(pairs, func(pair [2]event.Key) bool { return pair[0] == pair[1] })
}

// pushToPair has both keys wait and updates each.
func (s subject[T]) pushToPair(pair [2]event.Key) error {
	b := s.create(buffer.Params[T]{Merge: s.merge, Key: func(item T) event.Key {
		c, _ := changeOf(s.id(item))
		return pair[c.key]
	}})
	defer s.finish(b)
	for number, key := range []int{0, 1, 1, 0, 0, 1} {
		b.Push(s.made(change{key, event.Update, uint64(1 + number), uint64(1 + number)}.id()))
		if n, want := b.Len(), min(number+1, 2); n != want {
			return fmt.Errorf("after %d updates Len is %d, want %d", number+1, n, want)
		}
	}
	dst := make([]T, 2)
	got := s.ids(dst[:b.Pop(dst)])
	if len(got) == 1 {
		got = append(got, s.ids(dst[:b.Pop(dst[:1])])...)
	}
	want := []uint64{change{0, event.Update, 1, 5}.id(), change{1, event.Update, 2, 6}.id()}
	if !slices.Equal(got, want) {
		return fmt.Errorf("popped %q, want %q", names(got), names(want))
	}
	return nil
}

func tellKey(key event.Key) string {
	told := key.String()
	if len(told) > 24 {
		return fmt.Sprintf("%q... (%d bytes)", told[:20], len(told))
	}
	return fmt.Sprintf("%q", told)
}

// pushTwice pushes to each key twice, so that all of the second time is merged,
// and pops all.
func (s subject[T]) pushTwice(keys int) error {
	merged := 0
	b := s.tight(keys, func(_ T, why buffer.Reason) {
		if why == buffer.Superseded {
			merged++
		}
	})
	defer s.finish(b)
	const size = 512
	number := func(turn, key int) uint64 { return uint64(1 + turn*keys + key) }
	for turn := range 2 {
		for first := 0; first < keys; first += size {
			var batch []uint64
			for key := first; key < min(keys, first+size); key++ {
				batch = append(batch, change{key, event.Update, number(turn, key), number(turn, key)}.id())
			}
			b.Push(s.made(batch...))
		}
		if n := b.Len(); n != keys || merged != turn*keys {
			return fmt.Errorf("after %d updates of each Len is %d, and %d were merged", 1+turn, n, merged)
		}
	}
	dst := make([]T, 100)
	for next := 0; next < keys; {
		for _, id := range s.ids(dst[:b.Pop(dst)]) {
			if want := (change{next, event.Update, number(0, next), number(1, next)}).id(); id != want {
				return fmt.Errorf("popped %s, want %s", name(id), name(want))
			}
			next++
		}
	}
	return nil
}
