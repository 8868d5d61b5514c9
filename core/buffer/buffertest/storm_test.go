package buffertest

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"

	"informerlab/core/buffer"
)

// piecemeal pushes a batch item by item, so that Close may cut it.
type piecemeal struct{ buffer.Buffer[*Drop] }

func (p piecemeal) Push(items []*Drop) {
	for k := range items {
		p.Buffer.Push(items[k : k+1])
	}
}

func TestStormsCatchBrokenBuffers(t *testing.T) {
	var stopped atomic.Bool
	twinOf := func(f fault) func(p buffer.Params[*Drop]) buffer.Buffer[*Drop] {
		return func(p buffer.Params[*Drop]) buffer.Buffer[*Drop] { return newTwin(f, &stopped, p) }
	}
	for name, open := range map[string]func(p buffer.Params[*Drop]) buffer.Buffer[*Drop]{
		"loses items":   twinOf(losesOneInThousand),
		"doubles items": twinOf(doublesOnGrowth),
		"drops at end":  twinOf(dropsOnClose),
		"cuts a batch":  func(p buffer.Params[*Drop]) buffer.Buffer[*Drop] { return piecemeal{twinOf(sound)(p)} },
	} {
		var caught error
		for seed := uint64(1); caught == nil && seed < 100; seed++ {
			caught = newStorm(seed, stormProducers, open).run()
		}
		assert.Error(t, caught, name)
		t.Log(name, "->", caught)
	}
	assert.NoError(t, newStorm(1, stormProducers, twinOf(sound)).run())
}
