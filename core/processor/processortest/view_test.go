package processortest

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/core/processor"
)

// TestViewCatches plays calls that no listener may make.
func TestViewCatches(t *testing.T) {
	one, two := &Object{"a", 1}, &Object{"a", 2}
	zero, gone := &Object{"a", 0}, event.Tombstone{Namespace: "n", Name: "a"}
	for want, calls := range map[string]func(v *View){
		"add of a from version 0 to 2, but it was told 1 last": func(v *View) {
			v.OnAdd(one, true)
			v.OnAdd(two, false)
		},
		"update of a from version 1 to 2, but it was told 0 last": func(v *View) { v.OnUpdate(one, two) },
		"delete of a from version 1 to 0, but it was told 2 last": func(v *View) {
			v.OnAdd(two, false)
			v.OnDelete(one, true)
		},
		"update of a from version 0 to 1, but it was told 0 last": func(v *View) { v.OnUpdate(nil, one) },
		"update of a from version 0 to 0, but it was told 0 last": func(v *View) { v.OnUpdate(zero, zero) },
		"update from <nil> to <nil>: it is not of one object":     func(v *View) { v.OnUpdate(nil, nil) },
		"delete from <nil> to <nil>: it is not of one object":     func(v *View) { v.OnDelete((*Object)(nil), true) },
		"add from <nil> to {n a}: it is not of one object":        func(v *View) { v.OnAdd(gone, false) },
		"delete of a from version 0 to 0, but it was told 0 last": func(v *View) { v.OnDelete(gone, true) },
		"delete of a from version 2 to 0, but it was told 0 last": func(v *View) { v.OnDelete(two, false) },
		"call 2: delete of a from version 0 to 0, but it was told 1": func(v *View) {
			v.OnAdd(one, false)
			v.OnDelete(gone, false)
		},
		"call 2: delete of a from version 1 to 0, but it was told 2": func(v *View) {
			v.OnAdd(two, false)
			v.OnDelete(one, false)
		},
		"it is not of one object": func(v *View) {
			v.OnAdd(one, false)
			v.OnUpdate(&Object{"b", 1}, two)
		},
		"another call has not returned": func(v *View) {
			v.During = func(int) { v.OnAdd(two, false) }
			v.OnAdd(one, false)
		},
		"a gap while a call has not returned": func(v *View) {
			v.During = func(int) { v.OnGap([]event.Key{{Namespace: "n", Name: "a"}}) }
			v.OnAdd(one, false)
		},
		"a gap without keys": func(v *View) { v.OnGap(nil) },
		"a gap with n/a twice": func(v *View) {
			v.OnGap([]event.Key{{Namespace: "n", Name: "a"}, {Namespace: "n", Name: "a"}})
		},
		"update of a goes back from version 2 to 1": func(v *View) {
			v.OnAdd(two, false)
			v.OnUpdate(two, one)
		},
		"what was lost of a was told by call 2, due by 1": func(v *View) {
			hook := v.Owe(func(event.Notification, buffer.Reason) {}, func() int { return 1 })
			hook(event.Notification{Kind: event.Add, New: two}, buffer.Overflow)
			v.OnAdd(one, false)
			v.OnUpdate(one, two)
		},
	} {
		c := NewCluster(1, processor.Options{})
		v := NewView(c)
		calls(v)
		assert.ErrorContains(t, c.Err(v), want)
	}
}

// TestViewKnowsTheCluster plays calls that fit to each other, but not to what the
// cluster did: object 0 had the versions 1, 2 and, after a delete, 3.
func TestViewKnowsTheCluster(t *testing.T) {
	state := func(version int) *Object { return &Object{"object-0", version} }
	told := func(version int) func(v *View) { return func(v *View) { v.OnAdd(state(version), false) } }
	gone := event.Tombstone{Namespace: "n", Name: "object-0"}
	for _, c := range []struct {
		first, then func(v *View)
		want        string // "" = the calls are fine
	}{
		{told(1), func(v *View) { v.OnDelete(state(1), false) }, "with version 1 as its last state, which it was not"},
		{told(1), func(v *View) { v.OnDelete(state(3), false) }, "with version 3 as its last state, which it was not"},
		{told(3), func(v *View) { v.OnUpdate(state(3), state(4)) }, "object-0 with version 4, which it never had"},
		{told(4), func(*View) {}, "add of object-0 with version 4, which it never had"},
		{told(1), func(v *View) { v.OnDelete(state(2), false) }, ""},
		{told(2), func(v *View) { v.OnDelete(state(2), false) }, ""},
		{told(1), func(v *View) { v.OnDelete(state(1), true) }, ""},
		{told(1), func(v *View) { v.OnDelete(gone, true) }, ""},
	} {
		cluster := NewCluster(1, processor.Options{})
		cluster.Processor.Start(t.Context())
		cluster.Change(false, Change{0, Write}, Change{0, Write}, Change{0, Delete}, Change{0, Write})
		v := NewView(cluster)
		c.first(v)
		c.then(v)
		if c.want == "" {
			assert.NoError(t, v.wrong)
		} else {
			assert.ErrorContains(t, v.wrong, c.want)
		}
		cluster.Processor.Stop()
	}
}

// TestClusterForgetsOldDeletes bounds what a view can check, and the memory.
func TestClusterForgetsOldDeletes(t *testing.T) {
	var w written
	for version := range 3 * keptFinals {
		w.write(&Object{"a", version})
		w.delete(&Object{"a", version})
	}
	w.write(&Object{"a", 3 * keptFinals})
	assert.Len(t, w.objects["a"].finals, keptFinals)
	assert.True(t, w.wasLast(&Object{"a", 3*keptFinals - 1}))
	assert.False(t, w.wasLast(&Object{"a", 3 * keptFinals}))
	assert.True(t, w.wasLast(&Object{"a", 1}), "nobody knows any more")
}

func TestErrComparesWithTheCache(t *testing.T) {
	c := NewCluster(2, processor.Options{})
	c.Processor.Start(t.Context())
	defer c.Processor.Stop()
	c.Change(false, Change{Object: 0})
	v := NewView(c)
	assert.ErrorContains(t, c.Err(v), "the view has 0 objects, the cache 1")
	v.OnAdd(&Object{"object-1", 1}, false)
	assert.ErrorContains(t, c.Err(v), "version 0 of n/object-0, the cache 1")
	v.OnDelete(&Object{"object-1", 1}, false)
	v.OnAdd(&Object{"object-0", 1}, false)
	assert.NoError(t, c.Err(v))
	assert.Equal(t, 1, v.Has())
}
