package worker

import "github.com/HdrHistogram/hdrhistogram-go"

// neighbours sums up the latencies of the handlers that neither stop nor are slow.
// It returns nil where no handler does or is, or every one.
func (r *run) neighbours() *Quantiles {
	w := r.workload
	if w.Stalled == 0 && w.Slow == 0 {
		return nil
	}
	var latency []*hdrhistogram.Histogram
	for _, recorders := range r.recorders {
		for i := w.Stalled; i < len(recorders)-w.Slow; i++ {
			latency = append(latency, recorders[i].Latency())
		}
	}
	return quantilesOf(merged(latency))
}
