package workqueue

import (
	"sync"
	"testing"
	"time"
)

// One item after another through an otherwise idle queue: the floor.
func BenchmarkAddGetDone(b *testing.B) {
	q := New[int](Options{})
	b.ReportAllocs()
	for b.Loop() {
		q.Add(1)
		item, _ := q.Get()
		q.Done(item)
	}
}

// Adds of an item that waits already: the commonest call in a busy controller.
func BenchmarkAddAbsorbed(b *testing.B) {
	q := New[int](Options{})
	q.Add(1)
	b.ReportAllocs()
	for b.Loop() {
		q.Add(1)
	}
	if q.Len() != 1 {
		b.Fatalf("Len() = %d, want 1", q.Len())
	}
}

// A burst of distinct items, then its drain. ns/op is per burst.
func BenchmarkBurst(b *testing.B) {
	const burst = 10_000
	q := New[int](Options{})
	sum := 0
	b.ReportAllocs()
	for b.Loop() {
		for i := range burst {
			q.Add(i)
		}
		for range burst {
			item, _ := q.Get()
			sum += item
			q.Done(item)
		}
	}
	if want := b.N * burst * (burst - 1) / 2; sum != want {
		b.Fatalf("items add up to %d, want %d", sum, want)
	}
}

// The cost of metrics, to be compared with BenchmarkAddGetDone.
func BenchmarkMeasured(b *testing.B) {
	registry := NewRegistry()
	q := New[int](Options{Name: "q", Metrics: registry})
	defer q.ShutDown()
	b.ReportAllocs()
	for b.Loop() {
		q.Add(1)
		item, _ := q.Get()
		q.Done(item)
	}
	if adds := registry.Queue("q").Adds.Load(); adds != int64(b.N) {
		b.Fatalf("adds = %d, want %d", adds, b.N)
	}
}

// One producer and two workers that do nothing: the cost of waking.
func BenchmarkHandOver(b *testing.B) {
	q := New[int](Options{})
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for {
				item, shutdown := q.Get()
				if shutdown {
					return
				}
				q.Done(item)
			}
		})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		q.Add(i)
	}
	q.ShutDownWithDrain()
	workers.Wait()
}

// Scheduling among a thousand scheduled items, each time somewhat earlier.
func BenchmarkAddAfter(b *testing.B) {
	d := NewDelaying[int](Options{})
	defer d.ShutDown()
	for i := range 1000 {
		d.AddAfter(i, 1000*time.Hour)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		d.AddAfter(i%1000, 999*time.Hour-time.Duration(i)*time.Microsecond)
	}
	if d.Scheduled() != 1000 {
		b.Fatalf("Scheduled() = %d, want 1000", d.Scheduled())
	}
}

// What the default limiter adds to a retry.
func BenchmarkWhen(b *testing.B) {
	l := DefaultControllerLimiter[int]()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.When(i % 1000)
	}
}
