package indexer

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"informerlab/core/event"
)

// A twin is an Indexer in its plainest form: a map, and indexes that are worked
// out from scratch whenever somebody asks.
type twin struct {
	items   map[event.Key]event.Object
	indexes map[string]IndexFunc
	version string
}

// refused reports whether an index function refuses an object.
func refused(o event.Object) bool { return slices.ContainsFunc(o.(*thing).labels, isBad) }

func isBad(label string) bool { return label == "bad" || label == "worse" }

func (w *twin) apply(changes []Change) (olds []event.Object) {
	for _, c := range changes {
		if v := c.Object.GetResourceVersion(); v != "" {
			w.version = v
		}
		if !c.Delete && refused(c.Object) {
			olds = append(olds, nil)
			continue
		}
		k := event.KeyOf(c.Object)
		olds = append(olds, w.items[k])
		if c.Delete {
			delete(w.items, k)
		} else {
			w.items[k] = c.Object
		}
	}
	return olds
}

func (w *twin) replace(items []event.Object, version string, kept []event.Key) (olds, gone []event.Object) {
	before := w.items
	w.items = map[event.Key]event.Object{}
	for _, o := range items {
		if refused(o) {
			olds, kept = append(olds, nil), append(kept, event.KeyOf(o))
			continue
		}
		olds = append(olds, before[event.KeyOf(o)])
		w.items[event.KeyOf(o)] = o
	}
	for _, k := range kept {
		if old := before[k]; old != nil && w.items[k] == nil {
			w.items[k] = old
		}
	}
	for k, o := range before {
		if w.items[k] == nil {
			gone = append(gone, o)
		}
	}
	w.version = version
	return olds, gone
}

func (w *twin) under(index, value string) (keys []event.Key) {
	for k, o := range w.items {
		values, err := w.indexes[index](o, nil)
		if err == nil && slices.Contains(values, value) {
			keys = append(keys, k)
		}
	}
	return sortedKeys(keys)
}

func sortedKeys(keys []event.Key) []event.Key {
	slices.SortFunc(keys, func(a, b event.Key) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return keys
}

// compare says how the Indexer differs from its twin.
func (w *twin) compare(x *Indexer) error {
	if x.Len() != len(w.items) || x.ResourceVersion() != w.version {
		return fmt.Errorf("%d objects at %q, want %d at %q", x.Len(), x.ResourceVersion(), len(w.items), w.version)
	}
	keys := sortedKeys(x.Keys())
	if want := sortedKeys(slices.Collect(maps.Keys(w.items))); !slices.Equal(keys, want) {
		return fmt.Errorf("keys %v, want %v", keys, want)
	}
	for k, o := range w.items {
		if got, ok := x.Get(k); !ok || got != o {
			return fmt.Errorf("%s: %v, want %v", k, got, o)
		}
	}
	for name := range w.indexes {
		for _, value := range append(x.IndexValues(name), labels...) {
			got, err := x.IndexKeys(name, value)
			if want := w.under(name, value); err != nil || !slices.Equal(got, want) {
				return fmt.Errorf("index %s=%s: %v (%v), want %v", name, value, got, err, want)
			}
		}
	}
	for _, value := range x.IndexValues("label") {
		if len(w.under("label", value)) == 0 {
			return fmt.Errorf("index label keeps the empty value %q", value)
		}
	}
	return nil
}

var labels = []string{"red", "green", "blue", "a", "b", "c", "unused"}

// randomThing returns an object of one of a dozen keys.
func randomThing(r *rand.Rand, version int) *thing {
	o := &thing{
		namespace: labels[3+r.IntN(3)],
		name:      "o" + strconv.Itoa(r.IntN(4)),
		version:   strconv.Itoa(version),
	}
	for range r.IntN(4) {
		o.labels = append(o.labels, labels[r.IntN(3)])
	}
	switch r.IntN(16) {
	case 0:
		o.labels = append(o.labels, "bad")
	case 1:
		o.labels = append(o.labels, "worse")
	}
	return o
}

// history plays random operations on an Indexer and its twin.
func history(seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 1))
	funcs := map[string]IndexFunc{"label": byLabel}
	x := NewRecovering(funcs)
	w := &twin{items: map[event.Key]event.Object{}, indexes: maps.Clone(funcs)}
	for step := range 60 {
		switch op := r.IntN(10); {
		case op < 7:
			var changes []Change
			for range 1 + r.IntN(5) {
				changes = append(changes, Change{Object: randomThing(r, step), Delete: r.IntN(3) == 0})
			}
			olds := w.apply(changes)
			x.Apply(changes)
			for i, c := range changes {
				if c.Old != olds[i] || (c.Rejected != nil) != (!c.Delete && refused(c.Object)) {
					return fmt.Errorf("step %d: change %d replaced %v, want %v", step, i, c.Old, olds[i])
				}
			}
		case op < 8:
			var items []event.Object
			for range r.IntN(8) {
				items = append(items, randomThing(r, step))
			}
			var kept []event.Key
			for range r.IntN(3) {
				kept = append(kept, event.KeyOf(randomThing(r, step)))
			}
			changes, xGone := x.Replace(items, strconv.Itoa(step), kept...)
			olds, gone := w.replace(items, strconv.Itoa(step), kept)
			for i, c := range changes {
				if c.Object != items[i] || c.Old != olds[i] || c.Delete || (c.Rejected != nil) != refused(items[i]) {
					return fmt.Errorf("step %d: replaced %d is %v, want %v and %v", step, i, c, items[i], olds[i])
				}
			}
			if !slices.Equal(keysOf(gone), keysOf(xGone)) {
				return fmt.Errorf("step %d: gone %v, want %v", step, keysOf(xGone), keysOf(gone))
			}
		case op < 9:
			w.version = strconv.Itoa(1000 + step)
			x.Bookmark(w.version)
		default:
			_ = x.AddIndexers(map[string]IndexFunc{NamespaceIndex: ByNamespace}) // an error the second time
			w.indexes[NamespaceIndex] = ByNamespace
		}
		if err := w.compare(x); err != nil {
			return fmt.Errorf("step %d: %w", step, err)
		}
	}
	return nil
}

func keysOf(objects []event.Object) (keys []event.Key) {
	for _, o := range objects {
		keys = append(keys, event.KeyOf(o))
	}
	return sortedKeys(keys)
}

func TestIndexerEqualsItsTwin(t *testing.T) {
	seeds := uint64(300)
	if testing.Short() {
		seeds = 30
	}
	for seed := range seeds {
		require.NoError(t, history(seed), "seed %d", seed)
	}
}

// Every write swaps the two halves of a pair, or moves all objects to the other
// colour: a reader that sees both colours, or one half, saw part of a batch.
func TestReadersSeeAllOfABatchOrNone(t *testing.T) {
	x := newIndexer()
	pair := func(n int) []Change {
		colour, v := labels[n%2], strconv.Itoa(n)
		return []Change{
			{Object: &thing{namespace: "n", name: "a", version: v, labels: []string{colour}}},
			{Object: &thing{namespace: "n", name: "b", version: v, labels: []string{colour}}},
		}
	}
	x.Apply(pair(0))
	stop := make(chan struct{})
	var writer, readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				list := x.List()
				if len(list) != 2 || list[0].GetResourceVersion() != list[1].GetResourceVersion() {
					t.Errorf("part of a batch: %v", list)
					return
				}
				red, _ := x.ByIndex("label", "red")
				inNamespace, _ := x.ByIndex(NamespaceIndex, "n")
				if len(red) != 0 && len(red) != 2 || len(inNamespace) != 2 {
					t.Errorf("part of an index: %v %v", red, inNamespace)
					return
				}
				x.Get(event.Key{Namespace: "n", Name: "a"})
				x.IndexValues("label")
			}
		})
	}
	writer.Go(func() {
		for n := range 500 {
			if n%50 == 7 {
				changes := pair(n)
				x.Replace([]event.Object{changes[0].Object, changes[1].Object}, strconv.Itoa(n))
				continue
			}
			x.Apply(pair(n))
		}
	})
	writer.Wait()
	close(stop)
	readers.Wait()
}

// The steady state of an informer is updates that leave the index values as
// they are: those must cost nothing but the lock and a map lookup.
func TestUpdatesAllocateNothing(t *testing.T) {
	byName := func(o event.Object, dst []string) ([]string, error) { return append(dst, o.GetName(), "all"), nil }
	funcs := map[string]IndexFunc{NamespaceIndex: ByNamespace, "several": byName}
	for _, x := range []*Indexer{New(funcs), NewRecovering(funcs)} {
		var even, odd []Change
		for i := range 100 {
			o := thing{namespace: "n" + strconv.Itoa(i%7), name: strconv.Itoa(i), version: "1"}
			newer := o
			newer.version = "2"
			odd, even = append(odd, Change{Object: &o}), append(even, Change{Object: &newer})
		}
		x.Apply(odd)
		require.NoError(t, x.AddIndexers(map[string]IndexFunc{"late": byName}))
		allocs := testing.AllocsPerRun(20, func() {
			x.Apply(even)
			x.Apply(odd)
		})
		require.Zero(t, allocs, "allocations in 200 updates")
	}
}

func BenchmarkApply(b *testing.B) {
	x := NewRecovering(map[string]IndexFunc{NamespaceIndex: ByNamespace})
	changes := make([]Change, 256)
	for i := range changes {
		changes[i].Object = &thing{namespace: "n" + strconv.Itoa(i%7), name: strconv.Itoa(i), version: "1"}
	}
	x.Apply(changes)
	for n := 0; n < b.N; n += len(changes) {
		x.Apply(changes)
	}
}
