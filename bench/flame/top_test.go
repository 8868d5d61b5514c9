package flame_test

import (
	"testing"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/flame"
)

// A stack is a sample: its frames, the innermost first, and its cost.
type stack struct {
	cost   int64
	frames []string
}

// profileOf makes a CPU profile of samples. Each frame is a location of its own.
func profileOf(stacks ...stack) *profile.Profile {
	p := &profile.Profile{SampleType: []*profile.ValueType{
		{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"},
	}}
	for _, s := range stacks {
		sample := &profile.Sample{Value: []int64{1, s.cost}}
		for _, name := range s.frames {
			f := &profile.Function{ID: uint64(len(p.Function) + 1), Name: name}
			l := &profile.Location{ID: f.ID, Line: []profile.Line{{Function: f}}}
			p.Function, p.Location = append(p.Function, f), append(p.Location, l)
			sample.Location = append(sample.Location, l)
		}
		p.Sample = append(p.Sample, sample)
	}
	return p
}

// TestTopChargesWhoeverAsked checks to which function a sample is charged.
func TestTopChargesWhoeverAsked(t *testing.T) {
	const caller = "informerlab/core/informer.(*Informer).Run"
	for want, frames := range map[string][]string{
		"informerlab/variants/ring.(*store[…]).Push": {
			"runtime.memmove", "slices.Grow[go.shape.struct { informerlab/core/event.a int }]",
			"informerlab/variants/ring.(*store[go.shape.struct { a []int }]).Push", caller},
		"informerlab/core/indexer.(*Indexer).put": {
			"type:.hash.informerlab/core/event.Key", "internal/runtime/maps.(*Map).getWithKey",
			"informerlab/core/indexer.(*Indexer).put", caller},
		"informerlab/core/processor.(*Listener).end": {
			"sync/atomic.(*Uint32).Store", "go.uber.org/atomic.(*Bool).Store",
			"informerlab/core/processor.(*Listener).end", caller},
		"k8s.io/client-go/tools/cache.(*processorListener).pop": {
			"runtime.selectgo", "k8s.io/client-go/tools/cache.(*processorListener).pop", "main.run"},
		"main.spin": {"main.spin", "main.main", "runtime.main"},
	} {
		top, elsewhere, err := flame.Top(profileOf(stack{5, frames}), profileOf(), "cpu", 3)
		require.NoError(t, err)
		assert.Equal(t, []flame.Frame{{Function: want, Head: 5}}, top)
		assert.Zero(t, elsewhere)
	}
}

// TestTopRanksByGrowth checks that neither what shrank nor the runtime is ranked.
func TestTopRanksByGrowth(t *testing.T) {
	base := profileOf(
		stack{100, []string{"informerlab/a.large"}}, stack{5, []string{"informerlab/a.small"}},
		stack{50, []string{"informerlab/a.less"}}, stack{7, []string{"runtime.gcBgMarkWorker"}})
	head := profileOf(
		stack{60, []string{"informerlab/a.large"}}, stack{20, []string{"runtime.futex", "informerlab/a.small"}},
		stack{50, []string{"informerlab/a.large", "informerlab/a.small"}},
		stack{40, []string{"informerlab/a.less"}}, stack{1, []string{"informerlab/a.fresh"}},
		stack{90, []string{"runtime.gcBgMarkWorker"}})
	top, elsewhere, err := flame.Top(head, base, "cpu", 2)
	require.NoError(t, err)
	assert.Equal(t, []flame.Frame{{"informerlab/a.small", 5, 20}, {"informerlab/a.large", 100, 110}}, top)
	assert.Equal(t, flame.Frame{Base: 7, Head: 90}, elsewhere)
	top, _, err = flame.Top(head, base, "cpu", 9)
	require.NoError(t, err)
	assert.Len(t, top, 3)
	_, _, err = flame.Top(head, base, "delay", 9)
	require.ErrorContains(t, err, "flame: top:")
}
