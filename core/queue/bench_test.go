package queue

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkFIFO puts batches in and takes them out, in one goroutine: ns/delta
// is the cost of the queue alone, in plus out.
func BenchmarkFIFO(b *testing.B) {
	for _, size := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			q := NewFIFO(FIFOOptions{})
			batch := make([]Delta, size)
			for i := range batch {
				batch[i] = Delta{Type: Updated, Object: &object{"a", i}}
			}
			b.ReportAllocs()
			in, out := 0, 0
			process := func(deltas []Delta, _ bool) error { out += len(deltas); return nil }
			for b.Loop() {
				_ = q.Add(batch)
				if in += size; q.Len() >= maxBatch-size {
					for q.Len() > 0 {
						_ = q.Pop(process)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(in), "ns/delta")
			require.Equal(b, in, out+q.Len())
		})
	}
}

// BenchmarkFIFOHandOver has a reflector add batches of 256 while a controller pops.
// Neither does any work, so this is mostly the cost of waking each other, and the
// queue swings as far as the scheduler lets it.
func BenchmarkFIFOHandOver(b *testing.B) {
	q := NewFIFO(FIFOOptions{})
	batch := make([]Delta, 256)
	for i := range batch {
		batch[i] = Delta{Type: Updated, Object: &object{"a", i}}
	}
	out, end := 0, make(chan struct{})
	go func() {
		defer close(end)
		for q.Pop(func(deltas []Delta, _ bool) error { out += len(deltas); return nil }) == nil {
		}
	}()
	b.ReportAllocs()
	in := 0
	for b.Loop() {
		_ = q.Add(batch)
		in += len(batch)
	}
	q.Close()
	<-end
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(in), "ns/delta")
	require.Equal(b, in, out)
}

// BenchmarkDeltaFIFO puts batches in and takes the keys out, in one goroutine.
func BenchmarkDeltaFIFO(b *testing.B) {
	for _, keys := range []int{16, 256} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			q := NewDeltaFIFO(DeltaFIFOOptions{})
			batch := make([]Delta, 256)
			for i := range batch {
				batch[i] = Delta{Type: Updated, Object: &object{fmt.Sprint(i % keys), i}}
			}
			b.ReportAllocs()
			in, out := 0, 0
			process := func(deltas []Delta, _ bool) error { out += len(deltas); return nil }
			for b.Loop() {
				_ = q.Add(batch)
				for q.Len() > 0 {
					_ = q.Pop(process)
				}
				in += len(batch)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(in), "ns/delta")
			require.Equal(b, in, out)
		})
	}
}
