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
