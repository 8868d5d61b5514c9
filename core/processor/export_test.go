package processor

// WithinCalls returns how many calls a listener over a buffer of that capacity
// may get, after a loss now, before the lost object's state: the one in
// progress, the batch in hand, the buffer, the batch that is being healed, and
// the objects lost before.
func WithinCalls(l *Listener, capacity int) int {
	waiting, _ := l.gaps.counts()
	return 1 + batchSize + capacity + healBatch + int(waiting)
}

// KeepsGaps reports whether the listener still holds memory for gaps, open or
// healed.
func KeepsGaps(l *Listener) bool {
	l.gaps.mu.Lock()
	defer l.gaps.mu.Unlock()
	return l.gaps.table.len > 0 || len(l.gaps.table.buckets) >= maxSlab || l.gaps.any.Load()
}

// EndingGaps returns how many gaps are kept to be looked at again.
func EndingGaps(l *Listener) int {
	l.gaps.mu.Lock()
	defer l.gaps.mu.Unlock()
	return len(l.gaps.ending)
}
