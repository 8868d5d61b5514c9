package micro

import (
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"informerlab/bench/process"
)

// burst measures pushes of single items with nobody popping, from a cold heap,
// then the drain, and the memory at each point.
func (s subject[T]) burst() ([]figure, error) {
	items := s.kind.items(0, turns)
	debug.FreeOSMemory() // so that the first pushes meet what a burst meets: pages not yet there
	before := live()
	q, l := s.open(1, turns)
	pushing := s.pushAll(q, items)
	peak := heap() - before
	waiting := float64(s.count) - float64(l.discarded.Load())
	held := live() - before
	draining := s.drain(q, l)
	kept := live() - before
	runtime.KeepAlive(items)
	q.Close()
	return []figure{
		{"push-ns/item", float64(pushing) / float64(s.count)},
		{"drain-ns/item", float64(draining) / waiting},
		{"peak-B/item", float64(peak) / waiting},
		{"live-B/item", float64(held) / waiting},
		{"kept-KiB", float64(kept) / 1024},
	}, s.finish(q, l)
}

// updates measures single updates of a number of objects behind a consumer that
// does not come.
func (s subject[T]) updates(keys int) ([]figure, error) {
	items := s.kind.items(0, keys)
	before := live()
	q, l := s.open(1, keys)
	pushing := s.pushAll(q, items)
	held := live() - before
	s.drain(q, l)
	kept := live() - before
	runtime.KeepAlive(items)
	q.Close()
	return []figure{
		{"push-ns/item", float64(pushing) / float64(s.count)},
		{"live-KiB", float64(held) / 1024},
		{"kept-KiB", float64(kept) / 1024},
	}, s.finish(q, l)
}

// worst measures the slowest of many single pushes with nobody popping: the
// growth of storage, the help that an allocation owes the collector, and
// whatever else stops the pushing goroutine, the machine included.
func (s subject[T]) worst() ([]figure, error) {
	items := s.kind.items(0, turns)
	q, l := s.open(1, turns)
	var worst time.Duration
	last := time.Now()
	for k := range s.count {
		at := k % turns
		q.Push(items[at : at+1])
		now := time.Now()
		worst = max(worst, now.Sub(last))
		last = now
	}
	q.Close()
	return []figure{{"worst-push-us", float64(worst) / 1e3}}, s.finish(q, l)
}

// collection measures full collections while items wait, the only large thing
// in the heap.
func (s subject[T]) collection() ([]figure, error) {
	items := s.kind.items(0, turns)
	q, l := s.open(1, turns)
	const batch = 64
	for k := 0; k < s.count; k += batch {
		at := k % turns
		q.Push(items[at : at+min(batch, s.count-k)])
	}
	runtime.GC()
	took := make([]time.Duration, 5)
	for k := range took {
		began := time.Now()
		runtime.GC()
		took[k] = time.Since(began)
	}
	slices.Sort(took)
	q.Close()
	return []figure{{"collection-ms", float64(took[len(took)/2]) / 1e6}}, s.finish(q, l)
}

// pushAll pushes the items in turn, one by one, and returns how long it took.
func (s subject[T]) pushAll(q Queue[T], items []T) time.Duration {
	began := time.Now()
	at := 0
	for range s.count {
		q.Push(items[at : at+1])
		if at++; at == len(items) {
			at = 0
		}
	}
	return time.Since(began)
}

// drain pops all that waits and returns how long it took.
func (s subject[T]) drain(q Queue[T], l *ledger) time.Duration {
	dst := make([]T, popMost)
	began := time.Now()
	for waiting := s.count - int(l.discarded.Load()); l.popped < waiting; {
		s.kind.see(l, dst[:q.Pop(dst)])
	}
	return time.Since(began)
}

// finish empties a closed queue and settles the account.
func (s subject[T]) finish(q Queue[T], l *ledger) error {
	s.consume(q, l, 0)
	return l.settle(s.count, s.Traits)
}

// heap returns the bytes of objects, reachable or not yet collected.
func heap() int64 {
	_, _, bytes := process.Heap()
	return int64(bytes)
}

// live returns the bytes of reachable objects.
func live() int64 { return int64(process.LiveHeap()) }
