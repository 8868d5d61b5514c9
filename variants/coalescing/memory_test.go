package coalescing

import (
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/buffer"
	"informerlab/core/buffer/buffertest"
	"informerlab/core/event"
	"informerlab/core/processor"
)

// slack is what the runtime and the test itself may take meanwhile.
const slack = 16 << 10

// updates makes an update of each of that many pods.
func updates(pods int) []event.Notification {
	all := make([]event.Notification, pods)
	for k := range all {
		all[k] = event.Notification{Kind: event.Update, Old: newPod(0, k, 1), New: newPod(0, k, 2)}
	}
	return all
}

// TestAStallTakesMemoryByKeys stops the handler during five million updates of ten
// thousand pods.
func TestAStallTakesMemoryByKeys(t *testing.T) {
	const pods = 10000
	total := 5000000
	if testing.Short() {
		total = 100000
	}
	all := updates(pods)
	before := buffertest.LiveBytes()
	b := open(t, buffer.Params[event.Notification]{Key: keyOf, Merge: processor.Merge})
	for k := 0; k < total; k += 250 {
		b.Push(all[k%pods : k%pods+250])
	}
	require.Equal(t, pods, b.Len())
	held := buffertest.LiveBytes() - before
	assert.Less(t, held, 2500000)
	assert.InEpsilon(t, held, b.Gauges().Bytes, 0.05, "what the gauge says")
	t.Logf("%d updates of %d pods wait in %d bytes; the gauge says %d", total, pods, held, b.Gauges().Bytes)
	for dst := make([]event.Notification, 1); b.Len() > 0; {
		b.Pop(dst)
	}
	assert.Less(t, buffertest.LiveBytes()-before, KeptBytes+slack)
	assert.Equal(t, pods, b.Gauges().HighWater)
	runtime.KeepAlive(all)
}

// TestDrainedKeepsLittle ends backlogs of several sizes in each way.
func TestDrainedKeepsLittle(t *testing.T) {
	for _, n := range []int{1, 100, 1000, 5000, 60000} {
		adds, cancels := make([]item, n), make([]item, n)
		for k := range adds {
			adds[k].key = strconv.Itoa(k)
			cancels[k] = item{adds[k].key, "", buffer.Cancel}
		}
		before := buffertest.LiveBytes()
		b := open(t, buffer.Params[item]{Key: keyOfItem, Merge: mergeItems})
		for _, way := range []string{"cancelled", "popped"} {
			b.Push(adds)
			if way == "cancelled" {
				b.Push(cancels)
			}
			for dst := make([]item, 1); b.Len() > 0; {
				b.Pop(dst)
			}
			checkStructure(t, b)
			require.Less(t, buffertest.LiveBytes()-before, KeptBytes+slack, "%d %s", n, way)
			require.LessOrEqual(t, b.Gauges().Bytes, KeptBytes, "%d %s", n, way)
		}
		runtime.KeepAlive(adds)
		runtime.KeepAlive(cancels)
	}
}

// TestMemoryFollowsTheBacklog lets most of a burst drain, but never all.
func TestMemoryFollowsTheBacklog(t *testing.T) {
	b := open(t, buffer.Params[event.Notification]{Key: keyOf, Merge: processor.Merge})
	const burst, rest = 50000, 500
	b.Push(updates(burst))
	full := b.Gauges().Bytes
	dst := make([]event.Notification, 1)
	for b.Len() > rest {
		b.Pop(dst)
	}
	checkStructure(t, b)
	assert.Less(t, b.Gauges().Bytes, full/20)
}

func TestIdleIsSmall(t *testing.T) {
	const many = 100
	var buffers [many]buffer.Buffer[any]
	p := buffer.Params[any]{
		Key:   func(any) event.Key { return event.Key{} },
		Merge: func(_, next any) (any, buffer.Outcome) { return next, buffer.Merged },
	}
	before := buffertest.LiveBytes()
	for k := range buffers {
		buffers[k] = open(t, p)
	}
	assert.Less(t, (buffertest.LiveBytes()-before)/many, 1<<10)
	for _, b := range buffers {
		assert.Zero(t, b.(buffer.Gauged).Gauges().Bytes, "nothing before the first push")
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	c := newCluster(1, 0, 300)
	var batches [][]event.Notification
	for range 200 {
		batches = append(batches, c.changes(100))
	}
	for _, way := range []struct {
		name string
		pops int // a batch
	}{{"nobody pops", 0}, {"pops a few", 30}, {"pops all", 100}} {
		discarded := 0
		b := open(t, buffer.Params[event.Notification]{
			Key: keyOf, Merge: processor.Merge,
			Discard: func(event.Notification, buffer.Reason) { discarded++ },
		})
		dst := make([]event.Notification, 1)
		k := 0
		step := func() {
			b.Push(batches[k%len(batches)])
			for pops := way.pops; pops > 0 && b.Len() > 0; pops-- {
				b.Pop(dst)
			}
			k++
		}
		for range 2 * len(batches) {
			step()
		}
		assert.Less(t, testing.AllocsPerRun(len(batches), step), 0.5, way.name)
		assert.NotZero(t, discarded)
	}
}

// TestSwingsAllocateAlmostNothing fills and drains, beyond what is kept for good.
func TestSwingsAllocateAlmostNothing(t *testing.T) {
	b := open(t, buffer.Params[event.Notification]{Key: keyOf, Merge: processor.Merge})
	batch := updates(1000)
	require.Less(t, b.free.most, len(batch))
	dst := make([]event.Notification, 1)
	swing := func() {
		b.Push(batch)
		for b.Len() > 0 {
			b.Pop(dst)
		}
	}
	swing()
	const swings = 100
	bytes := buffertest.AllocatedBytes(func() {
		for range swings {
			swing()
		}
	})
	assert.Less(t, bytes/(swings*1000), 10, "bytes an item")
}
