// Package null is a listener buffer that holds nothing: whatever is pushed is
// discarded at once, because its intake is never open, and Pop waits for Close.
//
//	Push ──x──▶ Discard, as closed        Pop ──▶ 0
//
// It is a bound and not a contestant. A pipeline with it costs what a pipeline
// costs before any listener's buffer and handler: what others take beyond that
// is theirs. A handler behind it is never called, not even to heal.
package null

import "informerlab/core/buffer"

type null[T any] struct {
	params buffer.Params[T]
	bell   buffer.Bell // sleeps until Close
}

// New returns such a buffer. It ignores all of p but Discard.
func New[T any](p buffer.Params[T]) buffer.Buffer[T] { return &null[T]{params: p} }

// Push implements buffer.Buffer. It discards all items.
func (n *null[T]) Push(items []T) { n.params.Discarded(items, buffer.Closed) }

// Pop implements buffer.Buffer. It returns 0 once the buffer is closed.
func (n *null[T]) Pop(dst []T) int {
	if len(dst) == 0 {
		panic("null: Pop: empty dst")
	}
	n.bell.Lock()
	defer n.bell.Unlock()
	for n.bell.Wait() {
	}
	return 0
}

// Close implements buffer.Buffer.
func (n *null[T]) Close() { n.bell.Close() }

// Len implements buffer.Buffer: 0, nothing ever waits.
func (n *null[T]) Len() int { return 0 }

// Gauges implements buffer.Gauged.
func (n *null[T]) Gauges() buffer.Gauges {
	n.bell.Lock()
	defer n.bell.Unlock()
	return buffer.Gauges{WakeUps: n.bell.WakeUps()}
}

var (
	_ buffer.Buffer[int] = (*null[int])(nil)
	_ buffer.Gauged      = (*null[int])(nil)
)
