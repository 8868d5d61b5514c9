package workqueue

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// A day in the life of a measured queue.
func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := NewRegistry()
		m := registry.Queue("jobs")
		q := NewDelaying[string](Options{Name: "jobs", Metrics: registry})
		check := func(what string, depth, adds, retries int64) {
			t.Helper()
			assert.Equal(t, depth, m.Depth.Load(), "depth %s", what)
			assert.Equal(t, adds, m.Adds.Load(), "adds %s", what)
			assert.Equal(t, retries, m.Retries.Load(), "retries %s", what)
		}
		observed := func(s *Summary, want ...float64) {
			t.Helper()
			count, sum, largest := s.Read()
			assert.Equal(t, want, []float64{float64(count), sum, largest})
		}

		q.Add("a")
		q.Add("a")
		q.Add("b")
		check("after two items, one of them twice", 2, 2, 0)
		time.Sleep(3 * time.Second)
		get(t, q)
		check("with one in hand", 1, 2, 0)
		observed(&m.Latency, 1, 3, 3)
		q.Add("a")
		check("added again while in hand", 2, 3, 0)
		time.Sleep(2 * time.Second)
		get(t, q)
		observed(&m.Latency, 2, 8, 5)
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, 4.0, m.UnfinishedSeconds.Load(), "3 s and 1 s")
		assert.Equal(t, 3.0, m.LongestRunningSeconds.Load())

		q.Done("a")
		observed(&m.WorkDuration, 1, 3, 3)
		q.AddAfter("c", time.Second)
		q.AddAfter("d", 0)
		check("after an item now and one later", 2, 4, 2)
		time.Sleep(time.Second)
		synctest.Wait()
		check("when both are ready", 3, 5, 2)
		assert.Equal(t, 2.0, m.LongestRunningSeconds.Load(), "b")

		q.ShutDown()
		q.Add("e")
		q.AddAfter("e", time.Second)
		check("after the shutdown", 3, 5, 2)
		get(t, q)
		observed(&m.Latency, 3, 12, 5) // 4 s since a was added again, while in hand
	})
}

func TestNoMetricsWithoutANameOrAProvider(t *testing.T) {
	registry := NewRegistry()
	for _, o := range []Options{{}, {Name: "q"}, {Metrics: registry}} {
		q := NewDelaying[int](o)
		q.Add(1)
		q.AddAfter(2, 0)
		q.Done(get(t, q))
		q.ShutDown()
		assert.Nil(t, q.meter)
	}
	assert.Empty(t, registry.queues)
}

func TestDrainStopsTheMeter(t *testing.T) {
	q := New[int](Options{Name: "q", Metrics: NewRegistry()})
	q.ShutDownWithDrain() // goleak tells if its goroutine is left
	q.ShutDown()
}
