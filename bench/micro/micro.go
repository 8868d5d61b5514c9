// Package micro measures listener buffers alone, operation by operation: what a
// push, a pop, a wake-up, a waiting item and an unused buffer cost.
//
//	Contestants ─┐
//	Measurements ┼─▶ rounds, each in an order of its own ─▶ a table a measurement
//	items ───────┘                                          or Go benchmark text
//
// Machines are noisy, and most so over minutes. So a round runs one measurement
// for every contestant, the rounds follow one another in one process, and what
// is compared is a contestant and the base of the same round. Before every run
// the heap is collected. Every run is checked: each item that was pushed must
// have been popped or discarded, and those of a lossless buffer in the order of
// their producer, so that nothing measured is work that nobody did.
//
// lab micro measures the catalogue and, through the worker of the nested module
// bench/peers, queues from elsewhere. The same measurements are Go benchmarks too, for
// profiles and quick looks:
//
//	go test ./bench/micro -bench 'Stream/buffer=(ring|chunked)/' -benchtime 9x
//
// Limits: whoever pops does nothing with the items but check them, producers
// only push; what a pipeline around the buffer makes of the differences is for
// the command lab to tell.
package micro

import (
	"fmt"
	"runtime"
	"strings"

	"informerlab/core/buffer"
	"informerlab/variants"
)

// A Queue is what is measured: as much of buffer.Buffer as the loads need, so
// that queues from elsewhere need no more.
type Queue[T any] interface {
	// Push takes a batch, which stays the caller's.
	Push(items []T)
	// Pop waits for at least one item, moves some into dst and returns their
	// number; 0 means closed and drained.
	Pop(dst []T) int
	// Close comes after all pushes and lets Pop return 0 once it has drained
	// the queue.
	Close()
}

// A Contestant is a queue by name.
type Contestant[T any] struct {
	Name   string
	Traits buffer.Traits // what does not suit them is not measured
	New    func(buffer.Params[T]) Queue[T]
}

// Ours returns the catalogue of buffers.
func Ours[T any]() []Contestant[T] {
	var all []Contestant[T]
	for _, v := range variants.All[T]() {
		all = append(all, contestant(v))
	}
	return all
}

func contestant[T any](v variants.Variant[T]) Contestant[T] {
	return Contestant[T]{v.Name, v.Traits, func(p buffer.Params[T]) Queue[T] { return v.New(p) }}
}

// find returns the contestant of that name, or of the catalogue one with other
// options or a bound. All else is ErrInput.
func find[T any](all []Contestant[T], spec string) (Contestant[T], error) {
	var names []string
	for _, c := range all {
		if c.Name == spec {
			return c, nil
		}
		names = append(names, c.Name)
	}
	v, err := variants.Find[T](spec)
	if err != nil && !strings.Contains(spec, ":") {
		return Contestant[T]{}, fmt.Errorf("micro: %w: no buffer is named %q: there are %s",
			ErrInput, spec, strings.Join(names, ", "))
	}
	if err != nil {
		return Contestant[T]{}, fmt.Errorf("micro: %w: %w", ErrInput, err)
	}
	return contestant(v), nil
}

// A figure is one result of a run. Less is better.
type figure struct {
	unit  string
	value float64
}

// A measurement is something to measure of every contestant that it fits.
type measurement[T any] struct {
	family string // the Go benchmark is named after it
	params string // key=value, joined by slashes
	count  int    // items pushed in a run, or queues made
	fits   func(buffer.Traits) bool
	run    func(subject[T]) ([]figure, error)
}

// name is that of the Go benchmark, without contestant and type of items.
func (m measurement[T]) name() string {
	if m.params == "" {
		return m.family
	}
	return m.family + "/" + m.params
}

// label is what the Go benchmark is told apart by from others of its family.
func (m measurement[T]) label(k kind[T], contestant string) string {
	label := "buffer=" + contestant + "/item=" + k.name
	if m.params != "" {
		label += "/" + m.params
	}
	return label
}

// measurements returns all there are.
func measurements[T any]() []measurement[T] {
	const million = 1 << 20 // so that batches and producers divide it
	all := []measurement[T]{}
	for _, producers := range []int{1, 4} {
		for _, batch := range []int{1, 64} {
			all = append(all, measurement[T]{
				"Stream", fmt.Sprintf("producers=%d/batch=%d", producers, batch), million,
				func(t buffer.Traits) bool { return producers == 1 || t.Producers == buffer.Many },
				func(s subject[T]) ([]figure, error) { return s.stream(producers, batch) },
			})
		}
	}
	return append(all,
		measurement[T]{"Mixed", "", million / 8, whatever, subject[T].mixed},
		measurement[T]{"Burst", "", 1_000_000, waits, subject[T].burst},
		measurement[T]{"Worst", "", 1_000_000, waits, subject[T].worst},
		measurement[T]{"Collection", "", 5_000_000, waits, subject[T].collection},
		measurement[T]{"Updates", "keys=1000", 5_000_000, waits,
			func(s subject[T]) ([]figure, error) { return s.updates(1000) }},
		measurement[T]{"Updates", "keys=10000", 5_000_000, waits,
			func(s subject[T]) ([]figure, error) { return s.updates(10_000) }},
		measurement[T]{"Wake", "", 1000, delivers, subject[T].wake},
		measurement[T]{"Footprint", "", 256, whatever, subject[T].footprint},
		measurement[T]{"Idle", "", 256, whatever, subject[T].idle},
	)
}

func whatever(buffer.Traits) bool { return true }

func delivers(t buffer.Traits) bool { return t.Bound != buffer.Nothing }

// waits is for what needs items to wait while nobody pops.
func waits(t buffer.Traits) bool { return !t.Blocks && delivers(t) }

// measure runs the measurement once. The error names both.
func (m measurement[T]) measure(c Contestant[T], k kind[T], count int) ([]figure, error) {
	runtime.GC()
	runtime.GC() // the first one only fills what pools keep for a second one
	figures, err := m.run(subject[T]{c, k, count})
	if err != nil {
		return nil, fmt.Errorf("micro: %s: %s: %w", m.name(), c.Name, err)
	}
	return figures, nil
}
