package coalescing

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An item is a step of a key. What it does to a waiting one is in the step that
// is pushed: the tests decide, not a table.
type item struct {
	key     string
	numbers string // of all the pushed items that it stands for
	meets   buffer.Outcome
}

func (i item) String() string { return i.key + i.numbers }

func keyOfItem(i item) event.Key { return event.Key{Name: i.key} }

func mergeItems(pending, next item) (item, buffer.Outcome) {
	if next.meets == buffer.Merged {
		pending.numbers += "+" + next.numbers
	}
	return pending, next.meets
}

type loss struct {
	item string
	why  buffer.Reason
}

// A driver numbers what it pushes and holds the buffer to a twin made of a slice.
type driver struct {
	*coalescing[event.Key, item]
	t              *testing.T
	pushed, popped int
	discarded      int
	lost           []loss // by the last push
	twin           []item
	twinLost       []loss
}

func drive(t *testing.T) *driver {
	d := &driver{t: t}
	d.coalescing = open(t, buffer.Params[item]{
		Key: keyOfItem, Merge: mergeItems,
		Discard: func(i item, why buffer.Reason) {
			d.lost = append(d.lost, loss{i.String(), why})
			d.discarded++
		},
	})
	return d
}

func open[T any](t testing.TB, p buffer.Params[T]) *coalescing[event.Key, T] {
	b, err := New(p)
	require.NoError(t, err)
	return b.(*coalescing[event.Key, T])
}

// push pushes one batch. Steps are written as a key, or as a key with a sign: "a"
// merges with what waits, "-a" cancels it, "=a" keeps both.
func (d *driver) push(steps ...string) {
	d.lost, d.twinLost = nil, nil
	batch := make([]item, len(steps))
	for k, step := range steps {
		d.pushed++
		i := item{step, strconv.Itoa(d.pushed), buffer.Merged}
		switch step[0] {
		case '-':
			i.key, i.meets = step[1:], buffer.Cancel
		case '=':
			i.key, i.meets = step[1:], buffer.Keep
		}
		batch[k] = i
		d.pushTwin(i)
	}
	d.Push(batch)
	require.ElementsMatch(d.t, d.twinLost, d.lost)
	d.check()
}

func (d *driver) pushTwin(i item) {
	for k := range slices.Backward(d.twin) {
		if d.twin[k].key != i.key || i.meets == buffer.Keep {
			continue
		}
		if i.meets == buffer.Merged {
			d.twin[k].numbers += "+" + i.numbers
			d.twinLost = append(d.twinLost, loss{i.String(), buffer.Superseded})
			return
		}
		d.twinLost = append(d.twinLost,
			loss{d.twin[k].String(), buffer.Annihilated}, loss{i.String(), buffer.Annihilated})
		d.twin = slices.Delete(d.twin, k, k+1)
		return
	}
	d.twin = append(d.twin, i)
}

// pop pops one item, of which there must be one, and returns it.
func (d *driver) pop() string {
	require.NotEmpty(d.t, d.twin)
	dst := make([]item, 3)
	require.Equal(d.t, 1, d.Pop(dst))
	require.Equal(d.t, []item{{}, {}}, dst[1:], "one item a call")
	require.Equal(d.t, d.twin[0].String(), dst[0].String())
	d.twin = d.twin[1:]
	if d.popped++; len(d.twin) < 100 || d.popped%50 == 0 { // each takes as long as the backlog
		d.check()
	}
	return dst[0].String()
}

// check compares with the twin and verifies the invariants of the structure.
func (d *driver) check() {
	require.Equal(d.t, len(d.twin), d.Len())
	require.Equal(d.t, d.pushed, d.popped+d.discarded+d.Len())
	checkStructure(d.t, d.coalescing)
	k := 0
	for e := d.waiting.next; e != &d.waiting; e = e.next {
		if e.item.String() != d.twin[k].String() { // a call of require for each would take seconds
			require.Equal(d.t, d.twin[k].String(), e.item.String(), "waiting item %d", k)
		}
		k++
	}
}

// checkStructure verifies that the ring and the table hold the same entries, each
// in its bucket, and that free ones are empty.
func checkStructure[T comparable](t *testing.T, c *coalescing[event.Key, T]) {
	seen := map[*entry[event.Key, T]]bool{}
	n := 0
	for e := c.waiting.next; e != &c.waiting; e = e.next {
		if e.next.prev != e || e.key != c.key(e.item) {
			require.Fail(t, "an entry's links or its key are wrong")
		}
		seen[e] = true
		n++
	}
	require.Equal(t, n, c.table.len)
	for i := range c.table.count {
		for e := *c.table.bucket(i); e != nil; e = e.chain {
			if !seen[e] || c.table.home(e.hash) != c.table.bucket(i) {
				require.Fail(t, "a bucket has what is not waiting or not its own")
			}
			n--
		}
	}
	require.Zero(t, n, "waiting entries that no bucket has")
	for e := c.free.kept; e != nil; e = e.next {
		if *e != (entry[event.Key, T]{next: e.next}) {
			require.Fail(t, "a free entry is not empty")
		}
		n++
	}
	require.Equal(t, c.free.len, n)
	require.LessOrEqual(t, n, c.free.most)
}

func TestNewNeedsKeyAndMerge(t *testing.T) {
	for _, p := range []buffer.Params[item]{{}, {Key: keyOfItem}, {Merge: mergeItems}} {
		b, err := New(p)
		assert.EqualError(t, err, "coalescing: new: Params.Key and Params.Merge must be set")
		assert.Nil(t, b)
	}
}

func TestAKeyKeepsItsPosition(t *testing.T) {
	d := drive(t)
	d.push("hot", "a", "b")
	for range 100 {
		d.push("hot", "b")
	}
	d.push("c", "a")
	assert.Contains(t, d.pop(), "hot1+4+6+8+")
	d.push("hot")
	assert.Equal(t, "a2+205", d.pop())
	assert.Contains(t, d.pop(), "b3+5+7+")
	assert.Equal(t, "c204", d.pop())
	assert.Equal(t, "hot206", d.pop())
	assert.EqualValues(t, 201, d.Gauges().Merged)
}

func TestCancelInTheMiddle(t *testing.T) {
	for _, gone := range [][]string{{"-a"}, {"-b", "-c"}, {"-d"}, {"-a", "-c"}, {"-d", "-c", "-b", "-a"}} {
		d := drive(t)
		d.push("a", "b", "c", "d", "b", "d")
		d.push(gone...)
		assert.Zero(t, d.Gauges().Merged-2)
		d.push("b", "-e", "b")
		for d.Len() > 0 {
			d.pop()
		}
	}
}

// TestOneBatchMeetsItself has every outcome between items of one push.
func TestOneBatchMeetsItself(t *testing.T) {
	d := drive(t)
	d.push("a", "a", "-a", "b", "a", "-a", "a", "=a", "a", "-a", "-a", "-a", "b", "-b", "c")
	assert.Equal(t, "a12", d.pop())
	assert.Equal(t, "c15", d.pop())
}

func TestKeepBoth(t *testing.T) {
	d := drive(t)
	d.push("a", "b", "=a", "=a", "=b")
	d.push("a")
	assert.Equal(t, "a1", d.pop())
	d.push("a")
	assert.Equal(t, "b2", d.pop())
	d.push("-a") // the newest
	d.push("a")  // what is the newest now
	assert.Equal(t, "a3+9", d.pop())
	assert.Equal(t, "b5", d.pop())
	d.push("=a", "=a", "=a", "-a", "-a", "-a", "a")
	assert.Equal(t, "a16", d.pop())
	assert.Zero(t, d.Len())
}

func TestAnOutcomeThatIsNoneKeepsBoth(t *testing.T) {
	b := open(t, buffer.Params[item]{
		Key:   keyOfItem,
		Merge: func(pending, next item) (item, buffer.Outcome) { return item{}, 0 },
	})
	b.Push([]item{{key: "a", numbers: "1"}, {key: "a", numbers: "2"}})
	dst := make([]item, 2)
	for want := range 2 {
		require.Equal(t, 1, b.Pop(dst))
		require.Equal(t, "a"+strconv.Itoa(want+1), dst[0].String())
	}
}

func TestInHandIsNotMerged(t *testing.T) {
	d := drive(t)
	d.push("a", "b")
	assert.Equal(t, "a1", d.pop())
	d.push("a")
	d.push("a", "-b")
	assert.Equal(t, "a3+4", d.pop())
}

// TestRandomHistories compares with the twin after every step, while few and many
// keys wait.
func TestRandomHistories(t *testing.T) {
	seeds := 40
	if testing.Short() {
		seeds = 8
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			keys := []int{1, 3, 40, 3000}[seed%4]
			signs := []string{"", "", "", "-", "="}[:3+rng.IntN(3)]
			d := drive(t)
			for round := range 60 {
				batch := make([]string, rng.IntN(1+rng.IntN(200)))
				for k := range batch {
					batch[k] = signs[rng.IntN(len(signs))] + strconv.Itoa(rng.IntN(keys))
				}
				d.push(batch...)
				for pops := rng.IntN(1 + len(d.twin)/2); pops > 0; pops-- {
					d.pop()
				}
				if round == 40 {
					for len(d.twin) > 0 {
						d.pop()
					}
				}
			}
			d.Close()
			for len(d.twin) > 0 {
				d.pop()
			}
			require.Zero(t, d.Pop(make([]item, 1)))
		})
	}
}

// TestBatchesOfAnySize pushes more than one hold of the lock takes, and sees that
// the hook hears of the right items.
func TestBatchesOfAnySize(t *testing.T) {
	for _, n := range []int{1, 7, 8, 9, 63, 64, 65, 1023, 1024, 1025, 3000} {
		d := drive(t)
		batch := make([]string, n)
		for k := range batch {
			batch[k] = strconv.Itoa(k * 7 % (1 + n*2/3))
			if k%11 == 5 {
				batch[k] = "-" + batch[k]
			}
		}
		d.push(batch...)
		d.push(batch...)
		for len(d.twin) > 0 {
			d.pop()
		}
	}
}

// TestCancelledForEver adds and cancels behind an item that nobody pops.
func TestCancelledForEver(t *testing.T) {
	b := open(t, buffer.Params[item]{Key: keyOfItem, Merge: mergeItems})
	b.Push([]item{{key: "old"}})
	var keys []string
	for k := range 64 {
		keys = append(keys, strconv.Itoa(k))
	}
	pairs := func(k int) []item {
		a, b := keys[k%64], keys[(k+1)%64]
		return []item{{key: a}, {key: b}, {a, "", buffer.Cancel}, {b, "", buffer.Cancel}}
	}
	b.Push(pairs(0))
	before := b.Gauges().Bytes
	for k := range 100000 {
		b.Push(pairs(k))
		if k%1000 == 0 {
			require.Equal(t, 1, b.Len())
			require.Equal(t, before, b.Gauges().Bytes)
		}
	}
	checkStructure(t, b)
	assert.Equal(t, 3, b.Gauges().HighWater)
}

// TestHookReenters lets the hook use the buffer that calls it, also while calls of
// it wait to be made.
func TestHookReenters(t *testing.T) {
	var b *coalescing[event.Key, item]
	pushed, popped, calls := 0, 0, 0
	push := func(items ...item) {
		pushed += len(items)
		b.Push(items)
	}
	pop := func() bool {
		if b.Pop(make([]item, 1)) == 0 {
			return false
		}
		popped++
		return true
	}
	hook := func(item, buffer.Reason) {
		switch calls++; calls {
		case 1, 2:
			push(item{key: "a", meets: buffer.Merged})
		case 3:
			push(item{key: "a", meets: buffer.Cancel}, item{key: "b"}, item{key: "b", meets: buffer.Cancel})
		case 8:
			push(item{key: "c"}, item{key: "d"})
			pop()
			b.Close()
			push(item{key: "e"})
		}
		b.Len()
		b.Gauges()
	}
	b = open(t, buffer.Params[item]{Key: keyOfItem, Merge: mergeItems, Discard: hook})
	push(item{key: "a"}, item{key: "a", meets: buffer.Merged})
	push(item{key: "f"}, item{key: "f", meets: buffer.Cancel})
	checkStructure(t, b)
	for pop() {
	}
	assert.Equal(t, pushed, popped+calls)
	assert.Greater(t, calls, 8)
}

func TestAMergeThatPanicsLetsGoOfTheLock(t *testing.T) {
	b := open(t, buffer.Params[item]{
		Key:   keyOfItem,
		Merge: func(_, _ item) (item, buffer.Outcome) { panic("merge") },
	})
	assert.PanicsWithValue(t, "merge", func() { b.Push([]item{{key: "a"}, {key: "a"}}) })
	assert.Equal(t, 1, b.Len())
}

func TestPopIntoNothingPanics(t *testing.T) {
	d := drive(t)
	d.push("a")
	assert.PanicsWithValue(t, "coalescing: Pop: empty dst", func() { d.Pop(nil) })
	assert.Equal(t, "a1", d.pop())
}

// TestWakesOnlyForSomething pushes to a consumer that sleeps what cancels itself.
func TestWakesOnlyForSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := drive(t)
		popped := make(chan item, 1)
		go func() {
			for dst := make([]item, 1); d.Pop(dst) > 0; {
				popped <- dst[0]
			}
			close(popped)
		}()
		synctest.Wait()
		d.push("a", "-a")
		synctest.Wait()
		assert.Zero(t, d.Gauges().WakeUps)
		d.Push([]item{{key: "a", numbers: "9"}})
		assert.Equal(t, "a9", (<-popped).String())
		synctest.Wait()
		assert.EqualValues(t, 1, d.Gauges().WakeUps)
		d.Close()
		<-popped
	})
}
