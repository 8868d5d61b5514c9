package indexer

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
)

// A thing is an object with labels to index by.
type thing struct {
	namespace, name, version string
	labels                   []string
}

func (o *thing) GetNamespace() string       { return o.namespace }
func (o *thing) GetName() string            { return o.name }
func (o *thing) GetResourceVersion() string { return o.version }

// obj returns a thing from "namespace/name@version label label".
func obj(s string) *thing {
	words := strings.Fields(s)
	key, version, _ := strings.Cut(words[0], "@")
	k, err := event.ParseKey(key)
	if err != nil {
		panic(err)
	}
	return &thing{namespace: k.Namespace, name: k.Name, version: version, labels: words[1:]}
}

func key(s string) event.Key { return event.KeyOf(obj(s)) }

// byLabel is an index function with any number of values, an error for the
// label "bad", a panic for "worse", and repeated values if a label repeats.
func byLabel(o event.Object, dst []string) ([]string, error) {
	t, ok := o.(*thing)
	if !ok {
		return dst, nil
	}
	for _, label := range t.labels {
		if label == "bad" {
			return dst, errors.New("bad label")
		}
		if label == "worse" {
			panic("worse label")
		}
		dst = append(dst, label)
	}
	return dst, nil
}

func newIndexer() *Indexer {
	return New(map[string]IndexFunc{NamespaceIndex: ByNamespace, "label": byLabel})
}

// names returns the keys of objects, unordered, as strings.
func names[T event.Object](objects []T) []string {
	keys := []string{}
	for _, o := range objects {
		keys = append(keys, event.KeyOf(o).String())
	}
	return keys
}

func found(t *testing.T, x *Indexer, index, value string) []string {
	t.Helper()
	objects, err := x.ByIndex(index, value)
	require.NoError(t, err)
	return names(objects)
}

func TestWhatIsPutInIsWhatComesOut(t *testing.T) {
	x := newIndexer()
	a := obj("n/a@1")
	x.Add(a)
	got, ok := x.Get(key("n/a"))
	require.True(t, ok)
	assert.Same(t, a, got, "the cache shares the object, it does not copy it")
	assert.Equal(t, 1, x.Len())

	newer := obj("n/a@2")
	x.Add(newer)
	got, _ = x.Get(key("n/a"))
	assert.Same(t, newer, got)
	assert.Equal(t, 1, x.Len(), "the same key is the same object")

	x.Delete(obj("n/a@3"))
	_, ok = x.Get(key("n/a"))
	assert.False(t, ok)
	x.Delete(obj("n/a@3"))
	assert.Zero(t, x.Len(), "deleting what is not there is no error")
}

func TestListsAreSnapshots(t *testing.T) {
	x := newIndexer()
	x.Add(obj("n/a@1"))
	x.Add(obj("n/b@2"))
	list, keys := x.List(), x.Keys()
	byIndex, err := x.ByIndex(NamespaceIndex, "n")
	require.NoError(t, err)
	x.Delete(obj("n/a"))
	assert.ElementsMatch(t, []string{"n/a", "n/b"}, names(list))
	assert.ElementsMatch(t, []event.Key{key("n/a"), key("n/b")}, keys)
	assert.ElementsMatch(t, []string{"n/a", "n/b"}, names(byIndex))
	assert.Equal(t, []string{"n/b"}, names(x.List()))
}

func TestAllRangesOverEverythingAndMayEndEarly(t *testing.T) {
	x := newIndexer()
	for i := range 5 {
		x.Add(obj("n/o" + strconv.Itoa(i)))
	}
	var all []event.Object
	for o := range x.All() {
		all = append(all, o)
	}
	assert.ElementsMatch(t, names(x.List()), names(all))
	seen := 0
	for range x.All() {
		if seen++; seen == 2 {
			break
		}
	}
	assert.Equal(t, 2, seen)
	x.Add(obj("n/later")) // would deadlock if the broken range had kept the lock
	assert.Equal(t, 6, x.Len())
}

func TestAnIndexFollowsTheObject(t *testing.T) {
	x := newIndexer()
	x.Add(obj("n/a@1 red round"))
	x.Add(obj("n/b@2 red"))
	assert.ElementsMatch(t, []string{"n/a", "n/b"}, found(t, x, "label", "red"))
	assert.Equal(t, []string{"n/a"}, found(t, x, "label", "round"))

	x.Add(obj("n/a@3 blue round"))
	assert.Equal(t, []string{"n/b"}, found(t, x, "label", "red"))
	assert.Equal(t, []string{"n/a"}, found(t, x, "label", "blue"))
	got, err := x.ByIndex("label", "round")
	require.NoError(t, err)
	assert.Equal(t, "3", got[0].GetResourceVersion(), "an unchanged value must show the new state")

	x.Add(obj("n/a@4"))
	assert.Empty(t, found(t, x, "label", "blue"))
	x.Delete(obj("n/b"))
	assert.Empty(t, found(t, x, "label", "red"))
	assert.Empty(t, x.IndexValues("label"), "a value that no object has any more is forgotten")
}

func TestRepeatedValuesOfAnObjectCountOnce(t *testing.T) {
	x := newIndexer()
	x.Add(obj("n/a@1 red red"))
	assert.Equal(t, []string{"n/a"}, found(t, x, "label", "red"))
	x.Add(obj("n/a@2 red"))
	assert.Equal(t, []string{"n/a"}, found(t, x, "label", "red"))
	x.Add(obj("n/a@3 red red"))
	x.Delete(obj("n/a"))
	assert.Empty(t, x.IndexValues("label"))
}

func TestIndexUnitesTheValuesOfAnObject(t *testing.T) {
	x := newIndexer()
	x.Add(obj("n/a@1 red"))
	x.Add(obj("n/b@2 red round"))
	x.Add(obj("n/c@3 green"))
	like, err := x.Index("label", obj("any/thing red round"))
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"n/a", "n/b"}, names(like), "each once")
	_, err = x.Index("label", obj("any/thing bad"))
	assert.EqualError(t, err, `indexer: index "label" of any/thing: bad label`)
}

// The function of a look-up runs without a lock, so one that is stuck or panics
// on its caller's goroutine delays nobody.
func TestIndexRunsItsFunctionWithoutTheLock(t *testing.T) {
	x := New(nil)
	require.NoError(t, x.AddIndexers(map[string]IndexFunc{
		"writes": func(o event.Object, dst []string) ([]string, error) {
			if o.GetName() == "writer" {
				x.Add(obj("n/written@2"))
			}
			return append(dst, o.GetNamespace()), nil
		}}))
	x.Add(obj("n/a@1"))
	like, err := x.Index("writes", obj("n/writer"))
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"n/a", "n/written"}, names(like))
}

func TestIndexKeysAreSorted(t *testing.T) {
	x := newIndexer()
	for _, s := range []string{"m/b", "n/a", "m/a", "m/c", "cluster"} {
		x.Add(obj(s + "@1 red"))
	}
	keys, err := x.IndexKeys("label", "red")
	require.NoError(t, err)
	assert.Equal(t, []event.Key{key("cluster"), key("m/a"), key("m/b"), key("m/c"), key("n/a")}, keys)
}

func TestAnUnknownIndexIsAnError(t *testing.T) {
	x := newIndexer()
	_, err := x.ByIndex("colour", "red")
	assert.EqualError(t, err, `indexer: no index "colour"`)
	_, err = x.Index("colour", obj("n/a"))
	assert.EqualError(t, err, `indexer: no index "colour"`)
	_, err = x.IndexKeys("colour", "red")
	assert.EqualError(t, err, `indexer: no index "colour"`)
	assert.Nil(t, x.IndexValues("colour"))
	assert.Empty(t, found(t, x, "label", "unheard of"), "an unknown value is none")
}

func TestIndexesCanBeAddedAtAnyTime(t *testing.T) {
	x := New(nil)
	x.Add(obj("n/a@1 red"))
	require.NoError(t, x.AddIndexers(map[string]IndexFunc{"label": byLabel}))
	assert.Equal(t, []string{"n/a"}, found(t, x, "label", "red"), "what is cached is indexed at once")
	x.Add(obj("n/b@2 red"))
	assert.ElementsMatch(t, []string{"n/a", "n/b"}, found(t, x, "label", "red"))
	require.NoError(t, x.AddIndexers(map[string]IndexFunc{NamespaceIndex: ByNamespace}))
	assert.ElementsMatch(t, []string{"n/a", "n/b"}, found(t, x, NamespaceIndex, "n"))
	assert.Len(t, x.Indexers(), 2)
}

func TestATakenIndexNameAddsNothing(t *testing.T) {
	x := newIndexer()
	x.Add(obj("n/a@1 red"))
	err := x.AddIndexers(map[string]IndexFunc{"fresh": byLabel, "label": ByNamespace})
	assert.EqualError(t, err, `indexer: add index "label": the name is taken`)
	assert.NotContains(t, x.Indexers(), "fresh")
	assert.Equal(t, []string{"n/a"}, found(t, x, "label", "red"), "the old index is as it was")
}

// A panic of an index function must leave a cache that can still be used: a
// controller that recovers goes on with it.
func TestAFailingIndexFunctionPanicsAndReleasesTheLock(t *testing.T) {
	x := newIndexer()
	x.Add(obj("n/a@1 red"))
	assert.PanicsWithError(t, `indexer: index "label" of n/a: bad label`, func() { x.Add(obj("n/a@2 bad")) })
	x.Add(obj("n/a@3 blue"))
	assert.Equal(t, []string{"n/a"}, found(t, x, "label", "blue"))
	assert.Empty(t, found(t, x, "label", "red"))

	assert.Panics(t, func() { x.Add(obj("n/b@4 bad")) })
	x.Add(obj("n/b@5 green"))
	assert.Equal(t, []string{"n/b"}, found(t, x, "label", "green"))
	x.Delete(obj("n/b"))
	assert.Empty(t, found(t, x, "label", "green"))
}

func TestAnIndexThatFailsOnWhatIsCachedIsNotAdded(t *testing.T) {
	x := New(nil)
	for _, s := range []string{"n/a@1 red", "n/b@2 bad", "n/c@3 red"} {
		x.Add(obj(s))
	}
	err := x.AddIndexers(map[string]IndexFunc{NamespaceIndex: ByNamespace, "label": byLabel})
	assert.EqualError(t, err, `indexer: index "label" of n/b: bad label`)
	assert.Empty(t, x.Indexers())
	x.Add(obj("n/b@3 worse"))
	assert.PanicsWithValue(t, "worse label", func() { _ = x.AddIndexers(map[string]IndexFunc{"label": byLabel}) })
	assert.Empty(t, x.Indexers())
	x.recover = true
	var p *event.PanicError
	require.ErrorAs(t, x.AddIndexers(map[string]IndexFunc{"label": byLabel}), &p)
	assert.Contains(t, string(p.Stack), "byLabel")
	assert.Empty(t, x.Indexers())
	for _, s := range []string{"n/a@4 red", "n/b@5 red", "n/c@6 red"} {
		x.Add(obj(s))
	}
	require.NoError(t, x.AddIndexers(map[string]IndexFunc{"label": byLabel}), "now it can")
	assert.Len(t, found(t, x, "label", "red"), 3)
}

func TestApplyTellsWhatWasThereBefore(t *testing.T) {
	x := newIndexer()
	a1, a2, b1 := obj("n/a@1"), obj("n/a@2"), obj("n/b@3")
	changes := []Change{
		{Object: a1},
		{Object: b1},
		{Object: a2},
		{Object: obj("n/a@4"), Delete: true},
		{Object: obj("n/c@5"), Delete: true},
		{Object: a1},
	}
	x.Apply(changes)
	assert.Nil(t, changes[0].Old)
	assert.Nil(t, changes[1].Old)
	assert.Same(t, a1, changes[2].Old, "a key that comes twice sees its own earlier write")
	assert.Same(t, a2, changes[3].Old)
	assert.Nil(t, changes[4].Old, "there was nothing to delete")
	assert.Nil(t, changes[5].Old, "deleted before")
	assert.ElementsMatch(t, []string{"n/a", "n/b"}, names(x.List()))
	x.Apply(nil)
	assert.Equal(t, "1", x.ResourceVersion(), "an empty batch changes nothing")
}

func TestTheResourceVersionIsThatOfTheLastWrite(t *testing.T) {
	x := newIndexer()
	assert.Empty(t, x.ResourceVersion())
	x.Add(obj("n/a@9"))
	assert.Equal(t, "9", x.ResourceVersion())
	x.Add(obj("n/b@3"))
	assert.Equal(t, "3", x.ResourceVersion(), "the last, not the highest")
	x.Apply([]Change{{Object: obj("n/c@7")}, {Object: obj("n/d@5")}})
	assert.Equal(t, "5", x.ResourceVersion())
	x.Delete(obj("n/unknown@6"))
	assert.Equal(t, "6", x.ResourceVersion(), "also if there was nothing to delete")
	x.Delete(event.Tombstone(key("n/a")))
	assert.Equal(t, "6", x.ResourceVersion(), "a tombstone has no version to move to")
	x.Bookmark("12")
	assert.Equal(t, "12", x.ResourceVersion())
	x.Replace([]event.Object{obj("n/a@8")}, "10")
	assert.Equal(t, "10", x.ResourceVersion(), "that of the list, not of its items")
}

func TestReplaceSwapsEverything(t *testing.T) {
	x := newIndexer()
	a1, b1, b2, c2 := obj("n/a@1 red"), obj("n/b@2 red"), obj("n/b@3 blue"), obj("n/c@4 blue")
	x.Add(a1)
	x.Add(b1)
	changes, gone := x.Replace([]event.Object{c2, b2}, "5")
	assert.Equal(t, []Change{{Object: c2}, {Object: b2, Old: b1}}, changes, "in the order of the list")
	assert.Equal(t, []event.Object{a1}, gone)
	assert.ElementsMatch(t, []string{"n/b", "n/c"}, names(x.List()))
	assert.Empty(t, found(t, x, "label", "red"))
	assert.ElementsMatch(t, []string{"n/b", "n/c"}, found(t, x, "label", "blue"))

	changes, gone = x.Replace(nil, "6")
	assert.Empty(t, changes)
	assert.ElementsMatch(t, []event.Object{b2, c2}, gone)
	assert.Zero(t, x.Len())
	assert.Empty(t, x.IndexValues("label"))
}

func TestReplaceWithARepeatedKey(t *testing.T) {
	x := newIndexer()
	a1, a2, a3 := obj("n/a@1"), obj("n/a@2 red"), obj("n/a@3 blue")
	x.Add(a1)
	changes, gone := x.Replace([]event.Object{a2, a3}, "4")
	assert.Equal(t, []Change{{Object: a2, Old: a1}, {Object: a3, Old: a1}}, changes,
		"each sees what the cache held before the list")
	assert.Empty(t, gone)
	got, _ := x.Get(key("n/a"))
	assert.Same(t, a3, got, "the last one stays")
	assert.Equal(t, []string{"blue"}, x.IndexValues("label"))
}

// rejected returns the keys of the changes that were left out, and why.
func rejected(changes []Change) (all []string) {
	for _, c := range changes {
		if c.Rejected != nil {
			why, _, _ := strings.Cut(c.Rejected.Error(), "\n")
			all = append(all, why)
		}
	}
	return all
}

// kubernetes#43605: one bad object must not take down its neighbours.
func TestABadObjectIsLeftOutOfABatchAlone(t *testing.T) {
	for _, c := range []struct {
		label, why string
		recovers   bool
	}{
		{"bad", `indexer: index "label" of n/%s: bad label`, false},
		{"bad", `indexer: index "label" of n/%s: bad label`, true},
		{"worse", `indexer: index function: panic: worse label`, true},
	} {
		x := newIndexer()
		x.recover = c.recovers
		a1, a3, b1 := obj("n/a@1 red"), obj("n/a@3 blue"), obj("n/b@1 red")
		x.Apply([]Change{{Object: a1}, {Object: b1}})
		changes := []Change{
			{Object: obj("n/a@2 green " + c.label)}, {Object: obj("n/new@2 green " + c.label)},
			{Object: b1, Delete: true}, {Object: a3}, {Object: obj("n/b@4 green " + c.label)},
		}
		x.Apply(changes)
		why := func(name string) string { return strings.ReplaceAll(c.why, "%s", name) }
		assert.Equal(t, []string{
			`object n/a at version "2" left out: ` + why("a"), `object n/new at version "2" left out: ` + why("new"),
			`object n/b at version "4" left out: ` + why("b"),
		}, rejected(changes))
		assert.Nil(t, changes[0].Old)
		assert.Same(t, b1, changes[2].Old)
		assert.Same(t, a1, changes[3].Old, "the rejected state was never there")
		assert.Equal(t, []string{"n/a"}, names(x.List()))
		assert.Equal(t, []string{"blue"}, x.IndexValues("label"), "no value of a rejected state")
		assert.Equal(t, []string{"n/a"}, found(t, x, NamespaceIndex, "n"))
		assert.Equal(t, "4", x.ResourceVersion(), "how far the changes came, not what was accepted")
	}
}

// What an index function panics with is the caller's without NewRecovering.
func TestAPanicPassesThroughAndLeavesNoObjectHalf(t *testing.T) {
	x := New(map[string]IndexFunc{NamespaceIndex: ByNamespace, "label": byLabel})
	x.Add(obj("n/a@1 red"))
	assert.PanicsWithValue(t, "worse label", func() {
		x.Apply([]Change{{Object: obj("n/b@2 blue")}, {Object: obj("m/a@3 worse")}, {Object: obj("n/a@3 worse")}})
	})
	assert.ElementsMatch(t, []string{"n/a", "n/b"}, names(x.List()), "the front of the batch")
	assert.Equal(t, []string{"n"}, x.IndexValues(NamespaceIndex))
	assert.PanicsWithValue(t, "worse label", func() {
		x.Replace([]event.Object{obj("n/c@4 green"), obj("n/d@5 worse")}, "6")
	})
	assert.ElementsMatch(t, []string{"n/a", "n/b"}, names(x.List()), "a list is taken whole or not at all")
	assert.ElementsMatch(t, []string{"red", "blue"}, x.IndexValues("label"))
}

func TestANilObjectIsLeftOut(t *testing.T) {
	x := NewRecovering(map[string]IndexFunc{"label": byLabel})
	var none *thing
	changes := []Change{{Object: obj("n/a@1 red")}, {}, {Object: none}, {Object: none, Delete: true}}
	x.Apply(changes)
	assert.Len(t, rejected(changes), 3)
	assert.Equal(t, []string{"n/a"}, names(x.List()))
	changes, gone := x.Replace([]event.Object{none, obj("n/a@2"), nil}, "3")
	assert.Len(t, rejected(changes), 2)
	assert.Empty(t, gone)
	assert.Equal(t, []string{"n/a"}, names(x.List()))
}

// A panic for each object of a long list must not take a stack for each.
func TestOnlyTheFirstPanicsOfABatchKeepTheirStacks(t *testing.T) {
	x := NewRecovering(map[string]IndexFunc{"label": byLabel})
	var changes []Change
	for i := range 3 * keptStacks {
		changes = append(changes, Change{Object: obj("n/o" + strconv.Itoa(i) + "@1 worse")})
	}
	x.Apply(changes)
	stacks := 0
	for _, c := range changes {
		var p *event.PanicError
		require.ErrorAs(t, c.Rejected, &p)
		if p.Stack != nil {
			stacks++
		}
	}
	assert.Equal(t, keptStacks, stacks)
}

// A list that holds a key the cache cannot take says nothing of a deletion.
func TestReplaceKeepsTheStateOfWhatItLeavesOut(t *testing.T) {
	for _, label := range []string{"bad", "worse"} {
		x := newIndexer()
		x.recover = true
		a1, b1, c1, d1 := obj("n/a@1 red"), obj("n/b@1 red"), obj("n/c@1 red"), obj("n/d@1 red")
		x.Apply([]Change{{Object: a1}, {Object: b1}, {Object: c1}, {Object: d1}})
		bad, b2, c2 := obj("n/a@2 blue "+label), obj("n/b@2 blue"), obj("n/c@2 blue")
		changes, gone := x.Replace(
			[]event.Object{bad, obj("n/new@2 " + label), c2, obj("n/c@3 " + label), obj("n/b@3 " + label), b2}, "9",
			key("n/d"), key("n/c"), key("n/unknown"))
		assert.Empty(t, gone)
		assert.Len(t, rejected(changes), 4)
		assert.Equal(t, Change{Object: c2, Old: c1}, changes[2])
		assert.Equal(t, Change{Object: b2, Old: b1}, changes[5])
		assert.ElementsMatch(t, []event.Object{a1, b2, c2, d1}, x.List())
		assert.ElementsMatch(t, []string{"n/a", "n/d"}, found(t, x, "label", "red"))
		assert.ElementsMatch(t, []string{"n/b", "n/c"}, found(t, x, "label", "blue"))
		assert.Equal(t, "9", x.ResourceVersion())

		_, gone = x.Replace([]event.Object{b2}, "10", key("n/d"))
		assert.ElementsMatch(t, []event.Object{a1, c2}, gone, "what was kept can go later")
		assert.Equal(t, []string{"n/d"}, found(t, x, "label", "red"))
		x.Delete(d1)
		assert.Equal(t, []string{"blue"}, x.IndexValues("label"))
	}
}
