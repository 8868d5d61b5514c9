package micro

import (
	"slices"
	"sync"
	"time"

	"informerlab/bench/process"
	"informerlab/core/buffer"
)

const (
	// rest is the time before a wake-up: enough for a consumer to park and for
	// its thread to sleep.
	rest = 100 * time.Microsecond
	// settling is the time that many consumers get to park, watched how long
	// they are then looked at.
	settling = 20 * time.Millisecond
	watched  = 200 * time.Millisecond
)

// wake measures the time from a push until the consumer, which was parked, has
// the item. The producer blocks after its push, as the distributor does when
// there is no more to distribute.
func (s subject[T]) wake() ([]figure, error) {
	items := s.kind.items(0, turns)
	q, l := s.open(1, turns)
	var pushed time.Time
	latencies := make([]time.Duration, 0, s.count)
	awake := make(chan struct{})
	go func() {
		defer close(awake)
		dst := make([]T, popMost)
		for n := q.Pop(dst); n > 0; n = q.Pop(dst) {
			latencies = append(latencies, time.Since(pushed))
			s.kind.see(l, dst[:n])
			awake <- struct{}{}
		}
	}()
	for k := range s.count {
		time.Sleep(rest)
		at := k % turns
		pushed = time.Now()
		q.Push(items[at : at+1])
		<-awake
	}
	q.Close()
	<-awake
	slices.Sort(latencies)
	return []figure{
		{"p50-us", float64(latencies[len(latencies)/2]) / 1e3},
		{"p99-us", float64(latencies[len(latencies)*99/100]) / 1e3},
	}, l.settle(s.count, s.Traits)
}

// footprint measures the heap and the stacks that an unused queue takes.
func (s subject[T]) footprint() ([]figure, error) {
	params := buffer.Params[T]{Key: s.kind.key, Merge: s.kind.merge}
	queues := make([]Queue[T], s.count)
	before := resident()
	for k := range queues {
		queues[k] = s.New(params)
	}
	bytes := float64(resident()-before) / float64(s.count)
	for _, q := range queues {
		q.Close()
		s.consume(q, nil, 0) // there is nothing to enter
	}
	return []figure{{"B/queue", bytes}}, nil
}

// idle measures the processor time that queues use while their consumers wait.
func (s subject[T]) idle() ([]figure, error) {
	queues := make([]Queue[T], s.count)
	var consumers sync.WaitGroup
	for k := range queues {
		q, l := s.open(0, turns)
		queues[k] = q
		consumers.Go(func() { s.consume(q, l, 0) })
	}
	time.Sleep(settling)
	began, used := time.Now(), process.CPU()
	time.Sleep(watched)
	share := float64(process.CPU()-used) / float64(time.Since(began))
	for _, q := range queues {
		q.Close()
	}
	consumers.Wait()
	return []figure{{"cpu-%", 100 * share}}, nil
}

// resident returns the bytes of reachable objects and of stacks.
func resident() int64 {
	return live() + int64(process.Stacks())
}
