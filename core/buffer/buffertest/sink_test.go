package buffertest

import (
	"informerlab/core/buffer"
)

const (
	popsSomething   fault = "pops an item now and then"
	endsTooEarly    fault = "returns 0 from Pop before it is closed"
	dropsInSilence  fault = "drops without a discard"
	dropsAsOverflow fault = "says of what it drops that it has overflowed"
)

// A sink is a twin that holds nothing: a plain buffer that is not told of what is
// pushed.
type sink[T any] struct {
	*twin[T]
	fault fault
}

func sinks(f fault) (Variant, func()) {
	return Variant{
		Name: string(f), Traits: buffer.Traits{
			Order: buffer.FIFO, Loss: buffer.DropsEvery, Bound: buffer.Nothing, Producers: buffer.Many,
		},
		KeptBytes:     1 << 10,
		Ints:          func(p buffer.Params[uint64]) buffer.Buffer[uint64] { return newSink(f, p) },
		Notifications: func(p buffer.Params[notification]) buffer.Buffer[notification] { return newSink(f, p) },
		Boxed:         func(p buffer.Params[any]) buffer.Buffer[any] { return newSink(f, p) },
	}, func() {}
}

func newSink[T any](f fault, p buffer.Params[T]) *sink[T] { return &sink[T]{newTwin(sound, nil, p), f} }

func (s *sink[T]) Push(items []T) {
	switch {
	case s.fault == popsSomething && len(items) == 9:
		s.twin.Push(items[:1])
		s.params.Discarded(items[1:], buffer.Closed)
	case s.fault == dropsAsOverflow:
		s.params.Discarded(items, buffer.Overflow)
	case s.fault != dropsInSilence || len(items) < 9:
		s.params.Discarded(items, buffer.Closed)
	}
}

func (s *sink[T]) Pop(dst []T) int {
	if s.fault == endsTooEarly {
		return 0
	}
	return s.twin.Pop(dst)
}
