package trace

// A recency tells how many keys had an event since a key had its last one. It
// keeps a slot for each event that is the last of its key, in order of time,
// and counts them by a binary indexed tree (P. M. Fenwick, "A new data structure
// for cumulative frequency tables", Software: Practice and Experience 24(3),
// 1994). The first slot has number 1.
type recency struct {
	slots []*fitLife // by number; nil = its key had another event since, or is gone
	tree  []int      // of taken slots; it has room for as many as slots
	taken int
}

// leastSlots is how many slots there are at least, so that few keys do not move
// to new slots at every event.
const leastSlots = 1024

// touch makes a life the most recent one.
func (r *recency) touch(l *fitLife) {
	r.leave(l)
	if len(r.slots) == cap(r.slots) {
		r.compact()
	}
	l.slot = len(r.slots)
	r.slots = append(r.slots, l)
	r.count(l.slot, 1)
}

// leave forgets a life, if it is known.
func (r *recency) leave(l *fitLife) {
	if l.slot > 0 {
		r.slots[l.slot] = nil
		r.count(l.slot, -1)
		l.slot = 0
	}
}

// rank returns the place of a known life: 1 is the most recent one.
func (r *recency) rank(l *fitLife) int {
	before := 0
	for i := l.slot - 1; i > 0; i &= i - 1 {
		before += r.tree[i]
	}
	return r.taken - before
}

func (r *recency) count(slot, change int) {
	r.taken += change
	for ; slot < len(r.tree); slot += slot & -slot {
		r.tree[slot] += change
	}
}

// compact moves lives to slots without gaps, and makes room for as many again.
func (r *recency) compact() {
	old, room := r.slots, max(leastSlots, 2*r.taken+1)
	*r = recency{slots: make([]*fitLife, 1, room), tree: make([]int, room)}
	for _, l := range old {
		if l != nil {
			l.slot = len(r.slots)
			r.slots = append(r.slots, l)
			r.count(l.slot, 1)
		}
	}
}
