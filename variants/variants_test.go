package variants_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/core/buffer"
	"informerlab/core/buffer/buffertest"
	"informerlab/core/event"
	"informerlab/variants"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestLaws holds every line of the catalogue to its traits.
func TestLaws(t *testing.T) {
	notifications, boxed := rows[event.Notification](), rows[any]()
	for i, v := range rows[uint64]() {
		t.Run(v.Name, func(t *testing.T) {
			buffertest.Run(t, buffertest.Variant{
				Name: v.Name, Traits: v.Traits, KeptBytes: v.KeptBytes,
				Ints: v.New, Notifications: notifications[i].New, Boxed: boxed[i].New,
			})
		})
	}
}

func rows[T any]() []variants.Variant[T] { return append(variants.All[T](), variants.Bounds[T]()...) }

func TestCatalogue(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range rows[int]() {
		assert.False(t, seen[v.Name], "the name %s is taken", v.Name)
		seen[v.Name] = true
		assert.NotEmpty(t, v.Summary, v.Name)
		assert.NotEmpty(t, v.Traits.Order, v.Name)
		assert.NotEmpty(t, v.Traits.Loss, v.Name)
		found, err := variants.Find[int](v.Name)
		require.NoError(t, err)
		assert.Equal(t, v.Name, found.Name)
		assert.Equal(t, v.Traits, found.Traits)
		b := found.New(buffer.Params[int]{
			Key:   func(int) event.Key { return event.Key{} },
			Merge: func(_, next int) (int, buffer.Outcome) { return next, buffer.Merged },
		})
		assert.Implements(t, (*buffer.Gauged)(nil), b, v.Name)
		b.Close()
		assert.Zero(t, b.Pop(make([]int, 1)), v.Name)
	}
	assert.True(t, seen["reference"])
	assert.True(t, seen["ring"])
}

func TestTraitsOfBounded(t *testing.T) {
	for spec, want := range map[string]string{
		"bounded:drop-newest":                      "FIFO, drops newest, bounded by capacity",
		"bounded:drop-oldest,cap=9":                "FIFO, drops oldest, bounded by capacity",
		"bounded:cap=9,block":                      "FIFO, lossless, bounded by capacity, blocks",
		"bounded:timeout=3s,block-timeout,cap=100": "FIFO, drops newest, bounded by capacity, blocks",
		"null": "FIFO, drops all, holds nothing",
	} {
		v, err := variants.Find[int](spec)
		require.NoError(t, err)
		assert.Equal(t, spec, v.Name)
		assert.Equal(t, want, v.Traits.String(), spec)
	}
}

// TestOptionsOfBounded fills buffers and sees how many items they hold, which
// they discard, and how long that takes.
func TestOptionsOfBounded(t *testing.T) {
	type outcome struct {
		holds, firstLost int
		took             time.Duration
	}
	for spec, want := range map[string]outcome{
		"bounded:drop-newest":                     {1024, 1024, 0},
		"bounded:drop-newest,cap=3":               {3, 3, 0},
		"bounded:cap=3,drop-oldest":               {3, 0, 0},
		"bounded:block-timeout":                   {1024, 1024, 100 * time.Millisecond},
		"bounded:block-timeout,timeout=3s":        {1024, 1024, 3 * time.Second},
		"bounded:timeout=2ns,block-timeout,cap=5": {5, 5, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			v, err := variants.Find[int](spec)
			require.NoError(t, err)
			var lost []int
			p := buffer.Params[int]{Discard: func(item int, _ buffer.Reason) { lost = append(lost, item) }}
			b := v.New(p)
			batch := make([]int, 2000)
			for k := range batch {
				batch[k] = k
			}
			start := time.Now()
			b.Push(batch)
			require.Equal(t, want, outcome{b.Len(), lost[0], time.Since(start)}, spec)

			p.Capacity = 7
			b = v.New(p)
			b.Push(batch)
			require.Equal(t, 7, b.Len(), "the Params' capacity counts more than the name's")
		})
	}
	v, err := variants.Find[int]("bounded:block,cap=3")
	require.NoError(t, err)
	assert.PanicsWithError(t, "bounded: capacity -1: it must be at least 1",
		func() { v.New(buffer.Params[int]{Capacity: -1}) })
	assert.PanicsWithError(t, "bounded: timeout 1ns: only block-timeout takes one",
		func() { v.New(buffer.Params[int]{Timeout: 1}) })
}

// TestInitialOfReference sees the ring grow from where the name says.
func TestInitialOfReference(t *testing.T) {
	for spec, want := range map[string][2]int{ // slots before and after 40 items wait
		"reference":            {1024, 1024},
		"reference:initial=0":  {0, 64},
		"reference:initial=3":  {3, 48},
		"reference:initial=64": {64, 64},
	} {
		v, err := variants.Find[byte](spec)
		require.NoError(t, err)
		assert.Equal(t, spec, v.Name)
		b := v.New(buffer.Params[byte]{})
		bytes := b.(buffer.Gauged).Gauges().Bytes
		b.Push(make([]byte, 40))
		b.Close()
		dst := make([]byte, 1)
		for b.Pop(dst) > 0 {
		}
		assert.Equal(t, want, [2]int{bytes, b.(buffer.Gauged).Gauges().Bytes}, spec)

		fanout, named, err := variants.Fanout(spec)
		require.NoError(t, err)
		assert.Equal(t, spec, named.Name)
		sub := fanout().Subscribe(func(event.Notification, buffer.Reason) {})
		assert.Equal(t, 16*want[0], sub.(buffer.Gauged).Gauges().Bytes, spec)
		sub.Close()
		assert.Zero(t, sub.Pop(make([]event.Notification, 1)))
	}
}

func TestFindErrors(t *testing.T) {
	var names []string
	for _, v := range rows[int]() {
		names = append(names, v.Name)
	}
	there := ": there are " + strings.Join(names, ", ")
	const policies = "drop-newest, drop-oldest, block, block-timeout"
	const duration = "timeout must be a duration above 0, such as 100ms"
	const zeros = "00000000000000000000"
	const initial = "there is initial=N, from 0 to 16777216 slots"
	const known = "there are cap=N, timeout=DURATION and one of " + policies
	for spec, want := range map[string]string{
		"rink":         `variants: no buffer is named "rink"` + there,
		"":             `variants: no buffer is named ""` + there,
		"ring:cap=9":   `variants: ring: option "cap=9": it takes none`,
		"null:cap=9":   `variants: null: option "cap=9": it takes none`,
		"rink:cap=100": `variants: no buffer is named "rink"` + there,

		"bounded":                           `no policy: there are ` + policies,
		"bounded:":                          `no policy: there are ` + policies,
		"bounded:cap=9":                     `no policy: there are ` + policies,
		"bounded:drop-oldest,block":         `option "block": the policy is drop-oldest already`,
		"bounded:block,block":               `option "block": block is given twice`,
		"bounded:block,cap=1,cap=1":         `option "cap=1": cap is given twice`,
		"bounded:block,cap=0":               `option "cap=0": cap must be a number from 1 on`,
		"bounded:block,cap=-1":              `option "cap=-1": cap must be a number from 1 on`,
		"bounded:block,cap=x":               `option "cap=x": cap must be a number from 1 on`,
		"bounded:block,cap=1e3":             `option "cap=1e3": cap must be a number from 1 on`,
		"bounded:block,cap=":                `option "cap=": cap must be a number from 1 on`,
		"bounded:block,cap":                 `option "cap": cap must be a number from 1 on`,
		"bounded:block,cap=1" + zeros:       `option "cap=1` + zeros + `": cap must be a number from 1 on`,
		"bounded:block-timeout,timeout":     `option "timeout": ` + duration,
		"bounded:block-timeout,timeout=1":   `option "timeout=1": ` + duration,
		"bounded:block-timeout,timeout=0s":  `option "timeout=0s": ` + duration,
		"bounded:block-timeout,timeout=-1s": `option "timeout=-1s": ` + duration,
		"bounded:block,timeout=1s":          `option "timeout=1s": only block-timeout takes one, not block`,
		"bounded:timeout=1m,drop-newest":    `option "timeout=1m": only block-timeout takes one, not drop-newest`,
		"bounded:block,":                    `option "": ` + known,
		"bounded:Block":                     `option "Block": ` + known,
		"bounded:block=1":                   `option "block=1": ` + known,
		"bounded:block, cap=1":              `option " cap=1": ` + known,

		"reference:":                    `option "": ` + initial,
		"reference:64":                  `option "64": ` + initial,
		"reference:initial":             `option "initial": ` + initial,
		"reference:initial=-1":          `option "initial=-1": ` + initial,
		"reference:initial=16777217":    `option "initial=16777217": ` + initial,
		"reference:initial=1" + zeros:   `option "initial=1` + zeros + `": ` + initial,
		"reference:initial=64,cap=3":    `option "initial=64,cap=3": ` + initial,
		"reference:initial=64:initial=": `option "initial=64:initial=": ` + initial,
	} {
		if family, _, _ := strings.Cut(spec, ":"); family == "bounded" || family == "reference" {
			want = "variants: " + family + ": " + want
		}
		_, err := variants.Find[int](spec)
		assert.EqualError(t, err, want, spec)
		if strings.HasSuffix(want, there) {
			want += ", direct"
		}
		_, _, err = variants.Fanout(spec)
		assert.EqualError(t, err, want, spec)
	}
}

// TestFanout sends a notification through each contestant's fan-out.
func TestFanout(t *testing.T) {
	for _, v := range variants.All[event.Notification]() {
		make1, found, err := variants.Fanout(v.Name)
		require.NoError(t, err)
		assert.Equal(t, v.Name, found.Name)
		fanout := make1()
		assert.NotSame(t, fanout, make1(), "each informer needs its own")
		sub := fanout.Subscribe(func(event.Notification, buffer.Reason) { t.Error("discarded") })
		fanout.Publish([]event.Notification{{Kind: event.Add, New: event.Tombstone{Name: "a"}}})
		dst := make([]event.Notification, 4)
		require.Equal(t, 1, sub.Pop(dst), v.Name)
		assert.Equal(t, event.Tombstone{Name: "a"}, dst[0].New, v.Name)
		sub.Close()
		require.Zero(t, sub.Pop(dst), v.Name)
	}
}

// TestFanoutBounds finds the bounds that listings show.
func TestFanoutBounds(t *testing.T) {
	var names []string
	for _, v := range variants.FanoutBounds() {
		names = append(names, v.Name)
		assert.NotEmpty(t, v.Summary, v.Name)
		make1, found, err := variants.Fanout(v.Name)
		require.NoError(t, err)
		assert.Equal(t, v.Traits, found.Traits)
		assert.NotSame(t, make1(), make1(), v.Name)
	}
	assert.Equal(t, []string{"null", "direct"}, names)
	_, err := variants.Find[event.Notification]("direct")
	assert.ErrorContains(t, err, "no buffer is named", "it is a fan-out only")
}
