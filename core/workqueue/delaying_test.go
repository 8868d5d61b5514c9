package workqueue

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAddAfterAddsWhenTheDelayHasPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDelaying[string](Options{})
		defer d.ShutDown()
		start := time.Now()
		d.AddAfter("late", 90*time.Minute)
		d.AddAfter("early", 50*time.Millisecond)
		d.AddAfter("now", 0)
		d.AddAfter("past", -time.Second)
		assert.Equal(t, "now", get(t, d))
		assert.Equal(t, "past", get(t, d))
		assert.Equal(t, 2, d.Scheduled())
		assert.Zero(t, d.Len(), "scheduled items do not count")

		assert.Equal(t, "early", get(t, d))
		assert.Equal(t, 50*time.Millisecond, time.Since(start))
		assert.Equal(t, "late", get(t, d))
		assert.Equal(t, 90*time.Minute, time.Since(start))
		assert.Zero(t, d.Scheduled())
	})
}

func TestTheEarliestTimeOfAnItemCounts(t *testing.T) {
	for name, delays := range map[string][]time.Duration{
		"later first":   {30 * time.Second, 10 * time.Second},
		"earlier first": {10 * time.Second, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := NewDelaying[string](Options{})
				defer d.ShutDown()
				start := time.Now()
				for _, delay := range delays {
					d.AddAfter("a", delay)
					synctest.Wait()
				}
				assert.Equal(t, 1, d.Scheduled())
				d.Done(get(t, d))
				assert.Equal(t, 10*time.Second, time.Since(start))
				time.Sleep(time.Minute)
				assert.Zero(t, d.Len(), "the later time is void")
			})
		})
	}
}

func TestItemsDueTogetherComeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDelaying[int](Options{})
		defer d.ShutDown()
		for i := range 100 {
			d.AddAfter(i, time.Second)
		}
		for i := range 100 {
			require.Equal(t, i, get(t, d))
		}
	})
}

func TestAddDoesNotCancelAScheduledItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDelaying[string](Options{})
		defer d.ShutDown()
		d.AddAfter("a", time.Second)
		d.Add("a")
		d.Done(get(t, d))
		start := time.Now()
		d.Done(get(t, d))
		assert.Equal(t, time.Second, time.Since(start))
	})
}

func TestAnItemDueWhileInHandComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDelaying[string](Options{})
		defer d.ShutDown()
		d.Add("a")
		get(t, d)
		d.AddAfter("a", time.Second)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Zero(t, d.Len())
		d.Done("a")
		assert.Equal(t, "a", get(t, d))
	})
}

func TestTheLongestDelayDoesNotOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDelaying[string](Options{})
		defer d.ShutDown()
		d.AddAfter("never", math.MaxInt64)
		time.Sleep(24 * 365 * time.Hour)
		synctest.Wait()
		assert.Equal(t, 1, d.Scheduled())
		assert.Zero(t, d.Len())
	})
}

// Both kinds of shutdown drop what is scheduled and leave no goroutine, which
// the end of the bubble would report, and take no time.
func TestShutdownStopsTheDelayingGoroutine(t *testing.T) {
	for name, shutDown := range map[string]func(*Delaying[string]){
		"shut down": func(d *Delaying[string]) { d.ShutDown() },
		"drain":     func(d *Delaying[string]) { d.ShutDownWithDrain() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := NewDelaying[string](Options{Name: "q", Metrics: NewRegistry()})
				start := time.Now()
				d.AddAfter("a", time.Second)
				d.Add("b")
				shutDown(d)
				assert.Zero(t, time.Since(start))
				assert.Zero(t, d.Scheduled())
				d.AddAfter("c", time.Second)
				d.AddAfter("c", 0)
				assert.Zero(t, d.Scheduled())
				assert.Equal(t, "b", get(t, d))
				_, shutdown := d.Get()
				assert.True(t, shutdown)
			})
		})
	}
}

func TestDrainDoesNotKeepTheDelayingGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDelaying[string](Options{})
		d.AddAfter("late", time.Hour)
		d.Add("a")
		get(t, d)
		drained := done(d.ShutDownWithDrain)
		require.False(t, drained())
		assert.Zero(t, d.Scheduled(), "the goroutine has ended though the drain goes on")
		d.Done("a")
		assert.True(t, drained())
	})
}

// The heap against a slice that is sorted whenever it is asked.
func TestScheduleAgainstASortedSlice(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var s schedule[int]
	var twin []entry[int]
	epoch := time.Now()
	for step := range 20_000 {
		if random.IntN(5) < 3 {
			item, due := random.IntN(200), epoch.Add(time.Duration(random.IntN(500)))
			s.put(item, due)
			e := entry[int]{item, due, uint64(step)}
			if i := slices.IndexFunc(twin, func(e entry[int]) bool { return e.item == item }); i < 0 {
				twin = append(twin, e)
			} else if due.Before(twin[i].due) {
				twin[i] = e
			}
		} else if len(twin) > 0 {
			first := slices.MinFunc(twin, func(a, b entry[int]) int {
				if a.before(&b) {
					return -1
				}
				return 1
			})
			require.Equal(t, first.due, s.first(), "step %d", step)
			require.Equal(t, first.item, s.pop(), "step %d", step)
			twin = slices.DeleteFunc(twin, func(e entry[int]) bool { return e == first })
		}
		require.Equal(t, len(twin), s.len(), "step %d", step)
		require.Len(t, s.index, len(twin), "step %d", step)
	}
}
