package workqueue

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/atomic"
)

// cell is what a controller would have per object: producers make new versions,
// workers bring the seen one up to date.
type cell struct {
	made  atomic.Int64
	seen  atomic.Int64
	owned atomic.Bool
}

// Many producers add items now, later and rate limited; many workers take them.
// No item may be in two hands, and in the end each item's last version has been
// seen, though most adds were absorbed.
func TestManyProducersAndWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const producers, workers, adds = 8, 6, 3000
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		cells := make([]cell, 50)
		registry := NewRegistry()
		limiter := NewMaxOf(NewExponential[int](time.Microsecond, ms), NewBucket[int](1e6, 10))
		q := NewRateLimiting(limiter, Options{Name: "q", Metrics: registry})

		var producing, working sync.WaitGroup
		for p := range uint64(producers) {
			producing.Go(func() { produce(q, cells, rand.New(rand.NewPCG(seed, p)), adds) })
		}
		for range workers {
			working.Go(func() { work(t, q, cells) })
		}
		producing.Wait()
		time.Sleep(time.Second) // every delay has passed
		q.ShutDownWithDrain()
		working.Wait()

		for i := range cells {
			assert.Equal(t, cells[i].made.Load(), cells[i].seen.Load(), "item %d", i)
		}
		m := registry.Queue("q")
		handled, _, _ := m.WorkDuration.Read()
		assert.Equal(t, m.Adds.Load(), handled, "each add that was not absorbed was handled once")
		assert.Zero(t, m.Depth.Load())
		assert.Less(t, handled, int64(producers*adds), "some were absorbed")
	})
}

func produce(q *RateLimiting[int], cells []cell, random *rand.Rand, adds int) {
	for range adds {
		item := random.IntN(len(cells))
		cells[item].made.Inc()
		switch random.IntN(8) {
		case 0:
			q.AddAfter(item, time.Duration(random.IntN(int(ms))))
		case 1:
			q.AddRateLimited(item)
		case 2:
			time.Sleep(time.Duration(random.IntN(int(ms))))
			q.Add(item)
		default:
			q.Add(item)
		}
	}
}

func work(t *testing.T, q *RateLimiting[int], cells []cell) {
	for {
		item, shutdown := q.Get()
		if shutdown {
			return
		}
		c := &cells[item]
		assert.True(t, c.owned.CompareAndSwap(false, true), "item %d is in two hands", item)
		version := c.made.Load()
		if version%7 == 0 {
			time.Sleep(10 * time.Microsecond)
		}
		c.seen.Store(version)
		c.owned.Store(false)
		q.Forget(item)
		q.Done(item)
	}
}

// Everything at once, with shutdowns in the middle: nothing hangs, nothing is
// left over, and all drains return.
func TestShutdownsAmidTraffic(t *testing.T) {
	for round := range 20 {
		synctest.Test(t, func(t *testing.T) {
			q := NewRateLimiting(DefaultItemLimiter[int](), Options{Name: "q", Metrics: NewRegistry()})
			cells := make([]cell, 10)
			var all sync.WaitGroup
			for i := range uint64(4) {
				all.Go(func() { produce(q, cells, rand.New(rand.NewPCG(uint64(round), i)), 200) })
				all.Go(func() { work(t, q, cells) })
			}
			for range 3 {
				all.Go(func() {
					time.Sleep(time.Duration(round) * ms)
					q.ShutDownWithDrain()
				})
			}
			all.Wait()
			q.ShutDown()
			assert.Zero(t, q.Len())
			assert.Zero(t, q.Scheduled())
		})
	}
}
