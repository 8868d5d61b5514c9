package coalescing

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/core/processor"
)

// published is how many notifications come at once.
const published = 256

func openForBench(b *testing.B, discard buffer.Discard[event.Notification]) buffer.Buffer[event.Notification] {
	return open(b, buffer.Params[event.Notification]{Key: keyOf, Merge: processor.Merge, Discard: discard})
}

// BenchmarkPush updates random pods behind a stopped handler. An operation is one
// notification. Each pod goes to and fro between two states, which are hot in the
// CPU's cache as they are when the controller publishes what it has just applied.
func BenchmarkPush(b *testing.B) {
	for _, keys := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, uint64(keys)))
			all := updates(keys)
			history := make([]event.Notification, max(16, 2*keys/published)*published)
			for k := range history {
				n := &all[rng.IntN(keys)]
				history[k] = *n
				n.Old, n.New = n.New, n.Old
			}
			discarded := 0
			buf := openForBench(b, func(event.Notification, buffer.Reason) { discarded++ })
			buf.Push(history)
			b.ReportAllocs()
			b.ResetTimer()
			for k := 0; k < b.N; k += published {
				first := k % len(history)
				buf.Push(history[first : first+published])
			}
			if want := b.N - keys; discarded < want {
				b.Fatalf("%d discarded, want at least %d", discarded, want)
			}
		})
	}
}

// BenchmarkStream pushes updates of that many pods and pops them, in one
// goroutine. An operation is one notification, in and out.
func BenchmarkStream(b *testing.B) {
	for _, keys := range []int{1, published, 20 * published} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			all := updates(keys)
			buf := openForBench(b, nil)
			dst := make([]event.Notification, 1)
			b.ReportAllocs()
			for k := 0; k < b.N; k += keys {
				for first := 0; first < keys; first += published {
					buf.Push(all[first:min(first+published, keys)])
				}
				for range keys {
					buf.Pop(dst)
				}
			}
		})
	}
}

// BenchmarkBurst pushes updates of as many pods as there are operations, with
// nobody popping: worst-push-us is the longest push of a batch, in microseconds.
func BenchmarkBurst(b *testing.B) {
	all := updates(b.N)
	buf := openForBench(b, nil)
	worst := time.Duration(0)
	b.ReportAllocs()
	b.ResetTimer()
	for first := 0; first < b.N; first += published {
		start := time.Now()
		buf.Push(all[first:min(first+published, b.N)])
		worst = max(worst, time.Since(start))
	}
	b.ReportMetric(float64(worst.Nanoseconds())/1e3, "worst-push-us")
	b.ReportMetric(float64(buf.(buffer.Gauged).Gauges().Bytes)/float64(b.N), "held-B/op")
}

// BenchmarkHandOver has a producer and a consumer of their own, at full speed. An
// operation is one pushed notification; popped/op is the share that was not merged.
func BenchmarkHandOver(b *testing.B) {
	for _, keys := range []int{published, 20 * published} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			all := updates(keys)
			buf := openForBench(b, nil)
			popped := make(chan int)
			go func() {
				n := 0
				for dst := make([]event.Notification, 1); buf.Pop(dst) > 0; {
					n++
				}
				popped <- n
			}()
			b.ReportAllocs()
			for k := 0; k < b.N; k += published {
				first := k % keys
				buf.Push(all[first : first+published])
			}
			buf.Close()
			b.ReportMetric(float64(<-popped)/float64(b.N), "popped/op")
		})
	}
}
