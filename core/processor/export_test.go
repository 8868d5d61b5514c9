package processor

// WithinCalls returns how many calls a listener over a buffer of that capacity
// may get, after a loss now, before the lost object's state: the one in
// progress, the batch in hand, the buffer, the batch that is being healed, and
// the objects lost before.
func WithinCalls(l *Listener, capacity int) int {
	return 1 + batchSize + capacity + healBatch + l.gaps.len()
}

// KeepsGaps reports whether the listener still holds memory for gaps, open or
// healed.
func KeepsGaps(l *Listener) bool {
	return l.gaps.waiting != nil || l.gaps.keys != nil || l.gaps.overtaken != nil || l.gaps.any.Load()
}
