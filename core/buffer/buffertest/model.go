package buffertest

import (
	"slices"

	"informerlab/core/buffer"
)

// A model is what a buffer has to be, on paper: a slice of ids, and what its
// class does with one more. It is the twin that each buffer is compared with.
type model struct {
	traits  buffer.Traits
	limit   int // capacity; 0 if there is room for all
	waiting []uint64
	closed  bool

	discarded, merged, highWater int // so far
}

func newModel(traits buffer.Traits, limit int) *model {
	if !bounded(traits) {
		limit = 0
	}
	return &model{traits: traits, limit: limit}
}

// A loss is an item that leaves by the Discard hook.
type loss struct {
	id  uint64
	why buffer.Reason
}

// full reports whether a push would have to wait, if the buffer blocks.
func (m *model) full() bool { return m.limit > 0 && len(m.waiting) >= m.limit && !m.closed }

// push takes an item and returns what that discards. A buffer that blocks is not
// full, or it has waited long enough.
func (m *model) push(id uint64) (lost []loss) {
	switch {
	case m.closed || holdsNothing(m.traits):
		lost = []loss{{id, buffer.Closed}}
	case coalesces(m.traits):
		lost = m.coalesce(id)
	case !m.full():
		m.waiting = append(m.waiting, id)
	case m.traits.Loss == buffer.DropsOld:
		lost = []loss{{m.waiting[0], buffer.Overflow}}
		m.waiting = append(m.waiting[1:], id)
	default:
		lost = []loss{{id, buffer.Overflow}}
	}
	m.discarded += len(lost)
	m.highWater = max(m.highWater, len(m.waiting))
	return lost
}

// coalesce merges an item into the newest one of its key that waits.
func (m *model) coalesce(id uint64) []loss {
	at := -1
	if c, isChange := changeOf(id); isChange {
		for k, waiting := range m.waiting {
			if w, isChange := changeOf(waiting); isChange && w.key == c.key {
				at = k
			}
		}
	}
	if at < 0 {
		m.waiting = append(m.waiting, id)
		return nil
	}
	pending := m.waiting[at]
	id2, outcome := merged(pending, id)
	switch outcome {
	case buffer.Merged:
		m.waiting[at] = id2
		m.merged++
		return []loss{{id, buffer.Superseded}}
	case buffer.Cancel:
		m.waiting = slices.Delete(m.waiting, at, at+1)
		return []loss{{pending, buffer.Annihilated}, {id, buffer.Annihilated}}
	default:
		m.waiting = append(m.waiting, id)
		return nil
	}
}

// pop takes these ids, and reports whether they are the oldest. Where only the
// order of each producer is promised, they are the oldest of theirs.
func (m *model) pop(ids []uint64) bool {
	for _, id := range ids {
		at := 0
		if m.traits.Order == buffer.PerProducer {
			at = max(0, slices.IndexFunc(m.waiting, func(w uint64) bool { return producerOf(w) == producerOf(id) }))
		}
		if at == len(m.waiting) || m.waiting[at] != id {
			return false
		}
		if at == 0 {
			m.waiting = m.waiting[1:]
		} else {
			m.waiting = slices.Delete(m.waiting, at, at+1)
		}
	}
	return true
}

// clone returns a model that shares nothing with m.
func (m *model) clone() *model {
	c := *m
	c.waiting = slices.Clone(m.waiting)
	return &c
}
